#import edge
#import filter_table_read

fn edge_coefficients(edge: vec2<u32>, q: u32) -> Cubic {
    return coefficients(interval(edge) * 3u * QUADS + q, t_bits(bitcast<f32>(edge.y)));
}

//! A chain as a shaded tube in SVG.

use std::fmt::Write as _;
use std::ops::Range;

use super::super::plots::shade;

/// The direction to the light: x to the right, y down, z to the viewer.
const LIGHT: [f64; 3] = [-0.39, -0.56, 0.73];

/// The share of white in the color of the farthest point.
const FOG: f64 = 0.35;

/// The color of the outline.
const DARK: [f64; 3] = [38.0, 46.0, 58.0];

/// The width of the outline.
const OUTLINE: f64 = 1.3;

/// The most points of a tube, about.
const MOST_POINTS: usize = 600;

/// The most beads that are points of a tube.
const MOST_BEADS: usize = 500;

/// A tube is a ball where less than this part of its length is seen.
const STEEP: f64 = 0.3;

/// A point of a tube.
struct Point {
    x: [f64; 3],
    /// The direction of the tube.
    along: [f64; 3],
    /// From 0 at the start of the chain to 1 at its end.
    part: f64,
}

/// A piece of a tube, a ball, or the outline of one.
enum Piece<'a> {
    Tube(&'a Point, &'a Point),
    Ball(&'a Point, f64),
    Outline(&'a Point, f64),
}

impl Piece<'_> {
    fn depth(&self) -> f64 {
        match self {
            Piece::Tube(a, b) => 0.5 * (a.x[2] + b.x[2]),
            Piece::Ball(point, _) => point.x[2],
            // Neighbors of the ball hide its outline.
            Piece::Outline(point, radius) => point.x[2] - radius,
        }
    }
}

/// Draws a tube of a radius through the beads of each chain, with a large ball at its start. x goes
/// to the right, y down, z to the viewer.
pub(super) fn draw(svg: &mut String, beads: &[[f64; 3]], chains: &[Range<usize>], radius: f64) {
    let stride = beads.len().div_ceil(MOST_BEADS).max(1);
    let pieces = (MOST_POINTS * stride / beads.len().max(1)).clamp(2, 6);
    let chains: Vec<Vec<Point>> = chains
        .iter()
        .map(|chain| {
            let last = chain.clone().next_back();
            let some = chain.clone().step_by(stride).chain(last);
            let mut some: Vec<usize> = some.collect();
            some.dedup();
            curve(&some.iter().map(|k| beads[*k]).collect::<Vec<_>>(), pieces)
        })
        .collect();
    let mut all = Vec::new();
    for chain in &chains {
        all.extend(chain.windows(2).map(|pair| Piece::Tube(&pair[0], &pair[1])));
        let is_cap = |k: usize| k == 0 || k + 1 == chain.len();
        for (k, point) in chain.iter().enumerate().filter(|(k, p)| is_cap(*k) || is_steep(p)) {
            let radius = if k == 0 { 1.5 * radius } else { radius };
            all.extend([Piece::Ball(point, radius), Piece::Outline(point, radius)]);
        }
    }
    all.sort_by(|a, b| a.depth().total_cmp(&b.depth()));
    let depths = || all.iter().map(Piece::depth);
    let (back, front) =
        (depths().fold(f64::INFINITY, f64::min), depths().fold(f64::NEG_INFINITY, f64::max));
    let n_strips = match all.len() {
        _ if radius < 2.5 => 3,
        ..=500 => 7,
        _ => 5,
    };
    svg.push_str("<g class=\"tube\" stroke-width=\".6\" stroke-linejoin=\"round\">\n");
    for piece in &all {
        let fog = FOG * (front - piece.depth()) / (front - back).max(1e-9);
        match piece {
            Piece::Tube(a, b) => strips(svg, a, b, radius, n_strips, fog),
            Piece::Ball(point, radius) => ball(svg, point, *radius, fog),
            Piece::Outline(point, radius) => {
                disc(svg, point.x, radius + OUTLINE, &color(DARK, 1.0, 0.0, fog));
            }
        }
    }
    svg.push_str("</g>\n");
}

/// A smooth curve through beads (Catmull and Rom), with some pieces between neighbors.
fn curve(beads: &[[f64; 3]], pieces: usize) -> Vec<Point> {
    let n = beads.len();
    let last = n.saturating_sub(1);
    let mut points = Vec::new();
    for k in 0..n {
        // Beyond the ends the chain goes straight on.
        let before = |c: usize| match k {
            0 => 2.0 * beads[0][c] - beads[1.min(last)][c],
            k => beads[k - 1][c],
        };
        let [from, to] = [k, (k + 1).min(last)];
        let after = |c: usize| match k + 2 {
            next if next <= last => beads[next][c],
            _ => 2.0 * beads[to][c] - beads[from][c],
        };
        for piece in 0..if k == last { 1 } else { pieces } {
            let t = piece as f64 / pieces as f64;
            let terms = |c: usize| {
                let (p, q, r, s) = (before(c), beads[from][c], beads[to][c], after(c));
                [q, 0.5 * (r - p), p - 2.5 * q + 2.0 * r - 0.5 * s, 0.5 * (3.0 * (q - r) + s - p)]
            };
            let terms = [0, 1, 2].map(terms);
            let point = Point {
                x: terms.map(|[a, b, d, e]| a + t * (b + t * (d + t * e))),
                along: terms.map(|[_, b, d, e]| b + t * (2.0 * d + t * 3.0 * e)),
                part: (k as f64 + t) / last.max(1) as f64,
            };
            points.push(point);
        }
    }
    points
}

/// The length of the direction as it is seen, and its whole length.
fn lengths(along: &[f64; 3]) -> (f64, f64) {
    let seen = along[0].hypot(along[1]);
    (seen, seen.hypot(along[2]))
}

fn is_steep(point: &Point) -> bool {
    let (seen, whole) = lengths(&point.along);
    seen < STEEP * whole
}

/// A piece of a tube between two points, as strips of one color and an outline.
fn strips(svg: &mut String, a: &Point, b: &Point, radius: f64, n: usize, fog: f64) {
    let across = [a, b].map(|point| {
        let seen = lengths(&point.along).0.max(1e-9);
        [-point.along[1] / seen, point.along[0] / seen]
    });
    let mut strip = |from: f64, to: f64, color: &str| {
        let corner = |p: &Point, across: [f64; 2], u: f64| [0, 1].map(|c| p.x[c] + u * across[c]);
        let corners = [
            corner(a, across[0], from),
            corner(a, across[0], to),
            corner(b, across[1], to),
            corner(b, across[1], from),
        ];
        let _ = write!(svg, "<path fill=\"{color}\" stroke=\"{color}\" d=\"M");
        let [mut x, mut y] = corners[0];
        let _ = write!(svg, "{x:.1} {y:.1}l");
        for corner in &corners[1..] {
            let _ = write!(svg, "{:.1} {:.1} ", corner[0] - x, corner[1] - y);
            [x, y] = *corner;
        }
        svg.push_str("z\"/>\n");
    };
    for side in [-1.0, 1.0] {
        strip(side * (radius - OUTLINE), side * (radius + OUTLINE), &color(DARK, 1.0, 0.0, fog));
    }
    let base = shade(0.5 * (a.part + b.part));
    for k in 0..n {
        // Strips of equal angles around the tube.
        let side = |k: f64| (std::f64::consts::PI * k / n as f64).cos();
        let [from, middle, to] = [0.0, 0.5, 1.0].map(|d| side(k as f64 + d));
        let front = (1.0 - middle * middle).sqrt();
        let normal = [middle * across[0][0], middle * across[0][1], front];
        strip(radius * from, radius * to, &lit(base, normal, fog));
    }
}

/// A disc of one color.
fn disc(svg: &mut String, [x, y, _]: [f64; 3], radius: f64, color: &str) {
    let _ =
        writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{color}\"/>");
}

/// A ball as discs.
fn ball(svg: &mut String, point: &Point, radius: f64, fog: f64) {
    const DISCS: usize = 6;
    for k in 0..DISCS {
        let part = k as f64 / DISCS as f64;
        // The normal turns from the rim that is away from the light to the light.
        let angle = 1.35 * (1.0 - part);
        let [x, y, z] = LIGHT;
        let flat = x.hypot(y);
        let normal = [
            angle.cos() * x - angle.sin() * z * x / flat,
            angle.cos() * y - angle.sin() * z * y / flat,
            angle.cos() * z + angle.sin() * flat,
        ];
        let moved: [f64; 3] = std::array::from_fn(|c| point.x[c] + 0.62 * radius * part * LIGHT[c]);
        disc(svg, moved, radius * (1.0 - part), &lit(shade(point.part), normal, fog));
    }
}

/// The color of a surface in the light.
fn lit(base: [f64; 3], normal: [f64; 3], fog: f64) -> String {
    let facing = (0..3).map(|c| normal[c] * LIGHT[c]).sum::<f64>().max(0.0);
    color(base, 0.5 + 0.62 * facing, 0.35 * facing.powi(24), fog)
}

/// A color with a brightness, a share of white for gloss, and another one for distance.
fn color(base: [f64; 3], brightness: f64, gloss: f64, fog: f64) -> String {
    let [r, g, b] = base.map(|x| {
        let x = (brightness * x).min(255.0);
        let x = x + gloss * (255.0 - x);
        (x + fog * (255.0 - x)).round() as u8
    });
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tube goes through all beads of a short chain, and its size is bounded for a long one.
    #[test]
    fn a_tube_goes_through_the_beads() {
        let bead = |k: usize| [5.0 * k as f64, 9.0 * (k as f64).sin(), 9.0 * (k as f64).cos()];
        for n in [1, 2, 3, 28, 1000, 5000] {
            let beads: Vec<[f64; 3]> = (0..n).map(bead).collect();
            let points = curve(&beads, 4);
            assert_eq!(points.len(), 4 * (n - 1) + 1);
            assert!(points.iter().step_by(4).map(|point| point.x).eq(beads.iter().copied()));
            assert!(points.windows(2).all(|pair| pair[0].x[0] < pair[1].x[0]));
            let mut svg = String::new();
            let half = n / 2;
            draw(&mut svg, &beads, &[0..half, half..n], 3.0);
            assert!(svg.len() < 700_000 && !svg.contains("NaN"), "{n}: {}", svg.len());
        }
    }
}

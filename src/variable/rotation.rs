//! The rotation of an optimal superposition.

/// The rotation matrix R for which Σ_i |y_i − R z_i|² is smallest, from s_ab = Σ_i z_ia y_ib.
///
/// The quaternion of R is the eigenvector of the largest eigenvalue of the symmetric 4×4 matrix N of
/// Horn (1987). N is shifted, so that no eigenvalue is negative, and squared until only that
/// eigenvector is left. If the largest eigenvalues are equal, the result is one of the optimal
/// rotations.
pub(super) fn rotation(s: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = s;
    let n = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ];
    // All eigenvalues of N are within this bound.
    let bound = n.as_flattened().iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if bound > 0.0 { 1.0 / bound } else { 0.0 };
    let mut power: [[f64; 4]; 4] = std::array::from_fn(|i| {
        std::array::from_fn(|j| scale * n[i][j] + if i == j { 1.0 } else { 0.0 })
    });
    for _ in 0..SQUARINGS {
        let trace: f64 = (0..4).map(|i| power[i][i]).sum();
        let mut of_last = power;
        of_last.as_flattened_mut().iter_mut().for_each(|x| *x /= trace);
        for i in 0..4 {
            for j in i..4 {
                // The matrix is symmetric. Loops of known length become straight code.
                let [a, b] = [of_last[i], of_last[j]];
                let product = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
                (power[i][j], power[j][i]) = (product, product);
            }
        }
    }
    // Each column is now the eigenvector times a number. The column of the largest diagonal element
    // is the longest.
    let longest = (1..4).fold(0, |best, i| if power[i][i] > power[best][best] { i } else { best });
    let length = power[longest].iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = power[longest].map(|x| x / length);
    [
        [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
}

/// The matrix is raised to the power 2^SQUARINGS, which separates eigenvalues that differ by a
/// relative 2^−52.
const SQUARINGS: usize = 57;

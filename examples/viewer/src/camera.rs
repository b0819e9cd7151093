//! The camera, which looks at the center of the chain.
//!
//! Where the center is, only the GPU knows: `follow` in shader.wgsl computes it from the positions,
//! with the radius R of the chain around it. The camera is 4 R away from the center, and a point
//! (x, y, z), counted from the center along the camera's axes right, up and toward the viewer, is
//!
//! ```text
//! focal (x, y)/(4 R − z),    focal = 1.8 zoom min(width, height)
//! ```
//!
//! pixels to the right of and above the middle of the picture.

/// The direction and the zoom of the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Camera {
    /// The unit quaternion (x, y, z, w) that rotates the axes of the simulation to those of the
    /// camera.
    pub(crate) rotation: [f32; 4],
    zoom: f32,
}

impl Default for Camera {
    /// Looks along −z, with y up.
    fn default() -> Self {
        Camera { rotation: [0.0, 0.0, 0.0, 1.0], zoom: 1.0 }
    }
}

impl Camera {
    /// The focal length in pixels, in a picture of this size.
    pub(crate) fn focal(&self, size: [u32; 2]) -> f32 {
        1.8 * self.zoom * size[0].min(size[1]) as f32
    }

    /// Rotates the chain as if the mouse held it, by pixels to the right and down. The height of the
    /// picture is half a turn.
    pub(crate) fn drag(&mut self, right: f64, down: f64, size: [u32; 2]) {
        let half_turn = std::f64::consts::PI / f64::from(size[1].max(1));
        let (about_y, about_x) = (right * half_turn, down * half_turn);
        let angle = about_x.hypot(about_y);
        if angle > 0.0 {
            let sine = (0.5 * angle).sin() / angle;
            let turn = [about_x * sine, about_y * sine, 0.0, (0.5 * angle).cos()];
            self.rotation = product(turn.map(|x| x as f32), self.rotation);
        }
    }

    /// Zooms in, or out if `steps` is negative.
    pub(crate) fn scroll(&mut self, steps: f64) {
        self.zoom = (self.zoom * 1.15_f32.powf(steps as f32)).clamp(0.1, 50.0);
    }
}

/// The rotation b and then a. The result is normalized, so that errors do not add up.
fn product(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    let [ax, ay, az, aw] = a;
    let [bx, by, bz, bw] = b;
    let product = [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by + ay * bw + az * bx - ax * bz,
        aw * bz + az * bw + ax * by - ay * bx,
        aw * bw - ax * bx - ay * by - az * bz,
    ];
    let norm = product.iter().map(|x| x * x).sum::<f32>().sqrt();
    product.map(|x| x / norm)
}

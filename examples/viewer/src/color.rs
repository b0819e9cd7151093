//! Colors of beads by their place in the chain.

/// Linear RGB, opaque.
pub(crate) const BACKGROUND: [f32; 4] = [0.90, 0.90, 0.90, 1.0];

/// The color at `t` along the chain, 0 at its start and 1 at its end, in linear RGB.
///
/// It is even to the eye, because it is linear in OKLCh (Ottosson 2020): lightness grows from 0.42 to
/// 0.82 and hue goes from blue (280°) through red to yellow (445°), with one chroma. Lightness alone
/// tells the place, so the ramp serves the color-blind too.
pub(crate) fn ramp(t: f32) -> [f32; 3] {
    let (lightness, chroma) = (0.42 + 0.40 * t, 0.15);
    let hue = (280.0 + 165.0 * t).to_radians();
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let cone = [
        lightness + 0.396_337_78 * a + 0.215_803_76 * b,
        lightness - 0.105_561_346 * a - 0.063_854_17 * b,
        lightness - 0.089_484_18 * a - 1.291_485_5 * b,
    ];
    let [l, m, s] = cone.map(|x| x * x * x);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_93 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

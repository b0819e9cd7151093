//! The units of the crate: Å, kcal/mol, ps and K. The unit of mass is 418.4 amu, so that
//! kcal/mol = mass · Å²/ps².

/// Boltzmann's constant, kcal/(mol K).
///
/// The tool chain of the published models uses this value:
/// β = 4184 / (1.38064852e-23 · 6.022140857e23 · T), which is 1.67740 mol/kcal at 300 K.
pub const BOLTZMANN: f64 = 1.380_648_52e-23 * 6.022_140_857e23 / 4184.0;

/// One atomic mass unit, in the mass unit of this crate.
pub const AMU: f64 = 1.0 / 418.4;

/// β = 1/(k_B T) in mol/kcal for a temperature in K.
pub fn beta(temperature: f64) -> f64 {
    1.0 / (BOLTZMANN * temperature)
}

/// The temperature in K for a β in mol/kcal.
pub fn kelvin(beta: f64) -> f64 {
    1.0 / (BOLTZMANN * beta)
}

/// The temperature in K of N = `n_beads` free beads with the kinetic energy E = `kinetic`,
/// kcal/mol: 2 E / (3 N k_B).
pub fn temperature(kinetic: f64, n_beads: usize) -> f64 {
    temperature_of(kinetic, 3 * n_beads)
}

/// The temperature in K of a kinetic energy E = `kinetic`, kcal/mol, in n = `degrees` degrees of
/// freedom: 2 E / (n k_B), or 0 without any.
pub fn temperature_of(kinetic: f64, degrees: usize) -> f64 {
    match degrees {
        0 => 0.0,
        n => 2.0 * kinetic / (n as f64 * BOLTZMANN),
    }
}

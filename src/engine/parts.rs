//! Energies and forces by class, for engines whose state is in host memory.

/// Energies and forces of some terms of the potential. Fast forces are those of the priors, slow ones
/// those of the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// The energy of each replica.
    pub(crate) energy: Vec<f64>,
    /// The network's energy of each bead.
    pub(crate) bead_energy: Vec<f64>,
    pub(crate) fast: Vec<[f64; 3]>,
    pub(crate) slow: Vec<[f64; 3]>,
}

impl Parts {
    /// Empties all lists, whose memory stays.
    pub(crate) fn clear(&mut self) {
        let Parts { energy, bead_energy, fast, slow } = self;
        energy.clear();
        bead_energy.clear();
        fast.clear();
        slow.clear();
    }

    /// The forces that act on the beads: the fast forces, `weight` times the slow ones, and the
    /// forces that bias the dynamics, if there are any.
    pub(crate) fn acting(&self, weight: u32, bias: Option<&[[f64; 3]]>) -> Vec<[f64; 3]> {
        let mut forces = sum(&self.fast, weight, &self.slow);
        for (force, bias) in forces.iter_mut().zip(bias.into_iter().flatten()) {
            for (force, bias) in force.iter_mut().zip(bias) {
                *force += bias;
            }
        }
        forces
    }
}

/// fast + weight · slow. The slow forces need not be finite if their weight is 0.
fn sum(fast: &[[f64; 3]], weight: u32, slow: &[[f64; 3]]) -> Vec<[f64; 3]> {
    if weight == 0 {
        return fast.to_vec();
    }
    let weight = f64::from(weight);
    let of_bead =
        |(fast, slow): (&[f64; 3], &[f64; 3])| std::array::from_fn(|c| fast[c] + weight * slow[c]);
    fast.iter().zip(slow).map(of_bead).collect()
}

//! The contract of every operation: one method with its equation, shapes, units and tolerance.
//!
//! Arrays are row-major. Lengths are in Å, energies in kcal/mol. A backend computes in its own
//! precision. A tolerance is the largest allowed difference of an f32 backend from the f64
//! reference. It is relative to the largest magnitude in the result, because the error is the
//! rounding of a sum of up to a few hundred f32 terms: about √200 · 2⁻²⁴ ≈ 1e-6 of that magnitude,
//! times a margin of a few.

use crate::engine::{Dynamics, Integrator, State};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::hills::{Grid, ValueAndGradient};
use crate::model::RadialBasis;
use crate::model::schnet::{Activation, Linear, SchNet};
use crate::system::System;
use crate::variable::Variable;

/// Directed edges j → i. Row i has the edges with receiver i, in ascending order of the sender j.
/// Both directions of a pair are present, so row i is also the list of the edges that leave i.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// The first edge of each row, and the total. `[n_beads + 1]`
    pub row_ptr: Vec<u32>,
    /// The sender j of each edge. `[n_edges]`
    pub col: Vec<u32>,
}

impl Graph {
    /// The edges of row `i`.
    pub fn row(&self, i: usize) -> std::ops::Range<usize> {
        self.row_ptr[i] as usize..self.row_ptr[i + 1] as usize
    }

    /// The number of rows.
    pub fn n_beads(&self) -> usize {
        self.row_ptr.len() - 1
    }
}

/// The operations on the input and the output of a linear layer.
#[derive(Debug, Clone, Copy)]
pub enum Dense<'a> {
    /// y = W x + b
    Linear,
    /// y = residual + W act(x) + b
    ActivateAdd(Activation, &'a [f64]),
    /// y = W act(x) + b
    Activate(Activation),
    /// y = Wᵀ x
    Transposed,
    /// y = act'(pre) ∘ (Wᵀ x)
    TransposedSlope(Activation, &'a [f64]),
    /// y = residual + Wᵀ x
    TransposedAdd(&'a [f64]),
}

/// One method per operation. Every backend implements them; one test body checks all backends.
///
/// # Errors
/// Every method returns the errors of its device. A GPU also returns [`Error::Invalid`] for arguments
/// that do not fit together. The CPU and the reference rely on arguments that fit, and may panic
/// otherwise.
pub trait Ops {
    /// The edges between beads of the same replica that are shorter than `radius`:
    /// `j ∈ row i ⇔ i ≠ j, |x_i − x_j| < radius`.
    ///
    /// * `positions`: `[n_beads]` of all replicas; `first_bead`: `[n_replicas + 1]`.
    ///
    /// Exact, except for pairs whose distance equals the radius up to rounding.
    ///
    /// # Errors
    /// See [`Ops`].
    fn neighbor_list(
        &self,
        positions: &[[f64; 3]],
        first_bead: &[usize],
        radius: f64,
    ) -> Result<Graph>;

    /// The distance of each edge, and the value and slope of each radial function with its
    /// envelope:
    /// `B_k(d) = C(d) exp(−sharpness_k (t(d) − center_k)²)`, "flash radial basis".
    ///
    /// Returns `distance [n_edges]`, `value [n_edges, K]`, `slope [n_edges, K]` in 1/Å.
    /// Tolerance, relative to the largest magnitude of each: 2e-6, plus the effect of the f32 error
    /// of t, which shifts a Gaussian. For the value the effect is the shift times 0.61 √(2
    /// sharpness), the largest slope. For the slope it is the shift times 1.65 √(2 sharpness), the
    /// ratio of the largest curvature to the largest slope. The shift is 1e-6 for t = d, because
    /// distances and centers are some 10 Å, and 1.5e-7 for a warped t up to 1, the exponential of a
    /// rounded argument.
    ///
    /// # Errors
    /// See [`Ops`].
    fn radial_basis(
        &self,
        basis: &RadialBasis,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<[Vec<f64>; 3]>;

    /// The messages `m_if = Σ_{j ∈ row i} y_jf W_f(d_ij)` with the filters `W = C(d) filter1
    /// act(filter0 B(d) + b0)` of block `block`: "flash message passing" and "flash aggregation".
    ///
    /// * `y`: `[n_beads, F]`; returns `[n_beads, F]`. Tolerance: 1e-5 of the largest magnitude.
    ///
    /// # Errors
    /// See [`Ops`]; [`Error::Invalid`] for a tolerance that no table can meet.
    fn cfconv_forward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
    ) -> Result<Vec<f64>>;

    /// The adjoint of [`Ops::cfconv_forward`] for `grad_m = ∂E/∂m`. The graph and W are symmetric,
    /// so the sums run over the rows of receivers:
    ///
    /// `grad_y_i = Σ_j W(d_ij) ∘ grad_m_j`,
    /// `F_i = −Σ_j r̂_ij Σ_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)`,
    /// `r̂_ij = (x_i − x_j)/d_ij`.
    ///
    /// Returns `grad_y [n_beads, F]` and the force `[n_beads]`. Tolerance: 2e-5 of the largest
    /// magnitude of each.
    ///
    /// # Errors
    /// See [`Ops`]; [`Error::Invalid`] for a tolerance that no table can meet.
    fn cfconv_backward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
        grad_m: &[f64],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)>;

    /// A linear layer applied to every row of `x`, forward or transposed, with the operations
    /// before and after it: see [`Dense`].
    ///
    /// Tolerance: 1e-5 of the largest magnitude.
    ///
    /// # Errors
    /// See [`Ops`].
    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>>;

    /// Every [`crate::model::PriorForm`] but the repulsions, for all replicas: energy of each bead
    /// `[n_beads]` and force `[n_beads]`. The energy of a tuple belongs to its first bead.
    ///
    /// Tolerance: 1e-5 of the largest magnitude of each.
    ///
    /// # Errors
    /// See [`Ops`].
    fn prior_bonded(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)>;

    /// The repulsions ([`crate::model::PriorForm::is_repulsion`]) of the pairs of all replicas:
    /// energy of each bead `[n_beads]` and force `[n_beads]`. Half the energy of a pair belongs to
    /// each of its beads.
    ///
    /// Tolerance: 1e-5 of the largest magnitude of each.
    ///
    /// # Errors
    /// See [`Ops`].
    fn prior_repulsion(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)>;

    /// A variable of every replica: values `[n_replicas]`, Å or rad, and gradients `[n_beads]`. See
    /// [`Variable`] for the equations.
    ///
    /// Tolerance: 1e-5 of the largest magnitude of each. The gradient of an RMSD has 5e-7 L/RMSD more,
    /// where L is the distance of the farthest bead from the center: places relative to the center,
    /// and the rotation, have errors of a few 2⁻²⁴, and the residuals are differences of them. The
    /// error of the rotation grows where the two largest eigenvalues nearly meet.
    ///
    /// # Errors
    /// See [`Ops`] and [`Variable::check`].
    fn variable(
        &self,
        system: &System,
        variable: &Variable,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)>;

    /// Deposits of hills on a grid ([`crate::hills`]), one after the other, and then the potential at
    /// given values.
    ///
    /// * `deposits`: for each the values of its walkers. A walker that is not on the grid adds no
    ///   hill.
    ///
    /// Tolerance of the nodes, the potential and the gradient: 1e-5 + 5e-7 L/σ of the largest
    /// magnitude of each, where L is the largest magnitude on an axis and σ the width of its hills:
    /// a value in f32 has an error of L 2⁻²⁴, which shifts the hill by this part of its width.
    ///
    /// # Errors
    /// See [`Ops`].
    fn hills(
        &self,
        grid: &Grid,
        deposits: &[Vec<[f64; 2]>],
        at: &[[f64; 2]],
    ) -> Result<(Grid, Vec<ValueAndGradient>)>;

    /// The part of a step before the force evaluation, see [`Integrator`]: Langevin dynamics up to
    /// the second half drift, velocity Verlet up to the drift, the whole step of overdamped
    /// dynamics.
    ///
    /// * `forces`, `noise`: `[n_beads]`.
    ///
    /// Tolerance: 1e-6 of the largest magnitude.
    ///
    /// # Errors
    /// See [`Ops`].
    #[allow(clippy::too_many_arguments, reason = "a kernel's bindings, in order")]
    fn integrate(
        &self,
        system: &System,
        integrator: Integrator,
        dt: f64,
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
        state: &State,
    ) -> Result<State>;

    /// One exchange of states between the walkers of each ladder ([`crate::engine::Exchange`]), with
    /// given energies and uniform numbers. Two walkers in states a and b exchange them if
    ///
    /// `ln u < (β_a − β_b) (U_a − U_b)`.
    ///
    /// Each walker then has the temperature of its new state, and its velocities are multiplied by
    /// √(T_new/T_old), unless the dynamics are overdamped. Positions stay. A walker whose energy is
    /// not finite exchanges nothing, as that of a frozen replica. Mixing of all pairs draws the walkers of a try as walker
    /// ⌊w₁ n/2³²⌋ and the one ⌊w₂ (n − 1)/2³²⌋ + 1 places after it in the ladder, with the random
    /// words w of (try, first walker of the ladder, number of the exchange). An engine that draws u
    /// takes (w₀ + ½)/2³².
    ///
    /// * `energies`: `[n_replicas]`, kcal/mol; `uniforms`: ladder after ladder, one for each try.
    ///
    /// Labels, ends and tally: exact, if every ln u differs from its threshold by more than 1e-9.
    /// A device has an energy as the sum of two f32, which adds its error of 2⁻⁴⁸ to the threshold.
    /// Tolerance of the velocities: 1e-6 of the largest magnitude.
    ///
    /// # Errors
    /// See [`Ops`]; [`Error::Invalid`] for dynamics without exchange, and for a wrong state.
    fn exchange(
        &self,
        system: &System,
        dynamics: &Dynamics,
        energies: &[f64],
        uniforms: &[f64],
        state: &State,
    ) -> Result<State>;

    /// The standard normal numbers of one step for `n_beads` beads of replica `replica`:
    /// [`crate::random::normal3`]. Tolerance: 2e-6 absolute, from the f32 logarithm and cosine.
    ///
    /// # Errors
    /// See [`Ops`].
    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>>;
}

//! Well-tempered metadynamics (Barducci, Bussi and Parrinello 2008) on a grid: the potential of all
//! hills so far, and the deposit of new ones.
//!
//! # Deposit
//!
//! The walkers r are at the values q_r of one or two variables. A deposit adds a Gaussian hill for
//! each of them to the potential V,
//!
//! ```text
//! V(q) += Σ_r h_r exp(−½ Σ_k ((q_k − q_rk)/σ_k)²),    h_r = h0 exp(−V(q_r)/(k_B ΔT)),
//! ```
//!
//! with V from before the deposit, ΔT = (γ − 1) T and the bias factor γ. Hills are not cut off. On a
//! periodic axis they are sums over images: the nearest one and those at one period from it, beside
//! which the others are below 1e-17 of a height. In a long run V tends to −(1 − 1/γ) F, up to a
//! constant, with the free energy F.
//!
//! # Grid
//!
//! A node holds V, ∂V/∂q₀, ∂V/∂q₁ and ∂²V/∂q₀∂q₁, and each hill adds its exact value and
//! derivatives. Between the nodes V is the cubic Hermite polynomial in each variable. So V is
//! continuous with its gradient, and the gradient is that of the interpolated V.

mod grid;
mod settings;

pub use grid::{Grid, MOST_POTENTIAL, ValueAndGradient};
pub use settings::{Axis, Hills, MOST_BINS, MOST_NODES};

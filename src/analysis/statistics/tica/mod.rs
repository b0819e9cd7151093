//! Time-lagged independent component analysis (TICA): slow coordinates of a trajectory and their
//! time scales.
//!
//! Features x of frames at the times t and t + τ, with N pairs, have the mean and the covariances
//!
//! ```text
//! m   = 1/2N Σ (x_t + x_(t+τ))
//! C_0 = 1/2N Σ (x_t x_tᵀ + x_(t+τ) x_(t+τ)ᵀ) - m mᵀ
//! C_τ = 1/2N Σ (x_t x_(t+τ)ᵀ + x_(t+τ) x_tᵀ) - m mᵀ
//! ```
//!
//! which are symmetric, as for reversible dynamics. The components r_j solve C_τ r_j = λ_j C_0 r_j
//! with r_jᵀ C_0 r_j = 1. Their implied time scales are t_j = -τ/ln|λ_j|, and they approximate the
//! relaxation times of the molecule from below. The time scales depend on the lag τ only if it is
//! too short. Source: G. Pérez-Hernández, F. Paul, T. Giorgino, G. De Fabritiis and F. Noé, J. Chem.
//! Phys. 139, 015102 (2013); L. Molgedey and H. G. Schuster, Phys. Rev. Lett. 72, 3634 (1994).
//!
//! Directions with an eigenvalue of C_0 below a limit ε are left out. Definitions, ε and signs are
//! those of `deeptime.decomposition.TICA` without a scaling.

mod components;
mod covariance;
#[doc(hidden)]
pub mod eigen;

pub use components::{EPSILON, Tica};
pub use covariance::Covariances;

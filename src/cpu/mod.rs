//! The CPU backend: all operations on the threads and vector units of a CPU.
//!
//! The network runs in f32. Positions, distances, priors and the integrators are in f64, because
//! they cost little. The results do not depend on the number of threads, because all sums have a
//! fixed order: the same seed gives the same bits on one machine.
//!
//! If there are enough replicas, each thread computes its own batch of replicas. Inside a batch, a
//! thread handles a slab of sixteen channels at a time (`slab`). It loops over all pairs and uses
//! each pair for both directions, while the features of the slab stay in the first-level cache. The
//! pairs are sorted by the intervals of the filter table, so that the forward and the backward pass
//! each read the table once, from front to back. This reading limits the speed of a step, followed
//! by the multiply-adds: 15 per channel and pair in each block. Small molecules spend their time in linear
//! layers instead, so layers that follow each other without an activation are merged (`projection`).

mod cfconv;
mod dense;
mod engine;
mod filter;
mod integrate;
mod math;
mod neighbor;
mod network;
mod pool;
mod prior;
mod projection;
mod radial;
mod simd;
mod slab;
mod table;

pub use engine::Cpu;

use self::dense::Layer;
use self::filter::{FilterWorkspace, Filters};
use self::neighbor::Pairs;
use self::radial::Basis;
use self::slab::{Lanes, from_slabs, n_slabs, to_slabs};
use crate::engine::{Dynamics, Engine, Filter, Integrator, State};
use crate::error::Result;
use crate::geometry::{separation, square};
use crate::hills::{Grid, ValueAndGradient};
use crate::model::radial::Cutoff;
use crate::model::schnet::{Linear, SchNet};
use crate::model::{RadialBasis, Tabulated};
use crate::ops::{Dense, Graph, Ops};
use crate::system::System;
use crate::variable::Variable;

/// The operations one by one, with filters evaluated as the [`Filter`] says.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuOps(pub Filter);

/// The pairs of a graph, and the filters of one block for them.
struct Convolution {
    pairs: Pairs,
    filters: Filters,
    work: FilterWorkspace,
}

impl Convolution {
    fn new(
        schnet: &SchNet,
        filter: Filter,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<Self> {
        let pairs = Pairs::of_graph(graph, positions);
        let filters = Filters::new(&Tabulated::new(schnet.clone()), filter)?;
        let mut work = FilterWorkspace::default();
        filters.prepare(&pairs, &mut work, true, 1);
        filters.evaluate(block, &mut work, true, 1);
        Ok(Convolution { pairs, filters, work })
    }
}

impl Ops for CpuOps {
    fn neighbor_list(
        &self,
        positions: &[[f64; 3]],
        first_bead: &[usize],
        radius: f64,
    ) -> Result<Graph> {
        neighbor::neighbor_list(positions, first_bead, radius)
    }

    fn radial_basis(
        &self,
        basis: &RadialBasis,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<[Vec<f64>; 3]> {
        let basis = Basis::new(basis);
        let none = Cutoff::Identity { lower: 0.0, upper: 1.0 }.envelope();
        let mut distance = Vec::with_capacity(graph.col.len());
        for i in 0..graph.n_beads() {
            for &j in &graph.col[graph.row(i)] {
                let between = separation(positions[i], positions[j as usize]);
                distance.push(square(between).sqrt());
            }
        }
        let radial: Vec<_> = distance.iter().map(|d| basis.radial(&none, *d)).collect();
        let n = distance.len() * basis.n_slabs();
        let (mut value, mut slope) = (vec![Lanes::ZERO; n], vec![Lanes::ZERO; n]);
        basis.evaluate(&radial, &mut value, Some(&mut slope), 1);
        let by_pair = |chunks: &[Lanes]| -> Vec<f64> {
            let chunks = chunks.chunks(radial::CHUNK * basis.n_slabs());
            chunks.flat_map(|chunk| from_slabs(chunk, basis.n_rbf())).collect()
        };
        let (value, slope) = (by_pair(&value), by_pair(&slope));
        Ok([distance, value, slope])
    }

    fn cfconv_forward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
    ) -> Result<Vec<f64>> {
        let Convolution { pairs, filters, work } =
            Convolution::new(schnet, self.0, block, graph, positions)?;
        let y = to_slabs(y, schnet.n_filters());
        let mut m = vec![Lanes::ZERO; y.len()];
        let filters = filters.of_block(block, &pairs, &work);
        cfconv::cfconv_forward(filters, positions.len(), &y, &mut m, 1);
        Ok(from_slabs(&m, schnet.n_filters()))
    }

    fn cfconv_backward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
        grad_m: &[f64],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        let Convolution { pairs, filters, work } =
            Convolution::new(schnet, self.0, block, graph, positions)?;
        let n_beads = positions.len();
        let (y, grad_m) = (to_slabs(y, schnet.n_filters()), to_slabs(grad_m, schnet.n_filters()));
        let mut grad_y = vec![Lanes::ZERO; y.len()];
        let mut pull = vec![[0.0; 4]; y.len() / n_beads * pairs.len()];
        let of_block = filters.of_block(block, &pairs, &work);
        cfconv::cfconv_backward(of_block, n_beads, &y, &grad_m, &mut grad_y, &mut pull, 1);
        let (mut total, mut forces) = (vec![0.0; pairs.len()], vec![[0.0; 3]; n_beads]);
        filters.add_forces(&pairs, &work, &pull, &mut total, &mut forces, 1);
        Ok((from_slabs(&grad_y, schnet.n_filters()), forces))
    }

    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>> {
        let forward = matches!(mode, Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..));
        let (n_in, n_out) =
            if forward { (layer.n_in, layer.n_out) } else { (layer.n_out, layer.n_in) };
        let (layer, mut x) = (Layer::new(layer), to_slabs(x, n_in));
        let n_rows = x.len() / n_slabs(n_in);
        if let Dense::Activate(activation) | Dense::ActivateAdd(activation, _) = mode {
            let pre = x.clone();
            dense::activate(activation, &pre, &mut x, n_rows, 1);
        }
        let (mut y, add) = match mode {
            Dense::ActivateAdd(_, residual) | Dense::TransposedAdd(residual) => {
                (to_slabs(residual, n_out), true)
            }
            _ => (vec![Lanes::ZERO; n_slabs(n_out) * n_rows], false),
        };
        match mode {
            Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..) => {
                layer.forward(&x, &mut y, add, 1);
            }
            Dense::Transposed | Dense::TransposedAdd(_) => {
                layer.backward(&x, &mut y, add, None, 1);
            }
            Dense::TransposedSlope(activation, pre) => {
                let pre = to_slabs(pre, n_out);
                layer.backward(&x, &mut y, add, Some((activation, &pre)), 1);
            }
        }
        Ok(from_slabs(&y, n_out))
    }

    fn prior_bonded(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        Ok(prior::of_all_replicas(system, positions, |term| !term.form.is_repulsion()))
    }

    fn prior_repulsion(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        Ok(prior::of_all_replicas(system, positions, |term| term.form.is_repulsion()))
    }

    fn variable(
        &self,
        system: &System,
        variable: &Variable,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        variable.of_all_replicas(system, positions)
    }

    fn hills(
        &self,
        grid: &Grid,
        deposits: &[Vec<[f64; 2]>],
        at: &[[f64; 2]],
    ) -> Result<(Grid, Vec<ValueAndGradient>)> {
        Ok(grid.after(deposits, at))
    }

    fn integrate(
        &self,
        system: &System,
        integrator: Integrator,
        dt: f64,
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
        state: &State,
    ) -> Result<State> {
        let mut state = state.clone();
        integrate::begin(system, integrator, dt, forces, noise, &mut state);
        Ok(state)
    }

    fn exchange(
        &self,
        system: &System,
        dynamics: &Dynamics,
        energies: &[f64],
        uniforms: &[f64],
        state: &State,
    ) -> Result<State> {
        let mut engine = Cpu::new(system.clone(), dynamics, self.0)?;
        engine.set_state(state)?;
        engine.probe().exchange_with(energies, uniforms)?;
        engine.state()
    }

    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>> {
        let mut noise = vec![[0.0; 3]; n_beads];
        integrate::noise(seed, replica, step, &mut noise);
        Ok(noise)
    }
}

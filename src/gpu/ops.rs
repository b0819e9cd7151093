//! The operations one by one: upload, dispatch, download. For tests and debugging.

mod arguments;
mod convolution;
mod layout;
mod uploads;

use std::sync::Arc;

use self::arguments::{check_block, check_dense, check_graph, check_len, check_replicas};
use self::convolution::Convolution;
use self::layout::{pad, places, unpad, widen};
pub use self::uploads::GpuOps;
use super::compose::Value;
use super::engine::GpuEngine;
use super::hills::HillsOnGrid;
use super::kernel::{Kernel, Scope, run};
use super::neighbors::senders;
use super::network::constants::radial_constants;
use super::network::dense::DenseWeights;
use super::pack::filter::radial_functions;
use super::pack::narrow;
use super::params::{Bead, Params, Position, Status, words};
use super::state::{ReplicaState, bare_params, vectors};
use super::variables::Variables;
use crate::engine::{Dynamics, Engine, Integrator, State, Terms};
use crate::error::{Error, Result};
use crate::hills::{Grid, ValueAndGradient};
use crate::model::schnet::{Linear, SchNet};
use crate::model::{Cutoff, RadialBasis};
use crate::ops::{Dense, Graph, Ops};
use crate::structure::check_vectors;
use crate::system::System;
use crate::variable::Variable;

impl GpuOps {
    fn dispatch(&self, kernel: &Kernel, scope: &Scope, groups: usize) -> Result<()> {
        run(&self.0, [&kernel.bind(&self.0, scope, groups)?])
    }

    /// The prior terms of one of the two kernels. An engine whose system has only these terms
    /// computes them.
    fn priors(
        &self,
        system: &System,
        positions: &[[f64; 3]],
        repulsion: bool,
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        let mut system = system.clone();
        system.schnet = None;
        for molecule in &mut system.molecules {
            for term in &mut Arc::make_mut(molecule).terms {
                if term.form.is_repulsion() != repulsion {
                    term.tuples.clear();
                    term.values.clear();
                }
            }
        }
        check_vectors("positions", positions, system.n_beads())?;
        let dynamics = Dynamics::none(&system);
        let mut engine = GpuEngine::new(&self.0, system, &dynamics, self.1)?;
        // Beads in one place, which an engine refuses, are legal here.
        engine.place(positions)?;
        let forces = engine.evaluate(Terms::Total)?.forces;
        Ok((engine.prior_energy()?, forces))
    }
}

impl Ops for GpuOps {
    fn neighbor_list(
        &self,
        positions: &[[f64; 3]],
        first_bead: &[usize],
        radius: f64,
    ) -> Result<Graph> {
        let n = positions.len();
        check_replicas(first_bead, n)?;
        let mut replicas = Vec::new();
        let mut beads = Vec::new();
        for (r, ends) in first_bead.windows(2).enumerate() {
            let (replica, first) = (r as u32, ends[0] as u32);
            replicas.push([first, (ends[1] - ends[0]) as u32, replica, 0]);
            beads.resize(ends[1], Bead { replica, first, row: 0, bead_type: 0 });
        }
        let most = replicas.iter().map(|r| r[1] as usize).max().unwrap_or(0);
        let capacity = most * most.saturating_sub(1);
        if capacity.saturating_mul(replicas.len()) > u32::MAX as usize {
            return Err(Error::invalid("replicas", most, "fewer beads, for edges of 32 bits"));
        }
        let list2 = (radius * radius) as f32;
        let params = self.params(Params { list2, ..bare_params(n, replicas.len(), capacity) })?;
        let rebuild = Status { rebuild: 1, ..Default::default() };
        let status = self.upload("status", &vec![rebuild; replicas.len()])?;
        let replica = self.upload("replica", &replicas)?;
        let bead = self.upload("bead", &beads)?;
        let position = self.upload("position", &places(positions))?;
        let count = self.zeroed::<u32>("count", n)?;
        let row = self.zeroed::<[u32; 2]>("row", n)?;
        let col = self.zeroed::<u32>("col", capacity * replicas.len())?;
        let built_at = self.zeroed::<Position>("built_at", n)?;

        let scope = Scope::new(&[
            ("params", &params),
            ("status", &status),
            ("replica", &replica),
            ("bead", &bead),
            ("position", &position),
            ("count", &count),
            ("row", &row),
            ("col", &col),
            ("built_at", &built_at),
        ]);
        self.dispatch(&Kernel::new(&self.0, "neighbor_count", &[])?, &scope, n)?;
        self.dispatch(&Kernel::new(&self.0, "neighbor_fill", &[])?, &scope, n)?;

        let (rows, cols) = (row.read(&self.0)?, col.read(&self.0)?);
        let mut graph = Graph { row_ptr: vec![0], col: Vec::new() };
        for row in &rows[..n] {
            graph.col.extend(senders(&cols, *row));
            graph.row_ptr.push(graph.col.len() as u32);
        }
        Ok(graph)
    }

    fn radial_basis(
        &self,
        basis: &RadialBasis,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<[Vec<f64>; 3]> {
        basis.check()?;
        check_graph(graph, positions.len())?;
        let (n_edges, n_rbf) = (graph.col.len(), basis.n_rbf());
        let mut constants =
            radial_constants(basis, &Cutoff::Identity { lower: 0.0, upper: basis.cutoff.upper() });
        constants.push(("N_RBF", Value::Count(n_rbf as u32)));
        let kernel = Kernel::new(&self.0, "radial_basis", &constants)?;
        let params = self.params(bare_params(positions.len(), 1, 0))?;
        let (row, col) = self.rows(graph)?;
        let position = self.upload("position", &places(positions))?;
        let function = self.upload("function", &radial_functions(basis))?;
        let distance = self.zeroed::<f32>("distance", n_edges)?;
        let values = self.zeroed::<[f32; 2]>("basis", n_edges * n_rbf)?;
        let scope = Scope::new(&[
            ("params", &params),
            ("row", &row),
            ("col", &col),
            ("position", &position),
            ("function", &function),
            ("distance", &distance),
            ("basis", &values),
        ]);
        self.dispatch(&kernel, &scope, positions.len())?;
        let values = values.read(&self.0)?;
        Ok([
            widen(distance.read(&self.0)?),
            values.iter().map(|[value, _]| f64::from(*value)).collect(),
            values.iter().map(|[_, slope]| f64::from(*slope)).collect(),
        ])
    }

    fn cfconv_forward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
    ) -> Result<Vec<f64>> {
        check_block(schnet, block)?;
        check_len("y", y.len(), positions.len() * schnet.n_filters())?;
        let convolution = Convolution::new(self, schnet, graph, positions)?;
        let n_filters = schnet.n_filters();
        let y = convolution.in_scale(y, n_filters, block);
        let y = self.upload("y", &pad(&y, n_filters))?;
        let m = self.zeroed::<f32>("m", graph.n_beads() * n_filters.next_multiple_of(4))?;
        let around = convolution.scope().with("y", &y).with("m", &m);
        let dispatch = convolution.convolutions.forward(&self.0, schnet, block, &around)?;
        convolution.run(self, &dispatch)?;
        Ok(unpad(m.read(&self.0)?, n_filters))
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
        check_block(schnet, block)?;
        check_len("y", y.len(), positions.len() * schnet.n_filters())?;
        check_len("grad_m", grad_m.len(), y.len())?;
        let convolution = Convolution::new(self, schnet, graph, positions)?;
        let n_filters = schnet.n_filters();
        let y = convolution.in_scale(y, n_filters, block);
        let y = convolution.gathered(self, &y, n_filters)?;
        let grad_m = convolution.gathered(self, grad_m, n_filters)?;
        let grad_y =
            self.zeroed::<f32>("grad_y", graph.n_beads() * n_filters.next_multiple_of(4))?;
        let around = convolution.scope().with("y", &y).with("grad_m", &grad_m);
        let around = around.with("grad_y", &grad_y);
        let convolutions = &convolution.convolutions;
        let dispatch = convolutions.backward(&self.0, schnet, block, &around, true)?;
        convolution.run(self, &dispatch)?;
        // The range of the slow forces.
        let forces = vectors(&convolution.force.read(&self.0)?[graph.n_beads()..]);
        let grad_y = unpad(grad_y.read(&self.0)?, n_filters);
        Ok((convolution.in_scale(&grad_y, n_filters, block), forces))
    }

    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>> {
        let rows = check_dense(layer, &mode, x)?;
        let forward = matches!(mode, Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..));
        let n_out = if forward { layer.n_out } else { layer.n_in };
        let params = self.params(bare_params(rows, 1, 0))?;
        let out = match mode {
            Dense::ActivateAdd(_, residual) | Dense::TransposedAdd(residual) => {
                self.upload("out", &narrow(residual))?
            }
            _ => self.zeroed("out", rows * n_out)?,
        };
        let pre = match mode {
            Dense::TransposedSlope(_, pre) => Some(self.upload("pre", &narrow(pre))?),
            _ => None,
        };
        let x = self.upload("x", &narrow(x))?;
        let weights = DenseWeights::new(&self.0, layer)?;
        let dispatch =
            weights.apply(&self.0, layer, mode, &params, rows, &x, pre.as_ref(), &out)?;
        run(&self.0, [&dispatch])?;
        Ok(widen(out.read(&self.0)?))
    }

    fn prior_bonded(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        self.priors(system, positions, false)
    }

    fn prior_repulsion(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        self.priors(system, positions, true)
    }

    fn variable(
        &self,
        system: &System,
        variable: &Variable,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        variable.check(system)?;
        check_vectors("positions", positions, system.n_beads())?;
        let (n_beads, n_replicas) = (system.n_beads(), system.n_replicas());
        let ids: Vec<u32> = (0..n_replicas as u32).collect();
        let (rows, classes) = (vec![0; n_beads], vec![0.0; n_beads]);
        let state = ReplicaState::new(&self.0, system, &ids, &rows, classes)?;
        state.params.write(&self.0, &[bare_params(n_beads, n_replicas, 0)])?;
        state.move_to(&self.0, system, positions)?;
        let variables = Variables::new(&self.0, std::slice::from_ref(variable))?;
        let observed = self.zeroed("observed", n_replicas)?;
        let gradients = self.zeroed("gradients", n_beads)?;
        run(&self.0, [&variables.observe(&self.0, &state, &observed, Some(&gradients))?])?;
        Ok((widen(observed.read(&self.0)?), vectors(&gradients.read(&self.0)?)))
    }

    fn hills(
        &self,
        grid: &Grid,
        deposits: &[Vec<[f64; 2]>],
        at: &[[f64; 2]],
    ) -> Result<(Grid, Vec<ValueAndGradient>)> {
        let most = deposits.iter().map(Vec::len).max().unwrap_or(0).max(at.len());
        let hills = HillsOnGrid::new(&self.0, grid, most)?;
        deposits.iter().try_for_each(|values| hills.deposit_at(&self.0, values))?;
        let found = hills.read(&self.0, at)?;
        Ok((hills.grid(&self.0)?, found))
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
        let dynamics = Dynamics { integrator, dt, ..Dynamics::none(system) };
        let mut engine = GpuEngine::new(&self.0, system.clone(), &dynamics, self.1)?;
        engine.set_state(state)?;
        engine.begin_step(forces, noise)?;
        engine.state()
    }

    fn exchange(
        &self,
        system: &System,
        dynamics: &Dynamics,
        energies: &[f64],
        uniforms: &[f64],
        state: &State,
    ) -> Result<State> {
        let mut engine = super::batches::make_engine(&self.0, system.clone(), dynamics, self.1)?;
        engine.set_state(state)?;
        engine.probe().exchange_with(energies, uniforms)?;
        engine.state()
    }

    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>> {
        let kernel = Kernel::new(&self.0, "noise", &[])?;
        let [seed_low, seed_high] = words(seed);
        let params = self.params(Params { seed_low, seed_high, ..bare_params(n_beads, 1, 0) })?;
        let replicas = self.upload("replica", &[[0, n_beads as u32, replica, 0]])?;
        let bead = self.zeroed::<Bead>("bead", n_beads)?;
        let step_count = self.upload("step_count", &words(step))?;
        let xi = self.zeroed::<[f32; 4]>("noise", n_beads)?;
        let scope = Scope::new(&[
            ("params", &params),
            ("replica", &replicas),
            ("bead", &bead),
            ("step_count", &step_count),
            ("xi", &xi),
        ]);
        self.dispatch(&kernel, &scope, kernel.groups_for(n_beads))?;
        Ok(vectors(&xi.read(&self.0)?))
    }
}

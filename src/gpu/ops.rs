//! The operations one by one: upload, dispatch, download. For tests and for looking inside.

use super::buffer::Buffer;
use super::cfconv::{Convolutions, Surroundings, radial_constants, radial_functions};
use super::dense::DenseWeights;
use super::device::Device;
use super::engine::{quads, triples};
use super::kernel::{Bindable, Dispatch, Kernel, run};
use super::network::{self, narrow};
use super::params::{ALL_TERMS, Bead, Params, Status};
use super::wgsl::Value;
use crate::engine::{Dynamics, Engine, Integrator, Numerics, State, Terms};
use crate::error::Result;
use crate::gpu::Wgpu;
use crate::model::schnet::{Linear, SchNet};
use crate::model::{Cutoff, RadialBasis};
use crate::ops::{Dense, Graph, Ops};
use crate::system::System;

/// The operations on a device.
#[derive(Debug, Clone)]
pub struct GpuOps(pub Device, pub Numerics);

fn widen(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

fn params(n_beads: usize, n_replicas: usize, capacity: usize) -> Params {
    Params {
        n_beads: n_beads as u32,
        n_replicas: n_replicas as u32,
        capacity: capacity as u32,
        term: ALL_TERMS,
        ..bytemuck::Zeroable::zeroed()
    }
}

impl GpuOps {
    fn upload<T: bytemuck::Pod>(&self, label: &'static str, data: &[T]) -> Result<Buffer<T>> {
        Buffer::from_slice(&self.0, label, data)
    }

    fn zeroed<T: bytemuck::Pod>(&self, label: &'static str, len: usize) -> Result<Buffer<T>> {
        Buffer::zeroed(&self.0, label, len)
    }

    fn params(&self, params: Params) -> Result<Buffer<Params>> {
        let buffer = Buffer::uniform(&self.0, "params")?;
        buffer.write(&self.0, &[params]);
        Ok(buffer)
    }

    fn rows(&self, graph: &Graph) -> Result<(Buffer<[u32; 2]>, Buffer<u32>)> {
        let rows: Vec<[u32; 2]> = graph.row_ptr.windows(2).map(|w| [w[0], w[1]]).collect();
        Ok((self.upload("row", &rows)?, self.upload("col", &graph.col)?))
    }

    fn dispatch(&self, kernel: &Kernel, buffers: &[&dyn Bindable], groups: usize) -> Result<()> {
        run(&self.0, [&kernel.bind(&self.0, buffers, groups)?]);
        Ok(())
    }

    /// The prior terms of one kernel, through an engine: tables and tuples are its own.
    fn priors(
        &self,
        system: &System,
        positions: &[[f64; 3]],
        repulsion: bool,
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        let mut system = system.clone();
        system.schnet = None;
        for molecule in &mut system.molecules {
            for term in &mut molecule.terms {
                if term.form.is_repulsion() != repulsion {
                    term.tuples.clear();
                    term.values.clear();
                }
            }
        }
        let mut engine = Wgpu::new(&self.0, system, self.1)?;
        let velocities = vec![[0.0; 3]; positions.len()];
        engine.set_state(&State { positions: positions.to_vec(), velocities, step: 0 })?;
        let forces = engine.evaluate(Terms::Total)?.forces;
        Ok((engine.prior_energy()?, forces))
    }
}

/// Rows of `width` channels with zeros up to whole fours.
fn pad(values: &[f64], width: usize) -> Vec<f32> {
    let padding = 4 * network::quads(width) as usize - width;
    let row = |row: &[f64]| [narrow(row), vec![0.0; padding]].concat();
    values.chunks_exact(width).flat_map(row).collect()
}

fn unpad(values: Vec<f32>, width: usize) -> Vec<f64> {
    let rows = values.chunks_exact(4 * network::quads(width) as usize);
    rows.flat_map(|row| row[..width].iter().map(|x| f64::from(*x))).collect()
}

/// A convolution by itself, on a graph of one replica.
struct Convolution {
    convolutions: Convolutions,
    params: Buffer<Params>,
    bead: Buffer<Bead>,
    position: Buffer<[f32; 4]>,
    row: Buffer<[u32; 2]>,
    col: Buffer<u32>,
    force: Buffer<[f32; 4]>,
    edges: Option<Dispatch>,
}

impl Convolution {
    fn new(
        ops: &GpuOps,
        schnet: &SchNet,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<Convolution> {
        let n = positions.len();
        let (row, col) = ops.rows(graph)?;
        let mut convolution = Convolution {
            convolutions: Convolutions::new(&ops.0, schnet, ops.1, n, n, graph.col.len())?,
            params: ops.params(params(n, 1, 0))?,
            bead: ops.zeroed("bead", n)?,
            position: ops.upload("position", &quads(positions))?,
            row,
            col,
            force: ops.zeroed("force", n)?,
            edges: None,
        };
        convolution.edges =
            convolution.convolutions.edges(&ops.0, schnet, &convolution.surroundings())?;
        Ok(convolution)
    }

    /// Rows of filters times the scales that those of a block are stored in parts of.
    fn in_scale(&self, values: &[f64], n_filters: usize, block: usize) -> Vec<f64> {
        let ones = vec![1.0; n_filters];
        let scales = self.convolutions.scales.get(block).unwrap_or(&ones);
        values.iter().zip(scales.iter().cycle()).map(|(value, scale)| value * scale).collect()
    }

    /// Features as the kernels gather them.
    fn gathered(&self, ops: &GpuOps, values: &[f64], n_filters: usize) -> Result<Buffer<u32>> {
        ops.upload("gathered", &self.convolutions.stored.pack(&pad(values, n_filters)))
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let Convolution { params, bead, position, row, col, force, .. } = self;
        Surroundings { params, bead, position, row, col, force }
    }

    fn run(
        &self,
        ops: &GpuOps,
        kernel: impl FnOnce(&Convolutions, &Surroundings) -> Result<Dispatch>,
    ) -> Result<()> {
        let dispatch = kernel(&self.convolutions, &self.surroundings())?;
        run(&ops.0, self.edges.iter().chain([&dispatch]));
        Ok(())
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
        let mut replicas = Vec::new();
        let mut beads = Vec::new();
        for (r, ends) in first_bead.windows(2).enumerate() {
            let (replica, first) = (r as u32, ends[0] as u32);
            replicas.push([first, (ends[1] - ends[0]) as u32, replica, 0]);
            beads.resize(ends[1], Bead { replica, first, row: 0, bead_type: 0 });
        }
        let capacity = replicas.iter().map(|r| (r[1] * r[1].saturating_sub(1)) as usize).max();
        let capacity = capacity.unwrap_or(0);
        let params = self.params(params(n, replicas.len(), capacity))?;
        let rebuild = Status { rebuild: 1, ..Default::default() };
        let status = self.upload("status", &vec![rebuild; replicas.len()])?;
        let replica = self.upload("replica", &replicas)?;
        let bead = self.upload("bead", &beads)?;
        let position = self.upload("position", &quads(positions))?;
        let count = self.zeroed::<u32>("count", n)?;
        let row = self.zeroed::<[u32; 2]>("row", n)?;
        let col = self.zeroed::<u32>("col", capacity * replicas.len())?;
        let built_at = self.zeroed::<[f32; 4]>("built_at", n)?;

        let square = Value::Real(radius * radius);
        let counting =
            Kernel::new(&self.0, "neighbor_count", &[("LIST2", square), ("RADIUS2", square)])?;
        let scanning = Kernel::new(&self.0, "neighbor_scan", &[])?;
        let filling = Kernel::new(&self.0, "neighbor_fill", &[("LIST2", square)])?;
        let buffers: [&dyn Bindable; 6] = [&params, &replica, &bead, &position, &status, &count];
        self.dispatch(&counting, &buffers, n)?;
        let buffers: [&dyn Bindable; 5] = [&params, &replica, &count, &status, &row];
        self.dispatch(&scanning, &buffers, replicas.len())?;
        let buffers: [&dyn Bindable; 8] =
            [&params, &replica, &bead, &position, &status, &row, &col, &built_at];
        self.dispatch(&filling, &buffers, n)?;

        let (rows, cols) = (row.read(&self.0)?, col.read(&self.0)?);
        let mut graph = Graph { row_ptr: vec![0], col: Vec::new() };
        for row in &rows[..n] {
            graph.col.extend(&cols[row[0] as usize..row[1] as usize]);
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
        let (n_edges, n_rbf) = (graph.col.len(), basis.n_rbf());
        let mut constants =
            radial_constants(basis, &Cutoff::Identity { lower: 0.0, upper: basis.cutoff.upper() });
        constants.push(("N_RBF", Value::Count(n_rbf as u32)));
        let kernel = Kernel::new(&self.0, "radial_basis", &constants)?;
        let params = self.params(params(positions.len(), 1, 0))?;
        let (row, col) = self.rows(graph)?;
        let position = self.upload("position", &quads(positions))?;
        let function = self.upload("function", &radial_functions(basis))?;
        let distance = self.zeroed::<f32>("distance", n_edges)?;
        let values = self.zeroed::<[f32; 2]>("basis", n_edges * n_rbf)?;
        let buffers: [&dyn Bindable; 7] =
            [&params, &row, &col, &position, &function, &distance, &values];
        self.dispatch(&kernel, &buffers, positions.len())?;
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
        let convolution = Convolution::new(self, schnet, graph, positions)?;
        let n_filters = schnet.n_filters();
        let y = convolution.in_scale(y, n_filters, block);
        let y = self.upload("y", &pad(&y, n_filters))?;
        let m = self.zeroed::<f32>("m", graph.n_beads() * n_filters.next_multiple_of(4))?;
        convolution.run(self, |convolutions, around| {
            convolutions.forward(&self.0, schnet, block, around, &y, &m)
        })?;
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
        let convolution = Convolution::new(self, schnet, graph, positions)?;
        let n_filters = schnet.n_filters();
        let y = convolution.in_scale(y, n_filters, block);
        let gathered = [&y, grad_m].map(|values| convolution.gathered(self, values, n_filters));
        let [y, grad_m] = gathered;
        let (y, grad_m) = (y?, grad_m?);
        let gathered: [&dyn Bindable; 2] = [&y, &grad_m];
        let grad_y =
            self.zeroed::<f32>("grad_y", graph.n_beads() * n_filters.next_multiple_of(4))?;
        convolution.run(self, |convolutions, around| {
            convolutions.backward(&self.0, schnet, block, around, gathered, &grad_y, true, 1.0)
        })?;
        let forces = triples(&convolution.force.read(&self.0)?);
        let grad_y = unpad(grad_y.read(&self.0)?, n_filters);
        Ok((convolution.in_scale(&grad_y, n_filters, block), forces))
    }

    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>> {
        let forward = matches!(mode, Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..));
        let (n_in, n_out) =
            if forward { (layer.n_in, layer.n_out) } else { (layer.n_out, layer.n_in) };
        let rows = x.len() / n_in;
        let params = self.params(params(rows, 1, 0))?;
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
        run(&self.0, [&dispatch]);
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

    fn integrate(
        &self,
        system: &System,
        integrator: Integrator,
        dt: f64,
        beta: &[f64],
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
        state: &State,
    ) -> Result<State> {
        let mut engine = Wgpu::new(&self.0, system.clone(), self.1)?;
        engine.set_dynamics(&Dynamics {
            integrator,
            dt,
            beta: beta.to_vec(),
            seed: 0,
            replica_ids: (0..system.n_replicas() as u32).collect(),
        })?;
        engine.set_state(state)?;
        engine.begin_step(forces, noise)?;
        engine.state()
    }

    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>> {
        let kernel = Kernel::new(&self.0, "noise", &[])?;
        let (seed_low, seed_high) = (seed as u32, (seed >> 32) as u32);
        let params = self.params(Params { seed_low, seed_high, ..params(n_beads, 1, 0) })?;
        let replicas = self.upload("replica", &[[0, n_beads as u32, replica, 0]])?;
        let bead = Bead { replica: 0, first: 0, row: 0, bead_type: 0 };
        let bead = self.upload("bead", &vec![bead; n_beads])?;
        let step_count = self.upload("step_count", &[step as u32, (step >> 32) as u32])?;
        let xi = self.zeroed::<[f32; 4]>("noise", n_beads)?;
        let buffers: [&dyn Bindable; 5] = [&params, &replicas, &bead, &step_count, &xi];
        self.dispatch(&kernel, &buffers, kernel.groups_for(n_beads))?;
        Ok(triples(&xi.read(&self.0)?))
    }
}

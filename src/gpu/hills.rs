//! Hills on a device: the grid potential, and the kernels that read it and add to it.

use super::api::Commands;
use super::buffer::{Buffer, of_constants};
use super::device::Device;
use super::kept::Copied;
use super::kernel::{Dispatch, Kernel, Scope, run, scope};
use super::params::{GridAxis, GridNode, GridPotential, Params};
use super::state::bare_params;
use crate::error::{Error, Result};
use crate::hills::{Axis, Grid, Hills, ValueAndGradient};

/// A grid, and the hills of its walkers.
#[derive(Debug)]
pub(super) struct HillsOnGrid {
    hills: Hills,
    /// With the number of walkers in place of the replicas.
    params: Buffer<Params>,
    potential: Buffer<GridPotential>,
    pub(super) nodes: Nodes,
    /// The values of the variables of each walker, the potential there if the kernel `metadynamics`
    /// wrote it, 0.
    pub(super) value: Buffer<[f32; 4]>,
    /// The potential and its gradient at these values.
    reading: Buffer<[f32; 4]>,
    /// The hill of each walker.
    hill: Buffer<[f32; 4]>,
}

/// The nodes of a grid.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) hill_node: Buffer<GridNode>,
}

impl Nodes {
    pub(super) fn zeroed(device: &Device, len: usize) -> Result<Self> {
        let hill_node = Buffer::zeroed(device, "hill_node", len);
        Ok(Nodes { hill_node: hill_node.map_err(|error| of_constants(device, error))? })
    }

    pub(super) fn new(device: &Device, grid: &Grid) -> Result<Self> {
        let nodes = Nodes::zeroed(device, grid.nodes().len())?;
        nodes.set(device, grid)?;
        Ok(nodes)
    }

    /// Replaces the nodes.
    pub(super) fn set(&self, device: &Device, grid: &Grid) -> Result<()> {
        let nodes: Vec<_> = grid.nodes().iter().map(|node| GridNode::new(*node)).collect();
        self.hill_node.write(device, &nodes)
    }
}

impl Copied for Nodes {
    fn copy_to(&self, commands: &mut dyn Commands, to: &Nodes) {
        self.hill_node.copy_to(commands, &to.hill_node);
    }
}

impl HillsOnGrid {
    /// Puts a grid on a device, for at most `n_walkers`.
    pub(super) fn new(device: &Device, grid: &Grid, n_walkers: usize) -> Result<Self> {
        let hills = grid.hills().clone();
        Ok(HillsOnGrid {
            params: Buffer::uniform(device, "params")?,
            potential: Buffer::from_slice(device, "potential", &[potential(&hills)])?,
            nodes: Nodes::new(device, grid)?,
            value: Buffer::zeroed(device, "value", n_walkers)?,
            reading: Buffer::zeroed(device, "reading", n_walkers)?,
            hill: Buffer::zeroed(device, "hill", n_walkers)?,
            hills,
        })
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        scope!(self; params, potential, value, reading, hill).and(&scope!(self.nodes; hill_node))
    }

    /// The kernels that compute the heights of `n_walkers` and add their hills.
    pub(super) fn deposit(
        &self,
        device: &Device,
        scope: &Scope,
        n_walkers: usize,
    ) -> Result<[Dispatch; 2]> {
        let kernel = Kernel::new(device, "hills", &[])?;
        let add = kernel.bind(device, scope, kernel.groups_for(self.nodes.hill_node.len))?;
        let kernel = Kernel::new(device, "hill_heights", &[])?;
        Ok([kernel.bind(device, scope, kernel.groups_for(n_walkers))?, add])
    }

    /// Adds the hills of walkers at these values.
    pub(super) fn deposit_at(&self, device: &Device, values: &[[f64; 2]]) -> Result<()> {
        self.write(device, values)?;
        run(device, &self.deposit(device, &self.scope(), values.len())?)
    }

    /// The potential at these values.
    pub(super) fn read(
        &self,
        device: &Device,
        values: &[[f64; 2]],
    ) -> Result<Vec<ValueAndGradient>> {
        self.write(device, values)?;
        let [heights, _] = self.deposit(device, &self.scope(), values.len())?;
        run(device, [&heights])?;
        let reading = self.reading.read(device)?.into_iter().take(values.len());
        let potential = |found: [f32; 4]| {
            let [value, x, y, _] = found.map(f64::from);
            (!value.is_nan()).then_some((value, [x, y]))
        };
        Ok(reading.map(potential).collect())
    }

    /// The grid.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the potential left the range of the device.
    pub(super) fn grid(&self, device: &Device) -> Result<Grid> {
        let nodes = self.nodes.hill_node.read(device)?.iter().map(GridNode::in_f64).collect();
        let grid = Grid::with_nodes(self.hills.clone(), nodes);
        grid.map_err(|error| Error::gpu("hills", error))
    }

    /// Makes these values those of the walkers.
    fn write(&self, device: &Device, values: &[[f64; 2]]) -> Result<()> {
        self.params.write(device, &[bare_params(0, values.len(), 0)])?;
        let is_one = self.hills.axes.len() == 1;
        let narrow = |q: &[f64; 2]| [q[0], if is_one { 0.0 } else { q[1] }, 0.0, 0.0];
        let narrow = |q: &[f64; 2]| narrow(q).map(|x| x as f32);
        self.value.write(device, &values.iter().map(narrow).collect::<Vec<_>>())
    }
}

fn potential(hills: &Hills) -> GridPotential {
    let axis = |axis: &Axis| GridAxis {
        lower: axis.lower as f32,
        upper: axis.upper as f32,
        per_unit: (1.0 / axis.spacing()) as f32,
        sharpness: (axis.spacing() / axis.width) as f32,
        bins: axis.bins as u32,
        nodes: axis.n_nodes() as u32,
        periodic: u32::from(axis.periodic),
    };
    let none = GridAxis { bins: 1, nodes: 1, ..bytemuck::Zeroable::zeroed() };
    GridPotential {
        x: axis(&hills.axes[0]),
        y: hills.axes.get(1).map_or(none, axis),
        first: 0,
        height: hills.height as f32,
        rate: hills.rate() as f32,
    }
}

//! Hills on a device: the grid potential, and the kernels that read it and add to it.

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, run, scope};
use super::params::{GridAxis, GridNode, GridPotential, Params};
use super::state::bare_params;
use crate::error::{Error, Result};
use crate::hills::{Axis, Grid, Hills, Potential};

/// A grid, and the hills of its walkers.
#[derive(Debug)]
pub(super) struct HillsOnGrid {
    hills: Hills,
    /// With the number of walkers in place of the replicas.
    params: Buffer<Params>,
    potential: Buffer<GridPotential>,
    hill_node: Buffer<GridNode>,
    /// The values of the variables of each walker.
    value: Buffer<[f32; 2]>,
    /// The potential and its gradient at these values.
    reading: Buffer<[f32; 4]>,
    /// The hill of each walker.
    hill: Buffer<[f32; 4]>,
}

impl HillsOnGrid {
    /// Puts a grid on a device, for at most `n_walkers`.
    pub(super) fn new(device: &Device, grid: &Grid, n_walkers: usize) -> Result<Self> {
        let hills = grid.hills().clone();
        let nodes: Vec<_> = grid.nodes().iter().map(|node| GridNode::new(*node)).collect();
        Ok(HillsOnGrid {
            params: Buffer::uniform(device, "params")?,
            potential: Buffer::from_slice(device, "potential", &[potential(&hills)])?,
            hill_node: Buffer::from_slice(device, "hill_node", &nodes)?,
            value: Buffer::zeroed(device, "value", n_walkers)?,
            reading: Buffer::zeroed(device, "reading", n_walkers)?,
            hill: Buffer::zeroed(device, "hill", n_walkers)?,
            hills,
        })
    }

    /// Adds the hills of walkers at these values.
    pub(super) fn deposit(&self, device: &Device, values: &[[f64; 2]]) -> Result<()> {
        let kernel = Kernel::new(device, "hills", &[])?;
        let scope = scope!(self; params, potential, hill, hill_node);
        let groups = kernel.groups_for(self.hill_node.len);
        let add = kernel.bind(device, &scope, groups)?;
        run(device, [&self.heights(device, values)?, &add])
    }

    /// The potential at these values.
    pub(super) fn read(&self, device: &Device, values: &[[f64; 2]]) -> Result<Vec<Potential>> {
        run(device, [&self.heights(device, values)?])?;
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
        let nodes = self.hill_node.read(device)?.iter().map(GridNode::in_f64).collect();
        let grid = Grid::with_nodes(self.hills.clone(), nodes);
        grid.map_err(|error| Error::gpu("hills", error))
    }

    /// The kernel that reads the potential, with these values as those of the walkers.
    fn heights(&self, device: &Device, values: &[[f64; 2]]) -> Result<Dispatch> {
        self.params.write(device, &[bare_params(0, values.len(), 0)])?;
        let is_one = self.hills.axes.len() == 1;
        let narrow = |q: &[f64; 2]| [q[0] as f32, if is_one { 0.0 } else { q[1] as f32 }];
        self.value.write(device, &values.iter().map(narrow).collect::<Vec<_>>())?;
        let kernel = Kernel::new(device, "hill_heights", &[])?;
        let scope = scope!(self; params, potential, hill_node, value, reading, hill);
        kernel.bind(device, &scope, kernel.groups_for(values.len()))
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

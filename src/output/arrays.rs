//! The arrays of a run: blocks of frames under the names and with the shapes of mlcg.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::names;
use super::options::OutputOptions;
use crate::error::{Error, Result};
use crate::io::{NpyPosition, NpyQuantity, NpyWriter};
use crate::simulation::{Frame, Simulation};

#[derive(Debug, Clone, Copy)]
enum Quantity {
    Coords,
    Potential,
    Kinetic,
    Velocities,
    Forces,
    Terms,
    /// One of the observables.
    Observable(usize),
}

/// The arrays of a run.
#[derive(Debug)]
pub(super) struct Arrays {
    writer: NpyWriter,
    quantities: Vec<Quantity>,
}

impl Arrays {
    /// The quantities to write, for the replicas of a system of molecules of one size.
    fn plan(simulation: &Simulation, options: &OutputOptions) -> Vec<Quantity> {
        let has_velocities = simulation.dynamics().integrator.has_velocities();
        let has_terms = !simulation.system().term_names().is_empty();
        let all = [
            (Quantity::Coords, options.npy),
            (Quantity::Potential, options.npy),
            (Quantity::Kinetic, options.npy && has_velocities),
            (Quantity::Velocities, options.velocities),
            (Quantity::Forces, options.forces),
            (Quantity::Terms, options.npy && options.terms && has_terms),
        ];
        let wanted = all.into_iter().filter(|(_, wanted)| *wanted).map(|(quantity, _)| quantity);
        let n_observables = if options.npy { simulation.observables().len() } else { 0 };
        wanted.chain((0..n_observables).map(Quantity::Observable)).collect()
    }

    /// The arrays to write.
    fn quantities(simulation: &Simulation, plan: &[Quantity]) -> Vec<NpyQuantity> {
        let (system, observables) = (simulation.system(), simulation.observables());
        let (n_beads, n_terms) = (system.beads(0).len(), system.term_names().len());
        let of_plan = |quantity: &Quantity| match quantity {
            Quantity::Coords => NpyQuantity::new("coords", &[n_beads, 3]),
            Quantity::Potential => NpyQuantity::new("potential", &[]),
            Quantity::Kinetic => NpyQuantity::new("kineticenergy", &[]),
            Quantity::Velocities => NpyQuantity::new("velocities", &[n_beads, 3]),
            Quantity::Forces => NpyQuantity::new("forces", &[n_beads, 3]),
            Quantity::Terms => NpyQuantity::new("energy_components", &[n_terms]),
            Quantity::Observable(k) => NpyQuantity::new(&*observables[*k].0, &[]),
        };
        plan.iter().map(of_plan).collect()
    }

    /// Prepares the arrays that the options request, if there are any.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the molecules differ in size, or if velocities are requested and
    /// the integrator has none; [`Error::Exists`].
    pub(super) fn create(
        folder: &Path,
        simulation: &Simulation,
        options: &OutputOptions,
    ) -> Result<Option<Self>> {
        let quantities = Self::plan(simulation, options);
        if quantities.is_empty() {
            return Ok(None);
        }
        let prefix = folder.join(names::ARRAYS);
        let arrays = Self::quantities(simulation, &quantities);
        let writer = NpyWriter::new(&prefix, simulation.system().n_replicas(), arrays)?;
        Ok(Some(Arrays { writer, quantities }))
    }

    /// Refuses options that a run cannot have.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and [`Error::Invalid`] for an observable with the name of another
    /// array.
    pub(super) fn check_options(simulation: &Simulation, options: &OutputOptions) -> Result<()> {
        let (system, dynamics) = (simulation.system(), simulation.dynamics());
        if options.velocities && !dynamics.integrator.has_velocities() {
            let integrator = dynamics.integrator.name();
            let what = format!("an array of velocities with the integrator {integrator}");
            return Err(Error::unsupported(what, "leave out the velocities"));
        }
        let differs = |r: usize| system.beads(r).len() != system.beads(0).len();
        let plan = Self::plan(simulation, options);
        if !plan.is_empty() && (1..system.n_replicas()).any(differs) {
            let advice = "leave out the arrays, or run the molecules one by one";
            return Err(Error::unsupported("an array of molecules of different sizes", advice));
        }
        let mut names = HashSet::new();
        let arrays = Self::quantities(simulation, &plan);
        match arrays.into_iter().find(|array| !names.insert(array.name.clone())) {
            Some(array) => {
                let expected = "a name that no other array has";
                Err(Error::invalid("observable", array.name, expected))
            }
            None => Ok(()),
        }
    }

    /// Checks that the files of an earlier run have all frames up to a position.
    pub(super) fn check(
        folder: &Path,
        simulation: &Simulation,
        options: &OutputOptions,
        position: NpyPosition,
    ) -> Result<()> {
        let arrays = Self::quantities(simulation, &Self::plan(simulation, options));
        let n_replicas = simulation.system().n_replicas();
        NpyWriter::check(&folder.join(names::ARRAYS), n_replicas, arrays, position)
    }

    /// Continues the files of an earlier run after a position.
    pub(super) fn resume(
        folder: &Path,
        simulation: &Simulation,
        options: &OutputOptions,
        position: NpyPosition,
    ) -> Result<Self> {
        let quantities = Self::plan(simulation, options);
        let arrays = Self::quantities(simulation, &quantities);
        let (prefix, n_replicas) = (folder.join(names::ARRAYS), simulation.system().n_replicas());
        let writer = NpyWriter::resume(&prefix, n_replicas, arrays, position)?;
        Ok(Arrays { writer, quantities })
    }

    /// Adds a frame. The values of frozen replicas are NaN.
    pub(super) fn write(&mut self, frame: &Frame, first_bead: &[usize]) -> Result<()> {
        let of_beads = |values: &'_ [[f64; 3]]| -> Vec<f64> {
            let mut values = values.as_flattened().to_vec();
            for r in frame.frozen.keys() {
                let beads = 3 * first_bead[*r]..3 * first_bead[r + 1];
                values.get_mut(beads).into_iter().for_each(|values| values.fill(f64::NAN));
            }
            values
        };
        let of_quantity = |quantity: &Quantity| match quantity {
            Quantity::Coords => Cow::from(of_beads(frame.positions)),
            Quantity::Potential => Cow::from(frame.potential),
            Quantity::Kinetic => Cow::from(frame.kinetic),
            Quantity::Velocities => Cow::from(of_beads(frame.velocities)),
            Quantity::Forces => Cow::from(of_beads(frame.forces)),
            Quantity::Terms => {
                let of_replica = |r: usize| frame.terms.iter().map(move |term| term[r]);
                Cow::from((0..frame.potential.len()).flat_map(of_replica).collect::<Vec<_>>())
            }
            Quantity::Observable(k) => Cow::from(&frame.observables[*k].1),
        };
        let values: Vec<Cow<[f64]>> = self.quantities.iter().map(of_quantity).collect();
        self.writer.write(&values.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }

    /// The files.
    pub(super) fn writer(&mut self) -> &mut NpyWriter {
        &mut self.writer
    }

    pub(super) fn position(&self) -> NpyPosition {
        self.writer.position()
    }

    /// The first complete file.
    pub(super) fn first_file(&self) -> Option<PathBuf> {
        self.writer.first_file()
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.writer.sync()
    }
}

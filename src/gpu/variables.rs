//! Variables on a device: their layout, and the kernel that evaluates them.

use super::buffer::{Buffer, Fetch, Fetched, Slot};
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::state::ReplicaState;
use crate::error::{Error, Result};
use crate::geometry::{centered, separation};
use crate::variable::Variable;

/// Kinds of variables of shaders/lib/variable.wgsl.
#[allow(missing_docs, reason = "the names are those of the variables")]
pub mod kind {
    pub const POSITION: u32 = 0;
    pub const DISTANCE: u32 = 1;
    pub const ANGLE: u32 = 2;
    pub const DIHEDRAL: u32 = 3;
    pub const GYRATION: u32 = 4;
    pub const RMSD: u32 = 5;
    pub const CONTACTS: u32 = 6;
}

/// Words of the header of a variable.
pub const HEADER_WORDS: usize = 8;

/// Variables in one buffer of words: the number of variables, the number of rows of other numbers and
/// the place of the first of them, padded to [`HEADER_WORDS`]; all headers; the lists of the
/// variables; the other numbers.
#[derive(Debug)]
pub(super) struct Variables {
    variables: Buffer<u32>,
}

impl Variables {
    /// Puts checked variables on a device.
    pub(super) fn new(device: &Device, all: &[Variable]) -> Result<Self> {
        Self::with_numbers(device, all, (0, &[]))
    }

    /// The same with other numbers in rows.
    pub(super) fn with_numbers(
        device: &Device,
        all: &[Variable],
        (n_rows, numbers): (usize, &[u32]),
    ) -> Result<Self> {
        let mut words = words(all)?;
        let place = words.len() as u32;
        words[..3].copy_from_slice(&[all.len() as u32, n_rows as u32, place]);
        words.extend(numbers);
        Ok(Variables { variables: Buffer::constants(device, "variables", &words)? })
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        scope!(self; variables)
    }

    /// The kernel that writes the values into `observed`, `[n_replicas, n_variables]`. With
    /// `gradients`, `[n_beads]`, it also writes the gradient of the last variable.
    pub(super) fn observe(
        &self,
        device: &Device,
        state: &ReplicaState,
        observed: &Buffer<f32>,
        gradients: Option<&Buffer<[f32; 4]>>,
    ) -> Result<Dispatch> {
        let constant = ("GRADIENT", Value::Flag(gradients.is_some()));
        let kernel = Kernel::new(device, "observe", &[constant])?;
        let none = Buffer::zeroed(device, "gradients", 1)?;
        let scope = state.scope().and(&self.scope()).with("observed", observed);
        let scope = scope.with("gradients", gradients.unwrap_or(&none));
        kernel.bind(device, &scope, state.n_replicas())
    }
}

/// The variables that a reading evaluates, and their values.
#[derive(Debug)]
pub(super) struct Observables {
    dispatch: Dispatch,
    /// `[n_replicas, n_variables]`
    observed: Buffer<f32>,
    n_variables: usize,
}

impl Observables {
    /// Puts checked variables, at least one, on a device.
    pub(super) fn new(device: &Device, state: &ReplicaState, all: &[Variable]) -> Result<Self> {
        let observed = Buffer::zeroed(device, "observed", state.n_replicas() * all.len())?;
        let dispatch = Variables::new(device, all)?.observe(device, state, &observed, None)?;
        Ok(Observables { dispatch, observed, n_variables: all.len() })
    }

    /// The kernel that evaluates them.
    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Adds the values to a read-back.
    pub(super) fn fetch<'a>(&'a self, fetch: &mut Fetch<'a>) -> Slot<f32> {
        fetch.add(&self.observed)
    }

    /// The values in a read-back, `[n_variables][n_replicas]`.
    pub(super) fn fetched(&self, found: &Fetched, slot: Slot<f32>) -> Vec<Vec<f64>> {
        let values = found.take(slot);
        let of_variable = |k| values[k..].iter().step_by(self.n_variables).copied();
        (0..self.n_variables).map(|k| of_variable(k).map(f64::from).collect()).collect()
    }
}

/// The header of a variable, whose lists are in words after the headers.
#[derive(Default)]
struct Header {
    kind: u32,
    count: usize,
    second: usize,
    beads: Vec<u32>,
    table: Vec<u32>,
    /// The number of beads in the table.
    table_beads: usize,
    reference: Vec<f32>,
    beta: f32,
}

/// The words of all variables, behind room for [`HEADER_WORDS`].
fn words(all: &[Variable]) -> Result<Vec<u32>> {
    let (mut headers, mut lists) = (vec![0; HEADER_WORDS], Vec::<u32>::new());
    for variable in all {
        let Header { kind, count, second, beads, table, table_beads, reference, beta } =
            header(variable);
        let mut place = |list: &[u32]| {
            let at = HEADER_WORDS * (1 + all.len()) + lists.len();
            lists.extend(list);
            at
        };
        let reference: Vec<u32> = reference.iter().map(|x| x.to_bits()).collect();
        let places = [&beads[..], &table, &reference].map(&mut place);
        let [beads, table, reference] = places;
        let words = [kind as usize, count, second, beads, table, table_beads, reference];
        headers.extend(words.map(|word| word as u32));
        headers.push(beta.to_bits());
    }
    headers.extend(lists);
    match u32::try_from(headers.len()) {
        Ok(_) => Ok(headers),
        Err(_) => Err(Error::unsupported("lists of variables of 2³² words", "use fewer pairs")),
    }
}

fn header(variable: &Variable) -> Header {
    match variable {
        Variable::Position { beads, reference } => {
            let split = |x: &[f64; 3]| {
                let whole = x.map(f64::round);
                [whole, separation(*x, whole)].concat().into_iter().map(|x| x as f32)
            };
            let reference = reference.iter().flat_map(split).collect();
            Header { reference, ..listed(kind::POSITION, beads) }
        }
        Variable::Distance { groups: [first, second] } => {
            let mut weights = vec![0.0; length_of_table(&[&first[..], second].concat())];
            for (group, sign) in [(first, 1.0), (second, -1.0)] {
                group.iter().for_each(|bead| weights[*bead as usize] += sign / group.len() as f64);
            }
            Header {
                kind: kind::DISTANCE,
                count: first.len(),
                second: second.len(),
                beads: [&first[..], second].concat(),
                table_beads: weights.len(),
                table: weights.iter().map(|weight| (*weight as f32).to_bits()).collect(),
                ..Header::default()
            }
        }
        Variable::Angle(beads) => listed(kind::ANGLE, beads),
        Variable::Dihedral(beads) => listed(kind::DIHEDRAL, beads),
        Variable::RadiusOfGyration { beads } => listed(kind::GYRATION, beads),
        Variable::Rmsd { beads, reference } => {
            let reference = centered(reference).into_iter().flatten().map(|x| x as f32).collect();
            Header { reference, ..listed(kind::RMSD, beads) }
        }
        Variable::NativeContacts { pairs, distances, beta, lambda } => {
            let mut rows = vec![Vec::new(); length_of_table(pairs.as_flattened())];
            for ([i, j], distance) in pairs.iter().zip(distances) {
                let reach = ((lambda * distance) as f32).to_bits();
                rows[*i as usize].push([*i, *j, reach]);
                rows[*j as usize].push([*j, *i, reach]);
            }
            let mut table = vec![0];
            table.extend(rows.iter().scan(0, |end, row| {
                *end += row.len() as u32;
                Some(*end)
            }));
            Header {
                kind: kind::CONTACTS,
                count: 2 * pairs.len(),
                beads: rows.into_iter().flatten().flatten().collect(),
                table_beads: table.len() - 1,
                table,
                beta: *beta as f32,
                ..Header::default()
            }
        }
    }
}

/// A header with a list of beads, and the number of each bead in it, counted from 1.
fn listed(kind: u32, beads: &[u32]) -> Header {
    let mut table = vec![0; length_of_table(beads)];
    for (bead, number) in beads.iter().zip(1..) {
        table[*bead as usize] = number;
    }
    Header {
        kind,
        count: beads.len(),
        beads: beads.to_vec(),
        table_beads: table.len(),
        table,
        ..Header::default()
    }
}

fn length_of_table(beads: &[u32]) -> usize {
    beads.iter().max().map_or(0, |last| *last as usize + 1)
}

//! The division of replicas into batches: which replicas form a batch, the part of every input that
//! belongs to a batch, and the values of all replicas from those of batches.

use std::ops::Range;

use super::super::device::Device;
use super::super::engine::fit::{Extent, Widths, check_fit};
use super::super::tuning::most_capacity;
use crate::bias::Bias;
use crate::engine::{Dynamics, Exchange, Exchanged, Filter, Ladder, State};
use crate::error::{Error, Result};
use crate::system::System;

/// Some replicas of a system, and the ladders that they form.
#[derive(Debug)]
pub(super) struct Batch {
    /// In order.
    pub(super) replicas: Vec<usize>,
    /// The beads of each replica in the system.
    beads: Vec<Range<usize>>,
    /// The beads of each replica in the batch.
    own_beads: Vec<Range<usize>>,
    /// In order.
    ladders: Vec<usize>,
}

/// All batches of a system. Each replica is in one of them.
#[derive(Debug)]
pub(super) struct Division {
    pub(super) batches: Vec<Batch>,
    /// The batch of each replica, and its number in the batch. `[n_replicas]`
    place: Vec<[usize; 2]>,
}

/// The replicas that must be in one batch: those of a ladder, and with metadynamics all. Each list is
/// in order, and so are the lists by their first replicas.
fn units(system: &System, dynamics: &Dynamics) -> Vec<Vec<usize>> {
    let n_replicas = system.n_replicas();
    if dynamics.metadynamics.is_some() {
        return vec![(0..n_replicas).collect()];
    }
    let mut alone = vec![true; n_replicas];
    let mut units = Vec::new();
    for Ladder { walkers, .. } in dynamics.exchange.iter().flat_map(|of| &of.ladders) {
        let mut unit = walkers.clone();
        unit.sort_unstable();
        unit.iter().for_each(|r| alone[*r] = false);
        units.push(unit);
    }
    units.extend((0..n_replicas).filter(|r| alone[*r]).map(|r| vec![r]));
    units.sort_unstable_by_key(|unit| unit[0]);
    units
}

/// The replicas of each batch of a system with checked dynamics. A batch has as many as its largest
/// buffer has room for, with neighbor lists that have grown.
///
/// # Errors
/// [`Error::OutOfMemory`] for replicas that must be in one batch and do not fit.
pub(super) fn divide(
    device: &Device,
    system: &System,
    dynamics: &Dynamics,
    filter: Filter,
) -> Result<Vec<Vec<usize>>> {
    let widths = Widths::new(system, dynamics, filter).with_biases();
    let (mut batches, mut extent) = (vec![Vec::new()], Extent::default());
    for unit in units(system, dynamics) {
        let and =
            |extent: Extent| unit.iter().fold(extent, |sum, r| sum.and(system.beads(*r).len()));
        let fits = |extent| widths.largest_buffer(extent, most_capacity) <= device.batch_bytes();
        let (with, own) = (and(extent), and(Extent::default()));
        if !fits(own) {
            check_unit(device, system, dynamics, (&unit, filter))?;
        }
        match batches.last_mut() {
            Some(batch) if batch.is_empty() || fits(with) => {
                batch.extend(unit);
                extent = with;
            }
            _ => {
                batches.push(unit);
                extent = own;
            }
        }
    }
    batches.iter_mut().for_each(|batch| batch.sort_unstable());
    Ok(batches)
}

/// Refuses a unit that does not fit a device even with small neighbor lists.
fn check_unit(
    device: &Device,
    system: &System,
    dynamics: &Dynamics,
    (unit, filter): (&[usize], Filter),
) -> Result<()> {
    let of_unit = system.select(unit.iter().copied());
    let checked = check_fit(device, &of_unit, dynamics, filter);
    checked.map_err(|error| match error {
        Error::OutOfMemory { what, needed, available, fits, advice }
            if dynamics.exchange.is_some() =>
        {
            let what = format!("{what} of a ladder of {} replicas", unit.len());
            Error::OutOfMemory { what, needed, available, fits, advice }
        }
        other => other,
    })
}

impl Batch {
    /// The number of replicas.
    pub(super) fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether its replicas exchange states.
    pub(super) fn has_ladders(&self) -> bool {
        !self.ladders.is_empty()
    }

    pub(super) fn system(&self, all: &System) -> System {
        all.select(self.replicas.iter().copied())
    }

    pub(super) fn of_replicas<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.replicas.iter().map(|r| all[*r].clone()).collect()
    }

    pub(super) fn of_beads<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.beads.iter().flat_map(|beads| &all[beads.clone()]).cloned().collect()
    }

    /// The numbers of its tries among those of all ladders, in the exchange of the given number.
    pub(super) fn of_tries<T: Clone>(&self, all: &Exchange, number: u64, tries: &[T]) -> Vec<T> {
        let first = |l: usize| (0..l).map(|l| all.tries(l, number)).sum::<usize>();
        self.ladders.iter().flat_map(|l| &tries[first(*l)..first(l + 1)]).cloned().collect()
    }

    /// The ladders, if there are any, with walkers by their numbers in the batch.
    pub(super) fn exchange(&self, all: &Exchange) -> Option<Exchange> {
        let own = |walker: &usize| self.replicas.partition_point(|r| r < walker);
        let ladder = |l: &usize| {
            let Ladder { beta, walkers } = &all.ladders[*l];
            Ladder { beta: beta.clone(), walkers: walkers.iter().map(own).collect() }
        };
        let ladders = self.ladders.iter().map(ladder).collect();
        self.has_ladders().then_some(Exchange { ladders, ..*all })
    }

    pub(super) fn dynamics(&self, all: &Dynamics) -> Dynamics {
        Dynamics {
            replica_ids: self.of_replicas(&all.replica_ids),
            exchange: all.exchange.as_ref().and_then(|exchange| self.exchange(exchange)),
            ..all.clone()
        }
    }

    /// The part of a checked state.
    pub(super) fn state(&self, dynamics: &Dynamics, all: &State) -> State {
        let frozen = |(own, r): (usize, &usize)| Some((own, *all.frozen.get(r)?));
        let work = all.work.iter();
        State {
            positions: self.of_beads(&all.positions),
            velocities: self.of_beads(&all.velocities),
            origins: self.of_replicas(&all.origins),
            beta: self.of_replicas(&all.beta),
            step: all.step,
            exchanged: match &dynamics.exchange {
                Some(exchange) if self.has_ladders() => self.exchanged(exchange, &all.exchanged),
                _ => Exchanged::default(),
            },
            frozen: self.replicas.iter().enumerate().filter_map(frozen).collect(),
            hills: Vec::new(),
            work: work.map(|(name, of)| (name.clone(), self.of_replicas(of))).collect(),
        }
    }

    fn exchanged(&self, exchange: &Exchange, all: &Exchanged) -> Exchanged {
        Exchanged {
            count: all.count,
            label: self.of_replicas(&all.label),
            ends: self.of_replicas(&all.ends),
            tally: self.ladders.iter().flat_map(|l| exchange.tally(all, *l)).copied().collect(),
        }
    }

    /// Checked biases. With replica exchange their numbers belong to the states of ladders.
    pub(super) fn biases(&self, dynamics: &Dynamics, all: &[Bias]) -> Vec<Bias> {
        match dynamics.exchange {
            Some(_) => all.to_vec(),
            None => all.iter().map(|bias| bias.select(&self.replicas)).collect(),
        }
    }
}

impl Division {
    pub(super) fn new(
        system: &System,
        exchange: Option<&Exchange>,
        batches: Vec<Vec<usize>>,
    ) -> Self {
        let mut place = vec![[0; 2]; system.n_replicas()];
        let batch = |(b, replicas): (usize, Vec<usize>)| {
            let mut end = 0;
            let own = |beads: &Range<usize>| {
                let start = end;
                end += beads.len();
                start..end
            };
            replicas.iter().enumerate().for_each(|(k, r)| place[*r] = [b, k]);
            let beads: Vec<_> = replicas.iter().map(|r| system.beads(*r)).collect();
            let own_beads = beads.iter().map(own).collect();
            Batch { replicas, beads, own_beads, ladders: Vec::new() }
        };
        let mut batches: Vec<Batch> = batches.into_iter().enumerate().map(batch).collect();
        for (l, ladder) in exchange.into_iter().flat_map(|of| &of.ladders).enumerate() {
            batches[place[ladder.walkers[0]][0]].ladders.push(l);
        }
        Division { batches, place }
    }

    /// The number of replica `k` of batch `b` in the system.
    pub(super) fn replica(&self, b: usize, k: usize) -> usize {
        self.batches[b].replicas[k]
    }

    /// The values of all replicas, from the list of each batch; empty if the lists are.
    pub(super) fn replicas<'a, T: Clone + 'a>(&self, list: impl Fn(usize) -> &'a [T]) -> Vec<T> {
        match list(0).is_empty() {
            true => Vec::new(),
            false => self.place.iter().map(|[b, k]| list(*b)[*k].clone()).collect(),
        }
    }

    /// The values of all beads, from the list of each batch; empty if the lists are.
    pub(super) fn beads<'a, T: Clone + 'a>(&self, list: impl Fn(usize) -> &'a [T]) -> Vec<T> {
        if list(0).is_empty() {
            return Vec::new();
        }
        let beads = |[b, k]: &[usize; 2]| &list(*b)[self.batches[*b].own_beads[*k].clone()];
        self.place.iter().flat_map(beads).cloned().collect()
    }

    /// The parts of all ladders, from the part of each batch.
    pub(super) fn exchanged(&self, all: &Exchange, part: impl Fn(usize) -> Exchanged) -> Exchanged {
        let parts: Vec<Exchanged> = (0..self.batches.len()).map(part).collect();
        let mut exchanged = all.start(self.place.len());
        for (Batch { replicas, ladders, .. }, own) in self.batches.iter().zip(&parts) {
            let (labels, ends) = (own.label.iter(), own.ends.iter());
            for (r, (label, ends)) in replicas.iter().zip(labels.zip(ends)) {
                (exchanged.label[*r], exchanged.ends[*r]) = (*label, *ends);
            }
            let mut rest = &own.tally[..];
            for l in ladders {
                let (start, end) = (all.tally_start(*l), all.tally_start(l + 1));
                let (tally, others) = rest.split_at(end - start);
                exchanged.tally[start..end].copy_from_slice(tally);
                rest = others;
            }
            exchanged.count = exchanged.count.max(own.count);
        }
        exchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::engine::Mixing;
    use crate::gpu::wgpu;

    /// A device that runs nothing, with WebGPU's default limits.
    fn device() -> Device {
        let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        Device::from_wgpu(device, queue)
    }

    fn system(n_replicas: usize) -> System {
        System::new(&builtin::model(), &vec![builtin::structure(); n_replicas]).unwrap()
    }

    #[test]
    fn a_batch_has_room_for_neighbor_lists_that_grow() {
        let system = system(1024);
        let dynamics = Dynamics::none(&system);
        for (filter, expected) in
            [(Filter::TABLE, vec![232, 232, 232, 232, 96]), (Filter::Exact, vec![465, 465, 94])]
        {
            let batches = divide(&device(), &system, &dynamics, filter).unwrap();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert!(batches.concat().into_iter().eq(0..1024));
        }
    }

    #[test]
    fn ladders_are_whole() {
        let system = system(9);
        let ladder = |walkers: &[usize]| Ladder {
            beta: vec![1.0; walkers.len()],
            walkers: walkers.to_vec(),
        };
        let ladders = vec![ladder(&[7, 2]), ladder(&[5, 0, 3]), ladder(&[6])];
        let exchange = Some(Exchange { every: 1, mixing: Mixing::Neighbors, ladders });
        let dynamics = Dynamics { exchange, ..Dynamics::none(&system) };
        // Edges of all pairs, in the tables.
        let of_replica = 8 * 269 * 268;
        for (bytes, expected) in [
            (1, vec![vec![0, 3, 5], vec![1], vec![2, 7], vec![4], vec![6], vec![8]]),
            (2 * of_replica, vec![vec![0, 3, 5], vec![1], vec![2, 7], vec![4, 6], vec![8]]),
            (4 * of_replica, vec![vec![0, 1, 3, 5], vec![2, 4, 6, 7], vec![8]]),
            (9 * of_replica, vec![(0..9).collect()]),
        ] {
            let device = device().with_batch_bytes(bytes);
            let found = divide(&device, &system, &dynamics, Filter::TABLE).unwrap();
            assert_eq!(found, expected, "{bytes}");
        }
    }
}

//! The exchange of states between replicas: its buffers and kernels.

use super::api::Commands;
use super::biases::Biases;
use super::buffer::{Buffer, Fetch, Fetched, Slot};
use super::compose::Value;
use super::device::Device;
use super::kept::{Copied, Kept};
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::params::{Rung, wide, words};
use super::state::ReplicaState;
use crate::engine::{
    Dynamics, Exchange, Exchanged, Ladder, MOST_STATES, Mixing, NO_LABEL, Reading, TRACE, Wanted,
};
use crate::error::Result;

/// The ladders on the device, and the part of the state that exchanges change.
#[derive(Debug)]
pub(super) struct Exchanges {
    exchange: Exchange,
    moving: Moving,
    /// A copy of `moving` from before the pending steps.
    kept: Kept<Moving>,
    /// First rung, states, number for the random numbers, first word in the tally. `[n_ladders]`
    ladder: Buffer<[u32; 4]>,
    /// The states of all ladders.
    rung: Buffer<Rung>,
    /// 2⁶⁴ u of given uniform numbers u, low and high word.
    given: Buffer<[u32; 2]>,
    /// The factor of the velocities and kT of each replica after the latest exchange.
    change: Buffer<[f32; 2]>,
    /// The labels after the last exchanges, `[TRACE, n_replicas]`.
    trace: Buffer<u32>,
    n_replicas: usize,
    /// The kernels of an exchange, with drawn and with given uniform numbers.
    pub(super) drawn: Vec<Dispatch>,
    pub(super) asked: Vec<Dispatch>,
    /// Exchanges done, with those that were only submitted.
    count: u64,
    /// Exchanges whose labels were read.
    traced: u64,
    /// The pending exchanges: the number of pending steps before each.
    pub(super) pending: Vec<u64>,
}

#[derive(Debug)]
struct Moving {
    /// Label and ends. `[n_replicas]`
    place: Buffer<[u32; 2]>,
    /// For each ladder: the number of exchanges, low and high word, and its matrix of
    /// [`Exchanged::tally`].
    tally: Buffer<u32>,
}

/// The places in a read-back.
#[derive(Debug)]
pub(super) struct ExchangeSlots {
    moving: Option<(Slot<[u32; 2]>, Slot<u32>)>,
    trace: Option<Slot<u32>>,
}

/// Words in front of a matrix of tries.
const COUNT_WORDS: usize = 2;

impl Moving {
    fn new(device: &Device, n_replicas: usize, n_words: usize) -> Result<Self> {
        Ok(Moving {
            place: Buffer::zeroed(device, "place", n_replicas)?,
            tally: Buffer::zeroed(device, "tally", n_words)?,
        })
    }
}

impl Copied for Moving {
    fn copy_to(&self, commands: &mut dyn Commands, to: &Moving) {
        self.place.copy_to(commands, &to.place);
        self.tally.copy_to(commands, &to.tally);
    }
}

impl Exchanges {
    /// The exchange of these dynamics, if there is one.
    pub(super) fn new(
        device: &Device,
        dynamics: &Dynamics,
        state: &ReplicaState,
    ) -> Result<Option<Self>> {
        let Some(exchange) = &dynamics.exchange else { return Ok(None) };
        let n_replicas = state.n_replicas();
        let (mut ladders, mut first, mut n_words) = (Vec::new(), 0, 0);
        for ladder in &exchange.ladders {
            let n = ladder.n_states();
            let id = dynamics.replica_ids[ladder.walkers[0]];
            ladders.push([first as u32, n as u32, id, n_words as u32]);
            first += n;
            n_words += COUNT_WORDS + n * n;
        }
        let moving = Moving::new(device, n_replicas, n_words)?;
        let kept = Kept::new(Moving::new(device, n_replicas, n_words)?);
        let ladder = Buffer::from_slice(device, "ladder", &ladders)?;
        let rung = Buffer::from_slice(device, "rung", &rungs(exchange))?;
        let most_tries = exchange.all_tries(0).max(exchange.all_tries(1));
        let given = Buffer::zeroed(device, "given", most_tries)?;
        let change = Buffer::zeroed(device, "change", n_replicas)?;
        let labels = vec![NO_LABEL; TRACE * n_replicas];
        let trace = Buffer::from_slice(device, "trace", &labels)?;

        let mut exchanges = Exchanges {
            exchange: exchange.clone(),
            moving,
            kept,
            ladder,
            rung,
            given,
            change,
            trace,
            n_replicas,
            drawn: Vec::new(),
            asked: Vec::new(),
            count: 0,
            traced: 0,
            pending: Vec::new(),
        };
        exchanges.make_dispatches(device, state, None)?;
        exchanges.set(device, &exchange.start(n_replicas))?;
        Ok(Some(exchanges))
    }

    /// Makes the kernels of an exchange between states that perhaps have biases.
    pub(super) fn make_dispatches(
        &mut self,
        device: &Device,
        state: &ReplicaState,
        biases: Option<&Biases>,
    ) -> Result<()> {
        let n_states = self.exchange.ladders.iter().map(Ladder::n_states).max().unwrap_or(0);
        let of_states = match biases {
            Some(_) => Some(Buffer::zeroed(device, "levels", n_states * self.n_replicas)?),
            None => None,
        };
        let levels = biases.zip(of_states.as_ref());
        let levels = levels.map(|(biases, levels)| biases.levels(device, state, levels));
        let levels = levels.transpose()?;
        let scope = state.scope().and(&scope!(self; ladder, rung, given, change, trace));
        let scope = scope.and(&scope!(self.moving; place, tally));
        let scope = scope.with("energy", of_states.as_ref().unwrap_or(&state.energy));
        let dispatches = |drawn: bool| {
            let [tries, end] = self.tries(device, state, &scope, (drawn, levels.is_some()))?;
            Ok(levels.iter().cloned().chain([tries, end]).collect())
        };
        (self.drawn, self.asked) = (dispatches(true)?, dispatches(false)?);
        Ok(())
    }

    /// The kernels that do the tries, and what follows from them.
    fn tries(
        &self,
        device: &Device,
        state: &ReplicaState,
        scope: &Scope,
        (drawn, biased): (bool, bool),
    ) -> Result<[Dispatch; 2]> {
        let constants = [
            ("ALL_PAIRS", Value::Flag(self.exchange.mixing == Mixing::AllPairs)),
            ("DRAWN", Value::Flag(drawn)),
            ("BIASED", Value::Flag(biased)),
            ("MOST_STATES", Value::Count(MOST_STATES as u32)),
            ("TRACE", Value::Count(TRACE as u32)),
        ];
        let tries = Kernel::new(device, "exchange", &constants)?;
        let end = Kernel::new(device, "exchange_end", &[])?;
        let groups = end.groups_for(state.n_beads());
        Ok([tries.bind(device, scope, self.ladder.len)?, end.bind(device, scope, groups)?])
    }

    /// Label and ends of each replica.
    pub(super) fn place(&self) -> &Buffer<[u32; 2]> {
        &self.moving.place
    }

    /// Replaces the part of the state.
    pub(super) fn set(&mut self, device: &Device, exchanged: &Exchanged) -> Result<()> {
        let Exchanged { count, label, ends, .. } = exchanged;
        let place: Vec<_> = label.iter().zip(ends).map(|(label, ends)| [*label, *ends]).collect();
        self.moving.place.write(device, &place)?;
        let with_count = |l| [&words(*count)[..], self.exchange.tally(exchanged, l)].concat();
        let tally: Vec<u32> = (0..self.exchange.ladders.len()).flat_map(with_count).collect();
        self.moving.tally.write(device, &tally)?;
        (self.count, self.traced) = (*count, *count);
        self.pending.clear();
        Ok(())
    }

    /// Replaces the temperatures of the states.
    pub(super) fn set_rungs(&self, device: &Device, exchange: &Exchange) -> Result<()> {
        self.rung.write(device, &rungs(exchange))
    }

    /// Replaces the uniform numbers.
    pub(super) fn give(&self, device: &Device, uniforms: &[f64]) -> Result<()> {
        let given = |u: &f64| words((u * 2f64.powi(64)) as u64);
        self.given.write(device, &uniforms.iter().map(given).collect::<Vec<_>>())
    }

    /// Adds the wanted parts to a read-back: those of the state, and the trace if it has labels that
    /// were not read.
    pub(super) fn fetch<'a>(&'a self, fetch: &mut Fetch<'a>, wanted: Wanted) -> ExchangeSlots {
        let Moving { place, tally } = &self.moving;
        let moving = wanted.state.then(|| (fetch.add(place), fetch.add(tally)));
        let trace = wanted.trace && self.count > self.traced;
        ExchangeSlots { moving, trace: trace.then(|| fetch.add(&self.trace)) }
    }

    /// Puts the parts in a read-back, which came after `count` exchanges, into a reading.
    pub(super) fn fetched(
        &mut self,
        found: &Fetched,
        slots: ExchangeSlots,
        count: u64,
        reading: &mut Reading,
    ) {
        if let (Some(state), Some((place, tally))) = (&mut reading.state, slots.moving) {
            state.exchanged = self.exchanged(&found.take(place), &found.take(tally));
        }
        if let Some(slot) = slots.trace {
            reading.trace = self.last_labels(&found.take(slot), count);
            self.traced = count;
        }
    }

    fn exchanged(&self, place: &[[u32; 2]], words: &[u32]) -> Exchanged {
        let (label, ends) = place.iter().map(|[label, ends]| (*label, *ends)).unzip();
        let (mut tally, mut rest) = (Vec::new(), words);
        for ladder in &self.exchange.ladders {
            let (own, others) = rest.split_at(COUNT_WORDS + ladder.n_states().pow(2));
            tally.extend(&own[COUNT_WORDS..]);
            rest = others;
        }
        Exchanged { count: wide([words[0], words[1]]), label, ends, tally }
    }

    /// The labels after each of `count` exchanges that was not read, at most the last [`TRACE`].
    fn last_labels(&self, trace: &[u32], count: u64) -> Vec<Vec<u32>> {
        let first = self.traced.max(count.saturating_sub(TRACE as u64));
        let row = |number: u64| {
            let start = (number % TRACE as u64) as usize * self.n_replicas;
            trace[start..start + self.n_replicas].to_vec()
        };
        (first..count).map(row).collect()
    }

    /// An exchange was submitted, after `steps` pending steps.
    pub(super) fn submitted(&mut self, steps: u64) {
        self.count += 1;
        self.pending.push(steps);
    }

    /// Exchanges done.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Copies the part of the state, so that pending exchanges can be repeated from it.
    pub(super) fn keep(&self, commands: &mut dyn Commands) {
        self.kept.keep(&self.moving, commands);
    }

    /// Makes room for a copy after a reading.
    pub(super) fn make_next(&mut self, device: &Device) -> Result<()> {
        let (n_replicas, n_words) = (self.n_replicas, self.moving.tally.len);
        self.kept.make_next(|| Moving::new(device, n_replicas, n_words))
    }

    /// Copies the part of the state after a reading.
    pub(super) fn keep_next(&self, commands: &mut dyn Commands) {
        self.kept.keep_next(&self.moving, commands);
    }

    /// Exchanges can be repeated from the state after the reading now, which came after `exchanges`
    /// pending exchanges and `steps` pending steps.
    pub(super) fn take_next(&mut self, exchanges: usize, steps: u64) {
        self.kept.take_next();
        self.pending.drain(..exchanges);
        self.pending.iter_mut().for_each(|before| *before -= steps);
    }

    /// Forgets all but the first pending exchanges. Returns the others: the number of pending steps
    /// before each.
    pub(super) fn split_off(&mut self, exchanges: usize) -> Vec<u64> {
        let later = self.pending.split_off(exchanges);
        self.count -= later.len() as u64;
        later
    }

    /// Restores the part of the state from the copy. Returns the exchanges that must be repeated.
    pub(super) fn restore(&mut self, commands: &mut dyn Commands) -> Vec<u64> {
        self.kept.restore(&self.moving, commands);
        let pending = std::mem::take(&mut self.pending);
        self.count -= pending.len() as u64;
        pending
    }
}

/// The states of all ladders, ladder after ladder.
fn rungs(exchange: &Exchange) -> Vec<Rung> {
    let of_ladder = |ladder: &Ladder| {
        let states = ladder.beta.iter().zip(&ladder.walkers);
        states.map(|(beta, walker)| Rung::new(*beta, *walker as u32)).collect::<Vec<_>>()
    };
    exchange.ladders.iter().flat_map(of_ladder).collect()
}

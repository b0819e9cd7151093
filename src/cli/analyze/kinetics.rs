//! Folding and unfolding.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Result;
use crate::analysis::statistics::events::Direction;

use super::log::Log;
use super::source::Source;
use super::summary::Summary;
use super::table::{Cell, Table, cells};
use super::transitions::Transitions;

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Folding => "folding",
        Direction::Unfolding => "unfolding",
    }
}

/// Writes `events` and `kinetics`.
pub(super) fn write(
    transitions: &Transitions,
    source: &Source,
    folder: &Path,
    log: &mut Log,
    summary: &mut Summary,
) -> Result<()> {
    if let Some(reason) = transitions.reason {
        log.note(format!("no folding events: {reason}"));
        return Ok(());
    }
    let mut table = Table::new(["trajectory", "time_ps", "direction"]);
    let (mut folding, mut unfolding) = (0, 0);
    for (track, event) in &transitions.events {
        let number = source.facts[*track].trajectory as f64;
        let track = Cell::Named(source.tracks[*track].name.clone(), number);
        table.rows.push(vec![track, event.time.into(), name(event.direction).into()]);
        match event.direction {
            Direction::Folding => folding += 1,
            Direction::Unfolding => unfolding += 1,
        }
    }
    table.write(folder, "events")?;
    summary.events(folding, unfolding);
    let mut without = |reason: &str| log.note(format!("no mean first passage times: {reason}"));
    if source.is_exchanged() {
        without("the temperature of a replica changes by exchange");
    }
    if let Some(reason) = &source.no_energies {
        without(reason);
        return Ok(());
    }
    if source.is_biased() {
        without("biases act on the molecule");
    }
    let constant = source.facts.iter().filter(|facts| facts.ladder.is_none());
    let states: BTreeSet<usize> = constant
        .map(|facts| usize::from(facts.states.of(0)))
        .filter(|state| source.states[*state].biases.is_empty())
        .collect();
    if states.is_empty() {
        return Ok(());
    }
    if states.iter().any(|state| source.states[*state].temperature.is_none()) {
        log.note("mean first passage times: the temperature of a state is unknown");
    }
    let columns = ["temperature_K", "direction", "events", "time_ps"];
    let mut table = Table::new(columns.into_iter().chain(["mean_first_passage_ps", "error_ps"]));
    for state in states {
        for direction in [Direction::Folding, Direction::Unfolding] {
            let kinetics = transitions.passages[state].kinetics(direction);
            let temperature = source.states[state].temperature;
            let mut row = vec![temperature.into(), name(direction).into()];
            row.extend([Cell::Whole(kinetics.events), kinetics.time.into()]);
            row.extend(cells(kinetics.mean_first_passage));
            table.rows.push(row);
        }
    }
    table.write(folder, "kinetics")
}

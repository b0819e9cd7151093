//! Folding and unfolding.

use std::path::Path;

use flashschnet::Result;
use flashschnet::analysis::statistics::events::Direction;

use super::log::Log;
use super::source::{Source, States};
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
        let track = Cell::Text(track.clone());
        table.rows.push(vec![track, event.time.into(), name(event.direction).into()]);
        match event.direction {
            Direction::Folding => folding += 1,
            Direction::Unfolding => unfolding += 1,
        }
    }
    table.write(folder, "events")?;
    summary.events(folding, unfolding);
    if source.is_exchanged() {
        log.note("no mean first passage times: the temperature of a replica changes by exchange");
    }
    let constant = source.facts.iter().filter(|facts| facts.ladder.is_none());
    let mut states: Vec<u16> = constant
        .filter_map(|facts| match facts.states {
            States::All(state) => Some(state),
            States::Each(_) => None,
        })
        .collect();
    states.sort_unstable();
    states.dedup();
    if states.is_empty() {
        return Ok(());
    }
    let columns = ["temperature_K", "direction", "events", "time_ps"];
    let mut table = Table::new(columns.into_iter().chain(["mean_first_passage_ps", "error_ps"]));
    for state in states {
        for direction in [Direction::Folding, Direction::Unfolding] {
            let kinetics = transitions.passages[usize::from(state)].kinetics(direction);
            let temperature = source.states[usize::from(state)].temperature;
            let mut row = vec![temperature.into(), name(direction).into()];
            row.extend([Cell::Whole(kinetics.events), kinetics.time.into()]);
            row.extend(cells(kinetics.mean_first_passage));
            table.rows.push(row);
        }
    }
    table.write(folder, "kinetics")
}

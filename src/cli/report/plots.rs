//! Plots as SVG text.

mod axis;
mod cells;
mod chart;
mod lines;

pub(super) use self::cells::{Grid, beads_of_cell, contacts, map, maps};
pub(super) use self::chart::{Axes, Plotted, shade};
pub(super) use self::lines::{Kind, Line, Strip, bars, distributions, lines, over_time, strips};

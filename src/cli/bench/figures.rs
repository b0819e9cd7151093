//! The figures of a measurement, as a row of a table or as JSON.

use std::io::Write;

use serde::Serialize;

use super::super::kernels::Profile;

/// The measurements with one number of replicas.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) system: String,
    pub(super) device: String,
    pub(super) replicas: usize,
    pub(super) warm_up_steps: u64,
    pub(super) timed_steps: u64,
    pub(super) ms_per_step: f64,
    pub(super) replica_steps_per_s: f64,
    pub(super) ns_per_day: f64,
    pub(super) edges_per_bead: f64,
    pub(super) gpu_bytes_allocated: u64,
    pub(super) gpu_bytes_reserved: u64,
    pub(super) list_builds_per_replica_step: Option<f64>,
    pub(super) submissions_per_step: Option<f64>,
    pub(super) waits_per_step: Option<f64>,
    pub(super) allocations_per_step: Option<f64>,
    pub(super) start_up: StartUp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<Profile>,
}

/// Time from the start of the program to the end of the first step, ms.
#[derive(Clone, Default, Serialize)]
pub(super) struct StartUp {
    /// Reading the model and the structures.
    pub(super) load_ms: f64,
    /// Opening the device.
    pub(super) device_ms: f64,
    /// Compiling kernels.
    pub(super) kernels_ms: f64,
    /// The rest of the set-up: filter tables, neighbor lists, buffers.
    pub(super) setup_ms: f64,
    /// The first step, including the initial force evaluation.
    pub(super) first_step_ms: f64,
    pub(super) total_ms: f64,
}

/// Headings and widths of the columns.
const COLUMNS: [(&str, usize); 10] = [
    ("replicas", 8),
    ("ms/step", 10),
    ("replica-steps/s", 16),
    ("aggregate ns/day", 17),
    ("edges/bead", 11),
    ("MB allocated", 13),
    ("MB reserved", 12),
    ("lists/step", 11),
    ("waits/step", 11),
    ("buffers/step", 13),
];

impl Figures {
    /// Prints a row of the table; before the first row the device, the start-up and the headings.
    pub(super) fn print(&self, out: &mut impl Write, first: bool) -> std::io::Result<()> {
        if first {
            let StartUp { load_ms, device_ms, kernels_ms, setup_ms, first_step_ms, total_ms } =
                self.start_up;
            writeln!(out, "{}; {}", self.device, self.system)?;
            writeln!(
                out,
                "start-up {total_ms:.0} ms: loading {load_ms:.0}, device {device_ms:.0}, \
                 kernels {kernels_ms:.0}, tables and buffers {setup_ms:.0}, \
                 first step {first_step_ms:.0}"
            )?;
        }
        if first || self.profile.is_some() {
            line(out, COLUMNS.map(|(head, _)| head.to_owned()))?;
        }
        let megabytes = |bytes: u64| format!("{:.1}", 1e-6 * bytes as f64);
        let or_dash = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.4}"));
        line(
            out,
            [
                self.replicas.to_string(),
                format!("{:.3}", self.ms_per_step),
                format!("{:.1}", self.replica_steps_per_s),
                format!("{:.2}", self.ns_per_day),
                format!("{:.1}", self.edges_per_bead),
                megabytes(self.gpu_bytes_allocated),
                megabytes(self.gpu_bytes_reserved),
                or_dash(self.list_builds_per_replica_step),
                or_dash(self.waits_per_step),
                or_dash(self.allocations_per_step),
            ],
        )?;
        match &self.profile {
            Some(profile) => profile.print(out),
            None => Ok(()),
        }
    }
}

fn line(out: &mut impl Write, cells: [String; COLUMNS.len()]) -> std::io::Result<()> {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}"));
    writeln!(out, "{}", cells.collect::<String>())
}

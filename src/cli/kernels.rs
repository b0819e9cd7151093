//! The profile of a step: times of kernels, summed by name, as a table or as JSON.

use std::io::{Result, Write};

use crate::engine::KernelTime;
use crate::gpu::Ceilings;
use serde::Serialize;

/// The kernels of a step, and the measured peak of the device to compare them with.
#[derive(Serialize)]
pub(super) struct Profile {
    /// In the order in which a step first calls them.
    kernels: Vec<Kernel>,
    kernels_us: f64,
    /// The mean time of a step without profiling.
    step_us: f64,
    copy_gb_per_s: f64,
    fma_gflop_per_s: f64,
}

/// All calls of a kernel in a step.
#[derive(Serialize)]
struct Kernel {
    kernel: &'static str,
    calls: usize,
    us_per_step: f64,
    share_of_step: f64,
    bytes: u64,
    flops: u64,
    gb_per_s: f64,
    gflop_per_s: f64,
    share_of_copy: f64,
    share_of_fma: f64,
    /// The time of each call, in order.
    us_of_calls: Vec<f64>,
}

impl Profile {
    /// `step_us` is the mean time of a step without profiling.
    pub(super) fn new(times: &[KernelTime], step_us: f64, ceilings: &Ceilings) -> Self {
        let mut kernels: Vec<Kernel> = KernelTime::by_kernel(times)
            .into_iter()
            .map(|(kernel, calls)| Kernel {
                calls: calls.len(),
                us_per_step: calls.iter().map(|call| call.microseconds).sum(),
                bytes: calls.iter().map(|call| call.bytes).sum(),
                flops: calls.iter().map(|call| call.flops).sum(),
                us_of_calls: calls.iter().map(|call| call.microseconds).collect(),
                ..Kernel::none(kernel)
            })
            .collect();
        for kernel in &mut kernels {
            // A coarse clock can report 0 for a short kernel.
            let seconds = 1e-6 * kernel.us_per_step.max(1e-3);
            let (bytes, flops) = (kernel.bytes as f64 / seconds, kernel.flops as f64 / seconds);
            (kernel.gb_per_s, kernel.gflop_per_s) = (1e-9 * bytes, 1e-9 * flops);
            kernel.share_of_copy = bytes / ceilings.copy_bytes;
            kernel.share_of_fma = flops / ceilings.fma_flops;
            kernel.share_of_step = kernel.us_per_step / step_us;
        }
        Profile {
            kernels_us: kernels.iter().map(|kernel| kernel.us_per_step).sum(),
            kernels,
            step_us,
            copy_gb_per_s: 1e-9 * ceilings.copy_bytes,
            fma_gflop_per_s: 1e-9 * ceilings.fma_flops,
        }
    }

    /// Prints a table with a row for each kernel. The last row is the measured peak of the device.
    pub(super) fn print(&self, out: &mut impl Write) -> Result<()> {
        let mut line = |cells: [&str; 10]| {
            let [kernel, numbers @ ..] = cells;
            let mut line = format!("  {kernel:<22}");
            for (number, width) in numbers.iter().zip([6, 11, 9, 10, 8, 9, 9, 9, 8]) {
                line += &format!("{number:>width$}");
            }
            writeln!(out, "{}", line.trim_end())
        };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        // Unknown numbers leave their cells empty.
        let unless_zero = |known: bool, text: String| if known { text } else { String::new() };
        line([
            "kernel", "calls", "µs/step", "of step", "MB", "GB/s", "of copy", "MFLOP", "GFLOP/s",
            "of fma",
        ])?;
        for kernel in &self.kernels {
            let (bytes, flops) = (kernel.bytes > 0, kernel.flops > 0);
            line([
                kernel.kernel,
                &kernel.calls.to_string(),
                &format!("{:.1}", kernel.us_per_step),
                &percent(kernel.share_of_step),
                &unless_zero(bytes, format!("{:.1}", 1e-6 * kernel.bytes as f64)),
                &unless_zero(bytes, format!("{:.0}", kernel.gb_per_s)),
                &unless_zero(bytes, percent(kernel.share_of_copy)),
                &unless_zero(flops, format!("{:.0}", 1e-6 * kernel.flops as f64)),
                &unless_zero(flops, format!("{:.0}", kernel.gflop_per_s)),
                &unless_zero(flops, percent(kernel.share_of_fma)),
            ])?;
        }
        let calls: usize = self.kernels.iter().map(|kernel| kernel.calls).sum();
        let (kernels, step) = (format!("{:.1}", self.kernels_us), format!("{:.1}", self.step_us));
        let share = percent(self.kernels_us / self.step_us);
        line(["all kernels", &calls.to_string(), &kernels, &share, "", "", "", "", "", ""])?;
        line(["step, wall clock", "", &step, "", "", "", "", "", "", ""])?;
        let copy = format!("{:.0}", self.copy_gb_per_s);
        let fma = format!("{:.0}", self.fma_gflop_per_s);
        line(["measured device peak", "", "", "", "", &copy, "", "", &fma, ""])
    }
}

impl Kernel {
    fn none(kernel: &'static str) -> Self {
        Kernel {
            kernel,
            calls: 0,
            us_per_step: 0.0,
            share_of_step: 0.0,
            bytes: 0,
            flops: 0,
            gb_per_s: 0.0,
            gflop_per_s: 0.0,
            share_of_copy: 0.0,
            share_of_fma: 0.0,
            us_of_calls: Vec::new(),
        }
    }
}

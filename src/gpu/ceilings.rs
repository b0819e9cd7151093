//! The ceilings of a device, measured by two kernels: one copies, the other multiplies and adds.

use std::time::Instant;

use bytemuck::Zeroable;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, record};
use super::params::Params;
use crate::error::Result;

/// The highest rates of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Ceilings {
    /// Bytes per second, read and written, of a copy of a buffer larger than most caches.
    pub copy_bytes: f64,
    /// Floating-point operations per second of independent f32 multiply-adds.
    pub fma_flops: f64,
}

/// Elements of the copied buffer: 128 MiB, WebGPU's largest binding.
const COPY_ELEMENTS: usize = 1 << 23;
/// Invocations of the multiply-adds: several for each lane of the largest devices.
const FMA_INVOCATIONS: usize = 1 << 20;
/// Operations of an invocation: 256 rounds of eight vectors of four, two operations each.
const FMA_FLOPS: usize = 256 * 8 * 4 * 2;
/// The time that a measurement should take, s: much longer than the overhead of a submission.
const SECONDS: f64 = 0.02;
/// The factor between the sizes tried. Sizes grow, so that a slow device takes only a second.
const GROWTH: usize = 8;

impl Device {
    /// Measures the ceilings of the device; takes a second or less.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] and [`crate::Error::Gpu`] of the device.
    pub fn measure_ceilings(&self) -> Result<Ceilings> {
        let copy = Kernel::new(self, "limit_copy", &[])?;
        let copy_bytes = rate(self, COPY_ELEMENTS, |n| {
            let source = Buffer::<[f32; 4]>::zeroed(self, "source", n)?;
            let copied = Buffer::<[f32; 4]>::zeroed(self, "copied", n)?;
            let params = params(self, n)?;
            let scope = Scope::default().with("params", &params);
            let scope = scope.with("source", &source).with("copied", &copied);
            Ok((copy.bind(self, &scope, copy.groups_for(n))?, 2 * 16 * n))
        })?;
        let fma = Kernel::new(self, "limit_fma", &[])?;
        let fma_flops = rate(self, FMA_INVOCATIONS, |n| {
            let sum = Buffer::<f32>::zeroed(self, "sum", n)?;
            let params = params(self, n)?;
            let scope = Scope::default().with("params", &params).with("sum", &sum);
            Ok((fma.bind(self, &scope, fma.groups_for(n))?, FMA_FLOPS * n))
        })?;
        Ok(Ceilings { copy_bytes, fma_flops })
    }
}

fn params(device: &Device, elements: usize) -> Result<Buffer<Params>> {
    let buffer = Buffer::uniform(device, "params")?;
    let params = Params { n_beads: elements as u32, keep: 0.99, refresh: 0.01, ..Params::zeroed() };
    buffer.write(device, &[params])?;
    Ok(buffer)
}

/// The work per second of a dispatch of the given size, or of a smaller one that lasts long enough.
/// `make` returns a dispatch of a size, and its work.
fn rate(
    device: &Device,
    size: usize,
    make: impl Fn(usize) -> Result<(Dispatch, usize)>,
) -> Result<f64> {
    let mut shrink = GROWTH * GROWTH;
    loop {
        let (dispatch, work) = make(size / shrink)?;
        // The first call includes one-time costs of the driver.
        seconds(device, &dispatch, 1)?;
        let once = seconds(device, &dispatch, 1)?;
        if once > SECONDS || shrink == 1 {
            let calls = (SECONDS / once).clamp(1.0, 1000.0) as usize;
            let mut best = f64::INFINITY;
            for _ in 0..3 {
                best = best.min(seconds(device, &dispatch, calls)? / calls as f64);
            }
            return Ok(work as f64 / best);
        }
        shrink /= GROWTH;
    }
}

fn seconds(device: &Device, dispatch: &Dispatch, calls: usize) -> Result<f64> {
    let clock = Instant::now();
    let mut commands = device.api.commands();
    record(&mut *commands, std::iter::repeat_n(dispatch, calls));
    device.finish(commands, "measuring the device")?;
    Ok(clock.elapsed().as_secs_f64())
}

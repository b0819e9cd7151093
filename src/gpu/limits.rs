//! What the device does at best, measured by two kernels that do nothing else: the figures to
//! compare a kernel's with.

use std::time::Instant;

use bytemuck::Zeroable;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, run};
use super::params::Params;
use crate::error::Result;

/// Speeds of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes a second read and written by a copy of a buffer larger than most caches.
    pub copy_bytes: f64,
    /// Floating point operations a second in independent multiply-adds of f32.
    pub fma_flops: f64,
}

/// Elements of the copied buffer: 128 MiB, WebGPU's largest binding.
const COPY_ELEMENTS: usize = 1 << 23;
/// Invocations of the multiply-adds: several for every lane of the largest devices.
const FMA_INVOCATIONS: usize = 1 << 20;
/// Rounds of eight vectors of four, two operations each.
const FMA_FLOPS: usize = 256 * 8 * 4 * 2;
/// What is timed should last this long: long against the cost of a submission.
const SECONDS: f64 = 0.02;
/// Sizes are tried from small to large, so that a slow device is done in a second.
const GROWTH: usize = 8;

impl Device {
    /// Measures what the device does at best; takes a second or less.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] and [`crate::Error::Gpu`] of the device.
    pub fn measure_limits(&self) -> Result<Limits> {
        let copy = Kernel::new(self, "limit_copy", &[])?;
        let copy_bytes = rate(self, COPY_ELEMENTS, |n| {
            let source = Buffer::<[f32; 4]>::zeroed(self, "source", n)?;
            let copied = Buffer::<[f32; 4]>::zeroed(self, "copied", n)?;
            let buffers = [&params(self, n)? as _, &source as _, &copied as _];
            Ok((copy.bind(self, &buffers, copy.groups_for(n))?, 2 * 16 * n))
        })?;
        let fma = Kernel::new(self, "limit_fma", &[])?;
        let fma_flops = rate(self, FMA_INVOCATIONS, |n| {
            let sum = Buffer::<f32>::zeroed(self, "sum", n)?;
            let buffers = [&params(self, n)? as _, &sum as _];
            Ok((fma.bind(self, &buffers, fma.groups_for(n))?, FMA_FLOPS * n))
        })?;
        Ok(Limits { copy_bytes, fma_flops })
    }
}

fn params(device: &Device, elements: usize) -> Result<Buffer<Params>> {
    let buffer = Buffer::uniform(device, "params")?;
    let params = Params { n_beads: elements as u32, keep: 0.99, refresh: 0.01, ..Params::zeroed() };
    buffer.write(device, &[params]);
    Ok(buffer)
}

/// Work a second of a dispatch of the given size, or of a smaller one that lasts long enough.
fn rate(
    device: &Device,
    size: usize,
    make: impl Fn(usize) -> Result<(Dispatch, usize)>,
) -> Result<f64> {
    let mut shrink = GROWTH * GROWTH;
    loop {
        let (dispatch, work) = make(size / shrink)?;
        // The first call finds nothing ready.
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
    run(device, std::iter::repeat_n(dispatch, calls));
    device.wait("measuring the device")?;
    Ok(clock.elapsed().as_secs_f64())
}

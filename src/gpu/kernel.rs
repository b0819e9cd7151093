//! Kernels: composed, compiled once, and bound to buffers by the names of their bindings.

use std::sync::Arc;
use std::time::Instant;

use super::api::{Commands, Language, Launch, Signature};
use super::buffer::{Allocation, Bindable};
use super::compose::{self, Reflection, Value};
use super::device::Device;
use super::program::Compiled;
use crate::error::{Error, Result};

/// A compiled kernel that can be bound.
#[derive(Debug, Clone)]
pub(super) struct Kernel(Arc<Compiled>);

/// A kernel with its buffers and grid: one entry of the list that makes up a step.
#[derive(Debug, Clone)]
pub(super) struct Dispatch {
    name: &'static str,
    launch: Launch,
    /// Keeps the memory of the launch counted in the device's account.
    _memory: Vec<Arc<Allocation>>,
    /// The work that does not depend on the neighbor list, and the work for each edge of it.
    work: [Work; 2],
}

/// The work of a dispatch; zero if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Work {
    /// Bytes requested from the device's memory or its caches.
    pub(super) bytes: u64,
    /// Floating-point operations; a fused multiply-add counts as two.
    pub(super) flops: u64,
}

/// Buffers by the names that kernels use for them. If a name occurs twice, the later buffer wins.
#[derive(Clone, Default)]
pub(super) struct Scope<'a>(Vec<(&'static str, &'a dyn Bindable)>);

impl<'a> Scope<'a> {
    pub(super) fn new(buffers: &[(&'static str, &'a dyn Bindable)]) -> Self {
        Scope(buffers.to_vec())
    }

    /// These buffers and those of `other`, which win.
    pub(super) fn and(&self, other: &Scope<'a>) -> Self {
        Scope([&self.0[..], &other.0[..]].concat())
    }

    /// These buffers and one more, which wins.
    pub(super) fn with(mut self, name: &'static str, buffer: &'a dyn Bindable) -> Self {
        self.0.push((name, buffer));
        self
    }

    fn find(&self, name: &str) -> Option<&'a dyn Bindable> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, buffer)| *buffer)
    }
}

/// A scope of fields of an owner. Each field has the name that kernels use for it:
/// `scope!(self; position, velocity)`.
macro_rules! scope {
    ($owner:expr; $($field:ident),* $(,)?) => {
        $crate::gpu::kernel::Scope::new(&[$((stringify!($field), &$owner.$field as _)),*])
    };
}
pub(super) use scope;

/// The most workgroups in x. WebGPU's default limit; larger dispatches are folded into y.
const MAX_WORKGROUPS: u32 = 65_535;

impl Kernel {
    /// The kernel with these constants. A device compiles each text once.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it needs more workgroup memory or invocations than the device
    /// has; wgpu does not check this itself. [`Error::Gpu`] if it does not compile.
    pub(super) fn new(
        device: &Device,
        name: &'static str,
        constants: &[(&'static str, Value)],
    ) -> Result<Self> {
        let language = device.api.language();
        let text = match language {
            Language::Wgsl => compose::compose(name, constants),
            Language::Cuda => compose::compose_cuda(name, constants),
        };
        let compiled = device.compiled(device.planted(name, text), |text| {
            let clock = Instant::now();
            let reflection = match language {
                Language::Wgsl => compose::parse(text).map(|(module, _)| compose::reflect(&module)),
                Language::Cuda => compose::reflect_cuda(name, text),
            };
            let reflection = reflection.map_err(|message| Error::gpu(name, message))?;
            check_fit(device, name, &reflection)?;
            let (bindings, accesses): (_, Vec<_>) = reflection.bindings.into_iter().unzip();
            let invocations = reflection.invocations;
            let signature = Signature { name, bindings: &accesses, invocations };
            let program = device.api.compile(signature, text)?;
            device.account.compiled(clock.elapsed());
            let constants = constants.to_vec();
            Ok(Compiled { name, constants, program, bindings, workgroup: invocations })
        })?;
        Ok(Kernel(compiled))
    }

    /// Invocations of a workgroup.
    pub(super) fn workgroup(&self) -> usize {
        self.0.workgroup as usize
    }

    /// Binds the buffers of the scope that have the names of the kernel's bindings, for a grid of
    /// `workgroups`.
    ///
    /// # Panics
    /// If the scope lacks one of the names, which is a mistake in this crate.
    pub(super) fn bind(
        &self,
        device: &Device,
        scope: &Scope,
        workgroups: usize,
    ) -> Result<Dispatch> {
        let Compiled { name, program, bindings, .. } = &*self.0;
        let named = |binding: &String| {
            let found = scope.find(binding);
            found.unwrap_or_else(|| panic!("{name}: no buffer {binding}")).allocation()
        };
        let buffers: Vec<&Arc<Allocation>> = bindings.iter().map(named).collect();
        let memory: Vec<_> = buffers.iter().map(|buffer| &buffer.memory).collect();
        let launch = device.api.bind(program, &memory, self.grid(workgroups)?)?;
        let memory = buffers.into_iter().map(Arc::clone).collect();
        Ok(Dispatch { name, launch, _memory: memory, work: Default::default() })
    }

    /// The numbers of workgroups in x and in y. There may be a few more than asked for.
    fn grid(&self, workgroups: usize) -> Result<[u32; 2]> {
        let too_many = || {
            let found = format!("{workgroups} workgroups of {}", self.0.name);
            Error::unsupported(found, "use fewer replicas")
        };
        let total = u32::try_from(workgroups.max(1)).map_err(|_| too_many())?;
        let y = total.div_ceil(MAX_WORKGROUPS);
        if y > MAX_WORKGROUPS {
            return Err(too_many());
        }
        Ok([total.div_ceil(y), y])
    }

    /// The number of workgroups for one invocation per element.
    pub(super) fn groups_for(&self, elements: usize) -> usize {
        elements.div_ceil(self.workgroup())
    }
}

fn check_fit(device: &Device, name: &str, reflection: &Reflection) -> Result<()> {
    let Reflection { workgroup_bytes, invocations, .. } = *reflection;
    let has = device.capabilities();
    if workgroup_bytes <= has.workgroup_bytes && invocations <= has.invocations {
        return Ok(());
    }
    Err(Error::unsupported(
        format!(
            "a network of this size on {}: kernel {name} needs {workgroup_bytes} bytes of \
             workgroup memory and {invocations} invocations",
            has.name
        ),
        "use the CPU backend",
    ))
}

impl Dispatch {
    /// The name of the kernel.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Sets the work that does not depend on the neighbor list.
    pub(super) fn working(mut self, bytes: u64, flops: u64) -> Self {
        self.work[0] = Work { bytes, flops };
        self
    }

    /// Sets the work for each edge of the neighbor list.
    pub(super) fn working_per_edge(mut self, bytes: u64, flops: u64) -> Self {
        self.work[1] = Work { bytes, flops };
        self
    }

    /// The work with `edges` edges in the neighbor list.
    pub(super) fn work(&self, edges: u64) -> Work {
        let [all, each] = self.work;
        Work { bytes: all.bytes + edges * each.bytes, flops: all.flops + edges * each.flops }
    }
}

/// Records dispatches, in order.
pub(super) fn record<'a>(
    commands: &mut dyn Commands,
    dispatches: impl IntoIterator<Item = &'a Dispatch>,
) {
    for dispatch in dispatches {
        commands.launch(dispatch.launch());
    }
}

/// Submits dispatches, in order.
pub(super) fn run<'a>(
    device: &Device,
    dispatches: impl IntoIterator<Item = &'a Dispatch>,
) -> Result<()> {
    let mut commands = device.api.commands();
    record(&mut *commands, dispatches);
    device.submit(commands)?;
    Ok(())
}

//! A Vulkan driver, which may have no hardware: it compiles pipelines and tells their registers.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;

use ash::{khr, vk};
use rayon::prelude::*;

use crate::table::{self, Row, Table};
use crate::{Result, files, read, stem};

struct Driver {
    // Functions of the others come from this library.
    _entry: ash::Entry,
    device: ash::Device,
    statistics: khr::pipeline_executable_properties::Device,
    name: String,
}

fn words(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn told<T>(what: &str, result: ash::prelude::VkResult<T>) -> Result<T> {
    result.map_err(|e| format!("{what}: {e}"))
}

impl Driver {
    /// The first device of the driver that VK_DRIVER_FILES names, with all features.
    fn new() -> Result<Self> {
        // SAFETY: the structs live as long as the calls, and nothing is used after its end.
        unsafe {
            let entry = ash::Entry::load().map_err(|e| format!("libvulkan: {e}"))?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let create = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = told("vkCreateInstance", entry.create_instance(&create, None))?;
            let devices = told("devices", instance.enumerate_physical_devices())?;
            let physical = *devices.first().ok_or("the driver has no device")?;
            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(physical, &mut properties);
            let device_name = words(&properties.properties.device_name);
            let name = format!("{device_name}, {}", words(&driver.driver_info));
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
            let mut features13 = vk::PhysicalDeviceVulkan13Features::default();
            let mut features12 = vk::PhysicalDeviceVulkan12Features::default();
            let mut features11 = vk::PhysicalDeviceVulkan11Features::default();
            let mut features = vk::PhysicalDeviceFeatures2::default()
                .push_next(&mut executables)
                .push_next(&mut features13)
                .push_next(&mut features12)
                .push_next(&mut features11);
            instance.get_physical_device_features2(physical, &mut features);
            // wgpu turns it on only for shaders with checks.
            features.features.robust_buffer_access = vk::FALSE;
            let priorities = [1.0];
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&priorities)];
            let extensions = [khr::pipeline_executable_properties::NAME.as_ptr()];
            let create = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut features);
            let device = told(&name, instance.create_device(physical, &create, None))?;
            let statistics = khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Driver { _entry: entry, device, statistics, name })
        }
    }

    /// Compiles a kernel. The statistics of its executables, with the size of its subgroups.
    fn compile(&self, code: &[u32]) -> Result<BTreeMap<String, u64>> {
        let Module { entry, bindings } = module(code)?;
        let binding = |&(number, uniform): &(u32, bool)| {
            let kind = if uniform {
                vk::DescriptorType::UNIFORM_BUFFER
            } else {
                vk::DescriptorType::STORAGE_BUFFER
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(number)
                .descriptor_type(kind)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = bindings.iter().map(binding).collect();
        let device = &self.device;
        // SAFETY: the structs live as long as the calls. The few objects live until the end of the
        // process.
        unsafe {
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = told("bindings", device.create_descriptor_set_layout(&create, None))?;
            let sets = [set];
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = told("layout", device.create_pipeline_layout(&create, None))?;
            let create = vk::ShaderModuleCreateInfo::default().code(code);
            let module = told("module", device.create_shader_module(&create, None))?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let create = [vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .layout(layout)
                .stage(stage)];
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
            let pipelines = made.map_err(|(_, e)| format!("pipeline: {e}"))?;
            let of = vk::PipelineInfoKHR::default().pipeline(pipelines[0]);
            let executables = self.statistics.get_pipeline_executable_properties(&of);
            let executables = told("executables", executables)?;
            let mut all = BTreeMap::new();
            for (k, executable) in executables.iter().enumerate() {
                let of = vk::PipelineExecutableInfoKHR::default()
                    .pipeline(pipelines[0])
                    .executable_index(k as u32);
                let each = self.statistics.get_pipeline_executable_statistics(&of);
                for statistic in told("statistics", each)? {
                    // All integers of drivers are u64 here, as RADV and ANV declare them.
                    let value = statistic.value.u64;
                    let most = all.entry(words(&statistic.name)).or_insert(0);
                    *most = value.max(*most);
                }
                let size = u64::from(executable.subgroup_size);
                let most = all.entry(SUBGROUP.to_owned()).or_insert(0);
                *most = size.max(*most);
            }
            device.destroy_pipeline(pipelines[0], None);
            Ok(all)
        }
    }
}

const SUBGROUP: &str = "subgroup";

struct Module {
    entry: CString,
    /// Numbers, and whether it is a uniform buffer.
    bindings: Vec<(u32, bool)>,
}

/// The entry point and the bindings of SPIR-V.
fn module(code: &[u32]) -> Result<Module> {
    const ENTRY_POINT: u32 = 15;
    const VARIABLE: u32 = 59;
    const DECORATE: u32 = 71;
    const BINDING: u32 = 33;
    const UNIFORM: u32 = 2;
    let (mut entry, mut numbers, mut classes) = (None, BTreeMap::new(), BTreeMap::new());
    let mut at = 5;
    while at < code.len() {
        let (operation, length) = (code[at] & 0xffff, (code[at] >> 16) as usize);
        let operands = code.get(at + 1..at + length).filter(|_| length > 0);
        let operands = operands.ok_or("an instruction does not end")?;
        match (operation, operands) {
            (ENTRY_POINT, [_, _, name @ ..]) => {
                let bytes: &[u8] = bytemuck::cast_slice(name);
                let name = CStr::from_bytes_until_nul(bytes).map_err(|e| e.to_string())?;
                entry = Some(name.to_owned());
            }
            (DECORATE, [variable, BINDING, number]) => {
                numbers.insert(*variable, *number);
            }
            (VARIABLE, [_, variable, class, ..]) => {
                classes.insert(*variable, *class);
            }
            _ => {}
        }
        at += length;
    }
    let bindings =
        numbers.iter().map(|(variable, number)| (*number, classes.get(variable) == Some(&UNIFORM)));
    Ok(Module { entry: entry.ok_or("no entry point")?, bindings: bindings.collect() })
}

fn compiled(driver: &Driver, path: &Path) -> Result<Row> {
    let bytes = read(path)?;
    let code: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let statistics = driver.compile(&code)?;
    Row::new(&statistics)
}

/// Compiles every shader as wgpu makes it for Vulkan 1.3, and compares registers and spills with
/// those of the table, or writes the table.
pub(crate) fn run(shaders: &Path, path: &Path, update: bool) -> Result<String> {
    let driver = Driver::new()?;
    let control = shaders.join("refused/registers.spv");
    if compiled(&driver, &control)?.spills() == 0 {
        return Err(format!("{}: {} does not spill", driver.name, control.display()));
    }
    let all = files(&shaders.join("spirv-1.6"))?;
    let rows: Vec<(String, Result<Row>)> =
        all.par_iter().map(|path| (stem(path), compiled(&driver, path))).collect();
    let failed = |(stem, row): &(String, Result<Row>)| {
        row.as_ref().err().map(|message| format!("{}: {stem}: {message}", driver.name))
    };
    let failures: Vec<String> = rows.iter().filter_map(failed).collect();
    if !failures.is_empty() {
        return Err(failures.join("\n"));
    }
    let rows = rows.into_iter().filter_map(|(stem, row)| Some((stem, row.ok()?))).collect();
    let table = Table { driver: driver.name.clone(), rows };
    if update {
        std::fs::write(path, table.text()).map_err(|e| format!("{}: {e}", path.display()))?;
    } else {
        table::compare(&table, path)?;
    }
    Ok(format!("{}: {} of {}; {}", driver.name, all.len(), all.len(), table.most()))
}

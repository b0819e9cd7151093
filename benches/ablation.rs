//! Times of the message passing of one block of the built-in system, fused or not, with row sums or
//! scatter-add: `cargo bench --bench ablation`, with
//! `-- [--replicas 1,64] [--adapter NAME|INDEX]`.
//!
//! The forward pass is `m_i = Σ_j y_j ∘ W(d_ij)`. The backward pass computes the gradient of y and
//! the force from a given gradient of m (equations: `ops::Ops`). All variants run on one device
//! with the same edges, features and table of filters. The host times many repetitions of each:
//!
//! - `fused, CSR`: the library's kernels. The other variants are compared with it.
//! - `unfused, CSR`: the first kernel writes the filters of all edges to a tensor. The second one
//!   gathers features and writes a tensor of messages. The third one sums the rows. The backward
//!   pass writes the slopes, reads the filters kept from the forward pass, and writes the messages
//!   of the gradient and one number per edge for the force.
//! - `unfused, scatter-add`: the same, but each edge adds its message to its receiver.
//! - `fused, scatter-add`: a single kernel, which adds the messages to the receivers.
//!
//! Scatter-add uses atomic additions of f32 if the device has them. It is also measured with a
//! compare-exchange loop, the only way in portable WGSL. The time includes clearing the sums. Edges
//! are in the order of their receivers.
//!
//! Two more lines give means over the blocks of a step, from the engine's profile:
//! `fused, CSR, in a step`, where the first block needs no gradient of y, and
//! `fused, CSR, exact filters, in a step`, which evaluates the filter networks instead of tables.
//! The kernel `edges` finds the place of each edge in the tables, once per step for all blocks and
//! both passes; its time is reported apart.
//!
//! The column `own` is the size of the tensors that only this variant needs. If they do not fit on
//! the device, the bench measures fewer replicas, scales times and bytes up, and says so. Every
//! result is compared with that of `fused, CSR`, whose first replica is compared with the f64
//! reference.

#[path = "ablation/gpu.rs"]
mod gpu;
#[path = "ablation/scene.rs"]
mod scene;

use std::time::Instant;

use flashschnet::Backend;
use flashschnet::Error;
use flashschnet::builtin;
use flashschnet::engine::Filter;
use flashschnet::gpu::Device;
use flashschnet::gpu::compose::{Value, compose, compose_source};
use flashschnet::gpu::params::{Params, Position};
use flashschnet::simulation::{Settings, Simulation};
use serde_json::json;

use gpu::{Buffers, Dispatch, Gpu, Work};
use scene::{CHANNELS, Scene};

/// WORKGROUP of the bench's own kernels.
const WORKGROUP: usize = 256;
/// The largest relative error of a result, in the root mean square.
const TOLERANCE: f64 = 1e-4;
/// Seconds that an engine runs before its kernels are timed. The profile then runs as many steps.
const WARM_UP: f64 = 0.3;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!("ablation/", $name, ".wgsl"))
    };
}

/// A way for edges to add to their receivers: its name in the report, and its WGSL text.
type Add = (&'static str, &'static str);
const NATIVE: Add = ("native atomics", wgsl!("add_native"));
const EXCHANGE: Add = ("compare-exchange", wgsl!("add_exchange"));

struct Options {
    replicas: Vec<usize>,
    adapter: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options { replicas: vec![1, 64], adapter: None };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--replicas" => {
                    let list = value()?;
                    let numbers = list.split(',').map(|n| n.parse().ok().filter(|n| *n > 0));
                    let numbers = numbers.collect::<Option<_>>();
                    options.replicas = numbers.ok_or(format!("{list}: not numbers above 0"))?;
                }
                "--adapter" => options.adapter = Some(value()?),
                // Cargo passes this option.
                "--bench" => {}
                _ => return Err(format!("no option {name}: see benches/ablation.rs").into()),
            }
        }
        Ok(options)
    }
}

/// A variant with its dispatches.
struct Variant {
    name: String,
    forward: Work,
    backward: Work,
    /// Size of the tensors that the fused variant does not have.
    bytes: u64,
}

/// The first `n_replicas` replicas of a scene on the device.
struct Stage<'a> {
    gpu: &'a Gpu,
    higher: Value,
    nothing: Value,
    n_replicas: usize,
    n_beads: usize,
    n_edges: usize,
    buffers: Buffers,
}

impl<'a> Stage<'a> {
    fn new(gpu: &'a Gpu, scene: &Scene, n_replicas: usize) -> Self {
        let n_beads = n_replicas * scene.n_beads;
        let graph = &scene.graph;
        let n_edges = graph.row_ptr[n_beads] as usize;
        let ends = graph.row_ptr[..=n_beads].windows(2);
        let reach: Vec<[u32; 4]> = ends.map(|ends| [ends[0], ends[1], 0, 0]).collect();
        let receiver: Vec<u32> =
            (0..n_beads).flat_map(|i| graph.row(i).map(move |_| i as u32)).collect();
        let position = scene.positions[..n_beads].iter();
        let exact = |x: &[f64; 3]| Position {
            high: [x[0] as f32, x[1] as f32, x[2] as f32, 0.0],
            low: [0.0; 4],
        };
        let position: Vec<Position> = position.map(exact).collect();
        let features = |rows: &[f64]| -> Vec<f32> {
            rows[..n_beads * CHANNELS].iter().map(|x| *x as f32).collect()
        };
        let params = Params { n_beads: n_beads as u32, ..bytemuck::Zeroable::zeroed() };
        let rows = (4 * CHANNELS * n_beads) as u64;
        let forces = (16 * n_beads) as u64;
        let sums = gpu.zeroed(rows + 2 * forces).expect("the sums are small enough");
        let buffers = Buffers::from([
            ("params", gpu.upload(&[params])),
            ("reach", gpu.upload(&reach)),
            ("edge", gpu.upload(&scene.edge[..n_edges])),
            ("receiver", gpu.upload(&receiver)),
            ("position", gpu.upload(&position)),
            ("y", gpu.upload(&features(&scene.y))),
            ("grad_m", gpu.upload(&features(&scene.grad_m))),
            ("table", gpu.upload(&scene.table)),
            ("m", sums.part(0, rows)),
            ("grad_y", sums.part(0, rows)),
            ("force", sums.part(rows, 2 * forces)),
            ("slow_force", sums.part(rows + forces, forces)),
            ("sums", sums),
        ]);
        Stage {
            gpu,
            higher: scene.higher,
            nothing: scene.nothing,
            n_replicas,
            n_beads,
            n_edges,
            buffers,
        }
    }

    /// Adds the tensors of the unfused variants; `None` if they do not fit.
    fn with_tensors(mut self) -> Option<Self> {
        let n_edges = self.n_edges as u64;
        let tensor = 4 * CHANNELS as u64 * n_edges;
        let sizes =
            [("filters", tensor), ("slopes", tensor), ("message", tensor), ("pull", 4 * n_edges)];
        for (name, size) in sizes {
            self.buffers.insert(name, self.gpu.zeroed(size)?);
        }
        Some(self)
    }

    fn bytes(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.buffers[name].size).sum()
    }

    /// A dispatch of one of the bench's own kernels with `n` invocations.
    fn own(&self, source: &str, add: Add, constants: &[(&str, Value)], n: usize) -> Dispatch {
        let library = [
            ("common", wgsl!("common")),
            ("edge_sum", wgsl!("edge_sum")),
            ("of_edge", wgsl!("of_edge")),
            ("add_to_row", wgsl!("add_to_row")),
            ("add", add.1),
        ];
        let text = compose_source(source, &library, constants);
        self.gpu.dispatch(&text, &self.buffers, n.div_ceil(WORKGROUP))
    }

    /// The library's kernels, with the constants that the library uses.
    fn fused_csr(&self) -> Variant {
        let most = self.gpu.device.limits().max_compute_invocations_per_workgroup;
        let (split, workgroup) = if self.n_beads < 8192 { (8, 256) } else { (4, most.min(512)) };
        let constants = [
            ("WORKGROUP", Value::Count(workgroup)),
            ("SPLIT", Value::Count(split)),
            ("HIGHER", self.higher),
            ("NOTHING", self.nothing),
        ];
        let rows = workgroup as usize * 4 / CHANNELS / split as usize;
        let work = |name: &str| {
            let text = compose(name, &constants);
            let dispatch = self.gpu.dispatch(&text, &self.buffers, self.n_beads.div_ceil(rows));
            Work { clear: None, dispatches: vec![dispatch] }
        };
        Variant {
            name: "fused, CSR".into(),
            forward: work("cfconv_forward_table"),
            backward: work("cfconv_backward_table"),
            bytes: 0,
        }
    }

    fn fused_scatter(&self, add: Add) -> Variant {
        let work = |source: &str| {
            let n = self.n_edges * CHANNELS / 4;
            let dispatches = vec![self.own(source, add, &[("HIGHER", self.higher)], n)];
            Work { clear: Some(self.buffers["sums"].clone()), dispatches }
        };
        Variant {
            name: format!("fused, scatter-add, {}", add.0),
            forward: work(wgsl!("fused_forward")),
            backward: work(wgsl!("fused_backward")),
            bytes: self.bytes(&["receiver"]),
        }
    }

    /// Messages as tensors, which row sums or scatter-add collect.
    fn unfused(&self, add: Option<Add>) -> Variant {
        let by_quad = self.n_edges * CHANNELS / 4;
        let filters = |slope: bool, tensor: &str| {
            let constants = [("HIGHER", self.higher), ("SLOPE", Value::Flag(slope))];
            let mut to = self.buffers.clone();
            to.insert("tensor", self.buffers[tensor].clone());
            let stage = Stage { buffers: to, ..*self };
            stage.own(wgsl!("filter_tensor"), EXCHANGE, &constants, by_quad)
        };
        let own = |source: &str, n: usize| self.own(source, add.unwrap_or(EXCHANGE), &[], n);
        let sum = || match add {
            None => own(wgsl!("reduce"), WORKGROUP * self.n_beads),
            Some(_) => own(wgsl!("scatter"), self.n_edges * CHANNELS),
        };
        let sum_forces = match add {
            None => own(wgsl!("reduce_force"), 32 * self.n_beads),
            Some(_) => own(wgsl!("scatter_force"), self.n_edges),
        };
        let work = |dispatches: Vec<Dispatch>| Work {
            clear: add.map(|_| self.buffers["sums"].clone()),
            dispatches,
        };
        let tensors = ["filters", "slopes", "message", "pull", "receiver"];
        Variant {
            name: match add {
                None => "unfused, CSR".into(),
                Some((kind, _)) => format!("unfused, scatter-add, {kind}"),
            },
            forward: work(vec![
                filters(false, "filters"),
                own(wgsl!("gather_forward"), by_quad),
                sum(),
            ]),
            backward: work(vec![
                filters(true, "slopes"),
                own(wgsl!("gather_backward"), by_quad),
                sum(),
                sum_forces,
            ]),
            bytes: self.bytes(&tensors),
        }
    }

    /// The results m, gradient of y, and force.
    fn results(&self, variant: &Variant) -> [Vec<f64>; 3] {
        let nothing = Work { clear: Some(self.buffers["sums"].clone()), dispatches: Vec::new() };
        let read = |work: &Work, name: &str| {
            self.gpu.run(&nothing);
            self.gpu.run(work);
            self.gpu.read(&self.buffers[name]).into_iter().map(f64::from).collect()
        };
        let Variant { forward, backward, .. } = variant;
        [read(forward, "m"), read(backward, "grad_y"), read(backward, "slow_force")]
    }

    /// Compares a variant's results with the expected ones, for as many replicas as both have.
    fn check(&self, variant: &Variant, expected: &[Vec<f64>; 3]) -> Result<f64> {
        let results = self.results(variant);
        let errors = results.iter().zip(expected).map(|(found, expected)| {
            let both = found.iter().zip(expected);
            let [error, whole] = both.fold([0.0, 0.0], |[error, whole], (a, b)| {
                [error + (a - b).powi(2), whole + b * b]
            });
            (error / whole).sqrt().abs()
        });
        // In this order a positive NaN is larger than every number.
        let error = errors.max_by(f64::total_cmp).expect("there are three results");
        if error <= TOLERANCE {
            return Ok(error);
        }
        Err(format!("{}: results are wrong by {error:.1e}", variant.name).into())
    }

    fn measure(&self, variant: &Variant, expected: &[Vec<f64>; 3]) -> Result<Row> {
        let error = self.check(variant, expected)?;
        Ok(Row {
            name: variant.name.clone(),
            n_replicas: self.n_replicas,
            ms: [&variant.forward, &variant.backward].map(|work| 1e3 * self.gpu.time(work)),
            bytes: Some(variant.bytes),
            error: Some(error),
        })
    }
}

/// A line of the report.
struct Row {
    name: String,
    /// The number of replicas that were measured.
    n_replicas: usize,
    /// Times of the forward and the backward pass.
    ms: [f64; 2],
    bytes: Option<u64>,
    error: Option<f64>,
}

/// Times of kernels within steps of a simulation.
struct InStep {
    row: Row,
    /// Time of the kernel `edges`, ms per step; `None` without tables.
    edges: Option<f64>,
    /// The positions at the end of the run.
    positions: Vec<[f64; 3]>,
}

impl InStep {
    fn measure(gpu: &Gpu, name: &str, filter: Filter, n_replicas: usize) -> Result<Self> {
        let device = Device::from_wgpu(gpu.device.clone(), gpu.queue.clone());
        let backend = Backend::from_device(device).with_filter(filter);
        let settings = Settings { n_replicas, ..Settings::default() };
        let (model, structures) = (builtin::model(), [builtin::structure()]);
        let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
        let engine = simulation.engine();
        let (clock, mut steps) = (Instant::now(), 0);
        while clock.elapsed().as_secs_f64() < WARM_UP {
            engine.advance(4)?;
            // Reading the state waits for the device.
            engine.state()?;
            steps += 4;
        }
        let times = match engine.probe().profile(steps) {
            // Without timestamps the times of these lines are NaN.
            Err(Error::Unsupported { .. }) => Vec::new(),
            times => times?,
        };
        let mean = |kernel: &str| {
            let calls = times.iter().filter(|time| time.kernel.starts_with(kernel));
            let calls: Vec<f64> = calls.map(|time| 1e-3 * time.microseconds).collect();
            (!calls.is_empty()).then(|| calls.iter().sum::<f64>() / calls.len() as f64)
        };
        let ms =
            ["cfconv_forward", "cfconv_backward"].map(|kernel| mean(kernel).unwrap_or(f64::NAN));
        let row = Row { name: name.into(), n_replicas, ms, bytes: None, error: None };
        Ok(InStep { row, edges: mean("edges"), positions: engine.state()?.positions })
    }
}

fn report(gpu: &Gpu, n_replicas: usize) -> Result<()> {
    let in_step = InStep::measure(gpu, "fused, CSR, in a step", Filter::TABLE, n_replicas)?;
    let exact =
        InStep::measure(gpu, "fused, CSR, exact filters, in a step", Filter::Exact, n_replicas)?;
    let schnet = builtin::model().schnet.expect("the model has a network");
    let scene = Scene::new(schnet, &in_step.positions, n_replicas)?;
    let adds = if gpu.adds_floats() { vec![NATIVE, EXCHANGE] } else { vec![EXCHANGE] };

    let stage = Stage::new(gpu, &scene, n_replicas);
    let fused = stage.fused_csr();
    let mut rows = vec![stage.measure(&fused, &scene.reference()?)?, in_step.row, exact.row];
    let expected = stage.results(&fused);
    for add in &adds {
        rows.push(stage.measure(&stage.fused_scatter(*add), &expected)?);
    }
    let shared = stage.bytes(&["edge", "reach", "position", "y", "grad_m", "table", "sums"]);
    let n_edges = stage.n_edges;
    let fewer = std::iter::successors(Some(n_replicas), |n| Some(n / 2)).take_while(|n| *n > 0);
    let stage = fewer.map(|n| Stage::new(gpu, &scene, n)).find_map(Stage::with_tensors);
    let stage = stage.ok_or("the tensors of one replica do not fit")?;
    for add in std::iter::once(None).chain(adds.into_iter().map(Some)) {
        rows.push(stage.measure(&stage.unfused(add), &expected)?);
    }

    let mb = |bytes: u64| 1e-6 * bytes as f64;
    println!("replicas {n_replicas}, edges {n_edges}, one block, {}", gpu.name);
    println!("  {:40} {:>10} {:>7} {:>11} {:>7} {:>10}", "", "forward", "", "backward", "", "own");
    let (base, mut lines) = (rows[0].ms, Vec::new());
    for Row { name, n_replicas: measured, ms, bytes, error } in rows {
        let scale = n_replicas as f64 / measured as f64;
        let ms = ms.map(|ms| ms * scale);
        let bytes = bytes.map(|bytes| (bytes as f64 * scale) as u64);
        let ratio = [0, 1].map(|k| ms[k] / base[k]);
        let own = bytes.map_or("-".into(), |bytes| format!("{:.1} MB", mb(bytes)));
        let note = match measured < n_replicas {
            true => format!("  does not fit: {measured} replicas measured, scaled"),
            false => String::new(),
        };
        println!(
            "  {name:40} {:7.4} ms {:6.2}x {:8.4} ms {:6.2}x {own:>10}{note}",
            ms[0], ratio[0], ms[1], ratio[1]
        );
        let line = json!({
            "device": gpu.name,
            "replicas": n_replicas,
            "edges": n_edges,
            "variant": name,
            "measured_replicas": measured,
            "forward_ms": ms[0],
            "backward_ms": ms[1],
            "forward_ratio": ratio[0],
            "backward_ratio": ratio[1],
            "own_bytes": bytes,
            "relative_error": error,
            "edges_ms": in_step.edges,
        });
        lines.push(line);
    }
    let edges = in_step.edges.map_or("-".into(), |ms| format!("{ms:.4} ms"));
    println!("  edges, once per step: {edges}; tensors that all have: {:.1} MB", mb(shared));
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let gpu = Gpu::open(options.adapter.as_deref())?;
    for n_replicas in options.replicas {
        report(&gpu, n_replicas)?;
    }
    Ok(())
}

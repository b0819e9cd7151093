//! Energy drift of the built-in system: `cargo bench --bench drift`, with
//! `-- [--ns 1] [--replicas 1] [--dt 0.002] [--equilibration 100] [--mts 1] [--exact] [--mixed] [--priors]
//! [--adapter NAME] [--backend auto|wgpu|cuda|cpu|reference] [--csv FILE]`.
//!
//! The bench equilibrates the system with Langevin dynamics at 300 K (`--equilibration`, in ps),
//! then runs velocity Verlet (`--ns`). About every 0.2 ps it reads the potential and the kinetic
//! energy of the same full step, whose sums are in f64. Reading does not change the run. Filters
//! are tabulated unless `--exact` is given, the precision is f32 unless `--mixed` is given, and
//! `--priors` leaves out the network. The bench prints the averages of blocks to standard error
//! during the run;
//! `--csv` writes them to a file.
//!
//! The drift is the slope of a line fitted to the averages of 40 blocks. With one replica its
//! standard error comes from the scatter of the blocks about the line, which is right only if a
//! block is longer than the correlation time of the energy. `correlation` is that of the residuals
//! of neighboring blocks. If it is much larger than 1/√40, the blocks are not independent, and the
//! true error is larger. With several replicas the result is the mean of their slopes, with the
//! standard error from the scatter of the slopes. That error is right in any case.

use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::{Filter, Integrator, Precision};
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::units;

const TEMPERATURE: f64 = 300.0;
const SAMPLE_PS: f64 = 0.2;
const BLOCKS: usize = 40;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Options {
    ns: f64,
    replicas: usize,
    dt: f64,
    /// ps
    equilibration: f64,
    mts: u32,
    exact: bool,
    precision: Precision,
    priors: bool,
    kind: BackendKind,
    adapter: Option<String>,
    csv: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            ns: 1.0,
            replicas: 1,
            dt: 0.002,
            equilibration: 100.0,
            mts: 1,
            exact: false,
            precision: Precision::F32,
            priors: false,
            kind: BackendKind::Auto,
            adapter: None,
            csv: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--ns" => options.ns = positive(&name, &value()?)?,
                "--replicas" => options.replicas = positive(&name, &value()?)? as usize,
                "--dt" => options.dt = positive(&name, &value()?)?,
                "--equilibration" => options.equilibration = positive(&name, &value()?)?,
                "--mts" => options.mts = positive(&name, &value()?)? as u32,
                "--exact" => options.exact = true,
                "--mixed" => options.precision = Precision::Mixed,
                "--priors" => options.priors = true,
                "--backend" => {
                    let value = value()?;
                    let kinds = [
                        BackendKind::Auto,
                        BackendKind::Wgpu,
                        BackendKind::Cuda,
                        BackendKind::Cpu,
                        BackendKind::Reference,
                    ];
                    let kind = kinds.into_iter().find(|kind| kind.name() == value);
                    options.kind = kind.ok_or(format!("no backend {value}"))?;
                }
                "--adapter" => options.adapter = Some(value()?),
                "--csv" => options.csv = Some(value()?),
                // Cargo passes this option.
                "--bench" => {}
                _ => return Err(format!("no option {name}: see benches/drift.rs").into()),
            }
        }
        Ok(options)
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

fn positive(name: &str, text: &str) -> Result<f64> {
    match text.parse() {
        Ok(number) if number > 0.0 => Ok(number),
        _ => Err(format!("{name} {text}: not a number above 0").into()),
    }
}

/// A line fitted to block averages.
struct Line {
    slope: f64,
    slope_error: f64,
    /// Correlation of the residuals of neighboring blocks.
    correlation: f64,
    middle: [f64; 2],
}

impl Line {
    fn through(points: &[[f64; 2]]) -> Line {
        let n = points.len() as f64;
        let middle = [0, 1].map(|k| points.iter().map(|p| p[k]).sum::<f64>() / n);
        let moment =
            |k: usize| points.iter().map(|p| (p[0] - middle[0]) * (p[k] - middle[k])).sum::<f64>();
        let slope = moment(1) / moment(0);
        let mut line = Line { slope, slope_error: 0.0, correlation: 0.0, middle };
        let rest: Vec<f64> = points.iter().map(|p| line.residual(p)).collect();
        let square: f64 = rest.iter().map(|r| r * r).sum();
        line.slope_error = (square / (n - 2.0) / moment(0)).sqrt();
        line.correlation = rest.windows(2).map(|r| r[0] * r[1]).sum::<f64>() / square;
        line
    }

    fn residual(&self, point: &[f64; 2]) -> f64 {
        point[1] - self.middle[1] - self.slope * (point[0] - self.middle[0])
    }
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut backend = Backend::open(options.kind, options.adapter.as_deref())?;
    let filter = if options.exact { Filter::Exact } else { options.precision.table() };
    backend = backend.with_filter(filter).with_precision(options.precision)?;
    let tabulated = !options.exact && !options.priors;
    let mut model = builtin::model();
    if options.priors {
        model.schnet = None;
    }
    let (dt, replicas) = (options.dt, options.replicas);
    let mts = u64::from(options.mts);
    let settings = Settings {
        dt,
        mts: options.mts,
        n_replicas: replicas,
        beta: vec![units::beta(TEMPERATURE)],
        ..Settings::default()
    };
    let structures = [builtin::structure()];
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
    let steps = |ps: f64| ((ps / dt).round().max(1.0) as u64).next_multiple_of(mts);
    simulation.run(steps(options.equilibration))?;
    let state = simulation.state()?;
    let settings = Settings { integrator: Integrator::Nve, ..settings };
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
    simulation.set_state(&state)?;

    // Energies are in kT per degree of freedom. The translation and the rotation of a whole replica
    // do not count.
    let dof = 3 * simulation.system().n_beads() / replicas - 6;
    let scale = settings.beta[0] / dof as f64;
    let block_ps = 1e3 * options.ns / BLOCKS as f64;
    let in_block = (block_ps / SAMPLE_PS).round().max(1.0) as usize;
    let every = steps(block_ps / in_block as f64);
    let n_samples = BLOCKS * in_block;
    let average = |block: &[[f64; 2]]| [0, 1].map(|k| mean(block.iter().map(|p| p[k])));
    let clock = Instant::now();
    let (mut samples, mut temperature) = (vec![Vec::new(); replicas], 0.0);
    for sample in 1..=n_samples {
        simulation.engine().advance(every)?;
        let energies = simulation.energies()?;
        let ns = 1e-3 * dt * (sample as u64 * every) as f64;
        for (r, samples) in samples.iter_mut().enumerate() {
            samples.push([ns, scale * (energies.potential[r] + energies.kinetic[r])]);
            temperature += energies.temperature[r];
        }
        if sample % in_block == 0 {
            let block = samples.iter().map(|samples| average(&samples[sample - in_block..])[1]);
            eprintln!("{ns:.4} ns  {:.6} kT per degree of freedom", mean(block));
        }
    }
    let seconds = clock.elapsed().as_secs_f64();

    let blocks: Vec<Vec<[f64; 2]>> = samples
        .iter()
        .map(|samples| samples.chunks_exact(in_block).map(average).collect())
        .collect();
    let lines: Vec<Line> = blocks.iter().map(|blocks| Line::through(blocks)).collect();
    let slope = mean(lines.iter().map(|line| line.slope));
    let slope_error = match lines.as_slice() {
        [line] => line.slope_error,
        lines => {
            let n = replicas as f64;
            (mean(lines.iter().map(|line| (line.slope - slope).powi(2))) / (n - 1.0)).sqrt()
        }
    };
    let correlation = mean(lines.iter().map(|line| line.correlation));
    let square = |(line, samples): (&Line, &Vec<[f64; 2]>)| {
        mean(samples.iter().map(|sample| line.residual(sample).powi(2)))
    };
    let fluctuation = mean(lines.iter().zip(&samples).map(square)).sqrt();
    let ms_per_step = 1e3 * seconds / (n_samples as u64 * every) as f64;
    temperature /= (n_samples * replicas) as f64;
    if let Some(path) = &options.csv {
        let row = |[ns, energy]: &[f64; 2]| format!(",{ns},{energy}\n");
        let rows: String = blocks
            .iter()
            .enumerate()
            .flat_map(|(r, blocks)| blocks.iter().map(move |b| format!("{r}{}", row(b))))
            .collect();
        std::fs::write(path, format!("replica,ns,kt_per_dof\n{rows}"))?;
    }
    println!("{}", simulation.engine().device());
    println!(
        "drift        {slope:.2e} ± {slope_error:.2e} kT/ns per degree of freedom (3 n − 6 = {dof}), \
         kT of 300 K"
    );
    println!("correlation  {correlation:.2} of neighboring blocks' residuals");
    println!("fluctuation  {fluctuation:.2e} kT per degree of freedom, root mean square");
    println!("mean         {temperature:.1} K, {ms_per_step:.4} ms/step with the looks at it");
    let line = serde_json::json!({
        "device": simulation.engine().device(),
        "what": match (options.priors, tabulated) {
            (true, _) => "priors only",
            (_, true) => "tabulated filters",
            _ => "exact filters",
        },
        "precision": options.precision.name(),
        "ns": samples[0][n_samples - 1][0],
        "replicas": replicas,
        "dt_ps": dt,
        "mts": mts,
        "dof": dof,
        "drift_kt_per_ns_dof": slope,
        "drift_error": slope_error,
        "slopes": lines.iter().map(|line| line.slope).collect::<Vec<_>>(),
        "correlation": correlation,
        "fluctuation_kt_per_dof": fluctuation,
        "temperature_k": temperature,
        "ms_per_step": ms_per_step,
    });
    println!("{line}");
    Ok(())
}

//! Compares the means of two ways to run: those of mixed precision with those of f32, or with
//! `--mts K` those of K with those of 1. `cargo bench --bench means`, with
//! `-- [--model FILE --structures FILE] [--replicas 64] [--ps 1000] [--discard 200] [--mts K]
//! [--terms] [--adapter NAME]`.
//!
//! The bench runs Langevin dynamics at 300 K with a step of 4 fs, of a given model or of the
//! built-in system, once in each way with different seeds. It averages the potential energy, the
//! radius of gyration and the temperature, and with `--terms` the energy of each term, read every
//! 0.4 ps after the discarded part. The replicas are independent, so the scatter of their means
//! gives the standard error of the mean. `apart` is the difference of the two means divided by its
//! standard error. Runs with `--mts` are in mixed precision.

use std::path::Path;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::Precision;
use flashschnet::io::{load_model_and_structures, load_structures};
use flashschnet::model::Model;
use flashschnet::simulation::{Control, Frame, Observer, Settings, Simulation, Wants};
use flashschnet::structure::Structure;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Steps between two frames.
const EVERY: u64 = 100;

struct Options {
    model: Option<String>,
    structures: Option<String>,
    replicas: usize,
    ps: f64,
    discard: f64,
    mts: Option<u32>,
    terms: bool,
    adapter: Option<String>,
}

/// A way to run.
struct Way {
    name: String,
    precision: Precision,
    mts: u32,
    seed: u64,
}

/// A quantity with its mean and standard error over replicas.
struct Mean {
    name: String,
    unit: &'static str,
    mean: f64,
    error: f64,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            model: None,
            structures: None,
            replicas: 64,
            ps: 1000.0,
            discard: 200.0,
            mts: None,
            terms: false,
            adapter: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--model" => options.model = Some(value()?),
                "--structures" => options.structures = Some(value()?),
                "--replicas" => options.replicas = value()?.parse()?,
                "--ps" => options.ps = value()?.parse()?,
                "--discard" => options.discard = value()?.parse()?,
                "--mts" => options.mts = Some(value()?.parse()?),
                "--terms" => options.terms = true,
                "--adapter" => options.adapter = Some(value()?),
                // Cargo passes this option.
                "--bench" => {}
                _ => return Err(format!("no option {name}: see benches/means.rs").into()),
            }
        }
        if options.replicas < 2 {
            return Err("--replicas: a scatter needs two or more".into());
        }
        Ok(options)
    }

    fn ways(&self) -> [Way; 2] {
        let of_precision = |precision: Precision, seed| {
            let name = precision.name().to_string();
            Way { name, precision, mts: 1, seed }
        };
        let of_mts =
            |mts, seed| Way { name: format!("mts {mts}"), precision: Precision::Mixed, mts, seed };
        match self.mts {
            None => [of_precision(Precision::F32, 1), of_precision(Precision::Mixed, 2)],
            Some(mts) => [of_mts(1, 1), of_mts(mts, 2)],
        }
    }

    fn input(&self) -> Result<(Model, Vec<Structure>)> {
        Ok(match (&self.model, &self.structures) {
            (None, _) => (builtin::model(), vec![builtin::structure()]),
            (Some(model), None) => load_model_and_structures(Path::new(model))?,
            (Some(model), Some(structures)) => {
                (Model::load(Path::new(model))?, load_structures(Path::new(structures))?)
            }
        })
    }
}

fn radius_of_gyration(positions: &[[f64; 3]]) -> f64 {
    let n = positions.len() as f64;
    let center = [0, 1, 2].map(|k| positions.iter().map(|x| x[k]).sum::<f64>() / n);
    let square = |x: &[f64; 3]| (0..3).map(|k| (x[k] - center[k]).powi(2)).sum::<f64>();
    (positions.iter().map(square).sum::<f64>() / n).sqrt()
}

/// The sums of each quantity over the frames of a run, for each replica.
struct Sums {
    first_bead: Vec<usize>,
    terms: bool,
    frames: f64,
    sums: Vec<Vec<f64>>,
}

impl Observer for Sums {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> flashschnet::Result<()> {
        self.frames += 1.0;
        for (r, sums) in self.sums.iter_mut().enumerate() {
            let end = self.first_bead.get(r + 1).copied().unwrap_or(frame.positions.len());
            let beads = &frame.positions[self.first_bead[r]..end];
            let values = [frame.potential[r], radius_of_gyration(beads), frame.temperature[r]];
            let terms = frame.terms.iter().map(|term| term[r]);
            for (sum, value) in sums.iter_mut().zip(values.into_iter().chain(terms)) {
                *sum += value;
            }
        }
        Ok(())
    }

    fn wants(&self) -> Wants {
        Wants { terms: self.terms, ..Wants::default() }
    }
}

/// The mean of each quantity.
fn sample(options: &Options, way: &Way) -> Result<Vec<Mean>> {
    let backend = Backend::open(BackendKind::Wgpu, options.adapter.as_deref())?
        .with_filter(way.precision.table())
        .with_precision(way.precision)?;
    let (model, structures) = options.input()?;
    let n = options.replicas;
    let settings = Settings { n_replicas: n, seed: way.seed, mts: way.mts, ..Settings::default() };
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
    let k = u64::from(way.mts);
    let steps = |ps: f64| (ps / settings.dt / k as f64).round() as u64 * k;
    simulation.run(steps(options.discard))?;
    let system = simulation.system();
    let mut names = vec![
        ("potential".to_string(), "kcal/mol"),
        ("radius of gyration".into(), "Å"),
        ("temperature".into(), "K"),
    ];
    if options.terms {
        names.extend(system.term_names().into_iter().map(|name| (name, "kcal/mol")));
    }
    let mut sums = Sums {
        first_bead: system.first_bead().to_vec(),
        terms: options.terms,
        frames: 0.0,
        sums: vec![vec![0.0; names.len()]; n],
    };
    simulation.run_with(steps(options.ps), EVERY.next_multiple_of(k), &mut sums)?;
    println!("{}", simulation.engine().device());
    let of_quantity = |(q, (name, unit)): (usize, (String, &'static str))| {
        let means: Vec<f64> = sums.sums.iter().map(|of| of[q] / sums.frames).collect();
        let mean = means.iter().sum::<f64>() / n as f64;
        let square = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        Mean { name, unit, mean, error: (square / (n * (n - 1)) as f64).sqrt() }
    };
    let means: Vec<Mean> = names.into_iter().enumerate().map(of_quantity).collect();
    for Mean { name, unit, mean, error } in &means {
        println!("{name:<20} {} {mean:.4} ± {error:.4} {unit}", way.name);
    }
    Ok(means)
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let ways = options.ways();
    let [first, second] = &ways;
    let both = sample(&options, first)?.into_iter().zip(sample(&options, second)?);
    for (a, b) in both {
        let (difference, apart) = (b.mean - a.mean, (b.mean - a.mean) / a.error.hypot(b.error));
        println!(
            "{:<20} {} − {} = {difference:.4} {}, {apart:+.2} standard errors, {:+.3} %",
            a.name,
            second.name,
            first.name,
            a.unit,
            100.0 * difference / a.mean.abs()
        );
        let line = serde_json::json!({
            "quantity": a.name, "unit": a.unit, "replicas": options.replicas, "ps": options.ps,
            "ways": ways.each_ref().map(|way| way.name.as_str()),
            "means": [a.mean, b.mean], "errors": [a.error, b.error], "apart": apart,
        });
        println!("{line}");
    }
    Ok(())
}

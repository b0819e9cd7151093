//! Compares the means of mixed precision with those of f32: `cargo bench --bench means`, with
//! `-- [--model FILE --structures FILE] [--replicas 64] [--ps 1000] [--discard 200]
//! [--adapter NAME]`.
//!
//! The bench runs Langevin dynamics at 300 K with a step of 4 fs, of a given model or of the
//! built-in system, once in each precision with different seeds. It averages the potential energy,
//! the radius of gyration and the temperature, read every 0.4 ps after the discarded part. The
//! replicas are independent, so the scatter of their means gives the standard error of the mean.
//! `apart` is the difference of the two means divided by its standard error.

use std::path::Path;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::Precision;
use flashschnet::io::{load_model_and_structures, load_structures};
use flashschnet::model::Model;
use flashschnet::simulation::{Control, Frame, Settings, Simulation};
use flashschnet::structure::Structure;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const QUANTITIES: [(&str, &str); 3] =
    [("potential", "kcal/mol"), ("radius of gyration", "Å"), ("temperature", "K")];
/// Steps between two frames.
const EVERY: u64 = 100;

struct Options {
    model: Option<String>,
    structures: Option<String>,
    replicas: usize,
    ps: f64,
    discard: f64,
    adapter: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            model: None,
            structures: None,
            replicas: 64,
            ps: 1000.0,
            discard: 200.0,
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

/// Mean and standard error over replicas of each quantity.
fn sample(options: &Options, precision: Precision) -> Result<[[f64; 2]; 3]> {
    let backend = Backend::open(BackendKind::Wgpu, options.adapter.as_deref())?
        .with_filter(precision.table())
        .with_precision(precision)?;
    let (model, structures) = options.input()?;
    let n = options.replicas;
    let seed = if precision == Precision::F32 { 1 } else { 2 };
    let settings = Settings { n_replicas: n, seed, ..Settings::default() };
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
    let steps = |ps: f64| (ps / settings.dt).round() as u64;
    simulation.run(steps(options.discard))?;
    let first: Vec<usize> = simulation.system().first_bead().to_vec();
    let (mut sums, mut looks) = (vec![[0.0; 3]; n], 0.0);
    let mut look = |frame: &Frame, _: &mut Control| {
        looks += 1.0;
        for (r, sums) in sums.iter_mut().enumerate() {
            let end = first.get(r + 1).copied().unwrap_or(frame.positions.len());
            sums[0] += frame.potential[r];
            sums[1] += radius_of_gyration(&frame.positions[first[r]..end]);
            sums[2] += frame.temperature[r];
        }
        Ok(())
    };
    simulation.run_with(steps(options.ps), EVERY, &mut look)?;
    println!("{}", simulation.engine().device());
    let moments = [0, 1, 2].map(|k| {
        let means: Vec<f64> = sums.iter().map(|sums| sums[k] / looks).collect();
        let mean = means.iter().sum::<f64>() / n as f64;
        let square = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        [mean, (square / (n * (n - 1)) as f64).sqrt()]
    });
    for ((name, unit), [mean, error]) in QUANTITIES.into_iter().zip(moments) {
        println!("{name:<20} {} {mean:.4} ± {error:.4} {unit}", precision.name());
    }
    Ok(moments)
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let single = sample(&options, Precision::F32)?;
    let mixed = sample(&options, Precision::Mixed)?;
    for (k, (name, unit)) in QUANTITIES.into_iter().enumerate() {
        let ([a, a_error], [b, b_error]) = (single[k], mixed[k]);
        let apart = (b - a) / a_error.hypot(b_error);
        println!("{name:<20} mixed − f32 = {:.4} {unit}, {apart:+.2} standard errors", b - a);
        let line = serde_json::json!({
            "quantity": name, "unit": unit, "replicas": options.replicas, "ps": options.ps,
            "f32": a, "f32_error": a_error, "mixed": b, "mixed_error": b_error, "apart": apart,
        });
        println!("{line}");
    }
    Ok(())
}

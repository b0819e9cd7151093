//! Time of energies and forces of many conformations: `cargo bench --bench score -- [backend] [model
//! structures]`, with the built-in system by default.
//!
//! 1,000 conformations, the first structure with random displacements of 0.1 Å, are evaluated in batches
//! of 1, 7, 64 and 1,000. The bench prints one JSON line for each size: the milliseconds of the first
//! call, which makes an engine, and those of all conformations after it, as the median of five
//! repetitions, or of one if a repetition takes longer than ten seconds.

use std::path::Path;
use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::io::load_structures;
use flashschnet::model::Model;
use flashschnet::potential::{Potential, Request, Scores};
use flashschnet::random::{Stream, normal3};
use flashschnet::{Error, Result, builtin};

const ITEMS: usize = 1000;
const REPETITIONS: usize = 5;
const LONG_SECONDS: f64 = 10.0;

fn milliseconds(clock: Instant) -> f64 {
    1e3 * clock.elapsed().as_secs_f64()
}

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let kind = match arguments.first().map_or("auto", String::as_str) {
        "auto" => BackendKind::Auto,
        "wgpu" => BackendKind::Wgpu,
        "cuda" => BackendKind::Cuda,
        "cpu" => BackendKind::Cpu,
        other => return Err(Error::invalid("backend", other, "auto, wgpu, cuda or cpu")),
    };
    let (model, structures) = match &arguments[arguments.len().min(1)..] {
        [] => (builtin::model(), vec![builtin::structure()]),
        [model, structures] => {
            (Model::load(Path::new(model))?, load_structures(Path::new(structures))?)
        }
        _ => {
            return Err(Error::invalid(
                "arguments",
                arguments.len(),
                "[backend] [model structures]",
            ));
        }
    };
    let backend = Backend::open(kind, None)?;
    let clock = Instant::now();
    let mut potential = Potential::new(&model, &structures[..1], backend)?;
    let mut scores = Scores::default();
    let start = &structures[0].positions;
    // Tables and kernels.
    potential.evaluate(&[0], start, &Request::forces(), &mut scores)?;
    let set_up = milliseconds(clock);
    let n_beads = start.len();
    let displaced = |k: usize| {
        let moved = |(i, x): (usize, &[f64; 3])| {
            let by = normal3(1, Stream::Noise, k as u32, 0, i as u32);
            std::array::from_fn(|c| x[c] + 0.1 * by[c])
        };
        start.iter().enumerate().map(moved).collect::<Vec<[f64; 3]>>()
    };
    let positions: Vec<[f64; 3]> = (0..ITEMS).flat_map(displaced).collect();
    for batch in [1, 7, 64, ITEMS] {
        let molecules = vec![0; batch];
        let mut evaluate = |positions: &[[f64; 3]]| {
            let n_items = positions.len() / n_beads;
            potential.evaluate(&molecules[..n_items], positions, &Request::forces(), &mut scores)
        };
        let clock = Instant::now();
        evaluate(&positions[..batch * n_beads])?;
        let first = milliseconds(clock);
        let mut times = Vec::new();
        while times.len() < REPETITIONS {
            let clock = Instant::now();
            for some in positions.chunks(batch * n_beads) {
                evaluate(some)?;
            }
            times.push(milliseconds(clock));
            if times[0] > 1e3 * LONG_SECONDS {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        let line = serde_json::json!({
            "beads": n_beads,
            "batch": batch,
            "ms_set_up": set_up,
            "ms_of_first_call": first,
            "ms_of_1000": times[times.len() / 2],
        });
        println!("{line}");
    }
    Ok(())
}

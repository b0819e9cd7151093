//! The offscreen picture shows the beads where the same run on the CPU has them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use flashschnet::io::load_structures;
use flashschnet::io::native::{write_model, write_structures};
use flashschnet::model::{Prior, PriorForm, PriorParameters};
use flashschnet::structure::{Topology, TupleList};
use flashschnet::system::Molecule;
use flashschnet::{Backend, BackendKind, Model, Settings, Simulation, Structure, builtin};

type Point = [f64; 3];

fn viewer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_viewer")).args(arguments).output().unwrap()
}

struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// The picture that the program draws.
    fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let offscreen = ["--offscreen", path.to_str().unwrap()];
        let output = viewer(&[arguments, &offscreen].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        Picture::read(&path)
    }

    fn read(path: &Path) -> Self {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Picture { width: info.width as usize, height: info.height as usize, rgb }
    }

    /// The color of the pixel at (x, y), counted from the middle to the right and up.
    fn at(&self, [x, y]: [f64; 2]) -> [u8; 3] {
        let column = (self.width as f64 / 2.0 + x).floor() as usize;
        let row = (self.height as f64 / 2.0 - y).floor() as usize;
        let k = 3 * (row * self.width + column);
        self.rgb[k..k + 3].try_into().unwrap()
    }

    /// The middles of all pixels.
    fn pixels(&self) -> impl Iterator<Item = [f64; 2]> {
        let (w, h) = (self.width as f64, self.height as f64);
        let row = move |y: usize| (0..self.width).map(move |x| [x, y].map(|k| k as f64 + 0.5));
        (0..self.height).flat_map(row).map(move |[x, y]| [x - w / 2.0, h / 2.0 - y])
    }
}

/// A gray of 0.9 in linear RGB.
const BACKGROUND: [u8; 3] = [243; 3];

/// The place in the chain of a color that a share of background pales: the hue of its other share in
/// OKLCh goes from 280° to 445°.
fn place(color: [u8; 3], background: f64) -> f64 {
    let [r, g, b] = color.map(|byte| {
        let x = f64::from(byte) / 255.0;
        let linear = if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) };
        (linear - 0.9 * background) / (1.0 - background)
    });
    let l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b).cbrt();
    let m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b).cbrt();
    let s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b).cbrt();
    let a = 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s;
    let b = 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s;
    // From 180° opposite the middle of the ramp on, so that no place of it is at the jump.
    let hue = (b.atan2(a).to_degrees() - 182.5).rem_euclid(360.0) + 182.5;
    (hue - 280.0) / 165.0
}

/// A ball that hides what is behind it.
struct Ball {
    center: Point,
    radius: f64,
    bond: Option<usize>,
}

/// A replica as the camera of the program sees it, by the formula of src/camera.rs.
struct Seen {
    positions: Vec<Point>,
    bonds: Vec<[usize; 2]>,
    bead_radius: f64,
    bond_radius: f64,
    balls: Vec<Ball>,
    center: Point,
    radius: f64,
    focal: f64,
}

impl Seen {
    fn new(molecule: &Molecule, positions: &[Point], picture: &Picture) -> Self {
        let harmonic = || molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
        let bonds: Vec<[usize; 2]> = harmonic()
            .flat_map(|term| term.tuples.iter().map(|[i, j, ..]| [*i as usize, *j as usize]))
            .collect();
        let lengths: f64 =
            harmonic().flat_map(|term| (0..term.tuples.len()).map(|t| term.parameters(t)[1])).sum();
        let length = lengths / bonds.len() as f64;
        let (bead_radius, bond_radius) = (0.36 * length, 0.15 * length);
        let bead = |center: &Point| Ball { center: *center, radius: bead_radius, bond: None };
        let mut balls: Vec<Ball> = positions.iter().map(bead).collect();
        for (b, [i, j]) in bonds.iter().enumerate() {
            balls.extend((0..=20).map(|k| Ball {
                center: between(positions[*i], positions[*j], f64::from(k) / 20.0),
                radius: bond_radius,
                bond: Some(b),
            }));
        }
        let n = positions.len() as f64;
        let center = std::array::from_fn(|c| positions.iter().map(|x| x[c]).sum::<f64>() / n);
        let radius = positions.iter().map(|x| distance(*x, center)).fold(0.0, f64::max);
        Seen {
            positions: positions.to_vec(),
            bonds,
            bead_radius,
            bond_radius,
            balls,
            center,
            radius: radius + bead_radius,
            focal: 1.8 * picture.width.min(picture.height) as f64,
        }
    }

    /// Pixels per Å at a point.
    fn scale(&self, x: Point) -> f64 {
        self.focal / (4.0 * self.radius - (x[2] - self.center[2]))
    }

    /// Where a point is in the picture.
    fn project(&self, x: Point) -> [f64; 2] {
        [0, 1].map(|c| self.scale(x) * (x[c] - self.center[c]))
    }

    /// The share of background in a color: 0 on the near side of the chain, 0.6 on the far side.
    fn pallor(&self, z: f64) -> f64 {
        0.3 * (1.0 - (z - self.center[2]) / self.radius)
    }

    /// Whether nothing but what is excepted is in front of a point, or within two pixels of it.
    fn is_free(&self, x: Point, excepted: impl Fn(&Ball) -> bool) -> bool {
        let at = self.project(x);
        !self.balls.iter().filter(|ball| !excepted(ball)).any(|ball| {
            let [dx, dy] = self.project(ball.center);
            let in_front = ball.center[2] + ball.radius > x[2];
            let reach = ball.radius * self.scale(ball.center) + 2.0;
            in_front && (dx - at[0]).hypot(dy - at[1]) < reach
        })
    }

    /// The differences between a picture without trails and this replica, and how many beads and
    /// bonds can be seen.
    fn compare(&self, picture: &Picture) -> (Vec<String>, [usize; 2]) {
        let mut complaints = Vec::new();
        let last = self.positions.len() as f64 - 1.0;
        let mut expect = |what: String, x: Point, radius: f64, expected: f64| {
            let color = picture.at(self.project(x));
            let found = place(color, self.pallor(x[2] + radius));
            if color == BACKGROUND || (found - expected).abs() > 0.03 {
                complaints.push(format!("{what}: {color:?} at {found:.3}, not {expected:.3}"));
            }
        };
        let mut seen = [0; 2];
        for (i, x) in self.positions.iter().enumerate() {
            if self.is_free(*x, |ball| distance(ball.center, *x) < self.bead_radius) {
                expect(format!("bead {i}"), *x, self.bead_radius, i as f64 / last);
                seen[0] += 1;
            }
        }
        for (b, [i, j]) in self.bonds.iter().enumerate() {
            let middle = between(self.positions[*i], self.positions[*j], 0.5);
            if self.is_free(middle, |ball| ball.bond == Some(b)) {
                let expected = (i + j) as f64 / 2.0 / last;
                expect(format!("bond {i}-{j}"), middle, self.bond_radius, expected);
                seen[1] += 1;
            }
        }
        // The cone around the ball with the radius of the chain.
        let circle = self.focal / 15_f64.sqrt() + 1.0;
        let outside = picture.pixels().filter(|[x, y]| x.hypot(*y) > circle);
        let stray = outside.filter(|pixel| picture.at(*pixel) != BACKGROUND).count();
        if stray > 0 {
            complaints.push(format!("{stray} pixels outside the chain are not background"));
        }
        (complaints, seen)
    }
}

fn between(a: Point, b: Point, t: f64) -> Point {
    std::array::from_fn(|c| a[c] + t * (b[c] - a[c]))
}

fn distance(a: Point, b: Point) -> f64 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt()
}

/// The run of the program, on the CPU.
fn on_cpu(model: &Model, structures: &[Structure], n_replicas: usize) -> Simulation {
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let settings = Settings { n_replicas, ..Settings::default() };
    Simulation::new(model, structures, &settings, &backend).unwrap()
}

#[test]
fn the_built_in_chain_is_where_the_cpu_has_it() {
    let picture = Picture::new(&[
        "--steps",
        "4",
        "--steps-per-frame",
        "4",
        "--size",
        "901x640",
        "--trail",
        "0",
    ]);
    assert_eq!((picture.width, picture.height), (901, 640));
    let mut simulation = on_cpu(&builtin::model(), &[builtin::structure()], 1);
    let start = simulation.positions().unwrap();
    simulation.run(4).unwrap();
    let positions = simulation.positions().unwrap();
    assert_ne!(start, positions);
    let seen = Seen::new(simulation.system().molecule(0), &positions, &picture);
    let (complaints, [beads, bonds]) = seen.compare(&picture);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(beads > 100 && bonds > 50, "only {beads} beads and {bonds} bonds can be seen");
}

/// A straight chain, and one with another number of beads that leaves its origin during the run.
fn drifters() -> (Model, Vec<Structure>) {
    let values = vec![50.0, 3.8, 0.0];
    let parameters = PriorParameters::Keyed { keys: vec![[1, 1, 0, 0]], values };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters };
    let chain = |n: u32, start: Point, step: [Point; 2], velocity: Point| {
        let tuples = (1..n).map(|i| [i - 1, i, 0, 0]).collect();
        let topology = Topology {
            types: vec![1; n as usize],
            masses: vec![0.3; n as usize],
            lists: vec![TupleList { name: "bonds".into(), order: 2, tuples }],
        };
        let mut positions = vec![start];
        for i in 1..n as usize {
            let last = positions[i - 1];
            positions.push(std::array::from_fn(|c| last[c] + step[i % 2][c]));
        }
        let velocities = Some(vec![velocity; n as usize]);
        Structure { topology: Arc::new(topology), positions, velocities }
    };
    let straight = chain(7, [5.0, 0.0, 0.0], [[3.8, 0.0, 0.0]; 2], [0.0; 3]);
    // The origin of a replica is 0 until a coordinate of its first bead exceeds 64 Å.
    let zigzag = [[1.9, 3.3, 0.0], [-1.9, 3.3, 0.0]];
    let drifting = chain(10, [60.0, -2.0, 1.0], zigzag, [40.0, 0.0, 0.0]);
    (Model { schnet: None, priors: vec![bonds] }, vec![straight, drifting])
}

#[test]
fn each_replica_has_its_picture_and_its_trail() {
    const FRAMES: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let [model_file, structures_file] =
        ["model", "structures"].map(|name| folder.path().join(name).display().to_string());
    let (model, structures) = drifters();
    write_model(Path::new(&model_file), &model).unwrap();
    write_structures(Path::new(&structures_file), &structures).unwrap();
    let draw = |more: &[&str]| {
        let common = [&*model_file, &structures_file, "--replicas", "3", "--size", "900x600"];
        let steps = ["--steps", "60", "--steps-per-frame", "3"];
        Picture::new(&[&common[..], &steps, more].concat())
    };
    let plain = ["0", "1", "2"].map(|replica| draw(&["--replica", replica, "--trail", "0"]));

    let mut simulation = on_cpu(&model, &load_structures(Path::new(&structures_file)).unwrap(), 3);
    let mut frames = vec![simulation.positions().unwrap()];
    for _ in 0..FRAMES {
        simulation.run(3).unwrap();
        frames.push(simulation.positions().unwrap());
    }
    let system = simulation.system();
    let of = |r: usize, frame: usize| &frames[frame][system.beads(r)];
    let seen: Vec<Seen> =
        (0..3).map(|r| Seen::new(system.molecule(r), of(r, FRAMES), &plain[r])).collect();
    for (r, picture) in plain.iter().enumerate() {
        let (complaints, [beads, bonds]) = seen[r].compare(picture);
        assert!(complaints.is_empty(), "replica {r}: {}", complaints.join("\n"));
        assert_eq!([beads, bonds], [seen[r].positions.len(), seen[r].bonds.len()]);
        // The other chain is not there.
        assert!(!seen[usize::from(r != 1)].compare(picture).0.is_empty());
    }
    assert_ne!(plain[0].rgb, plain[2].rgb);

    // Replica 1 got a new origin on the way, and its trail shows where it was.
    assert!(of(1, 0)[0][0] < 64.0 && of(1, FRAMES)[0][0] > 65.0);
    let trail = draw(&["--replica", "1", "--trail", &FRAMES.to_string()]);
    let differs = |pixel: [f64; 2]| trail.at(pixel) != plain[1].at(pixel);
    let project = |frame: usize, i: usize| seen[1].project(of(1, frame)[i]);
    // The strength of the trail at each point that can be seen.
    let strengths = |frames: std::ops::Range<usize>| -> Vec<f64> {
        let points =
            frames.flat_map(|frame| of(1, frame)).filter(|x| seen[1].is_free(**x, |_| false));
        let strength = |x: &Point| {
            let [with, without] = [&trail, &plain[1]].map(|of| of.at(seen[1].project(*x)));
            (0..3).map(|c| f64::from(with[c].abs_diff(without[c]))).sum::<f64>()
        };
        points.map(strength).collect()
    };
    let [old, new] = [strengths(2..7), strengths(FRAMES - 8..FRAMES - 3)];
    assert!(old.len() > 20 && new.len() > 20, "few points of the trail can be seen");
    assert!(new.iter().chain(&old).all(|strength| *strength > 0.0), "{old:?} {new:?}");
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    assert!(mean(&new) > 1.5 * mean(&old), "{old:?} {new:?}");
    for pixel in trail.pixels().filter(|pixel| differs(*pixel)) {
        let mut segments = (0..FRAMES).flat_map(|k| (0..10).map(move |i| (k, i)));
        let is_near =
            |(k, i): (usize, usize)| to_segment(pixel, project(k, i), project(k + 1, i)) < 4.0;
        assert!(segments.any(is_near), "{pixel:?} is not near a trail");
    }
}

/// The distance of a point from a line segment.
fn to_segment(x: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (d, from) = ([b[0] - a[0], b[1] - a[1]], [x[0] - a[0], x[1] - a[1]]);
    let length2 = (d[0] * d[0] + d[1] * d[1]).max(1e-12);
    let t = ((from[0] * d[0] + from[1] * d[1]) / length2).clamp(0.0, 1.0);
    (from[0] - t * d[0]).hypot(from[1] - t * d[1])
}

#[test]
fn wrong_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none/picture.png").display().to_string();
    let picture = folder.path().join("picture.png").display().to_string();
    for (arguments, expected) in [
        (&["--replicas", "0"][..], "--replicas: found 0, expected a whole number from 1"),
        (&["--replicas", "2", "--replica", "2"], "--replica: found 2, expected one from 0 to 1"),
        (&["--temperature", "-1"], "--temperature: found -1, expected a temperature > 0"),
        (&["--size", "640"], "--size: found 640, expected pixels such as 1280x800"),
        (&["--size", "0x5"], "--size: found 0x5, expected pixels"),
        (&["--offscreen", &picture, "--size", "99999999x1"], "expected sides up to"),
        (&["--offscreen"], "--offscreen: a value is missing"),
        (&["--steps", "5"], "--steps needs --offscreen"),
        (&["--fast"], "--fast: no such option"),
        (&["model"], "found 1 files, expected MODEL and STRUCTURES"),
        (&["--offscreen", &nowhere], "picture.png: "),
        (&["--offscreen", &picture, "--adapter", "nonesuch"], "no adapter nonesuch: found "),
        (&["no_model", "none", "--offscreen", &picture], "no_model: "),
    ] {
        let output = viewer(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.starts_with("error: ") && message.contains(expected), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "a picture is left over");
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_display_the_offscreen_mode_is_advised() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_viewer"));
    let output = command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.starts_with("error: no display: ") && message.contains("--offscreen"));
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// The README has the options of the help, and no others.
#[test]
fn the_readme_has_the_options() {
    let help = viewer(&["--help"]);
    assert!(help.status.success());
    let options = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
    };
    let mut expected = options(&String::from_utf8(help.stdout).unwrap());
    assert!(expected.remove("--help"));
    let readme = include_str!("../README.md");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `--")).collect();
    assert_eq!(options(&rows.join(" ")), expected);
}

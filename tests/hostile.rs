//! Damaged and malicious model and structure files give a clean error or a sound result, never a
//! panic. Reading them takes memory in proportion to the size of the file at most.

use std::path::{Path, PathBuf};
use std::time::Instant;

use flashschnet::Result;
use flashschnet::error::OfFile;
use flashschnet::io::force_field::{Choice, ForceField, Psf, priors};
use flashschnet::io::native::{write_model, write_structures};
use flashschnet::io::{load_model_and_structures, load_structures};
use flashschnet::model::{Model, Prior};
use flashschnet::prepare::{Coarse, Mapping, Options};

use crate::counting;
use crate::mutate::{Seed, campaign};
use crate::peptide;
use crate::pt::{self, Pickle, Py};
use crate::torchmd::{Checkpoint, FIELD, psf};

/// Reading takes at most this much memory per byte of the file, plus `BYTES_BASE`. A pickle whose
/// opcodes are single bytes that each make an object needs the most.
const BYTES_PER_BYTE: usize = 40;
const BYTES_BASE: usize = 2 << 20;

/// The path of a file that only this thread uses.
fn scratch() -> PathBuf {
    let name = format!("hostile-{}-{:?}.pt", std::process::id(), std::thread::current().id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The result of reading a file: the error, if every reader refused it, and the peak memory, bytes.
struct Outcome {
    error: Option<String>,
    peak: usize,
}

/// Makes the priors of a force field for a molecule, one of which is read from a hostile file.
fn join(field: &ForceField, psf: &Psf) -> Result<()> {
    psf.types()?;
    field.masses(psf)?;
    let (priors, lists) = priors(field, psf, &Choice::default())?;
    let n_tuples = lists.iter().map(|list| list.tuples.len()).sum::<usize>();
    assert!(n_tuples <= psf.n_beads().pow(2) + psf.bonds.len() + psf.dihedrals.len());
    priors.iter().try_for_each(Prior::check)
}

/// Reads the bytes as a model, as structures, as both, as a PDB or mmCIF file, as a topology and as
/// a force field, and checks memory and error messages.
fn read(bytes: &[u8]) -> Outcome {
    let path = scratch();
    std::fs::write(&path, bytes).unwrap();
    let account = counting::Account::open();
    let model = Model::load(&path).map(|model| model.check().unwrap());
    let structures = load_structures(&path)
        .map(|all| all.iter().for_each(|structure| structure.check().unwrap()));
    let both = load_model_and_structures(&path).map(drop);
    let beads = Coarse::read(&path, &Options::default(), Mapping::FiveBead).map(drop);
    let sound_field = || ForceField::parse(path.clone(), FIELD).unwrap();
    let sound_psf = || Psf::parse(path.clone(), &psf()).unwrap();
    let psf = Psf::read(&path).and_then(|psf| join(&sound_field(), &psf).of_file(&path));
    let field = ForceField::read(&path).and_then(|field| join(&field, &sound_psf()));
    std::fs::remove_file(&path).unwrap();
    let peak = account.peak();
    let limit = BYTES_PER_BYTE * bytes.len() + BYTES_BASE;
    assert!(peak <= limit, "{} bytes of file took {peak} bytes of memory", bytes.len());
    let errors = [model.err(), structures.err(), both.err(), beads.err(), psf.err(), field.err()];
    for error in errors.iter().flatten() {
        let text = error.to_string();
        assert!(text.starts_with(path.to_str().unwrap()), "{text}");
        assert!(text.len() < 4000, "{text}");
    }
    let [model, structures, _, beads, psf, field] = errors;
    let error = psf.and(field).and(beads).and(model).and(structures);
    Outcome { error: error.map(|error| error.to_string()), peak }
}

/// A `.pt` file that holds only this pickle.
fn pickled(body: &[u8]) -> Vec<u8> {
    let bytes = [&[0x80, 4], body].concat();
    pt::zip(&Pickle { bytes, storages: Vec::new() }.members())
}

fn repeated(opcodes: &[u8], n: usize, end: &[u8]) -> Vec<u8> {
    let mut body = opcodes.repeat(n);
    body.extend(end);
    pickled(&body)
}

fn refused(name: &str, bytes: &[u8], expected: &str) {
    let start = Instant::now();
    let outcome = read(bytes);
    let error = outcome.error.unwrap_or_else(|| panic!("{name} was taken"));
    assert!(error.contains(expected), "{name}\nexpected {expected}\n   found {error}");
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{name}: {} bytes, peak {}, {seconds:.2} s", bytes.len(), outcome.peak);
    assert!(seconds < 20.0, "{name} took {seconds} s");
}

/// Weights of losses and states of optimizers can be by far the largest part of a checkpoint.
#[test]
fn what_a_checkpoint_holds_beside_its_network_is_not_read() {
    let bulk = || pt::tensor("FloatStorage", 4, &[1 << 22], vec![1; 1 << 24]);
    let network = || pt::gradients_out("SchNet", pt::schnet(pt::Network::default()));
    let mut state = pt::state_dict(&network(), "model.");
    state.push(("loss.weights".into(), bulk()));
    let Py::Dict(mut file) = pt::checkpoint(state, network()) else { panic!() };
    file.push(("optimizer_states".into(), Py::List(vec![bulk(), bulk()])));
    let bytes = pt::file(&Py::Dict(file));
    let path = scratch();
    std::fs::write(&path, &bytes).unwrap();
    let account = counting::Account::open();
    let model = Model::load(&path);
    std::fs::remove_file(&path).unwrap();
    model.unwrap().check().unwrap();
    let (peak, limit) = (account.peak(), bytes.len() + (4 << 20));
    assert!(peak <= limit, "{} bytes of file took {peak} bytes of memory", bytes.len());
}

#[test]
fn pickle_bombs_are_defused() {
    // The most that a pickle of any size can have.
    const N: usize = 60_000;
    refused("nested tuples", &repeated(b"\x85", N, b"."), "an empty stack");
    refused(
        "deeply nested tuples",
        &repeated(b"N", 1, &[b"\x85".repeat(N), b".".to_vec()].concat()),
        "a tuple of 1",
    );
    refused("open marks", &repeated(b"(", N, b"."), "an empty stack");
    refused(
        "nested lists",
        &repeated(b"]", N, &[b"a".repeat(N - 1), b".".to_vec()].concat()),
        "at 0",
    );
    refused(
        "nested marks and tuples",
        &repeated(b"(", N, &[b"t".repeat(N), b".".to_vec()].concat()),
        "the structure a tuple of 1 at 0",
    );
    refused("empty lists", &repeated(b"]", N, b"."), "an empty list");
    refused("empty dicts", &repeated(b"}", N, b"."), "a dict of 0");
    refused("memos", &repeated(b"]\x94", N, b"."), "an empty list");
    refused(
        "memos of one object",
        &repeated(b"]", 1, &[b"\x94".repeat(N), b".".to_vec()].concat()),
        "an empty list",
    );
    refused(
        "calls of calls",
        &repeated(b"N", 1, &[b"2R".repeat(N), b".".to_vec()].concat()),
        "the model class an object without a class name",
    );
    refused(
        "objects",
        &repeated(b"N", 1, &[b"2\x81".repeat(N), b".".to_vec()].concat()),
        "the model class an object",
    );
    refused("built objects", &repeated(b"NN\x81)b0", N, b"N."), "the model class None");
    // Each tuple refers twice to the one before: 2^n leaves if expanded, but n nodes in memory.
    refused(
        "a doubling chain",
        &repeated(
            b"]",
            1,
            &[b"q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(100_000), b".".to_vec()].concat(),
        ),
        "the structure a tuple of 2",
    );
    refused("a giant memo index", &pickled(b"Nr\xff\xff\xff\xff."), "the model class None");
    refused("a giant memo index unset", &pickled(b"j\xff\xff\xff\xff."), "memo 4294967295, unset");
    refused("a giant string", &pickled(b"X\xff\xff\xff\xff."), "4294967295 more");
    refused(
        "a giant string of 64 bits",
        &pickled(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff."),
        "18446744073709551615 more",
    );
    refused("giant bytes", &pickled(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."), "more");
    refused("a giant integer", &pickled(b"\x8b\xff\xff\xff\x7f."), "more");
    refused(
        "a giant frame",
        &pickled(b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN."),
        "the model class None",
    );
    refused("no stop", &pickled(b"N"), "0 bytes left");
    refused("nothing", &pickled(b""), "0 bytes left");
    refused(
        "a list that contains itself",
        &pickled(b"]q\x00h\x00a."),
        "the structure a list of 1 at 0",
    );
    refused("a dict that contains itself", &pickled(b"}q\x00h\x00h\x00s."), "a dict of 1");
    refused(
        "an object that is its own state",
        &pickled(b"cmlcg.nn.gradients\nSumOut\n)\x81q\x00h\x00b."),
        "found no _modules",
    );
    refused("two states", &pickled(b"NN\x81NbNb."), "a second state");
    refused("an extension", &pickled(b"\x82\x01."), "opcode 0x82");
    refused("a newer protocol", &pickled(b"\x80\x06N."), "protocol 6");
}

#[test]
fn memory_does_not_outgrow_a_pickle() {
    const N: usize = 4_000_000;
    // Opcodes of few bytes that make objects, or let them grow.
    let patterns: [(&str, &[u8]); 18] = [
        ("tuples", b"\x85"),
        ("tuples of two", b"2\x86"),
        ("lists", b"]"),
        ("lists and memos", b"]\x94"),
        ("lists of one", b"]Na"),
        ("dicts", b"}"),
        ("dicts of one", b"}NNs"),
        ("sets", b"\x8f"),
        ("strings", b"\x8c\x00"),
        ("strings of one", b"\x8c\x01a"),
        ("bytes", b"C\x00"),
        ("bytes of one", b"C\x01a"),
        ("integers", b"M\xff\xff"),
        ("classes", b"c\n\n"),
        ("calls", b"NNR"),
        ("states", b"NN\x81Nb"),
        ("elements", b"NN\x81Na"),
        ("persistent ids", b"P\n"),
    ];
    for (name, pattern) in patterns {
        let body = [b"N".to_vec(), pattern.repeat(N / pattern.len()), b".".to_vec()].concat();
        // `read` checks the memory.
        let outcome = read(&pickled(&body));
        eprintln!("{name}: {:.1} bytes for a byte", outcome.peak as f64 / N as f64);
        assert!(outcome.error.is_some(), "{name}");
    }
    // Names that are all different.
    let mut classes = Vec::new();
    for k in 0..200_000 {
        classes.extend(format!("c{k:x}\n\n0").into_bytes());
    }
    refused("many classes", &pickled(&[&classes[..], b"N."].concat()), "more than 65536 classes");
    let ordinary = [b"]".to_vec(), b"K\x01K\x02\x86\x94a".repeat(100_000), b".".to_vec()].concat();
    refused("many pairs of integers", &pickled(&ordinary), "the structure a tuple of 2 at 0");
}

/// Members that share their bytes are refused before their checksums are computed, which would take
/// a time that grows with the square of the size of the file.
#[test]
fn overlapping_members_take_a_moment() {
    let data = vec![7; 2 << 20];
    let name = |k: usize| format!("a/{k:06}");
    let file = pt::zip(&[("a/data.pkl".into(), b"N.".to_vec()), (name(0), data.clone())]);
    let entry = file.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    let end = file.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").unwrap();
    let n = 40_000;
    let mut long = file[..entry].to_vec();
    let checksum = crc32(&data);
    for k in 0..n {
        let mut entry = file[entry..end].to_vec();
        entry[16..20].copy_from_slice(&checksum.to_le_bytes());
        let at = entry.len() - name(0).len();
        entry[at..].copy_from_slice(name(k).as_bytes());
        long.extend(entry);
    }
    let mut last = file[end..].to_vec();
    last[8..12].copy_from_slice(&[(n + 1) as u16; 2].map(u16::to_le_bytes).concat());
    long.extend(last);
    let start = Instant::now();
    refused("overlapping members", &long, "overlapping bytes");
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 2.0, "{seconds} s");
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A file with a structure whose tensor of positions is changed.
fn with_positions(change: impl Fn(&mut pt::Tensor)) -> Vec<u8> {
    let Py::Tensor(mut tensor) = pt::f32s(&[3, 3], [0.5; 9]) else { unreachable!() };
    change(&mut tensor);
    pt::file(&pt::structure(vec![("pos", Py::Tensor(tensor))]))
}

#[test]
fn tensors_stay_inside_their_storages() {
    const HUGE: i64 = i64::MAX;
    let inside = "a view inside its 36 bytes";
    refused("an offset", &with_positions(|t| t.offset = 1), inside);
    refused("a huge offset", &with_positions(|t| t.offset = HUGE), inside);
    refused("a negative offset", &with_positions(|t| t.offset = -1), "malformed");
    refused("a large stride", &with_positions(|t| t.strides = vec![4, 1]), inside);
    refused("a huge stride", &with_positions(|t| t.strides = vec![HUGE, HUGE]), inside);
    refused("a huge size", &with_positions(|t| t.shape = vec![HUGE, HUGE]), inside);
    refused(
        "a size that overflows to 0",
        &with_positions(|t| t.shape = vec![1 << 32, 1 << 32]),
        inside,
    );
    refused("a negative size", &with_positions(|t| t.shape = vec![-3, 3]), "malformed");
    refused("too few strides", &with_positions(|t| t.strides = vec![1]), "malformed");
    refused(
        "many axes",
        &with_positions(|t| (t.shape, t.strides) = (vec![1; 99], vec![1; 99])),
        "malformed",
    );
    let expanded = |t: &mut pt::Tensor| (t.shape, t.strides) = (vec![HUGE / 8, 1], vec![0, 1]);
    refused("an expanded scalar", &with_positions(expanded), "expand to many times the size");
    let expanded = |t: &mut pt::Tensor| (t.shape, t.strides) = (vec![3_000_000, 3], vec![0, 1]);
    refused("an expanded vector", &with_positions(expanded), "expand to many times the size");
    refused(
        "no elements",
        &with_positions(|t| t.shape = vec![0, HUGE]),
        "pos: a tensor: found shape [0, 9223372036854775807], expected axes of at most",
    );
    refused("no beads", &with_positions(|t| t.shape = vec![0, 3]), "pos: found shape [0, 3]");
    refused("a storage cut short", &with_positions(|t| t.data.truncate(20)), "a view inside");
    // The stride of an axis with one element has no effect.
    let odd = |t: &mut pt::Tensor| (t.shape, t.strides) = (vec![3, 3, 1], vec![3, 1, HUGE]);
    refused("an odd stride", &with_positions(odd), "pos: found shape [3, 3, 1]");
    assert!(read(&with_positions(|_| {})).error.is_none());
    let nan = |t: &mut pt::Tensor| t.data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    refused("a position that is no number", &with_positions(nan), "positions[0]: found [NaN");

    let many = |n: usize| {
        let first = pt::structure(vec![]);
        let mut all = vec![first];
        all.resize(n, Py::Ref(9));
        pt::file(&Py::List(all))
    };
    assert!(read(&many(10)).error.is_none());
    refused("one structure a million times", &many(1_000_000), "expand to many times the size");
}

#[test]
fn containers_that_lie_are_refused() {
    let sound = || Pickle::of(&pt::structure(vec![])).members();
    let file = pt::zip(&sound());
    assert!(read(&file).error.is_none());
    let find = |pattern: &[u8]| file.windows(pattern.len()).position(|w| w == pattern).unwrap();
    let entry = find(b"PK\x01\x02");
    let end = find(b"PK\x05\x06");
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    refused(
        "a compressed member",
        &changed(entry + 10, &[8]),
        "the compressed zip member stem/data.pkl",
    );
    refused("an encrypted member", &changed(entry + 8, &[1]), "the encrypted zip member");
    refused("a large member", &changed(entry + 20, &[0xfe; 8]), "bytes inside the");
    refused("a member with two sizes", &changed(entry + 20, &[9]), "bytes inside the");
    refused("a wrong checksum", &changed(entry + 16, &[9]), "another checksum");
    refused("a member elsewhere", &changed(entry + 42, &[9]), "no local header");
    refused("a member beyond the end", &changed(entry + 42, &[0xfe; 4]), "a record cut short");
    refused("a long name", &changed(entry + 28, &[0xff; 2]), "cut short");
    refused("many members", &changed(end + 10, &[0xff; 2]), "cut short");
    refused("a directory beyond the end", &changed(end + 16, &[0xfe; 4]), "cut short");
    refused("a truncated file", &file[..file.len() - 23], "no end of the central directory");
    // The entry of the second member points to the bytes of the first.
    let second = entry + 46 + "stem/data.pkl".len();
    refused(
        "overlapping members",
        &{
            let mut file = changed(second + 42, &[0; 4]);
            file[second + 20..second + 28].copy_from_slice(&[30, 0, 0, 0, 30, 0, 0, 0]);
            file
        },
        "overlapping bytes",
    );
    let with = |extra: (&str, &[u8])| {
        let mut members = sound();
        members.retain(|(name, _)| name != extra.0);
        members.push((extra.0.to_owned(), extra.1.to_vec()));
        pt::zip(&members)
    };
    refused("another byte order", &with(("stem/byteorder", b"big")), "byte order \"big\"");
    refused("TorchScript", &with(("stem/constants.pkl", b"")), "a TorchScript archive");
    refused("two pickles", &with(("other/data.pkl", b"N.")), "2 members named data.pkl");
    refused("no pickle", &pt::zip(&sound()[1..]), "a zip file of another program");
    refused("a missing storage", &pt::zip(&sound()[..3]), "no such zip member");
    let mut twice = sound();
    twice.push(twice[1].clone());
    refused("a member twice", &pt::zip(&twice), "found twice");
}

/// The sound files that mutations start from.
fn seeds() -> Vec<Seed> {
    let mut terms = vec![("SchNet", pt::schnet(pt::Network::default()))];
    terms.extend(pt::keyed_priors());
    let structures = Py::List(vec![
        pt::structure(vec![]),
        pt::structure(vec![("velocities", pt::f32s(&[3, 3], pt::noise(9, 3)))]),
    ]);
    let both = Py::Tuple(vec![pt::sum_out(terms.clone()), structures.clone()]);
    let state = pt::state_dict(&pt::compiled(pt::schnet(pt::Network::default())), "model.");
    let checkpoint = pt::checkpoint(state, pt::compiled(pt::schnet(pt::Network::default())));
    let mut seeds = vec![
        Seed::pickled("model.pt", &pt::sum_out(terms)),
        Seed::pickled("both.pt", &both),
        Seed::pickled("priors.pt", &pt::module_dict(pt::keyed_priors())),
        Seed::pickled("structures.pt", &structures),
        Seed::pickled("checkpoint.ckpt", &checkpoint),
        Seed::pickled("torchmd.ckpt", &Checkpoint::default().content()),
        Seed::new("x.psf", psf().into_bytes()),
        Seed::new("x.yaml", FIELD.into()),
    ];
    let path = scratch().with_extension("seed");
    std::fs::write(&path, &seeds[1].file).unwrap();
    let (model, structures) = load_model_and_structures(&path).unwrap();
    write_model(&path, &model).unwrap();
    seeds.push(Seed::new("model.safetensors", std::fs::read(&path).unwrap()));
    write_structures(&path, &structures).unwrap();
    seeds.push(Seed::new("structures.safetensors", std::fs::read(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    let helix = peptide::helix("AGPSW", 'A', -1, [0.0; 3]);
    seeds.push(Seed::new("x.pdb", peptide::pdb(&helix).into_bytes()));
    let mmcif = peptide::cif(&helix, &peptide::COLUMNS);
    seeds.push(Seed::new("x.cif", mmcif.into_bytes()));
    match std::env::var_os("FLASHSCHNET_REFERENCE") {
        Some(folder) => {
            for (kind, name) in [
                ("priors.pt", "sparse_prior_cln_ca.pt"),
                ("structures.pt", "structures_cln_ca.pt"),
                ("checkpoint.ckpt", "schnet_train.ckpt"),
                ("structures.pt", "structures_cln_5b.pt"),
                ("torchmd.ckpt", "../torchmd/raw/gn_new_gauss_ssp.ckpt"),
            ] {
                let file = std::fs::read(Path::new(&folder).join("raw").join(name)).unwrap();
                seeds.push(Seed::new(kind, without_checksums(file)));
            }
        }
        None => eprintln!("FLASHSCHNET_REFERENCE is not set: its files are NOT mutated"),
    }
    seeds
}

/// Clears the checksums of a zip file, so that mutated members pass the check and are read.
fn without_checksums(mut file: Vec<u8>) -> Vec<u8> {
    for at in 0..file.len().saturating_sub(46) {
        if file[at..].starts_with(b"PK\x01\x02") {
            file[at + 16..at + 20].fill(0);
        }
    }
    file
}

#[test]
fn mutated_files_give_an_error_or_a_sound_result() {
    let seeds = seeds();
    for seed in &seeds {
        assert_eq!(read(&seed.file).error, None, "{}", seed.kind);
    }
    campaign(&seeds, |_, file| read(file).error.is_none());
}

//! Topologies and force fields: their files, their errors, and the terms that they give.

use std::path::Path;

use flashschnet::Result;
use flashschnet::io::force_field::{Choice, Exclusions, ForceField, Psf, load, priors};
use flashschnet::model::{Model, PriorForm, PriorParameters};
use flashschnet::structure::Topology;
use flashschnet::system::Molecule;

use super::files::Files;
use super::small::{Checkpoint, FIELD, psf};
use super::{OWN, reference};
use crate::common::program::stderr;

/// The program's choice of pairs, and torchmd's default.
#[test]
fn pairs_of_repulsions_depend_on_exclusions() {
    let Some(folder) = reference() else { return };
    let field = ForceField::read(&folder.join("raw/prior_force_field.yaml")).unwrap();
    let psf = Psf::read(&folder.join("raw/cln.psf")).unwrap();
    assert_eq!(psf.types().unwrap(), [4, 4, 5, 8, 6, 13, 2, 13, 7, 4]);
    let masses = field.masses(&psf).unwrap();
    assert!(masses.iter().all(|mass| (mass * 418.4 - 12.0).abs() < 1e-12), "{masses:?}");
    let pairs = |exclusions: Exclusions| {
        let choice = Choice { exclusions, ..Choice::default() };
        let (_, lists) = priors(&field, &psf, &choice).unwrap();
        let list = lists.iter().find(|list| list.name == "repulsioncg").unwrap();
        list.tuples.len()
    };
    let list = |names: &[&str]| Exclusions::List(names.iter().map(|n| (*n).into()).collect());
    assert_eq!(pairs(Choice::default().exclusions), 36);
    assert_eq!(pairs(Exclusions::Text("('bonds')".into())), 36);
    // The file has no angles, so that the name excludes nothing.
    assert_eq!(pairs(list(&["bonds", "angles", "1-4"])), 29);
    assert_eq!(pairs(list(&[])), 45);
}

const PSF: &str = "PSF\n\n 3 !NATOM\n 7 A 1 ALA CA CAA 0 0 0\n 9 A 2A GLY CA CAG 0 0 0\n\
                   11 A 3 ALA CA CAA 0 0 0\n\n 2 !NBOND: bonds\n 2 1 2 3\n";

#[test]
fn broken_topologies_and_force_fields_are_refused_with_the_line() {
    let psf = Psf::parse("some.psf".into(), PSF).unwrap();
    assert_eq!(psf.bonds, [[1, 0, 0, 0], [1, 2, 0, 0]]);
    assert_eq!(psf.types().unwrap(), [1, 2, 1]);
    for (from, to, expected) in [
        ("PSF\n", "PDB\n", "a PSF file"),
        (" 3 !NATOM", " 4 !NATOM", "some.psf:7"),
        (" 3 !NATOM", " many !NATOM", "some.psf:3"),
        ("GLY CA CAG", "", "some.psf:5"),
        ("CAG 0 0", "CAG 0 none", "some.psf:5"),
        (" 2 1 2 3", " 2 1 2 4", "some.psf:9"),
        (" 2 1 2 3", " 2 1 2", "2 tuples of 2"),
    ] {
        let error = Psf::parse("some.psf".into(), &PSF.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
    let error = Psf::parse("some.psf".into(), &PSF.replace("GLY", "UNK")).unwrap().types();
    assert!(error.unwrap_err().to_string().contains("UNK"));

    let text = "bonds:\n  (CAA, CAG):\n    k0: 2\n    req: 3.5\nmasses:\n  CAA: 12\n  CAG: 13\n";
    let choice = Choice { terms: vec!["BONDS".into()], ..Choice::default() };
    let all = |text: &str| {
        let field = ForceField::parse("some.yaml".into(), text)?;
        field.masses(&psf)?;
        priors(&field, &psf, &choice)
    };
    let (terms, lists) = all(text).unwrap();
    assert_eq!(lists[0].tuples, [[0, 1, 0, 0], [1, 2, 0, 0]]);
    let PriorParameters::PerTuple { values } = &terms[0].parameters else { panic!() };
    assert_eq!(values, &[2.0, 3.5, 0.0, 2.0, 3.5, 0.0]);
    for (from, to, expected) in [
        ("req: 3.5", "r0: 3.5", "some.yaml:2"),
        ("k0: 2", "k0: two", "some.yaml:3"),
        ("k0: 2", "k0: nan", "some.yaml:3"),
        ("CAG):", "CAC):", "CAA, CAG"),
        ("CAG: 13", "CAC: 13", "masses"),
        ("masses:\n", "masses: 12\nother:\n", "some.yaml:5"),
    ] {
        let error = all(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

fn parse(text: &str) -> Result<Psf> {
    Psf::parse("some.psf".into(), text)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn sections_follow_each_other_with_and_without_blank_lines() {
    let expected = parse(&psf()).unwrap();
    assert_eq!((expected.bonds.len(), expected.dihedrals.len()), (5, 3));
    let blank = psf();
    let close = blank.replace("\n\n", "\n").replacen("PSF\n", "PSF\n\n", 1);
    let none = "\n\n 0 !NTHETA: angles\n 0 !NIMPHI: impropers\n\n 3 !NDON: donors\n 1 2 3 4 5 6\n";
    let title = "PSF EXT CMAP XPLOR\n\n 3 !NTITLE\n REMARKS 2 !NATOM\n* 9 !NBOND\n  7 !NPHI\n\n";
    let remark = "PSF\n\n 0 !NTITLE\n REMARKS 2 !NATOM\n\n";
    for text in [
        close.clone(),
        close.replace(" !NBOND", " !NTHETA: angles\n5 !NBOND").replace("5 !NTHETA", "0 !NTHETA"),
        blank.clone() + none,
        blank.replace('\n', "\r\n"),
        blank.replace("PSF\n\n", title),
        blank.replace("PSF\n\n", remark),
        blank.replace("NBOND: bonds", "NBOND\tbonds"),
        blank.replace("NBOND: bonds", "NBOND"),
        format!("\u{feff}{blank}"),
    ] {
        assert_eq!(parse(&text).unwrap(), expected, "{text}");
    }
    // EXT and CHEQ have wider columns, and more of them after the mass.
    let wide =
        blank.replace(" CA ", "     CA       ").replace("0.0 0.0 0\n", "0.1 12 0 0.3E-2 0.\n");
    assert_eq!(parse(&wide).unwrap(), expected);
}

#[test]
fn remarks_can_be_in_latin_1() {
    let files = Files::new();
    let text = psf().replace("PSF\n\n", "PSF\n\n 1 !NTITLE\n REMARKS caf# \n\n");
    let bytes = text.bytes().map(|byte| if byte == b'#' { 0xe9 } else { byte });
    files.write("latin.psf", bytes.collect::<Vec<u8>>());
    assert_eq!(Psf::read(&files.path("latin.psf")).unwrap(), parse(&psf()).unwrap());
}

#[test]
fn wrong_lines_of_topologies_are_named() {
    let good = psf();
    for (from, to, expected) in [
        // A second section, and one without a count.
        (
            "\n3 !NPHI",
            "\n1 !NBOND: bonds\n 1 3\n\n3 !NPHI",
            "some.psf:14: NBOND: bonds: found the section",
        ),
        (
            "\n5 !NBOND",
            "\n1 !NATOM\n9 A 7 ALA CA CAA 0 0 0\n\n5 !NBOND",
            "some.psf:11: NATOM: found the",
        ),
        (
            "\n5 !NBOND",
            "\n!NBOND",
            "some.psf:11: NBOND: bonds: found !NBOND: bonds, expected a number",
        ),
        // A blank name of the segment shifts the columns.
        ("12 A 2 GLY", "12 2 GLY", "the name of a segment before the number of the residue"),
        ("12 A 2 GLY", "12 A GLY", "some.psf:5: NATOM: found 12 A GLY"),
        ("CAF 0.0 0.0 0", "CAF nan 0.0 0", "some.psf:6: NATOM"),
        ("CAF 0.0 0.0 0", "CAF 0.0 inf 0", "some.psf:6: NATOM"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let error = refused(&text);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

/// The priors of a topology and a force field, both of which may be changed.
fn made(topology: &str, field: &str, choice: &Choice) -> Result<usize> {
    let field = ForceField::parse("some.yaml".into(), field)?;
    let psf = parse(topology)?;
    field.masses(&psf)?;
    priors(&field, &psf, choice).map(|(terms, _)| terms.len())
}

#[test]
fn a_molecule_without_bonds_is_refused() {
    let (good, choice) = (psf(), Choice::default());
    assert_eq!(made(&good, FIELD, &choice).unwrap(), 3);
    let cut = &good[..good.find("5 !NBOND").unwrap()];
    let renamed = good.replace("!NBOND:", "!NBONDX:");
    for text in [cut, &renamed] {
        let error = made(text, FIELD, &choice).unwrap_err().to_string();
        assert!(error.contains("bonds: found none between 6 beads"), "{error}");
        assert!(error.contains("choose the terms"), "{error}");
        let without = Choice { terms: vec!["repulsioncg".into()], ..Choice::default() };
        assert_eq!(made(text, FIELD, &without).unwrap(), 1);
    }
    let single = "PSF\n\n1 !NATOM\n2 A 1 ALA CA CAA 0 0 0\n";
    assert_eq!(made(single, FIELD, &choice).unwrap(), 1);

    // The program names the file, and warns of other terms once.
    let files = Files::new();
    files.write("cut.psf", cut);
    files.write("bonds.psf", &good[..good.find("3 !NPHI").unwrap()]);
    let with = |topology: &'static str, more: &[&'static str]| {
        let mut all = Files::with("energy", "starts.xtc", more);
        *all.iter_mut().find(|word| **word == "chain.psf").unwrap() = topology;
        all
    };
    let said = files.fails(&with("cut.psf", &[]));
    assert!(said.contains("cut.psf: bonds: found none between 6 beads"), "{said}");
    let count = |all: &[&str], what: &str| {
        let said = stderr(&files.succeeds(all));
        assert_eq!(said.matches("warning").count(), usize::from(!what.is_empty()), "{said}");
        assert!(said.contains(what), "{said}");
    };
    count(&with("chain.psf", &[]), "");
    count(&with("bonds.psf", &[]), "the molecule has no dihedrals");
    count(&with("bonds.psf", &["--forceterms", "bonds"]), "");
    let all = ["--forceterms", "bonds,angles,dihedrals"];
    count(&with("bonds.psf", &all), "the molecule has no angles and no dihedrals");
}

#[test]
fn wrong_values_of_force_fields_are_named_by_their_line() {
    let (topology, choice) = (psf(), Choice::default());
    for (from, to, expected) in [
        ("k0: 60", "k0: 012", "some.yaml:3: k0: found \"012\", expected a number without a zero"),
        ("k0: 60", "k0: -060", "some.yaml:3: k0"),
        ("k0: 60", "k0: 0_60", "some.yaml:3: k0"),
        ("k0: 60", "k0: 1e308", "some.yaml:3: k0: found \"1e308\", expected a number up to 1e30"),
        ("k0: 60", "k0: -1e39", "some.yaml:3: k0"),
        ("epsilon: 1500", "epsilon: 1e300", "some.yaml:12: epsilon"),
        ("epsilon: 1500", "epsilon: .inf", "some.yaml:12: epsilon"),
        (
            "sigma: 1.0",
            "sigma: 1e20",
            "some.yaml:11: lj: found epsilon 1500 and sigma 100000000000000000000, with those of line 11",
        ),
        ("per: 1", "per: 1.5", "some.yaml:6: per of dihedrals: found 1.5"),
        ("per: 1", "per: 0", "some.yaml:6: dihedrals with a periodicity of 0"),
        ("per: 2", "per: 1e9", "some.yaml:6: per of dihedrals: found 1000000000"),
        ("CAF: 12.0", "CAF: -1", "some.yaml:16: mass of CAF: found -1, expected a mass > 0"),
        ("CAF: 12.0", "CAF: 0", "some.yaml:16: mass of CAF: found 0"),
        ("CAF: 12.0", "CAF: 1e-50", "some.yaml:16: mass of CAF"),
        (
            "CAF: 12.0",
            "(CAA): 12.0",
            "some.yaml:16: (CAA): found the key a second time, after line 15",
        ),
        ("  CAF: 12.0\n", "", "some.yaml: masses: found nothing for CAF"),
        (
            "dihedrals:",
            "  (X,X):\n    k0: 5\n    req: 3.8\ndihedrals:",
            "some.yaml:5: (X,X): found the key a second time, after line 2",
        ),
    ] {
        let field = FIELD.replacen(from, to, 1);
        assert_ne!(field, FIELD, "{from}");
        let error = made(&topology, &field, &choice).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    for (from, to) in
        [("k0: 60", "k0: 6.0e+1"), ("k0: 60", "k0: 060."), ("sigma: 1.0", "sigma: 0.5")]
    {
        assert_eq!(made(&topology, &FIELD.replace(from, to), &choice).unwrap(), 3, "{to}");
    }
    // Torsions of another kind matter only if a term needs them.
    let field = FIELD.to_owned() + "impropers:\n  (X, X, X, X): {phi_k: 1, phase: 0, per: 0}\n";
    assert_eq!(made(&topology, &field, &choice).unwrap(), 3);

    // CHARMM's format has numbers for atom types.
    let charmm = ["CAA", "CAG", "CAF", "CAY"]
        .into_iter()
        .fold(topology, |text, name| text.replace(name, "22"));
    let error = made(&charmm, FIELD, &choice).unwrap_err().to_string();
    assert!(error.contains("found nothing for 22") && error.contains("CHARMM's format"), "{error}");
}

/// Parameters are looked up once for atom types, and belong to the same tuples.
#[test]
fn parameters_are_those_of_the_atom_types_of_each_tuple() {
    let names = ["ALA A", "GLY G", "PHE F", "TYR Y", "ALA A", "ALA A", "GLY G", "PHE F"];
    let mut text = format!("PSF\n\n{} !NATOM\n", names.len());
    for (k, name) in names.iter().enumerate() {
        let (residue, letter) = name.split_once(' ').unwrap();
        text += &format!("{k} A {k} {residue} CA CA{letter} 0 0 0\n");
    }
    text += "\n7 !NBOND\n1 2 2 3 3 4 4 5 5 6 6 7 7 8\n";
    let letters = ["A", "G", "F", "Y"];
    let mut field = "bonds:\n".to_owned();
    let number = |a: usize, b: usize| 10 + 4 * a + b;
    for (a, first) in letters.iter().enumerate() {
        for (b, second) in letters.iter().enumerate() {
            field += &format!("  (CA{first}, CA{second}): {{k0: {}, req: 3.8}}\n", number(a, b));
        }
    }
    field += "lj:\n";
    for (a, letter) in letters.iter().enumerate() {
        field += &format!("  CA{letter}: {{epsilon: {}, sigma: {}}}\n", a + 1, a + 2);
    }
    let (field, psf) = (ForceField::parse("f".into(), &field).unwrap(), parse(&text).unwrap());
    let choice = Choice { terms: vec!["bonds".into(), "repulsioncg".into()], ..Choice::default() };
    let (terms, lists) = priors(&field, &psf, &choice).unwrap();
    let of = |bead: u32| letters.iter().position(|l| names[bead as usize].ends_with(l)).unwrap();
    for (term, list) in terms.iter().zip(&lists) {
        let PriorParameters::PerTuple { values } = &term.parameters else { panic!() };
        let n = term.form.n_parameters();
        assert_eq!(values.len(), n * list.tuples.len());
        for (tuple, values) in list.tuples.iter().zip(values.chunks(n)) {
            let (a, b) = (of(tuple[0]), of(tuple[1]));
            let expected = match term.form {
                PriorForm::HarmonicBond => number(a, b) as f64,
                _ => {
                    let epsilon = (((a + 1) * (b + 1)) as f64).sqrt();
                    (4.0 * epsilon * (0.5 * (a + b + 4) as f64).powi(6)).powf(1.0 / 6.0)
                }
            };
            assert!((values[0] - expected).abs() < 1e-14 * expected, "{tuple:?}: {values:?}");
        }
    }
    assert_eq!(lists[1].tuples.len(), 8 * 7 / 2 - 7);
}

/// A molecule of many beads takes a time that does not depend on the names of each pair.
#[test]
fn repulsions_of_many_beads_are_made_in_a_moment() {
    let n = 2000;
    let mut text = format!("PSF\n\n{n} !NATOM\n");
    for k in 0..n {
        text += &format!("{k} A {k} ALA CA CA{} 0 0 0\n", ["A", "G", "F", "Y"][k % 4]);
    }
    text += &format!("\n{} !NBOND\n", n - 1);
    (1..n).for_each(|k| text += &format!("{k} {}\n", k + 1));
    let (field, psf) = (ForceField::parse("f".into(), FIELD).unwrap(), parse(&text).unwrap());
    let choice = Choice { terms: vec!["bonds".into(), "repulsioncg".into()], ..Choice::default() };
    let start = std::time::Instant::now();
    let (_, lists) = priors(&field, &psf, &choice).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(lists[1].tuples.len(), n * (n - 1) / 2 - (n - 1));
    // A look-up for each of the two million pairs takes more than two seconds.
    assert!(seconds < 1.0, "{seconds} s");
}

/// The library loads what the program does.
#[test]
fn the_library_loads_a_molecule() {
    let files = Files::new();
    let [model, field, psf] =
        ["model.ckpt", "field.yaml", "chain.psf"].map(|name| files.path(name));
    let load = |choice: &Choice| load(&model, &field, &psf, choice);
    let (loaded, topology): (Model, Topology) = load(&Choice::default()).unwrap();
    assert_eq!(loaded.schnet, Checkpoint::default().model().schnet);
    let names: Vec<&str> = loaded.priors.iter().map(|prior| prior.name.as_str()).collect();
    assert_eq!(names, ["bonds", "dihedrals", "repulsioncg"]);
    assert_eq!(topology.types, [1, 2, 3, 4, 1, 2]);
    let types = |types: &[u32]| Choice { types: Some(types.to_vec()), ..Choice::default() };
    assert_eq!(load(&types(&[0, 1, 2, 3, 4, 0])).unwrap().1.types, [0, 1, 2, 3, 4, 0]);
    let error = load(&types(&[0, 1])).unwrap_err().to_string();
    assert!(error.contains("chain.psf: bead types: found 2, expected 6"), "{error}");
    files.write("field.yaml", FIELD.replace("per: 1", "per: 0"));
    let error = load(&Choice::default()).unwrap_err().to_string();
    assert!(error.contains("field.yaml:6: dihedrals"), "{error}");
}

/// Frames without a topology have no bonds and no names.
#[test]
fn frames_need_a_topology() {
    let files = Files::new();
    let all =
        ["energy", "--model", "model.ckpt", "--priors", "field.yaml", "--structures", "starts.xtc"];
    let said = files.fails(&all);
    assert!(said.contains("starts.xtc: content") && said.contains("need --topology"), "{said}");
}

#[test]
fn torsions_without_angles_are_found() {
    let raw = Path::new(OWN).join("raw");
    let field = ForceField::read(&raw.join("yaml_terms.yaml")).unwrap();
    let psf = Psf::read(&raw.join("yaml_terms.psf")).unwrap();
    let torsion = |terms: &[&str]| {
        let terms = terms.iter().map(|term| (*term).to_owned()).collect();
        let (priors, lists) = priors(&field, &psf, &Choice { terms, ..Choice::default() }).unwrap();
        let n = psf.n_beads();
        let topology = Topology { types: vec![0; n], masses: vec![1.0; n], lists };
        let molecule = Molecule::join(&Model { schnet: None, priors }, &topology).unwrap();
        molecule.torsion_without_angles()
    };
    assert_eq!(torsion(&["Bonds", "Dihedrals"]), Some(psf.dihedrals[0]));
    assert_eq!(torsion(&["Bonds", "Angles"]), None);
    assert_eq!(torsion(&["Angles", "Dihedrals"]), None);
}

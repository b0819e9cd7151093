//! Structure files of peptides with ideal geometry, and models with priors for them.

use std::collections::BTreeSet;
use std::fmt::Write;

use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::prepare::AminoAcid;
use flashschnet::structure::Topology;

type Vector = [f64; 3];

/// An atom of a structure file, with the fields of its line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) het: bool,
    pub(crate) name: String,
    pub(crate) altloc: char,
    pub(crate) residue: String,
    pub(crate) chain: char,
    pub(crate) number: i64,
    pub(crate) icode: char,
    pub(crate) x: Vector,
    pub(crate) occupancy: f64,
}

fn minus(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|k| a[k] - b[k])
}

fn cross(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|k| a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3])
}

fn unit(a: Vector) -> Vector {
    let length = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    a.map(|x| x / length)
}

/// The place of an atom by its distance from c, its angle at c and its dihedral angle, in degrees.
fn place([a, b, c]: [Vector; 3], distance: f64, angle: f64, dihedral: f64) -> Vector {
    let (angle, dihedral) = (angle.to_radians(), dihedral.to_radians());
    let along = unit(minus(c, b));
    let normal = unit(cross(minus(b, a), along));
    let third = cross(normal, along);
    let (x, y) = (-distance * angle.cos(), distance * angle.sin());
    std::array::from_fn(|k| {
        c[k] + x * along[k] + y * (dihedral.cos() * third[k] + dihedral.sin() * normal[k])
    })
}

/// A helix with the atoms N, CA, C, O and CB of each residue, in the order of the archive.
pub(crate) fn helix(sequence: &str, chain: char, first: i64, start: Vector) -> Vec<Line> {
    let (phi, psi) = (-60.0, -45.0);
    let mut lines = Vec::new();
    let moved = |x: Vector| std::array::from_fn(|k| x[k] + start[k]);
    let mut n = moved([0.0, 0.0, 0.0]);
    let mut ca = moved([1.458, 0.0, 0.0]);
    let mut c = place([moved([0.0, 1.0, 0.0]), n, ca], 1.525, 111.0, -60.0);
    for (k, letter) in sequence.chars().enumerate() {
        let amino = AminoAcid::from_letter(letter).unwrap();
        let next_n = place([n, ca, c], 1.329, 117.0, psi);
        let o = place([n, ca, c], 1.231, 120.5, psi + 180.0);
        // The corner of a tetrahedron on the side of L amino acids.
        let cb = place([c, n, ca], 1.53, 110.5, -122.5);
        let mut add = |name: &str, x: Vector| {
            lines.push(Line {
                het: false,
                name: name.into(),
                altloc: ' ',
                residue: amino.name().into(),
                chain,
                number: first + k as i64,
                icode: ' ',
                x,
                occupancy: 1.0,
            });
        };
        add("N", n);
        add("CA", ca);
        add("C", c);
        add("O", o);
        if amino != AminoAcid::GLY {
            add("CB", cb);
        }
        let next_ca = place([ca, c, next_n], 1.458, 121.7, 180.0);
        let next_c = place([c, next_n, next_ca], 1.525, 111.0, phi);
        (n, ca, c) = (next_n, next_ca, next_c);
    }
    lines
}

/// A line of a PDB file.
pub(crate) fn pdb_line(serial: &str, line: &Line) -> String {
    let Line { name, altloc, residue, chain, number, icode, x, occupancy, .. } = line;
    let record = if line.het { "HETATM" } else { "ATOM  " };
    format!(
        "{record}{serial:>5}  {name:<3}{altloc}{residue:>3} {chain}{number:>4}{icode}   \
         {:8.3}{:8.3}{:8.3}{occupancy:6.2}  0.00           {}  ",
        x[0],
        x[1],
        x[2],
        &name[..1]
    )
}

/// A PDB file, with TER between chains of different letters.
pub(crate) fn pdb(lines: &[Line]) -> String {
    let mut text = String::new();
    for (k, line) in lines.iter().enumerate() {
        if k > 0 && lines[k - 1].chain != line.chain {
            text += "TER\n";
        }
        writeln!(text, "{}", pdb_line(&((k + 1) % 100_000).to_string(), line)).unwrap();
    }
    text + "TER\nEND\n"
}

/// The columns of [`cif`]; `chain` and `number` are labels that the author gave.
pub(crate) const COLUMNS: [&str; 15] = [
    "group_PDB",
    "id",
    "label_atom_id",
    "label_alt_id",
    "label_comp_id",
    "label_asym_id",
    "label_seq_id",
    "auth_asym_id",
    "auth_seq_id",
    "pdbx_PDB_ins_code",
    "Cartn_x",
    "Cartn_y",
    "Cartn_z",
    "occupancy",
    "pdbx_PDB_model_num",
];

/// An mmCIF file with these columns. In `label_seq_id` residues are counted from 1.
pub(crate) fn cif(lines: &[Line], columns: &[&str]) -> String {
    let mut text = String::from("data_TEST\n_entry.id TEST\nloop_\n");
    columns.iter().for_each(|column| writeln!(text, "_atom_site.{column}").unwrap());
    let mut known: Vec<(char, i64, char)> = Vec::new();
    for (k, line) in lines.iter().enumerate() {
        let key = (line.chain, line.number, line.icode);
        if line.residue != "HOH" && !known.contains(&key) {
            known.push(key);
        }
        let place = known.iter().position(|other| *other == key).unwrap_or(0) + 1;
        let value = |column: &&str| match *column {
            "group_PDB" => if line.het { "HETATM" } else { "ATOM" }.to_owned(),
            "id" => (k + 1).to_string(),
            "label_atom_id" | "auth_atom_id" => format!("\"{}\"", line.name),
            "label_alt_id" => line.altloc.to_string().replace(' ', "."),
            "label_comp_id" | "auth_comp_id" => line.residue.clone(),
            "label_asym_id" => line.chain.to_string(),
            "auth_asym_id" => format!("'{}'", line.chain.to_ascii_lowercase()),
            "label_seq_id" => {
                if line.residue == "HOH" {
                    ".".into()
                } else {
                    place.to_string()
                }
            }
            "auth_seq_id" => line.number.to_string(),
            "pdbx_PDB_ins_code" => line.icode.to_string().replace(' ', "?"),
            "Cartn_x" => format!("{:.3}", line.x[0]),
            "Cartn_y" => format!("{:.3}", line.x[1]),
            "Cartn_z" => format!("{:.3}", line.x[2]),
            "occupancy" => line.occupancy.to_string(),
            "pdbx_PDB_model_num" => "1".to_owned(),
            other => panic!("{other}"),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        writeln!(text, "{}", values.join(" ")).unwrap();
    }
    text + "#\n"
}

/// A model of priors only that has parameters for every tuple of the topologies.
pub(crate) fn model(topologies: &[Topology]) -> Model {
    let term = |name: &str| {
        let lists = topologies.iter().map(|topology| {
            let list = topology.lists.iter().find(|list| list.name == name).unwrap();
            (topology, list)
        });
        let order = lists.clone().next().unwrap().1.order;
        let keys: BTreeSet<[u32; 4]> = lists
            .flat_map(|(topology, list)| {
                list.tuples.iter().map(move |tuple| {
                    let of =
                        |k: usize| if k < order { topology.types[tuple[k] as usize] } else { 0 };
                    std::array::from_fn(of)
                })
            })
            .collect();
        let (form, row): (_, &[f64]) = match (name, order) {
            ("non_bonded", _) => (PriorForm::Repulsion, &[1.5]),
            (_, 2) => (PriorForm::HarmonicBond, &[20.0, 1.4, 0.1]),
            (_, 3) => (PriorForm::HarmonicAngle, &[10.0, -0.4, 0.0]),
            _ => (PriorForm::Dihedral { degree: 1 }, &[0.5, 0.3, -0.2]),
        };
        let values = row.repeat(keys.len());
        let parameters = PriorParameters::Keyed { keys: keys.into_iter().collect(), values };
        Prior { name: name.to_owned(), form, parameters }
    };
    let names = topologies[0].lists.iter().map(|list| term(&list.name));
    Model { schnet: None, priors: names.collect() }
}

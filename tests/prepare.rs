//! Beads and index lists of structure files: `flashschnet prepare` and the module `prepare`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use flashschnet::Error;
use flashschnet::diagnose::verify::{self, Status};
use flashschnet::prepare::{
    AminoAcid, Breaks, Chain, Coarse, Log, Mapping, ModelChoice, Options, Residue, Site,
    mapping_of, min_pair, prepare, topology,
};
use flashschnet::structure::{Topology, TupleList};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::common::peptide::{self, COLUMNS, Line, cif, helix, pdb, pdb_line};

use Mapping::{Ca, FiveBead};

/// Every case of the reference data. Prints a message if the variable is not set.
#[test]
fn agrees_with_the_reference_data() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        return eprintln!("FLASHSCHNET_REFERENCE is not set: the published lists are NOT tested");
    };
    let folder = PathBuf::from(folder).join("topology");
    let files = verify::all_cases_at(&folder).unwrap();
    assert!(files.iter().all(|file| verify::is_about_structures(file)));
    let reports: Vec<_> =
        files.iter().flat_map(|file| verify::verify_structures(file, None)).collect();
    reports.iter().for_each(|report| println!("{report}"));
    assert!(reports.len() >= 32);
    assert!(reports.iter().all(|r| r.status == Status::Pass && r.note.is_none()));

    // A case without its prior file says so, and is otherwise compared.
    let elsewhere = verify::verify_structures(&folder.join("agp_five_bead.json"), Some(&folder));
    assert_eq!(elsewhere[0].status, Status::Pass);
    assert!(elsewhere[0].note.as_ref().unwrap().contains("sparse_prior_cln_5b.pt"));
}

fn aminos(sequence: &str) -> Vec<AminoAcid> {
    sequence.chars().map(|letter| AminoAcid::from_letter(letter).unwrap()).collect()
}

fn list<'a>(topology: &'a Topology, name: &str) -> &'a TupleList {
    topology.lists.iter().find(|list| list.name == name).unwrap_or_else(|| panic!("{name}"))
}

/// Beads with names and residues, written without the code under test.
struct Graph {
    /// Residue, name, and whether the residue is the first or last of several in its chain.
    beads: Vec<(usize, &'static str, bool, bool)>,
    neighbors: Vec<Vec<usize>>,
}

fn graph(mapping: Mapping, chains: &[&str]) -> Graph {
    let mut graph = Graph { beads: Vec::new(), neighbors: Vec::new() };
    let mut residue = 0;
    for chain in chains {
        let mut end: Option<usize> = None;
        for (k, letter) in chain.chars().enumerate() {
            let names: &[&str] = match (mapping, letter) {
                (Ca, _) => &["CA"],
                (_, 'G') => &["N", "CA", "C", "O"],
                _ => &["N", "CA", "CB", "C", "O"],
            };
            let start = graph.beads.len();
            let several = chain.len() > 1;
            let ends = (several && k == 0, several && k + 1 == chain.len());
            graph.beads.extend(names.iter().map(|name| (residue, *name, ends.0, ends.1)));
            graph.neighbors.resize(graph.beads.len(), Vec::new());
            let at = |name: &str| names.iter().position(|other| *other == name).map(|k| start + k);
            let mut bonds = vec![(end, at("N").or(at("CA")))];
            if mapping == FiveBead {
                bonds.extend(
                    [("N", "CA"), ("CA", "CB"), ("CA", "C"), ("C", "O")]
                        .map(|(a, b)| (at(a), at(b))),
                );
            }
            for (a, b) in bonds {
                if let (Some(a), Some(b)) = (a, b) {
                    graph.neighbors[a].push(b);
                    graph.neighbors[b].push(a);
                }
            }
            end = at("C").or(at("CA"));
            residue += 1;
        }
    }
    graph
}

impl Graph {
    /// The number of bonds from a bead to every other, or `None`.
    fn distances(&self, from: usize) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.beads.len()];
        distances[from] = Some(0);
        let mut open = VecDeque::from([from]);
        while let Some(bead) = open.pop_front() {
            for next in &self.neighbors[bead] {
                if distances[*next].is_none() {
                    distances[*next] = distances[bead].map(|d| d + 1);
                    open.push_back(*next);
                }
            }
        }
        distances
    }

    fn pairs(&self, min_pair: usize) -> Vec<[u32; 4]> {
        let mut pairs = Vec::new();
        for i in 0..self.beads.len() {
            for (j, bonds) in self.distances(i).into_iter().enumerate().skip(i + 1) {
                let apart = bonds.is_none_or(|bonds| bonds > 2 && bonds + 1 >= min_pair);
                if apart && self.beads[i].0 != self.beads[j].0 {
                    pairs.push([i as u32, j as u32, 0, 0]);
                }
            }
        }
        pairs
    }

    /// All paths of `n` beads, with the lower end first.
    fn paths(&self, n: usize) -> Vec<Vec<usize>> {
        let mut paths: Vec<Vec<usize>> = (0..self.beads.len()).map(|bead| vec![bead]).collect();
        for _ in 1..n {
            let longer = |path: &Vec<usize>| {
                let next = self.neighbors[path[path.len() - 1]].iter();
                let new = next.filter(|bead| !path.contains(bead));
                new.map(|bead| [&path[..], &[*bead]].concat()).collect::<Vec<_>>()
            };
            paths = paths.iter().flat_map(longer).collect();
        }
        paths.retain(|path| path[0] < path[n - 1]);
        paths.sort();
        paths
    }
}

fn wide(tuple: &[usize]) -> [u32; 4] {
    std::array::from_fn(|k| tuple.get(k).map_or(0, |bead| *bead as u32))
}

/// Chains with many glycines and prolines.
fn sequences() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[GPAGPACDEFHIKLMNQRSTVWY]{1,7}", 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    })]

    #[test]
    fn lists_are_those_of_the_graph(chains in sequences(), min_pair in 2_u32..9) {
        let chains: Vec<&str> = chains.iter().map(String::as_str).collect();
        let of_chains: Vec<_> = chains.iter().map(|chain| aminos(chain)).collect();
        for mapping in [FiveBead, Ca] {
            let found = topology(mapping, &of_chains, min_pair);
            found.check().unwrap();
            let graph = graph(mapping, &chains);
            prop_assert_eq!(found.types.len(), graph.beads.len());
            prop_assert_eq!(&list(&found, "non_bonded").tuples, &graph.pairs(min_pair as usize));
            for (name, n) in [("bonds", 2), ("angles", 3)] {
                let paths = graph.paths(n);
                if mapping == Ca {
                    let all: Vec<_> = paths.iter().map(|path| wide(path)).collect();
                    prop_assert_eq!(&list(&found, name).tuples, &all);
                    continue;
                }
                let part = |first: bool, last: bool| -> Vec<[u32; 4]> {
                    let is_in = |path: &&Vec<usize>| {
                        let at_first = path.iter().any(|bead| graph.beads[*bead].2);
                        let at_last = path.iter().any(|bead| graph.beads[*bead].3);
                        (first && at_first) || (last && at_last) || !(first || last || at_first || at_last)
                    };
                    paths.iter().filter(is_in).map(|path| wide(path)).collect()
                };
                prop_assert_eq!(&list(&found, &format!("n_term_{name}")).tuples, &part(true, false));
                prop_assert_eq!(&list(&found, &format!("c_term_{name}")).tuples, &part(false, true));
                prop_assert_eq!(&list(&found, &format!("bulk_{name}")).tuples, &part(false, false));
            }
        }
    }

    #[test]
    fn dihedrals_follow_the_names_of_their_beads(chains in sequences()) {
        let of_chains: Vec<_> = chains.iter().map(|chain| aminos(chain)).collect();
        let found = topology(FiveBead, &of_chains, 6);
        let texts: Vec<&str> = chains.iter().map(String::as_str).collect();
        let beads = graph(FiveBead, &texts).beads;
        let letters: Vec<char> = chains.concat().chars().collect();
        let mut n_seen = 0;
        for list in found.lists.iter().filter(|list| list.order == 4) {
            for tuple in &list.tuples {
                let of = |k: usize| beads[tuple[k] as usize];
                let names = [0, 1, 2, 3].map(|k| of(k).1);
                let residue = [0, 1, 2, 3].map(|k| of(k).0);
                // The residue of each bead relative to the one that names the term.
                let (named, expected, steps) = match list.name.as_str() {
                    name if name.ends_with("_phi") => (residue[3], ["C", "N", "CA", "C"], [-1, 0, 0, 0]),
                    name if name.ends_with("_psi") => (residue[0], ["N", "CA", "C", "N"], [0, 0, 0, 1]),
                    "gamma_1" => (residue[0], ["N", "CB", "C", "CA"], [0; 4]),
                    "gamma_2" => (residue[0], ["CA", "O", "N", "C"], [0, 0, 1, 0]),
                    _ => (residue[3], ["CA", "C", "N", "CA"], [-1, -1, 0, 0]),
                };
                prop_assert_eq!(names, expected, "{}", &list.name);
                prop_assert_eq!(residue.map(|r| r as i64 - named as i64), steps, "{}", &list.name);
                let amino = AminoAcid::from_letter(letters[named]).unwrap();
                match list.name.as_str() {
                    "gamma_1" | "gamma_2" => {}
                    "pro_omega" => prop_assert_eq!(amino.name(), "PRO"),
                    "non_pro_omega" => prop_assert_ne!(amino.name(), "PRO"),
                    name => prop_assert_eq!(amino.name(), &name[..3]),
                }
                n_seen += 1;
            }
        }
        let links: usize = chains.iter().map(|chain| chain.len() - 1).sum();
        let with_cb = letters.iter().filter(|letter| **letter != 'G').count();
        prop_assert_eq!(n_seen, 4 * links + with_cb);
    }

    /// The closed forms for one chain.
    #[test]
    fn counts_are_those_of_the_formulas(chain in "[GPAVLIMFWYSTNQCDEHKR]{3,20}") {
        let found = topology(FiveBead, &[aminos(&chain)], min_pair(FiveBead));
        let count = |names: &[&str]| -> usize {
            names.iter().map(|name| list(&found, name).tuples.len()).sum()
        };
        let (n, g) = (chain.len(), chain.matches('G').count());
        let split = |name: &str| ["n_term", "bulk", "c_term"].map(|part| format!("{part}_{name}"));
        let [bonds, angles] = ["bonds", "angles"].map(|name| {
            let names = split(name);
            count(&names.each_ref().map(String::as_str))
        });
        // Chains of three residues or more have no tuple at both ends, except across the middle.
        prop_assert_eq!(bonds, 5 * n - g - 1);
        prop_assert_eq!(angles, 3 * (n - g) + g + n + 3 * (n - 1));
        let last = chain.ends_with('G');
        prop_assert_eq!(count(&["n_term_bonds"]), if chain.starts_with('G') { 4 } else { 5 });
        prop_assert_eq!(count(&["c_term_angles"]), if last { 5 } else { 7 });
        let excluded: usize = chain.chars().map(|c| if c == 'G' { 6 } else { 10 }).sum();
        let steps: usize = chain.as_bytes().windows(2).map(|pair| match pair {
            [b'G', b'G'] => 12,
            [b'G', _] => 15,
            [_, b'G'] => 14,
            _ => 17,
        }).sum();
        let n_beads = found.types.len();
        let pairs = n_beads * (n_beads - 1) / 2 - excluded - steps - (n - 2);
        prop_assert_eq!(count(&["non_bonded"]), pairs);
    }

    /// Beads are recognised by their names: in any order within a residue, and sorted by names.
    #[test]
    fn beads_in_another_order_are_put_in_order(
        names in Just(["N", "CA", "CB", "C", "O"]).prop_shuffle(), by_residue in any::<bool>(),
    ) {
        let mut lines = helix("AGPWK", 'A', 1, [0.0; 3]);
        let expected = read(&pdb(&lines)).unwrap();
        lines.sort_by_key(|line| {
            let name = names.iter().position(|name| *name == line.name);
            (if by_residue { line.number } else { 0 }, name, line.number)
        });
        for file in [pdb(&lines), cif(&lines, &COLUMNS)] {
            let found = read(&file).unwrap();
            prop_assert_eq!(&found.positions, &expected.positions);
            let told = found.log.notes.iter().any(|note| note.contains("in another order"));
            prop_assert_eq!(told, names != ["N", "CA", "CB", "C", "O"] || !by_residue);
        }
        // Residues in another order are no chain.
        lines.sort_by_key(|line| -line.number);
        prop_assert_eq!(kind(read(&pdb(&lines))), "chain_break");
    }

    /// No damage makes the readers panic, or read for long.
    #[test]
    fn damaged_files_are_read_or_refused(
        place in 0.0..1.0_f64, length in 0_usize..80, bytes in prop::collection::vec(any::<u8>(), 0..8),
        is_cif in any::<bool>(),
    ) {
        let lines = helix("AGP", 'A', -1, [0.0; 3]);
        let mut file = if is_cif { cif(&lines, &COLUMNS) } else { pdb(&lines) }.into_bytes();
        let start = (place * file.len() as f64) as usize;
        let end = (start + length).min(file.len());
        file.splice(start..end, bytes);
        let _ = Coarse::parse(&file, &Options::default(), FiveBead);
        file.truncate(start);
        let _ = Coarse::parse(&file, &Options::default(), Ca);
    }
}

fn read(text: &str) -> Result<Coarse, Error> {
    Coarse::parse(text.as_bytes(), &Options::default(), FiveBead)
}

fn read_with(text: &str, options: Options) -> Result<Coarse, Error> {
    Coarse::parse(text.as_bytes(), &options, FiveBead)
}

/// The kind of the problem.
fn kind(found: Result<Coarse, Error>) -> &'static str {
    match found {
        Err(Error::Structure { kind, .. }) => kind,
        Err(error) => panic!("{error}"),
        Ok(_) => "none",
    }
}

fn warnings(coarse: &Coarse) -> Vec<&'static str> {
    coarse.log.warnings.iter().map(|warning| warning.kind).collect()
}

fn water(k: usize) -> Line {
    Line {
        het: true,
        name: "O".into(),
        altloc: ' ',
        residue: "HOH".into(),
        chain: 'W',
        number: (k % 10_000) as i64,
        icode: ' ',
        x: [
            100.0 + (k % 100) as f64 * 3.0,
            (k / 100 % 100) as f64 * 3.0,
            (k / 10_000) as f64 * 3.0,
        ],
        occupancy: 1.0,
    }
}

#[test]
fn a_helix_gives_no_warning() {
    let coarse = read(&pdb(&helix("ARNDCQEGHILKMFPSTWYV", 'A', 1, [0.0; 3]))).unwrap();
    assert_eq!(coarse.sequences(), [aminos("ARNDCQEGHILKMFPSTWYV")]);
    assert_eq!(warnings(&coarse), [""; 0]);
    let names: Vec<&str> = coarse.beads().take(6).map(|bead| bead.site.name()).collect();
    assert_eq!(names, ["N", "CA", "CB", "C", "O", "N"]);
}

/// The same peptide in the spellings of many programs.
#[test]
fn spellings_of_files_do_not_matter() {
    let mut lines = helix("AGPSW", 'A', 8, [0.0; 3]);
    let expected = read(&pdb(&lines)).unwrap();
    lines.push(water(1));
    let text = pdb(&lines);
    let each = |change: &dyn Fn(usize, &str) -> String| {
        text.lines().enumerate().map(|(k, line)| change(k, line) + "\n").collect::<String>()
    };
    let serial = |serial: &dyn Fn(usize) -> String| {
        each(&|k, line| match line.starts_with("ATOM") {
            true => format!("{}{}{}", &line[..6], serial(k), &line[11..]),
            false => line.to_owned(),
        })
    };
    let without = |names: &[&str]| {
        let columns: Vec<&str> = COLUMNS.into_iter().filter(|c| !names.contains(c)).collect();
        cif(&lines, &columns)
    };
    let mut reversed = COLUMNS;
    reversed.reverse();
    let author = COLUMNS.map(|column| match column {
        "label_atom_id" => "auth_atom_id",
        "label_comp_id" => "auth_comp_id",
        other => other,
    });
    let of_author: Vec<&str> =
        author.into_iter().filter(|column| !column.starts_with("label_")).collect();
    let comments = "# a comment\ndata_X\n_struct.title\n;two lines\n; \n_a.b 'it''s' # comment\n";
    let single = "loop_\n_a.b\n_a.c\n1 '2 3'\n\"4\" .\n";
    let files = [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        serial(&|k| format!("{:5x}", 0x186a0 + k)),
        serial(&|_| "*****".into()),
        serial(&|k| (99_998 + k).to_string()),
        serial(&|k| (9_999_990 + k).to_string()),
        serial(&|_| "     ".into()),
        each(&|_, line| line.chars().take(54).collect()),
        each(&|_, line| line.trim_end().to_owned()),
        each(&|_, line| line.chars().take(66).collect()),
        each(&|_, line| line.replace(" A ", "   ")),
        format!(
            "HEADER    X\nTITLE     ATOM AND _atom_site.id\nCRYST1    1.000    1.000    1.000\n{text}"
        ),
        each(&|_, line| line.replace("TER", "")),
        cif(&lines, &COLUMNS),
        cif(&lines, &reversed),
        cif(&lines, &of_author),
        without(&["auth_asym_id", "auth_seq_id"]),
        without(&["label_asym_id", "label_seq_id", "id", "occupancy", "label_alt_id"]),
        without(&["pdbx_PDB_model_num", "group_PDB", "pdbx_PDB_ins_code"]),
        cif(&lines, &COLUMNS).replace("loop_", "LOOP_").replace("_atom_site", "_ATOM_SITE"),
        cif(&lines, &COLUMNS).replace('\n', "\r\n"),
        cif(&lines, &COLUMNS).replace(' ', "\n"),
        cif(&lines, &COLUMNS)
            .replace("data_TEST\n", comments)
            .replace("loop_\n", &format!("{single}loop_\n")),
    ];
    for (k, file) in files.iter().enumerate() {
        let found = read(file).unwrap_or_else(|error| panic!("file {k}: {error}\n{file}"));
        assert_eq!(found.positions, expected.positions, "file {k}");
        assert_eq!(found.sequences(), expected.sequences(), "file {k}");
        assert_eq!(found.log.dropped, BTreeMap::from([("HOH".to_owned(), 1)]), "file {k}");
    }
}

#[test]
fn labels_of_residues_are_only_labels() {
    let lines = helix("AGPSW", 'A', 1, [0.0; 3]);
    let expected = read(&pdb(&lines)).unwrap();
    let numbers: [fn(i64) -> (i64, char); 4] = [
        |n| (-n, ' '),
        |n| (52, [' ', 'A', 'B', 'C', 'D'][n as usize - 1]),
        |n| (if n == 3 { 1001 } else { n }, ' '),
        |n| ((9997 + n) % 10_000, ' '),
    ];
    for number in numbers {
        let mut labelled = lines.clone();
        for line in &mut labelled {
            (line.number, line.icode) = number(line.number);
        }
        for file in [pdb(&labelled), cif(&labelled, &COLUMNS)] {
            let found = read(&file).unwrap();
            assert_eq!(found.positions, expected.positions);
            assert_eq!(found.topology(), expected.topology());
        }
    }
}

#[test]
fn chains_end_at_letters_and_at_ter() {
    let (one, two) = (helix("AGP", 'A', 1, [0.0; 3]), helix("SW", 'A', 1, [0.0, 30.0, 0.0]));
    let both = |letters: [char; 2], between: &str| {
        let mut text = String::new();
        for (lines, letter) in [&one, &two].into_iter().zip(letters) {
            for line in lines {
                text += &pdb_line("1", &Line { chain: letter, ..line.clone() });
                text.push('\n');
            }
            text += between;
        }
        text
    };
    for text in [both(['A', 'B'], ""), both(['A', 'A'], "TER\n"), both([' ', ' '], "TER   \n")] {
        let found = read(&text).unwrap();
        assert_eq!(found.sequences(), [aminos("AGP"), aminos("SW")]);
    }
    assert_eq!(kind(read(&both(['A', 'A'], ""))), "chain_break");

    let chosen = |letter: &str| Options { chains: vec![letter.into()], ..Options::default() };
    let text = both(['A', 'B'], "");
    assert_eq!(read_with(&text, chosen("B")).unwrap().sequences(), [aminos("SW")]);
    let error = read_with(&text, chosen("C")).unwrap_err().to_string();
    assert!(error.contains("chain C: found chains A, B"), "{error}");
    let blank = both([' ', ' '], "TER\n");
    assert_eq!(read_with(&blank, chosen("_")).unwrap().chains.len(), 2);
    let lower = cif(&one, &COLUMNS);
    for letter in ["a", "A"] {
        assert_eq!(read_with(&lower, chosen(letter)).unwrap().sequences(), [aminos("AGP")]);
    }
}

#[test]
fn models_are_chosen_by_number() {
    let (one, two) = (helix("AGP", 'A', 1, [0.0; 3]), helix("AGP", 'A', 1, [5.0, 0.0, 0.0]));
    let model = |number: &str, lines: &[Line]| {
        let atoms: String = lines.iter().map(|line| pdb_line("1", line) + "\n").collect();
        format!("MODEL     {number:>4}\n{atoms}ENDMDL\n")
    };
    let text = model("1", &one) + &model("7", &two) + "END\n";
    let with = |choice| read_with(&text, Options { model: choice, ..Options::default() });
    let first = with(ModelChoice::First).unwrap();
    assert_eq!((first.models.as_slice(), first.n_models), (&["1".to_owned()][..], 2));
    let seventh = with(ModelChoice::Number("7".into())).unwrap();
    assert_eq!(seventh.positions[0][0], [5.0, 0.0, 0.0]);
    let all = with(ModelChoice::All).unwrap();
    assert_eq!(all.positions, [first.positions[0].clone(), seventh.positions[0].clone()]);
    let error = with(ModelChoice::Number("2".into())).unwrap_err().to_string();
    assert!(error.contains("model 2: found 2 models, 1 to 7"), "{error}");
    // Frames that END separates are models too.
    let frames = pdb(&one) + &pdb(&two);
    assert_eq!(read(&frames).unwrap().n_models, 2);
    let other = model("1", &one) + &model("2", &helix("AGA", 'A', 1, [0.0; 3]));
    let all = Options { model: ModelChoice::All, ..Options::default() };
    let error = read_with(&other, all).unwrap_err().to_string();
    assert!(error.contains("model 2: found other residues"), "{error}");
}

/// Selects the lines of a residue.
fn of_residue(lines: &mut [Line], number: i64, change: impl Fn(&mut Line)) {
    lines.iter_mut().filter(|line| line.number == number).for_each(change);
}

#[test]
fn residues_are_renamed_refused_or_left_out() {
    let helix = helix("AGCSK", 'A', 1, [0.0; 3]);
    let named = |number: i64, name: &str, het: bool| {
        let mut lines = helix.clone();
        of_residue(&mut lines, number, |line| (line.residue, line.het) = (name.into(), het));
        lines
    };
    for (number, name) in [(3, "CYX"), (3, "CYM"), (5, "LYN"), (5, "NLYS"), (3, "CYS2")] {
        let lines = named(number, name, false);
        let found = read(&cif(&lines, &COLUMNS)).unwrap();
        assert_eq!(
            (found.sequences(), warnings(&found)),
            (vec![aminos("AGCSK")], vec![]),
            "{name}"
        );
    }
    let found = read(&pdb(&named(3, "MSE", true))).unwrap();
    assert_eq!(
        (found.sequences(), warnings(&found)),
        (vec![aminos("AGMSK")], vec!["modified_residue"])
    );
    for (name, advice) in [
        ("SEP", "modified SER; use --map SEP=SER"),
        ("DSN", "D form of SER"),
        ("UNK", "use --map UNK=ALA"),
        ("XYZ", "use --map XYZ=ALA"),
    ] {
        let text = pdb(&named(4, name, true));
        let error = read(&text).unwrap_err().to_string();
        assert!(
            error.contains(advice) && error.contains(&format!("{name} A 4 (line 15)")),
            "{error}"
        );
        assert!(error.contains("[unknown_residue]"), "{error}");
        let serine = AminoAcid::from_name("SER").unwrap();
        let options =
            Options { map: BTreeMap::from([(name.into(), serine)]), ..Options::default() };
        assert_eq!(read_with(&text, options).unwrap().sequences(), [aminos("AGCSK")]);
    }
    // All unknown residues are named at once.
    let mut lines = named(2, "SEP", true);
    of_residue(&mut lines, 4, |line| line.residue = "CAS".into());
    let error = read(&pdb(&lines)).unwrap_err().to_string();
    assert!(error.contains("2 residues are") && error.contains("CAS=CYS"), "{error}");

    // A residue without a backbone within the sequence is unknown too, and else a ligand.
    let mut lines = helix.clone();
    of_residue(&mut lines, 3, |line| {
        line.residue = "CRO".into();
        line.name = format!("{}1", line.name);
    });
    assert_eq!(kind(read(&pdb(&lines))), "chain_break");
    let sequence = "SEQRES   1 A    5  ALA GLY CRO SER LYS\n";
    assert_eq!(kind(read(&format!("{sequence}{}", pdb(&lines)))), "unknown_residue");
    assert_eq!(kind(read(&cif(&lines, &COLUMNS))), "unknown_residue");
}

#[test]
fn other_molecules_are_counted_and_left_out() {
    let helix = helix("AGP", 'A', 1, [0.0; 3]);
    let mut lines = helix.clone();
    let other = |residue: &str, name: &str, number: i64| Line {
        residue: residue.into(),
        name: name.into(),
        number,
        ..water(40)
    };
    lines.extend([
        other("CA", "CA", 301),
        other("ZN", "ZN", 302),
        other("GOL", "C1", 303),
        other("GOL", "C1", 304),
        other("DA", "C1'", 305),
        other("HOH", "O", 306),
    ]);
    // A free amino acid.
    let free = peptide::helix("G", 'A', 301, [40.0; 3]);
    lines.extend(free.iter().map(|line| Line { het: true, ..line.clone() }));
    let found = read(&pdb(&lines)).unwrap();
    assert_eq!(found.sequences(), [aminos("AGP")]);
    let expected = [("CA", 1), ("DA", 1), ("GOL", 2), ("HOH", 1), ("ZN", 1)];
    assert_eq!(found.log.dropped, expected.map(|(name, n)| (name.to_owned(), n)).into());
    assert!(found.log.notes.iter().any(|note| note.contains("GLY A 301")), "{:?}", found.log);
    // Cofactors can have the names of a backbone; unbonded they are no residues.
    for name in ["SAM", "UNK", "SEP"] {
        let cofactor = Line { residue: name.into(), chain: 'C', het: true, ..free[0].clone() };
        let ca = Line { name: "CA".into(), x: [41.0; 3], ..cofactor.clone() };
        let text = pdb(&[&helix[..], &[cofactor, ca]].concat());
        for file in [text.clone(), text.replace("TER\n", ""), text.replace("C 301", "A 301")] {
            assert_eq!(read(&file).unwrap().positions, read(&pdb(&helix)).unwrap().positions);
        }
    }
    // The same residue as an ATOM is a chain of its own.
    let atoms = [&helix[..], &peptide::helix("G", 'B', 301, [40.0; 3])].concat();
    assert_eq!(read(&pdb(&atoms)).unwrap().sequences(), [aminos("AGP"), aminos("G")]);

    let error = read(&pdb(&lines[helix.len()..])).unwrap_err().to_string();
    assert!(error.contains("no protein, only CA, DA, GOL, HOH, ZN, free amino acids"), "{error}");
    let caps = [("ACE", 0, 1), ("NME", 9, 2)].map(|(residue, number, place)| Line {
        residue: residue.into(),
        number,
        x: [place as f64 * 50.0; 3],
        ..helix[0].clone()
    });
    let capped = [&caps[..1], &helix[..], &caps[1..]].concat();
    assert_eq!(read(&pdb(&capped)).unwrap().positions, read(&pdb(&helix)).unwrap().positions);
}

#[test]
fn a_hundred_thousand_waters_take_seconds() {
    let mut lines = helix("AGP", 'A', 1, [0.0; 3]);
    lines.extend((0..100_000).map(water));
    let start = std::time::Instant::now();
    for file in [pdb(&lines), cif(&lines, &COLUMNS)] {
        let found = read(&file).unwrap();
        assert_eq!(found.log.dropped["HOH"], 100_000);
    }
    // Far above the time that it takes, and far below that of a search that grows as the square.
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn the_conformer_of_the_highest_occupancy_is_taken() {
    let mut lines = helix("ASP", 'A', 1, [0.0; 3]);
    let shifted = |lines: &[Line], altloc: char, residue: &str, occupancy: f64, by: f64| {
        let of_residue = lines.iter().filter(|line| line.number == 2);
        let moved = of_residue.map(|line| Line {
            altloc,
            residue: residue.into(),
            occupancy,
            x: line.x.map(|x| x + by),
            ..line.clone()
        });
        moved.collect::<Vec<_>>()
    };
    let plain = lines.clone();
    of_residue(&mut lines, 2, |line| (line.altloc, line.occupancy) = ('A', 0.4));
    let place = lines.iter().position(|line| line.number == 3).unwrap();
    let with = |others: Vec<Line>| [&lines[..place], &others, &lines[place..]].concat();

    let n_of = |coarse: &Coarse| coarse.chains[0].residues[1].position(Site::N).unwrap();
    let moved = shifted(&plain, 'B', "SER", 0.6, 0.1);
    let found = read(&pdb(&with(moved.clone()))).unwrap();
    assert_eq!(n_of(&found), read(&pdb(&moved)).unwrap().positions[0][0]);
    assert!(found.log.notes[0].contains("1 residue with alternate locations"), "{:?}", found.log);
    // Among equals the first is taken.
    let found = read(&pdb(&with(shifted(&plain, 'B', "SER", 0.4, 0.1)))).unwrap();
    assert_eq!(found.positions, read(&pdb(&plain)).unwrap().positions);
    // The chosen conformer lacks an atom, of which another has the best copy.
    let partial: Vec<Line> = moved.into_iter().filter(|line| line.name != "O").collect();
    let found = read(&pdb(&with(partial))).unwrap();
    let o_of = |coarse: &Coarse| coarse.chains[0].residues[1].position(Site::O);
    assert_eq!(o_of(&found), o_of(&read(&pdb(&plain)).unwrap()));
    // Two residues in one place.
    let found = read(&cif(&with(shifted(&plain, 'B', "THR", 0.6, 0.1)), &COLUMNS)).unwrap();
    assert_eq!(found.sequences(), [aminos("ATP")]);
    assert_eq!(warnings(&found), ["alternate_residue"]);
}

#[test]
fn missing_atoms_are_named_or_rebuilt() {
    let lines = helix("ASPV", 'A', 1, [0.0; 3]);
    let whole = read(&pdb(&lines)).unwrap();
    let without = |atoms: &[(i64, &str)]| {
        let is_kept = |line: &&Line| !atoms.contains(&(line.number, line.name.as_str()));
        pdb(&lines.iter().filter(is_kept).cloned().collect::<Vec<_>>())
    };
    let cut = without(&[(4, "C"), (4, "O"), (4, "CB")]).replace("END", "");
    let error = read(&cut).unwrap_err().to_string();
    assert!(error.contains("VAL A 4 (line 16): CB, C, O\n"), "{error}");
    assert!(error.ends_with("no END record; if it is cut off, residues are missing"), "{error}");
    let error = read(&without(&[(2, "CB"), (3, "N"), (3, "CA")])).unwrap_err().to_string();
    assert!(error.contains("3 atoms of 2 residues are absent [missing_atom]"), "{error}");
    assert!(
        error.contains("SER A 2 (line 6): CB\n") && error.contains("PRO A 3 (line 10): N, CA\n")
    );

    let rebuild = Options { rebuild_cb: true, rebuild_o: true, ..Options::default() };
    let found = read_with(&without(&[(2, "CB"), (3, "O")]), rebuild.clone()).unwrap();
    for (a, b) in found.positions[0].iter().zip(&whole.positions[0]) {
        assert!((0..3).all(|k| (a[k] - b[k]).abs() < 0.1), "{a:?} {b:?}");
    }
    assert_ne!(found.positions, whole.positions);
    assert!(
        found.log.notes.iter().any(|note| note.contains("rebuilt: CB of SER A 2, O of PRO A 3"))
    );
    // Nothing tells where the last O is, except the second oxygen.
    let last = without(&[(4, "O")]);
    assert_eq!(kind(read_with(&last, rebuild.clone())), "missing_atom");
    let renamed = |name: &str| {
        let mut lines = lines.clone();
        of_residue(&mut lines, 4, |line| {
            if line.name == "O" {
                line.name = name.into();
            }
        });
        pdb(&lines)
    };
    for name in ["OT1", "O1", "OC1"] {
        assert_eq!(read(&renamed(name)).unwrap().positions, whole.positions, "{name}");
    }
    let error = read(&renamed("OXT")).unwrap_err().to_string();
    assert!(error.contains("only its second oxygen is there"), "{error}");
    read_with(&renamed("OXT"), rebuild).unwrap();

    let only_ca = pdb(&lines.iter().filter(|line| line.name == "CA").cloned().collect::<Vec<_>>());
    let error = read(&only_ca).unwrap_err().to_string();
    assert!(error.contains("the file has CA atoms only"), "{error}");
    let found = Coarse::parse(only_ca.as_bytes(), &Options::default(), Ca).unwrap();
    assert_eq!(found.topology(), topology(Ca, &[aminos("ASPV")], 4));
}

#[test]
fn breaks_are_named_split_or_bonded() {
    let mut lines = helix("AAASSSPPGAAG", 'A', 1, [0.0; 3]);
    lines.retain(|line| !(4..8).contains(&line.number));
    let text = pdb(&lines);
    let error = read(&text).unwrap_err().to_string();
    assert!(error.contains("chain A is broken between ALA 3 and PRO 8 (line 16; C-N "), "{error}");
    assert!(error.contains("4 residues missing) [chain_break]"), "{error}");
    let sequence = "SEQRES   1 A   12  ALA ALA ALA SER SER SER PRO PRO GLY ALA ALA GLY\n";
    let error = read(&format!("{sequence}{text}")).unwrap_err().to_string();
    assert!(error.contains("4 residues missing: SER SER SER PRO)"), "{error}");
    // A file that ends early, or whose ends are disordered, has fewer residues than its sequence.
    let start = pdb(&helix("AAASSS", 'A', 1, [0.0; 3]));
    let found = read(&format!("{sequence}{start}")).unwrap();
    let note = "chain A has no coordinates for 6 residues at its end";
    assert_eq!(found.log.notes[0], note);

    let with = |breaks| read_with(&text, Options { breaks, ..Options::default() }).unwrap();
    assert_eq!(with(Breaks::Split).sequences(), [aminos("AAA"), aminos("PGAAG")]);
    assert_eq!(with(Breaks::Bond).sequences(), [aminos("AAAPGAAG")]);
    let ca = Coarse::parse(text.as_bytes(), &Options::default(), Ca);
    assert_eq!(kind(ca), "chain_break");
}

#[test]
fn impossible_geometry_is_refused_or_doubted() {
    let lines = helix("ASPV", 'A', 1, [0.0; 3]);
    let changed = |change: &dyn Fn(&mut Line)| {
        let mut lines = lines.clone();
        lines.iter_mut().for_each(change);
        read(&pdb(&lines))
    };
    let atom = |number: i64, name: &'static str, by: f64| {
        move |line: &mut Line| {
            if line.number == number && line.name == name {
                line.x[0] += by;
            }
        }
    };
    assert_eq!(kind(changed(&atom(2, "CB", 2.5))), "bond_length");
    let error = changed(&atom(2, "CB", 60.0)).unwrap_err().to_string();
    assert!(error.contains("[wrapped]") && error.contains("make it whole first"), "{error}");
    // The mirror image of a protein.
    let found = changed(&|line| line.x[2] = -line.x[2]).unwrap();
    assert_eq!(warnings(&found), ["chirality"]);
    assert!(found.log.warnings[0].text.starts_with("ALA A 1, SER A 2, PRO A 3, VAL A 4"));
    let copy: Vec<Line> = lines.iter().map(|line| Line { chain: 'B', ..line.clone() }).collect();
    assert_eq!(kind(read(&pdb(&[lines.clone(), copy].concat()))), "overlap");
    let near = helix("ASPV", 'B', 1, [0.5, 0.5, 0.5]);
    assert!(warnings(&read(&pdb(&[lines.clone(), near].concat())).unwrap()).contains(&"clash"));
}

#[test]
fn wrong_files_are_called_by_their_names() {
    let text = pdb(&helix("AG", 'A', 1, [0.0; 3]));
    let mmcif = cif(&helix("AG", 'A', 1, [0.0; 3]), &COLUMNS);
    let first = mmcif.find("ATOM").unwrap();
    for (file, expected) in [
        (String::new(), "an empty file"),
        ("HEADER    X\nREMARK   1\nEND\n".into(), "a PDB file without atoms"),
        ("data_x\n_entry.id x\n".into(), "an mmCIF file without atoms"),
        ("{\"a\": 1}".into(), "a JSON text"),
        (text.replace("1.458", "  nan"), "line 2, x: found \"nan\""),
        (text.replace("1.458", "1.4x8"), "line 2, x: found \"1.4x8\""),
        (text[..200].to_owned(), "line 3, "),
        (mmcif[..first + 100].to_owned(), "a complete file"),
        (mmcif.replace("_atom_site.Cartn_y\n", "_atom_site.other\n"), "an item cartn_y"),
        (mmcif.replace("1.458", "?"), "_atom_site.cartn_x: found \"\""),
        (mmcif.replace("\"CA\"", "\"CA"), "a quoted text and does not end"),
        (mmcif.replace("loop_\n", "_a.b\n;text\n"), "a text block"),
        (mmcif.replace("loop_\n", "value\nloop_\n"), "a value without a name"),
    ] {
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
}

fn whole_model(mapping: Mapping) -> flashschnet::Model {
    let all = "ACDEFGHIKLMNPQRSTVWYGGPPGP";
    let sequences = [vec![aminos(all)], vec![aminos("MSKGV"), aminos("GA")], vec![aminos("PG")]];
    let topologies = sequences.map(|sequences| topology(mapping, &sequences, min_pair(mapping)));
    peptide::model(&topologies)
}

#[test]
fn priors_decide_the_mapping_and_must_fit() {
    let mapping = |model: &flashschnet::Model, mapping| {
        mapping_of(model, &Options { mapping, ..Options::default() })
    };
    assert_eq!(mapping(&whole_model(FiveBead), None).unwrap(), FiveBead);
    assert_eq!(mapping(&whole_model(Ca), None).unwrap(), Ca);
    let error = mapping(&whole_model(Ca), Some(FiveBead)).unwrap_err().to_string();
    assert!(error.contains("no rule for the term bonds in the mapping five_bead"), "{error}");
    assert!(error.contains("it is a term of the mapping ca"), "{error}");
    let mut model = whole_model(FiveBead);
    model.priors[0].name = "bulk_nonbonded".into();
    let error = mapping(&model, None).unwrap_err().to_string();
    assert!(error.contains("the term bulk_nonbonded is not supported"), "{error}");
    let mut model = whole_model(Ca);
    model.priors.retain(|prior| prior.name != "pseudo_ca_dihedral");
    let error = mapping(&model, None).unwrap_err().to_string();
    assert!(error.contains("--mapping five_bead or ca"), "{error}");
    let error = mapping(&crate::common::small::model(), None).unwrap_err().to_string();
    assert!(error.contains("the specialised prior"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pdb");
    std::fs::write(&path, pdb(&helix("MSKGV", 'A', 1, [0.0; 3]))).unwrap();
    let mut model = whole_model(FiveBead);
    let found = prepare(&path, &Options::default(), &model).unwrap();
    let names: Vec<_> = model.priors.iter().map(|prior| &prior.name).collect();
    let lists = &found.structures[0].topology.lists;
    assert_eq!(lists.iter().map(|list| &list.name).collect::<Vec<_>>(), names);
    assert!(found.joined.missing.is_empty() && found.energies[0].iter().all(|e| e.is_finite()));
    // Terms of the model and of the molecule can lack each other.
    model.priors.retain(|prior| prior.name != "LYS_phi");
    let error = prepare(&path, &Options::default(), &model).unwrap_err().to_string();
    assert!(
        error.contains("no parameters for 1 of ")
            && error.contains("LYS_phi: no such term; 1 tuple")
    );
    let allowed = Options { allow_missing_priors: true, ..Options::default() };
    let found = prepare(&path, &allowed, &model).unwrap();
    assert_eq!((found.joined.n_missing(), found.joined.missing[0].n_keys), (1, 0));
    assert_eq!(warnings(&found.coarse), ["missing_priors"]);

    let ca = topology(Ca, &[aminos("MSKGA")], 4);
    let error =
        prepare(&path, &Options::default(), &peptide::model(&[ca])).unwrap_err().to_string();
    assert!(error.contains("bonds: GLY-VAL (6,18) x1"), "{error}");
}

/// Positions from elsewhere enter as chains of residues.
#[test]
fn chains_without_a_file_become_beads() {
    let read = read(&pdb(&helix("AGPSW", 'A', 1, [0.0; 3]))).unwrap();
    let residues = read.chains[0].residues.iter().enumerate();
    let residues = residues.map(|(k, r)| Residue::new(r.amino, k + 1, |site| r.position(site)));
    let chain = Chain::new("A", residues.collect());
    let built = Coarse::from_chains(vec![chain.clone()], FiveBead, Log::default()).unwrap();
    assert_eq!((&built.positions, built.topology()), (&read.positions, read.topology()));
    assert_eq!(built.log, Log::default());
    let mut chain = chain;
    chain.residues[0] = Residue::new(chain.residues[0].amino, 1, |_| None);
    let error = Coarse::from_chains(vec![chain], FiveBead, Log::default()).unwrap_err();
    assert!(error.to_string().contains("one for each bead"), "{error}");
}

/// Names are unique, so that a list cannot be taken for another.
#[test]
fn every_mapping_has_its_terms() {
    for (mapping, n) in [(FiveBead, 51), (Ca, 4)] {
        let names = flashschnet::prepare::term_names(mapping);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), n);
        assert_eq!(names.len(), n);
    }
}

/// Hydrogens and other atoms that are no beads can share a name.
#[test]
fn repeated_names_of_other_atoms_stay_in_their_residue() {
    let lines = helix("AGPSW", 'A', 1, [0.0; 3]);
    let expected = read(&pdb(&lines)).unwrap();
    for name in ["H", "HB"] {
        let mut all = Vec::new();
        for line in &lines {
            let hydrogen = Line { name: name.into(), x: line.x.map(|x| x + 0.6), ..line.clone() };
            all.extend([line.clone(), hydrogen.clone(), hydrogen]);
        }
        for file in [pdb(&all), cif(&all, &COLUMNS)] {
            assert_eq!(read(&file).unwrap().positions, expected.positions, "{name}");
        }
        // Before the beads too.
        all.sort_by_key(|line| (line.number, line.name != name));
        assert_eq!(read(&pdb(&all)).unwrap().positions, expected.positions, "{name}");
    }
    // Waters without numbers are counted by their oxygens.
    let same: Vec<Line> = (0..5).map(|k| Line { number: 0, ..water(k) }).collect();
    let found = read(&pdb(&[&lines[..], &same].concat())).unwrap();
    assert_eq!(found.log.dropped["HOH"], 5);
}

#[test]
fn the_syntax_decides_the_format() {
    let lines = helix("AGPSW", 'A', 1, [0.0; 3]);
    let expected = read(&pdb(&lines)).unwrap();
    let text = cif(&lines, &COLUMNS);
    let details = |block: &str| {
        text.replace("data_TEST\n", &format!("# comment\n\nDATA_TEST\n_refine.details\n{block}"))
    };
    for file in [
        details(";HYDROGENS HAVE BEEN ADDED\nATOM RECORD CONTAINS\n;\n"),
        details(";\n    HETATM TYPE FROM LIBRARY\n;\n"),
        text.replace("loop_\n", "loop_ ").replace("\n_atom_site.", " _atom_site."),
        text.replace("data_TEST\n", ""),
    ] {
        assert_eq!(read(&file).unwrap().positions, expected.positions, "{file}");
    }
    // Lines end with \r in old files, and indented lines have their columns.
    let indented: String = pdb(&lines).lines().map(|line| format!("  {line}\n")).collect();
    for file in [pdb(&lines).replace('\n', "\r"), text.replace('\n', "\r"), indented] {
        assert_eq!(read(&file).unwrap().positions, expected.positions);
    }
}

/// A residue of HETATM with the atoms of an amino acid, far from everything.
fn ligand(name: &str, number: i64) -> Vec<Line> {
    let lines = helix("A", 'A', number, [60.0; 3]);
    lines.into_iter().map(|line| Line { het: true, residue: name.into(), ..line }).collect()
}

#[test]
fn residues_that_no_bond_joins_are_ligands() {
    let lines = helix("AGPSW", 'A', 1, [0.0; 3]);
    let expected = read(&pdb(&lines)).unwrap().positions;
    let middle = lines.iter().position(|line| line.number == 3).unwrap();
    let sequence = "SEQRES   1 A    5  ALA GLY PRO SER TRP\n";
    for name in ["ALA", "SEP", "LIG"] {
        let ligand = ligand(name, 301);
        for place in [0, middle, lines.len()] {
            let all = [&lines[..place], &ligand, &lines[place..]].concat();
            // The last program numbers ligands like residues, as PyMOL does.
            for file in [pdb(&all), format!("{sequence}{}", pdb(&all)), cif(&all, &COLUMNS)] {
                let found = read(&file).unwrap();
                assert_eq!(found.positions[0], expected[0], "{name} {place}");
                let is_named = |note: &String| {
                    note.contains(&format!("{name} A 301"))
                        || note.contains(&format!("{name} a 301"))
                };
                assert!(found.log.notes.iter().any(is_named), "{:?}", found.log);
            }
        }
    }
    // Modified residues are parts of chains, unless the sequence says otherwise.
    let all = [&lines[..], &ligand("MSE", 301)].concat();
    let error = read(&pdb(&all)).unwrap_err().to_string();
    assert!(error.contains("MSE 301 is HETATM and may be a ligand"), "{error}");
    let found = read(&format!("{sequence}{}", pdb(&all))).unwrap();
    assert_eq!(found.positions[0], expected[0]);
    let with_it = sequence.replace("   5  ALA", "   6  MSE ALA");
    assert_eq!(kind(read(&format!("{with_it}{}", pdb(&all)))), "chain_break");
    // A break in the middle is not hidden: the residue can be what is left of a loop.
    let mut broken = helix("AGPSWAG", 'A', 1, [0.0; 3]);
    broken.retain(|line| ![3, 5].contains(&line.number));
    of_residue(&mut broken, 4, |line| line.het = true);
    assert_eq!(kind(read(&pdb(&broken))), "chain_break");
    broken.iter_mut().for_each(|line| line.het = true);
    assert_eq!(kind(read(&pdb(&broken))), "chain_break");
}

#[test]
fn alternates_are_amino_acids() {
    let mut lines = helix("ASP", 'A', 1, [0.0; 3]);
    of_residue(&mut lines, 2, |line| line.altloc = 'A');
    let expected = read(&pdb(&lines)).unwrap();
    for (name, atoms) in [("HOH", &["O"][..]), ("GOL", &["C1", "O1", "C2"])] {
        for between in [false, true] {
            let mut all = lines.clone();
            let others: Vec<Line> = atoms
                .iter()
                .map(|atom| Line {
                    name: (*atom).into(),
                    residue: name.into(),
                    altloc: 'B',
                    chain: 'A',
                    number: 2,
                    occupancy: 0.9,
                    ..water(1)
                })
                .collect();
            let place = if between { all.iter().position(|l| l.number == 3).unwrap() } else { 0 };
            all.splice(place..place, others);
            let found = read(&pdb(&all)).unwrap();
            assert_eq!(found.positions, expected.positions, "{name}");
            assert_eq!(found.log.dropped, BTreeMap::from([(name.to_owned(), 1)]));
            assert_eq!(warnings(&found), [""; 0]);
        }
    }
    // An unknown name in the place of the residue is an alternate.
    let place = lines.iter().position(|line| line.number == 3).unwrap();
    let mut other: Vec<Line> = lines.iter().filter(|line| line.number == 2).cloned().collect();
    other.iter_mut().for_each(|line| {
        (line.residue, line.altloc, line.occupancy) = ("XYZ".into(), 'B', 0.2);
    });
    let all = [&lines[..place], &other, &lines[place..]].concat();
    assert_eq!(warnings(&read(&pdb(&all)).unwrap()), ["alternate_residue"]);
}

#[test]
fn files_that_may_be_cut_off_are_doubted() {
    let whole = helix("AGPSW", 'A', 1, [0.0; 3]);
    let cut = helix("AGP", 'A', 1, [0.0; 3]);
    let sequence = "SEQRES   1 A    5  ALA GLY PRO SER TRP\n";
    let without_end = |lines: &[Line]| pdb(lines).replace("TER\nEND\n", "");
    let entity =
        "loop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n";
    let names = ["ALA", "GLY", "PRO", "SER", "TRP", "NH2"];
    let rows: String =
        names.iter().enumerate().map(|(k, name)| format!("1 {} {name}\n", k + 1)).collect();
    let without_mark = |lines: &[Line]| cif(lines, &COLUMNS).replace("#\n", "");
    let with_sequence = |lines: &[Line]| {
        let text = without_mark(lines).replace("loop_\n", &format!("{entity}{rows}loop_\n"));
        let last = "_atom_site.pdbx_PDB_model_num\n";
        let text = text.replace(last, &format!("{last}_atom_site.label_entity_id\n"));
        let of_line = |line: &str| if line.starts_with("ATOM") { " 1\n" } else { "\n" };
        text.lines().map(|line| format!("{line}{}", of_line(line))).collect::<String>()
    };
    for (file, is_cut) in [
        (pdb(&cut), false),
        (pdb(&cut).replace("END\n", ""), false),
        (without_end(&cut), true),
        (without_end(&cut) + "CONECT    1    2\n", false),
        (format!("{sequence}{}", without_end(&cut)), true),
        (format!("{sequence}{}", without_end(&whole)), false),
        (format!("{}{sequence}{}", sequence.replace(" A ", " B "), without_end(&whole)), true),
        (without_mark(&cut), true),
        (cif(&cut, &COLUMNS), false),
        (without_mark(&cut) + "_a.b 1\n", false),
        (with_sequence(&cut), true),
        (with_sequence(&whole), false),
    ] {
        let found = read(&file).unwrap();
        assert_eq!(warnings(&found), if is_cut { vec!["truncated"] } else { vec![] }, "{file}");
    }
    // Caps have no coordinates either, but are not missed.
    let notes = read(&with_sequence(&whole)).unwrap().log.notes;
    assert!(!notes.iter().any(|note| note.contains("no coordinates")), "{notes:?}");
    let notes = read(&with_sequence(&cut)).unwrap().log.notes;
    assert!(notes.iter().any(|note| note.contains("2 residues at its end")), "{notes:?}");
}

#[test]
fn models_without_names_or_atoms_or_order() {
    let one = helix("AGP", 'A', 1, [0.0; 3]);
    let two = helix("SW", 'B', 1, [0.0, 30.0, 0.0]);
    let expected = read(&pdb(&one)).unwrap().positions;
    // END in the middle of a file.
    let found = read(&(pdb(&one) + &pdb(&two))).unwrap();
    assert_eq!((&found.positions, warnings(&found)), (&expected, vec!["left_out"]));
    assert!(found.log.warnings[0].text.contains("chain B "), "{:?}", found.log);
    assert_eq!(warnings(&read(&(pdb(&one) + &pdb(&one))).unwrap()), [""; 0]);
    let second = Options { model: ModelChoice::Number("2".into()), ..Options::default() };
    let found = read_with(&(pdb(&one) + &pdb(&two)), second).unwrap();
    assert_eq!((found.sequences(), warnings(&found)), (vec![aminos("SW")], vec![]));

    // A model without atoms.
    let text = format!("MODEL        1\nENDMDL\nMODEL        2\n{}", pdb(&one));
    for model in [ModelChoice::First, ModelChoice::All] {
        let found = read_with(&text, Options { model, ..Options::default() }).unwrap();
        assert_eq!((&found.positions, found.models), (&expected, vec!["2".to_owned()]));
        assert_eq!(found.log.notes[0], "model 1 has no atoms");
    }

    // The rows of two models of mmCIF by turns.
    let moved = cif(&helix("AGP", 'A', 1, [7.0, 0.0, 0.0]), &COLUMNS);
    let is_atom = |line: &&str| line.starts_with("ATOM");
    let mut others = moved.lines().filter(is_atom).map(|line| {
        let start = line.strip_suffix('1').expect("the number of the model is the last column");
        format!("{start}2\n")
    });
    let first = cif(&one, &COLUMNS);
    let mixed: String = first
        .lines()
        .map(|line| match is_atom(&line) {
            true => format!("{line}\n{}", others.next().unwrap()),
            false => format!("{line}\n"),
        })
        .collect();
    let with = |model| read_with(&mixed, Options { model, ..Options::default() }).unwrap();
    assert_eq!(with(ModelChoice::First).positions, expected);
    let all = with(ModelChoice::All);
    assert_eq!((all.positions.len(), all.n_models, &all.positions[0]), (2, 2, &expected[0]));
    assert_eq!(with(ModelChoice::Number("2".into())).positions[0], all.positions[1]);
}

#[test]
fn coordinates_of_nine_columns_are_refused() {
    let text = pdb(&helix("AG", 'A', 1, [0.0; 3]));
    for (axis, name) in ["x", "y", "z"].iter().enumerate() {
        // The program that wrote the line has moved all columns behind the number.
        let start = 30 + 8 * axis;
        let line = text.lines().next().unwrap();
        let long = format!("{}-1200.500{}", &line[..start], &line[start + 8..]);
        let error = read(&text.replacen(line, &long, 1)).unwrap_err().to_string();
        let is_named =
            error.contains(&format!("line 1, {name}: ")) && error.contains("more digits");
        assert!(is_named && error.contains("columns 31-38, 39-46 and 47-54"), "{error}");
    }
}

#[test]
fn names_that_programs_share_with_molecules_are_amino_acids_in_atom_records() {
    let lines = helix("AGHSW", 'A', 1, [0.0; 3]);
    let named = |name: &str, het: bool| {
        let mut lines = lines.clone();
        of_residue(&mut lines, 3, |line| (line.residue, line.het) = (name.into(), het));
        read(&cif(&lines, &COLUMNS))
    };
    for (name, letter) in
        [("HIS1", 'H'), ("HIS2", 'H'), ("CYS1", 'C'), ("ASN1", 'N'), ("LYP", 'K'), ("TYM", 'Y')]
    {
        assert_eq!(named(name, false).unwrap().sequences(), [aminos(&format!("AG{letter}SW"))]);
    }
    assert_eq!(kind(named("LYP", true)), "unknown_residue");
}

#[test]
fn replacements_are_told() {
    let mut lines = helix("AGSSW", 'A', 1, [0.0; 3]);
    of_residue(&mut lines, 3, |line| line.residue = "SEP".into());
    let to = |name: &str| AminoAcid::from_name(name).unwrap();
    let map = BTreeMap::from([("SEP".into(), to("SER")), ("TPO".into(), to("THR"))]);
    let found = read_with(&pdb(&lines), Options { map, ..Options::default() }).unwrap();
    assert_eq!(found.log.notes[0], "1 SEP read as SER by --map: SEP A 3");
    assert_eq!(warnings(&found), ["unused_map"]);
    assert!(found.log.warnings[0].text.starts_with("TPO=THR"), "{:?}", found.log);
}

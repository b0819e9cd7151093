//! PDB and mmCIF files of many programs, damaged ones included.

use std::collections::BTreeMap;

use flashschnet::prepare::{Coarse, Mapping, ModelChoice, Options};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{aminos, kind, read, read_with, warnings, water};
use crate::common::peptide::{COLUMNS, Line, cif, helix, pdb, pdb_line};

use Mapping::{Ca, FiveBead};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    })]

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

//! Residues: which are amino acids, which of their atoms are beads, and what is refused.

use std::collections::BTreeMap;

use flashschnet::prepare::{AminoAcid, Breaks, Coarse, Mapping, Options, Site, topology};

use super::{aminos, kind, read, read_with, warnings, water};
use crate::common::peptide::{self, COLUMNS, Line, cif, helix, pdb};

use Mapping::Ca;

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
        ("SEP", "modified SER; add SEP=SER to the map of names"),
        ("DSN", "D form of SER"),
        ("UNK", "add UNK=ALA, or another of the 20, to the map of names"),
        ("XYZ", "add XYZ=ALA, or another of the 20, to the map of names"),
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
    assert_eq!(found.log.notes[0], "1 SEP read as SER by the map of names: SEP A 3");
    assert_eq!(warnings(&found), ["unused_map"]);
    assert!(found.log.warnings[0].text.starts_with("TPO=THR"), "{:?}", found.log);
}

//! The quantities that are computed of every frame.

use std::path::PathBuf;

use crate::analysis::frames::{ChunkReader, in_chunks};
use crate::analysis::measures::{Contacts, Measures, Superposition};
use crate::error::OfFile;
use crate::variable::Variable;
use crate::{Error, Result};

use super::options::{Analyze, Core, USUAL_CONTACTS};
use super::source::Source;
use crate::cli::reference::{first_structure, native_contacts};

/// The names of the quantities on the command line, and their columns.
const NAMES: [(&str, &str); 6] = [
    ("rg", "rg_A"),
    ("end-to-end", "end_to_end_A"),
    ("rmsd", "rmsd_A"),
    ("q", "q"),
    ("tic_1", "tic_1"),
    ("tic_2", "tic_2"),
];

/// The columns of components of TICA.
pub(super) const TICS: [&str; 2] = ["tic_1", "tic_2"];

/// The quantity in tables of averages that tells the part of the frames that are folded.
pub(super) const FOLDED: &str = "folded_fraction";

/// The quantities of a frame, the reference, and the coordinate that tells folded from unfolded.
pub(super) struct Columns {
    /// The names of the variables in tables.
    pub(super) names: Vec<&'static str>,
    pub(super) measures: Measures,
    /// The file and the positions of the reference, Å.
    pub(super) reference: Option<(PathBuf, Vec<[f64; 3]>)>,
    /// The cutoff, the steepness and the tolerance of native contacts.
    pub(super) contacts: [f64; 3],
    /// The beads of rg, rmsd and rmsf.
    pub(super) beads: Vec<u32>,
    /// The ends of the folded and the unfolded core.
    pub(super) cores: [f64; 2],
    /// The coordinate of the cores.
    pub(super) core: Option<usize>,
}

impl Columns {
    /// The quantities that the options ask for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a reference that is missing or has other beads, and for wrong beads.
    pub(super) fn new(options: &Analyze, source: &Source) -> Result<Self> {
        let molecule = &source.molecule;
        let n_beads = molecule.n_beads();
        let beads = beads(&options.beads, molecule.of_chain(), n_beads)?;
        let is_all = beads.len() == n_beads;
        let mut names = vec!["rg_A", "end_to_end_A"];
        let of_beads = if is_all { Vec::new() } else { beads.clone() };
        let rg = Variable::RadiusOfGyration { beads: of_beads };
        let mut variables = vec![rg, Variable::end_to_end(n_beads)];
        let given = options.contacts();
        let contacts =
            [0, 1, 2].map(|k| given[k].or(source.native.contacts[k]).unwrap_or(USUAL_CONTACTS[k]));
        let of_run = source.native.reference.as_ref();
        if let (None, Some((settings, path))) = (&options.reference, of_run)
            && !path.exists()
        {
            let expected = "a file that exists, or --reference FILE";
            return Err(Error::invalid("reference", path.display(), expected).of_file(settings));
        }
        let path = options.reference.as_ref().or(of_run.map(|(_, path)| path));
        let reference = match path {
            None => None,
            Some(path) => {
                let structure = first_structure(path, molecule.mapping()).of_file(path)?;
                let n = structure.positions.len();
                if n != n_beads {
                    let expected = format!("the {n_beads} beads of the molecule");
                    let error = Error::invalid("reference", format!("{n} beads"), expected);
                    return Err(error.of_file(path));
                }
                Some((path.clone(), structure.positions))
            }
        };
        if let Some((_, positions)) = &reference {
            names.push("rmsd_A");
            let of_beads = beads.iter().map(|bead| positions[*bead as usize]).collect();
            variables.push(Variable::Rmsd { beads: beads.clone(), reference: of_beads });
            let q = native_contacts(positions, contacts)?;
            if !matches!(&q, Variable::NativeContacts { pairs, .. } if pairs.is_empty()) {
                names.push("q");
                variables.push(q);
            }
        } else if given.iter().any(Option::is_some) {
            let expected = "a file, for the native contacts of --q-cutoff, --q-beta and --q-lambda";
            return Err(Error::invalid("reference", "none", expected));
        }
        let core = match options.core {
            Core::Q => "q",
            Core::Rmsd => "rmsd_A",
        };
        let ends = [options.folded, options.unfolded];
        let core_column = names.iter().position(|name| *name == core);
        if core_column.is_none() && (options.core == Core::Rmsd || ends.iter().any(Option::is_some))
        {
            return Err(missing(reference.is_some(), "folding and unfolding"));
        }
        let usual = match options.core {
            Core::Q => [0.8, 0.3],
            Core::Rmsd => [3.0, 8.0],
        };
        let cores = [0, 1].map(|k| ends[k].unwrap_or(usual[k]));
        let is_ordered = match options.core {
            Core::Q => cores[0] > cores[1],
            Core::Rmsd => cores[0] < cores[1],
        };
        if !is_ordered || !cores.iter().all(|x| x.is_finite()) {
            let expected = format!("a core apart from the unfolded one at {}", cores[1]);
            return Err(Error::invalid("folded", cores[0], expected));
        }
        let superposed = match &reference {
            Some((_, positions)) => positions.clone(),
            None => first_frame(source)?,
        };
        let measures = Measures {
            variables,
            contacts: Contacts::new(molecule.of_chain(), options.contact_cutoff),
            superposition: Superposition::new(beads.clone(), &superposed),
        };
        let columns =
            Columns { names, measures, reference, contacts, beads, cores, core: core_column };
        // Names are checked before hours of work.
        columns.profiles(options, true)?;
        Ok(columns)
    }

    /// 1 if a value of the coordinate of the cores is on the folded side of the middle between them,
    /// else 0. For an unknown value it is NaN.
    pub(super) fn folded(&self, value: f64) -> f64 {
        let [folded, unfolded] = self.cores;
        let is_folded = (value > 0.5 * (folded + unfolded)) == (folded > unfolded);
        if value.is_finite() { f64::from(u8::from(is_folded)) } else { f64::NAN }
    }

    /// The names of all columns of quantities.
    pub(super) fn all(&self, has_tica: bool) -> Vec<&'static str> {
        let tics = if has_tica { &TICS[..] } else { &[] };
        self.names.iter().chain(tics).copied().collect()
    }

    /// The coordinates of the free energies, as numbers of columns.
    pub(super) fn profiles(&self, options: &Analyze, has_tica: bool) -> Result<Vec<Vec<usize>>> {
        let names = self.all(has_tica);
        let place = |column: &str| names.iter().position(|other| *other == column);
        if options.free_energy.is_empty() {
            let pair = |names: [&str; 2]| names.iter().map(|name| place(name)).collect();
            let rmsd: Option<Vec<usize>> = pair(["rmsd_A", "q"]);
            let pairs = [rmsd.or(pair(["rg_A", "end_to_end_A"])), pair(TICS)];
            let each = (0..names.len()).map(|column| vec![column]);
            return Ok(each.chain(pairs.into_iter().flatten()).collect());
        }
        let profile = |text: &String| {
            let column = |name: &str| {
                let (_, column) = NAMES.iter().find(|known| known.0 == name || known.1 == name)?;
                Some(*column)
            };
            let of_text: Option<Vec<&str>> = text.split(',').map(|x| column(x.trim())).collect();
            let columns = of_text.filter(|columns| {
                columns.len() == 1 || (columns.len() == 2 && columns[0] != columns[1])
            });
            let expected = "one or two of rg, end-to-end, rmsd, q, tic_1 and tic_2";
            let columns = columns.ok_or_else(|| Error::invalid("free-energy", text, expected))?;
            let places = columns.iter().map(|column| {
                place(column).ok_or_else(|| match TICS.contains(column) {
                    true => {
                        Error::invalid("free-energy", text, "no component of TICA: there is none")
                    }
                    false => missing(self.reference.is_some(), column),
                })
            });
            places.collect::<Result<Vec<usize>>>()
        };
        let mut all: Vec<Vec<usize>> = Vec::new();
        for text in &options.free_energy {
            let profile = profile(text)?;
            if !all.contains(&profile) {
                all.push(profile);
            }
        }
        Ok(all)
    }
}

/// The error for a result that needs a reference, or native contacts of the reference.
fn missing(has_reference: bool, result: &str) -> Error {
    let (found, expected) = match has_reference {
        true => ("no native contacts", "pairs of beads within --q-cutoff"),
        false => ("none", "a file"),
    };
    Error::invalid("reference", found, format!("{expected}, for {result}"))
}

/// The positions of the first chosen frame.
fn first_frame(source: &Source) -> Result<Vec<[f64; 3]>> {
    let track = source.tracks.iter().find(|track| track.chosen() > 0).cloned();
    let mut first = Vec::new();
    let read =
        |_, reader: &mut ChunkReader| Ok(reader.read()?.map(|frame| frame.positions.to_vec()));
    let every = track.as_ref().map_or(1, |track| track.chosen().max(1));
    in_chunks(track.as_slice(), every, 1, read, |_, frame| {
        first = frame.unwrap_or_default();
        Ok(())
    })?;
    Ok(first)
}

/// The beads of a list.
fn beads(text: &str, of_chain: Vec<u32>, n_beads: usize) -> Result<Vec<u32>> {
    let wrong = || {
        let expected =
            format!("all, ca, or different numbers from 0 to {} and ranges", n_beads - 1);
        Error::invalid("beads", text, expected)
    };
    let beads: Vec<u32> = match text {
        "all" => (0..n_beads as u32).collect(),
        "ca" => of_chain,
        list => {
            let mut beads = Vec::new();
            for part in list.split(',') {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
                let (first, last) = (number(first)?, number(last)?);
                if first > last || last as usize >= n_beads {
                    return Err(wrong());
                }
                beads.extend(first..=last);
            }
            beads.sort_unstable();
            if beads.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(wrong());
            }
            beads
        }
    };
    if beads.is_empty() { Err(wrong()) } else { Ok(beads) }
}

//! Names of residues: the 20 amino acids, their spellings, and residues that are not beads.

use crate::io::RESIDUES;

/// One of the 20 amino acids, by the bead type of its side chain: 1 to 20, in the alphabetical
/// order of the one-letter codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AminoAcid(u8);

const LETTERS: &[u8; 20] = b"ACDEFGHIKLMNPQRSTVWY";

pub(super) const NORLEUCINE: &str = "NLE";

impl AminoAcid {
    /// Glycine, which has no CB.
    pub const GLY: AminoAcid = AminoAcid(6);
    /// Proline, before which peptide bonds can be cis.
    pub const PRO: AminoAcid = AminoAcid(13);
    /// Norleucine, which only the published networks of TorchMD know. It has no bead type in
    /// others.
    pub(super) const NLE: AminoAcid = AminoAcid(21);

    /// The amino acid of a three-letter name. Other spellings are not known here.
    pub fn from_name(name: &str) -> Option<Self> {
        let place = RESIDUES.iter().position(|known| *known == name)?;
        Some(AminoAcid(place as u8 + 1))
    }

    /// The amino acid of a one-letter code.
    pub fn from_letter(letter: char) -> Option<Self> {
        let place = LETTERS.iter().position(|known| char::from(*known) == letter)?;
        Some(AminoAcid(place as u8 + 1))
    }

    /// All 20, in the order of their types.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=20).map(AminoAcid)
    }

    /// The three-letter name.
    pub fn name(self) -> &'static str {
        RESIDUES.get(usize::from(self.0) - 1).copied().unwrap_or(NORLEUCINE)
    }

    /// The one-letter code; norleucine has that of leucine.
    pub fn letter(self) -> char {
        LETTERS.get(usize::from(self.0) - 1).map_or('L', |letter| char::from(*letter))
    }

    /// The bead type of its CB, of its CA if it is glycine, or of its only bead.
    pub fn bead_type(self) -> u32 {
        self.0.into()
    }
}

/// The meaning of the name of a residue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// An amino acid, possibly in the spelling of a program or of a protonation state.
    AminoAcid(AminoAcid),
    /// A modified amino acid that counts as its parent, with a warning.
    Modified(AminoAcid),
    /// A modified amino acid that the models do not know, and its parent.
    Foreign(&'static str),
    /// A D amino acid, and its mirror image.
    Mirrored(&'static str),
    /// A cap of a terminus.
    Cap,
    /// Not an amino acid: water, ions and other common molecules.
    Other,
}

/// Spellings of the 20 amino acids: by protonation state, and by program.
const SPELLINGS: [(&str, &[&str]); 7] = [
    (
        "HIS",
        &[
            "HID", "HIE", "HIP", "HSD", "HSE", "HSP", "HIH", "HSH", "HISA", "HISB", "HISD", "HISE",
            "HISH", "HISP", "HIS1", "HIS2",
        ],
    ),
    ("CYS", &["CYX", "CYM", "CYSH", "CYS1", "CYS2"]),
    ("ASP", &["ASH", "ASPH", "ASPP"]),
    ("GLU", &["GLH", "GLUH", "GLUP"]),
    ("LYS", &["LYN", "LYSH", "LSN"]),
    ("ARG", &["ARGN", "ARN"]),
    ("ASN", &["ASN1"]),
];

/// Spellings of programs that name other molecules in the Chemical Component Dictionary. They count
/// only for records ATOM, which deposited files use for no such molecule.
const AMBIGUOUS: [(&str, &str); 4] =
    [("HIN", "HIS"), ("LYP", "LYS"), ("CYN", "CYS"), ("TYM", "TYR")];

/// Modified amino acids with the backbone and the chemistry of their parents.
const MODIFIED: [(&str, &str); 2] = [("MSE", "MET"), (NORLEUCINE, "LEU")];

/// Modified amino acids by their parents, after the Chemical Component Dictionary.
const FOREIGN: [(&str, &[&str]); 17] = [
    ("ALA", &["AIB", "ABA", "DHA", "MAA"]),
    ("ARG", &["AGM", "CIR", "ARM", "HMR"]),
    ("ASN", &["MEN", "AHB"]),
    ("ASP", &["BFD", "PHD", "IAS", "SNN"]),
    (
        "CYS",
        &[
            "CAS", "CME", "CSO", "CSD", "CSS", "CSX", "OCS", "SMC", "SCY", "CAF", "CCS", "CSW",
            "CMT", "SEC", "YCM", "SNC", "SCH", "CY3",
        ],
    ),
    ("GLN", &["MGN", "GHG"]),
    ("GLU", &["CGU", "PCA", "GGL", "5HP"]),
    ("HIS", &["HIC", "MHS", "NEP"]),
    ("ILE", &["IIL"]),
    ("LEU", &["MLE", "NLN"]),
    ("LYS", &["KCX", "MLY", "M3L", "MLZ", "ALY", "LLP", "LYZ", "KPI", "SLZ", "ORN", "BTK"]),
    ("MET", &["FME", "MHO", "SME", "OMT"]),
    ("PRO", &["HYP", "HY3", "DPP"]),
    ("SER", &["SEP", "SAC", "SVA", "OAS"]),
    ("THR", &["TPO", "BMT"]),
    ("TRP", &["TRO", "TRQ", "TRN", "HTR"]),
    ("TYR", &["PTR", "TYS", "IYR", "TYI", "TPQ", "OMY"]),
];

const MIRRORED: [(&str, &str); 20] = [
    ("DAL", "ALA"),
    ("DAR", "ARG"),
    ("DSG", "ASN"),
    ("DAS", "ASP"),
    ("DCY", "CYS"),
    ("DGN", "GLN"),
    ("DGL", "GLU"),
    ("DHI", "HIS"),
    ("DIL", "ILE"),
    ("DLE", "LEU"),
    ("DLY", "LYS"),
    ("MED", "MET"),
    ("DPN", "PHE"),
    ("DPR", "PRO"),
    ("DSN", "SER"),
    ("DTH", "THR"),
    ("DTR", "TRP"),
    ("DTY", "TYR"),
    ("DVA", "VAL"),
    ("DIV", "VAL"),
];

const CAPS: [&str; 6] = ["ACE", "NME", "NMA", "NH2", "NHE", "FOR"];

const WATERS: [&str; 15] = [
    "HOH", "WAT", "SOL", "TIP", "TIP3", "TIP4", "TIP5", "TP3", "T3P", "T4P", "SPC", "OPC", "DOD",
    "H2O", "D2O",
];

const NUCLEOTIDES: [&str; 21] = [
    "A", "C", "G", "U", "T", "I", "N", "DA", "DC", "DG", "DT", "DU", "DI", "RA", "RC", "RG", "RU",
    "ADE", "CYT", "GUA", "THY",
];

/// The meaning of a name; `None` for a name that is in no table.
pub(super) fn known(name: &str) -> Option<Known> {
    let of = |name| AminoAcid::from_name(name);
    if let Some(amino) = of(name).or_else(|| of(in_table(&SPELLINGS, name)?)) {
        return Some(Known::AminoAcid(amino));
    }
    // AMBER prefixes the names of terminal residues with N and C.
    if let [b'N' | b'C', rest @ ..] = name.as_bytes()
        && rest.len() == 3
        && let Some(Known::AminoAcid(amino)) = known(&name[1..])
    {
        return Some(Known::AminoAcid(amino));
    }
    let pair = |table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| *known == name).map(|(_, parent)| *parent)
    };
    if let Some(amino) = pair(&MODIFIED).and_then(of) {
        return Some(Known::Modified(amino));
    }
    if let Some(parent) = in_table(&FOREIGN, name) {
        return Some(Known::Foreign(parent));
    }
    if let Some(mirror) = pair(&MIRRORED) {
        return Some(Known::Mirrored(mirror));
    }
    if CAPS.contains(&name) {
        return Some(Known::Cap);
    }
    is_water_or_nucleotide(name).then_some(Known::Other)
}

/// The amino acid of a spelling that counts only for records ATOM.
pub(super) fn of_ambiguous(name: &str) -> Option<AminoAcid> {
    let (_, amino) = AMBIGUOUS.iter().find(|(known, _)| *known == name)?;
    AminoAcid::from_name(amino)
}

/// Whether a name is that of an amino acid, also of one that the models do not know.
pub(super) fn is_amino_acid(name: &str) -> bool {
    let is_other = |known| matches!(known, Known::Cap | Known::Other);
    known(name).is_some_and(|known| !is_other(known)) || of_ambiguous(name).is_some()
}

pub(super) fn is_water_or_nucleotide(name: &str) -> bool {
    is_water(name) || is_nucleotide(name)
}

fn in_table(table: &[(&'static str, &[&str])], name: &str) -> Option<&'static str> {
    table.iter().find(|(_, names)| names.contains(&name)).map(|(parent, _)| *parent)
}

pub(super) fn is_water(name: &str) -> bool {
    WATERS.contains(&name)
}

pub(super) fn is_nucleotide(name: &str) -> bool {
    // Names of terminal nucleotides end with 5 or 3 in some programs.
    NUCLEOTIDES.contains(&name)
        || (name.len() > 1 && NUCLEOTIDES.contains(&name.trim_end_matches(['5', '3'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_one_table() {
        for amino in AminoAcid::all() {
            assert_eq!(AminoAcid::from_letter(amino.letter()), Some(amino));
            assert_eq!(known(amino.name()), Some(Known::AminoAcid(amino)));
        }
        let foreign = FOREIGN.iter().flat_map(|(_, names)| *names);
        assert!(foreign.clone().all(|name| matches!(known(name), Some(Known::Foreign(_)))));
        let parents = FOREIGN.iter().map(|(parent, _)| parent).chain(MIRRORED.iter().map(|x| &x.1));
        assert!(parents.clone().all(|parent| AminoAcid::from_name(parent).is_some()));
        assert_eq!(known("HSD"), known("HIS"));
        assert_eq!(known("NALA"), known("ALA"));
        assert_eq!(known("CHIE"), known("HIS"));
        assert_eq!(known("DA5"), Some(Known::Other));
        assert_eq!(known("ZN"), None);
        for (name, amino) in AMBIGUOUS {
            assert_eq!(known(name), None);
            assert_eq!(of_ambiguous(name), AminoAcid::from_name(amino));
            assert!(of_ambiguous(name).is_some());
        }
    }
}

//! The residues of the published networks: their bead types, and their atom types in force fields.

/// A residue that the published networks know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Residue {
    /// The row of the embedding table.
    pub(crate) bead_type: u32,
    /// The one-letter code in the atom type.
    letter: char,
    /// The names in topologies; the first is the usual one.
    names: &'static [&'static str],
}

impl Residue {
    /// The residue of a name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        RESIDUES.into_iter().find(|residue| residue.names.contains(&name))
    }

    /// The residue of a bead type.
    pub(crate) fn of_type(bead_type: u32) -> Option<Self> {
        RESIDUES.into_iter().find(|residue| residue.bead_type == bead_type)
    }

    /// The usual name.
    pub(crate) fn name(self) -> &'static str {
        self.names[0]
    }

    /// The atom type of its CA in force fields, for example `CAA` of alanine.
    pub(super) fn atom_type(self) -> String {
        format!("CA{}", self.letter)
    }
}

/// The bead type of a residue in the published networks.
pub fn type_of(residue: &str) -> Option<u32> {
    Residue::of_name(residue).map(|residue| residue.bead_type)
}

/// The names of all residues, for messages.
pub(crate) fn known_names() -> String {
    RESIDUES.map(|residue| residue.names.join("/")).join(", ")
}

const fn residue(bead_type: u32, letter: char, names: &'static [&'static str]) -> Residue {
    Residue { bead_type, letter, names }
}

/// The bead types 0 and 18 are not used.
const RESIDUES: [Residue; 21] = [
    residue(1, 'A', &["ALA"]),
    residue(2, 'G', &["GLY"]),
    residue(3, 'F', &["PHE"]),
    residue(4, 'Y', &["TYR"]),
    residue(5, 'D', &["ASP"]),
    residue(6, 'E', &["GLU"]),
    residue(7, 'W', &["TRP"]),
    residue(8, 'P', &["PRO"]),
    residue(9, 'N', &["ASN"]),
    residue(10, 'Q', &["GLN"]),
    residue(11, 'H', &["HIS", "HSD", "HSE", "HSP", "HID", "HIE", "HIP"]),
    residue(12, 'S', &["SER"]),
    residue(13, 'T', &["THR"]),
    residue(14, 'V', &["VAL"]),
    residue(15, 'M', &["MET", "MSE"]),
    residue(16, 'C', &["CYS"]),
    residue(17, 'L', &["NLE"]),
    residue(19, 'R', &["ARG"]),
    residue(20, 'K', &["LYS"]),
    residue(21, 'L', &["LEU"]),
    residue(22, 'I', &["ILE"]),
];

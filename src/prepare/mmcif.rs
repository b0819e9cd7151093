//! mmCIF files, by the names of the items in the PDBx/mmCIF dictionary.

use std::collections::HashMap;

use super::atoms::{Builder, Row};
use super::cif::{self, Rows, Value};
use crate::error::{Error, Result};

/// Reads the first data block with atoms.
pub(super) fn read(text: &[u8], builder: &mut Builder) -> Result<()> {
    let mut reader = Reader {
        builder,
        state: State::Before,
        table: Table::default(),
        model: None,
        last: None,
        ends_with_atom: false,
    };
    cif::read(text, &mut reader)?;
    let last_line = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    if reader.ends_with_atom && !last_line.is_some_and(|line| line.starts_with(b"#")) {
        builder.cut("the file ends with an atom; if it is cut off, residues are missing");
    }
    Ok(())
}

/// The place of the data block with atoms.
#[derive(PartialEq, Eq)]
enum State {
    Before,
    Inside,
    After,
}

struct Reader<'a> {
    builder: &'a mut Builder,
    state: State,
    table: Table,
    model: Option<String>,
    /// The entity and the number of the last residue of a sequence.
    last: Option<(String, String)>,
    /// Whether nothing follows the last atom.
    ends_with_atom: bool,
}

/// The items of a table that are read, by their places in a row.
#[derive(Default)]
struct Table {
    is_atoms: bool,
    places: HashMap<&'static str, usize>,
}

/// The items of `_atom_site`, and of `_entity_poly_seq`.
const ITEMS: [&str; 21] = [
    "group_pdb",
    "id",
    "label_atom_id",
    "auth_atom_id",
    "label_alt_id",
    "label_comp_id",
    "auth_comp_id",
    "label_asym_id",
    "auth_asym_id",
    "label_entity_id",
    "label_seq_id",
    "auth_seq_id",
    "pdbx_pdb_ins_code",
    "cartn_x",
    "cartn_y",
    "cartn_z",
    "occupancy",
    "pdbx_pdb_model_num",
    "entity_id",
    "num",
    "mon_id",
];

impl Rows for Reader<'_> {
    fn block(&mut self) {
        self.ends_with_atom = false;
        if self.state == State::Inside {
            self.state = State::After;
        }
    }

    fn header(&mut self, category: &str, items: &[String]) -> Result<bool> {
        self.ends_with_atom = false;
        let is_atoms = category == "atom_site";
        if self.state == State::After || !(is_atoms || category == "entity_poly_seq") {
            return Ok(false);
        }
        if is_atoms {
            self.state = State::Inside;
        }
        let places = items.iter().enumerate().filter_map(|(place, item)| {
            let item = ITEMS.iter().find(|known| *known == item)?;
            Some((*item, place))
        });
        self.table = Table { is_atoms, places: places.collect() };
        if !is_atoms {
            return Ok(true);
        }
        let has = |names: [&str; 2]| names.iter().any(|name| self.table.places.contains_key(name));
        for names in [
            ["label_atom_id", "auth_atom_id"],
            ["label_comp_id", "auth_comp_id"],
            ["label_seq_id", "auth_seq_id"],
            ["cartn_x", "cartn_x"],
            ["cartn_y", "cartn_y"],
            ["cartn_z", "cartn_z"],
        ] {
            if !has(names) {
                let expected = format!("an item {} or {}", names[0], names[1]);
                return Err(Error::invalid("_atom_site", "no such item", expected));
            }
        }
        Ok(true)
    }

    fn row(&mut self, values: &[Value], line: usize) -> Result<()> {
        let of = |name: &str| {
            let place = self.table.places.get(name)?;
            values[*place].as_deref()
        };
        let either =
            |first: &str, second: &str| of(first).or_else(|| of(second)).unwrap_or_default();
        if !self.table.is_atoms {
            // A place of the sequence has several rows if its residue differs between molecules.
            // The first is enough.
            if let (Some(entity), Some(name)) = (of("entity_id"), of("mon_id")) {
                let place = (entity.to_owned(), of("num").unwrap_or_default().to_owned());
                if self.last.as_ref() != Some(&place) || place.1.is_empty() {
                    self.builder.sequence(entity, name);
                }
                self.last = Some(place);
            }
            return Ok(());
        }
        let coordinate = |name: &str| {
            let text = of(name).unwrap_or_default();
            // A standard uncertainty can follow the number in parentheses.
            let number = text.split('(').next().unwrap_or_default();
            number.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| {
                let field = format!("line {line}, _atom_site.{name}");
                Error::invalid(field, format!("{text:?}"), "a number")
            })
        };
        let position = [coordinate("cartn_x")?, coordinate("cartn_y")?, coordinate("cartn_z")?];
        let model = of("pdbx_pdb_model_num").unwrap_or("1");
        if self.model.as_deref() != Some(model) {
            self.builder.continue_model(model);
            self.model = Some(model.to_owned());
        }
        self.ends_with_atom = true;
        let has_polymers = self.table.places.contains_key("label_seq_id");
        self.builder.add(&Row {
            het: of("group_pdb") == Some("HETATM"),
            name: either("label_atom_id", "auth_atom_id"),
            altloc: of("label_alt_id").unwrap_or_default(),
            residue: either("label_comp_id", "auth_comp_id"),
            letter: either("auth_asym_id", "label_asym_id"),
            label: either("label_asym_id", "auth_asym_id"),
            sequence: of("label_entity_id").unwrap_or_default(),
            number: either("auth_seq_id", "label_seq_id"),
            icode: of("pdbx_pdb_ins_code").unwrap_or_default(),
            polymer: has_polymers.then(|| of("label_seq_id").unwrap_or_default()),
            position,
            occupancy: of("occupancy").and_then(|text| text.parse().ok()).unwrap_or(1.0),
            line,
            serial: of("id").unwrap_or_default(),
        });
        Ok(())
    }
}

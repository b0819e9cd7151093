//! Reading and writing of `flashschnet-structures` files.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::file::{Reader, Writer};
use crate::error::{Error, OfFile, Result};
use crate::structure::{Structure, Topologies, Topology, TupleList};

const FORMAT: &str = "flashschnet-structures";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    n_structures: usize,
    topologies: Vec<Beads>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beads {
    n_beads: usize,
    lists: Vec<List>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    name: String,
    order: usize,
    n_tuples: usize,
}

/// Writes all structures or nothing. An existing file of that name is replaced. Equal topologies
/// are written once.
///
/// # Errors
/// [`Error::Invalid`] if there is no structure or [`Structure::check`] refuses one; [`Error::Io`].
pub fn write_structures(path: &Path, structures: &[Structure]) -> Result<()> {
    write_with_provenance(path, structures, None)
}

/// [`write_structures`] with a text in the header that says where the structures come from.
///
/// # Errors
/// Those of [`write_structures`].
pub fn write_with_provenance(
    path: &Path,
    structures: &[Structure],
    provenance: Option<String>,
) -> Result<()> {
    let write = |(mut writer, contents): (Writer, Contents)| {
        writer.provenance = provenance;
        writer.write(path, FORMAT, &contents)
    };
    collect(structures).and_then(write).of_file(path)
}

/// SHA-256 of the values of structures, as hexadecimal digits. It does not depend on the files that
/// the structures come from.
///
/// # Errors
/// [`Error::Invalid`] if there is no structure or [`Structure::check`] refuses one.
pub fn structures_digest(structures: &[Structure]) -> Result<String> {
    let (writer, contents) = collect(structures)?;
    writer.digest(&contents)
}

/// Reads structures. Structures with equal topologies share one.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a file that violates the format; [`Error::Unsupported`]
/// for another version of the format.
pub fn read_structures(path: &Path) -> Result<Vec<Structure>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    parse_structures(&bytes).of_file(path)
}

fn collect(structures: &[Structure]) -> Result<(Writer, Contents)> {
    if structures.is_empty() {
        return Err(Error::invalid("structures", "none", "at least one"));
    }
    let mut topologies = Topologies::default();
    let (mut topology_of, mut velocities_of) = (Vec::new(), Vec::new());
    let (mut positions, mut velocities) = (Vec::new(), Vec::new());
    let mut last: Option<(&Arc<Topology>, usize)> = None;
    for (s, structure) in structures.iter().enumerate() {
        // Frames of a trajectory share their topology, so that most need no hash.
        let t = match last {
            Some((shared, t)) if Arc::ptr_eq(shared, &structure.topology) => t,
            _ => {
                structure.topology.check()?;
                topologies.add(&structure.topology)
            }
        };
        structure.check_vectors()?;
        last = Some((&structure.topology, t));
        topology_of.push(number(t)?);
        positions.extend(structure.positions.iter().flatten());
        if let Some(v) = &structure.velocities {
            velocities_of.push(number(s)?);
            velocities.extend(v.iter().flatten());
        }
    }

    let mut writer = Writer::default();
    let mut contents = Contents { n_structures: structures.len(), topologies: Vec::new() };
    for (t, topology) in topologies.all().iter().enumerate() {
        let n_beads = topology.types.len();
        let types = topology.types.iter().copied();
        writer.counts(format!("topology{t}.types"), &[n_beads], types);
        if !topology.masses.is_empty() {
            writer.numbers(format!("topology{t}.masses"), &[n_beads], &topology.masses);
        }
        let mut lists = Vec::new();
        for (l, list) in topology.lists.iter().enumerate() {
            let TupleList { name, order, tuples } = list;
            let beads = tuples.iter().flat_map(|tuple| tuple[..*order].iter().copied());
            writer.counts(format!("topology{t}.list{l}"), &[tuples.len(), *order], beads);
            lists.push(List { name: name.clone(), order: *order, n_tuples: tuples.len() });
        }
        contents.topologies.push(Beads { n_beads, lists });
    }
    writer.counts("topology_of", &[topology_of.len()], topology_of);
    writer.numbers("positions", &[positions.len() / 3, 3], &positions);
    writer.counts("velocities_of", &[velocities_of.len()], velocities_of);
    writer.numbers("velocities", &[velocities.len() / 3, 3], &velocities);
    Ok((writer, contents))
}

fn number(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::invalid("structures", n, "fewer than 2^32"))
}

pub(crate) fn parse_structures(bytes: &[u8]) -> Result<Vec<Structure>> {
    let (mut reader, contents) = Reader::parse_with_provenance::<Contents>(bytes, FORMAT)?;
    let mut shared = Topologies::default();
    let mut topologies: Vec<Arc<Topology>> = Vec::new();
    for (t, Beads { n_beads, lists }) in contents.topologies.into_iter().enumerate() {
        let types = reader.counts(&format!("topology{t}.types"), &[Some(n_beads)])?;
        let masses = format!("topology{t}.masses");
        let masses = match reader.has(&masses) {
            true => reader.numbers(&masses, &[Some(n_beads)])?,
            false => Vec::new(),
        };
        let topology = Topology { types, masses, lists: read_lists(&mut reader, t, lists)? };
        topology.check()?;
        let index = shared.add(&Arc::new(topology));
        topologies.push(shared.get(index).clone());
    }

    let topology_of = reader.counts("topology_of", &[Some(contents.n_structures)])?;
    if topology_of.is_empty() {
        return Err(Error::invalid("n_structures", 0, "at least one"));
    }
    let positions = reader.numbers("positions", &[None, Some(3)])?;
    let velocities_of = reader.counts("velocities_of", &[None])?;
    let velocities = reader.numbers("velocities", &[None, Some(3)])?;
    reader.finish()?;

    let mut positions = Rows { name: "positions", rows: positions.as_chunks().0 };
    let mut velocities = Rows { name: "velocities", rows: velocities.as_chunks().0 };
    let mut velocities_of = velocities_of.into_iter().peekable();
    let mut structures = Vec::new();
    for (s, t) in topology_of.into_iter().enumerate() {
        let Some(topology) = topologies.get(t as usize) else {
            let expected = format!("a topology below {}", topologies.len());
            return Err(Error::invalid(format!("topology_of[{s}]"), t, expected));
        };
        let n_beads = topology.types.len();
        let has_velocities = velocities_of.next_if(|with| *with as usize == s).is_some();
        let structure = Structure {
            topology: topology.clone(),
            positions: positions.take(n_beads)?,
            velocities: if has_velocities { Some(velocities.take(n_beads)?) } else { None },
        };
        structure.check_vectors()?;
        structures.push(structure);
    }
    if let Some(s) = velocities_of.next() {
        return Err(Error::invalid("velocities_of", s, "structures in ascending order"));
    }
    positions.finish()?;
    velocities.finish()?;
    Ok(structures)
}

fn read_lists(reader: &mut Reader, t: usize, lists: Vec<List>) -> Result<Vec<TupleList>> {
    let mut all = Vec::new();
    for (l, List { name, order, n_tuples }) in lists.into_iter().enumerate() {
        let field = format!("topology{t}.list{l}");
        if !(2..=4).contains(&order) {
            return Err(Error::invalid(format!("{field}: order"), order, "2, 3 or 4"));
        }
        let beads = reader.counts(&field, &[Some(n_tuples), Some(order)])?;
        let as_tuple = |beads: &[u32]| {
            let mut tuple = [0; 4];
            tuple[..order].copy_from_slice(beads);
            tuple
        };
        let tuples = beads.chunks_exact(order).map(as_tuple).collect();
        all.push(TupleList { name, order, tuples });
    }
    Ok(all)
}

/// The vectors of all structures, one structure after the other, and a cursor into them.
struct Rows<'a> {
    name: &'static str,
    rows: &'a [[f64; 3]],
}

impl Rows<'_> {
    fn take(&mut self, n: usize) -> Result<Vec<[f64; 3]>> {
        match self.rows.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rows = rest;
                Ok(taken.to_vec())
            }
            None => {
                let found = format!("{} rows left", self.rows.len());
                Err(Error::invalid(self.name, found, format!("{n} for the next structure")))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self.rows.len() {
            0 => Ok(()),
            n => Err(Error::invalid(self.name, format!("{n} rows too many"), "one row per bead")),
        }
    }
}

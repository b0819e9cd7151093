//! Import of prior terms: tables of parameters by bead types, and the per-tuple parameters of
//! specialized models.

use std::collections::BTreeMap;

use super::keys;
use super::view::View;
use crate::error::{Error, Result};
use crate::io::pickle::{DenseTensor, Tensor};
use crate::model::prior::{Column, ColumnKind, MAX_DEGREE, TypeKey};
use crate::model::{Prior, PriorForm, PriorParameters};

/// Reads a prior from a module. For a specialized prior in a file with structures, `n_tuples` is
/// the number of tuples in their list of the same name.
pub(super) fn prior(view: &View, name: &str, n_tuples: Option<usize>) -> Result<Prior> {
    if let Some(own) = view.attribute("name")?
        && !own.is_none()
        && own.text()? != name
    {
        return Err(own.invalid(own.describe(), format!("{name:?}, the name of its entry")));
    }
    let class = view.own_class().unwrap_or_default();
    let (form, parameters) = match class.strip_prefix("Static") {
        None => match PriorForm::of_class(class, 0) {
            Some(PriorForm::Dihedral { .. }) => {
                let form = PriorForm::Dihedral { degree: degree(view)? };
                (form, keyed(view, form)?)
            }
            Some(form) => (form, keyed(view, form)?),
            None => return Err(unknown(view)),
        },
        // These are the classes that mlcg and flashmd specialize.
        Some(
            stem @ ("HarmonicBonds" | "GeneralBonds" | "HarmonicAngles" | "GeneralAngles"
            | "HarmonicImpropers" | "Dihedral"),
        ) => match PriorForm::of_class(stem, 0) {
            Some(PriorForm::Dihedral { .. }) => {
                let (degree, rows) = PerTuple::dihedral(view)?;
                (PriorForm::Dihedral { degree }, rows.one_replica(view, n_tuples)?)
            }
            Some(form) => (form, PerTuple::harmonic(view)?.one_replica(view, n_tuples)?),
            None => return Err(unknown(view)),
        },
        Some(_) => return Err(unknown(view)),
    };
    if let Some(order) = view.attribute("order")?
        && order.number()? != form.order() as f64
    {
        return Err(order.invalid(order.describe(), form.order().to_string()));
    }
    Ok(Prior { name: name.to_owned(), form, parameters })
}

fn unknown(view: &View) -> Error {
    let what = format!("the model class {}", view.describe());
    if let Some(("torchmdnet", _)) = view.class() {
        return view.unsupported(&what, "give a checkpoint (.ckpt) of torchmd-net");
    }
    let class = view.own_class().unwrap_or_default();
    let known = MISSING.iter().find(|(part, _)| class.contains(part));
    view.unsupported(
        &what,
        known.map_or("it is neither a known network nor a known prior", |m| m.1),
    )
}

/// Parts of the names of mlcg's other classes, and the reasons for which they are refused.
const MISSING: [(&str, &str); 8] = [
    (
        "AttentiveSchNet",
        "it needs attention between beads; SchNets without attention are supported",
    ),
    ("EdgeRBFRegularized", PAIRS),
    ("RepulsionFiltered", PAIRS),
    ("PaiNN", SCALAR),
    ("MACE", SCALAR),
    ("So3krates", SCALAR),
    ("Allegro", SCALAR),
    ("Flash", "it has fused kernels; import the model before its conversion to flash classes"),
];
const PAIRS: &str =
    "it needs filters by pairs of bead types; a network has one filter for all pairs";
const SCALAR: &str = "it needs features with directions; SchNets have scalar features";

/// Reads a prior with parameters by bead types.
fn keyed(view: &View, form: PriorForm) -> Result<PriorParameters> {
    let columns = form.columns();
    let names: Vec<&str> = columns.iter().flat_map(|column| column.names).copied().collect();
    view.only(&[], &names)?;
    let mut table = Table::new(view, form)?;
    let (mut first, mut shared) = (0, Vec::new());
    for column in &columns {
        if let Some(n) = column.series
            && let Some(n_degs) = view.attribute("n_degs")?
            && n_degs.number()? != n as f64
        {
            return Err(n_degs.invalid(n_degs.describe(), format!("{n}, as {}", column.names[0])));
        }
        if column.kind == ColumnKind::Shared {
            shared.push((first, view.scalar(column.names[0])?));
        } else {
            table.fill(view, column, first)?;
        }
        first += column.series.unwrap_or(1);
    }
    table.finish(view, &shared)
}

/// The number of terms of a Fourier series.
fn degree(view: &View) -> Result<usize> {
    let degree = match view.weight("k1s")?.map(|k1s| k1s.any_tensor()).transpose()?.flatten() {
        Some(Tensor::Dense(DenseTensor { shape, .. })) => shape.first().copied(),
        Some(Tensor::Sparse(sparse)) => sparse.shape.first().copied(),
        None => None,
    };
    degree.filter(|degree| *degree <= MAX_DEGREE).ok_or_else(|| {
        let found = degree.map_or("none".into(), |degree| format!("{degree} terms"));
        view.invalid(found, format!("k1s with at most {MAX_DEGREE} terms"))
    })
}

/// The rows of a prior with parameters by bead types, collected from its tensors.
struct Table {
    form: PriorForm,
    rows: BTreeMap<TypeKey, Vec<f64>>,
}

impl Table {
    fn new(view: &View, form: PriorForm) -> Result<Self> {
        let mut table = Table { form, rows: BTreeMap::new() };
        // A key that has been fitted gets a row even if all its parameters are zero.
        for key in keys::allowed(view, form.order())? {
            table.row(view, key)?;
        }
        Ok(table)
    }

    fn row(&mut self, view: &View, key: TypeKey) -> Result<&mut Vec<f64>> {
        use std::collections::btree_map::Entry;
        match self.rows.entry(key) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(row) => {
                let n = self.form.n_parameters();
                view.archive.charge(64 + n * size_of::<f64>())?;
                Ok(row.insert(vec![0.0; n]))
            }
        }
    }

    /// Writes the nonzero entries of a tensor to the rows, from column `first` on. The axes of the
    /// tensor are the bead types of a tuple. A tensor of a series has one more axis, its first, for
    /// the terms of the series.
    fn fill(&mut self, view: &View, column: &Column, first: usize) -> Result<()> {
        let mut weight = None;
        for name in column.names {
            if let Some(other) = view.weight(name)?
                && let Some(earlier) = weight.replace(other)
            {
                return Err(earlier.invalid(format!("{name} as well"), "one of the two"));
            }
        }
        let Some(weight) = weight else {
            if column.kind == ColumnKind::Optional {
                return Ok(());
            }
            let name = column.names[0];
            return Err(view.invalid(format!("no {name}"), format!("a tensor {name}")));
        };
        let (n_beads, n_terms) = (self.form.order(), column.series);
        let n_axes = n_beads + usize::from(n_terms.is_some());
        let check = |shape: &[usize]| {
            let sides = shape.iter().all(|side| u32::try_from(*side).is_ok());
            if shape.len() != n_axes || n_terms.is_some_and(|n| shape[0] != n) || !sides {
                let expected = match n_terms {
                    Some(n) => format!("{n} terms and {n_beads} axes of bead types"),
                    None => format!("{n_beads} axes of bead types"),
                };
                return Err(weight.invalid(format!("shape {shape:?}"), expected));
            }
            Ok(())
        };
        let mut set = |index: &[usize], value: f64| {
            let (term, types) = index.split_at(n_axes - n_beads);
            let mut key = TypeKey::default();
            for (part, bead_type) in key.iter_mut().zip(types) {
                // `check` has ensured that indices fit into 32 bits.
                *part = *bead_type as u32;
            }
            let column = first + term.first().copied().unwrap_or(0);
            let cell = &mut self.row(view, key)?[column];
            if *cell != 0.0 {
                return Err(weight.invalid("an entry given twice", "a coalesced tensor"));
            }
            *cell = value;
            Ok(())
        };
        match weight.any_tensor()? {
            Some(Tensor::Dense(dense)) => {
                check(&dense.shape)?;
                let values = view.archive.numbers(&dense)?;
                let mut index = vec![0; n_axes];
                for value in values {
                    if value != 0.0 {
                        set(&index, value)?;
                    }
                    for axis in (0..n_axes).rev() {
                        index[axis] += 1;
                        if index[axis] < dense.shape[axis] {
                            break;
                        }
                        index[axis] = 0;
                    }
                }
            }
            Some(Tensor::Sparse(sparse)) => {
                check(&sparse.shape)?;
                let Some(indices) = view.archive.integers(&sparse.indices)? else {
                    return Err(weight.invalid("fractional indices", "integers"));
                };
                let values = view.archive.numbers(&sparse.values)?;
                for (i, value) in values.iter().enumerate() {
                    let index = (0..n_axes).map(|axis| {
                        let at = usize::try_from(indices[axis * values.len() + i]).ok();
                        at.filter(|at| *at < sparse.shape[axis])
                    });
                    let Some(index) = index.collect::<Option<Vec<_>>>() else {
                        let expected = format!("indices inside {:?}", sparse.shape);
                        return Err(weight.invalid(format!("entry {i} outside"), expected));
                    };
                    if *value != 0.0 {
                        set(&index, *value)?;
                    }
                }
            }
            None => return Err(weight.invalid(weight.describe(), "a tensor")),
        }
        Ok(())
    }

    /// Returns the rows. `shared` contains (column, value) of the parameters equal in all rows.
    fn finish(self, view: &View, shared: &[(usize, f64)]) -> Result<PriorParameters> {
        let n_values = self.rows.len() * self.form.n_parameters();
        view.archive.charge(n_values * size_of::<f64>())?;
        let mut keys = Vec::with_capacity(self.rows.len());
        let mut values = Vec::with_capacity(n_values);
        for (key, mut row) in self.rows {
            shared.iter().for_each(|(column, value)| row[*column] = *value);
            keys.push(key);
            values.extend(row);
        }
        Ok(PriorParameters::Keyed { keys, values })
    }
}

/// The rows of a specialized prior, one per tuple of each replica, one replica after the other.
struct PerTuple {
    stride: usize,
    values: Vec<f64>,
}

impl PerTuple {
    fn harmonic(view: &View) -> Result<Self> {
        view.only(&[], &["x0", "k", "V0"])?;
        let columns = [view.vector("k")?, view.vector("x0")?, view.vector("V0")?];
        let n = columns[0].len();
        if let Some(other) = columns.iter().find(|column| column.len() != n) {
            return Err(view.invalid(format!("{} and {n} rows", other.len()), "equal numbers"));
        }
        view.archive.charge(3 * n * size_of::<f64>())?;
        let row = |i: usize| columns.iter().map(move |column| column[i]);
        Ok(PerTuple { stride: 3, values: (0..n).flat_map(row).collect() })
    }

    fn dihedral(view: &View) -> Result<(usize, Self)> {
        view.only(&[], &["k1s", "k2s", "v_0"])?;
        let (shape, k1s) = view.require_weight("k1s")?;
        let (other, k2s) = view.require_weight("k2s")?;
        let (offset_shape, offsets) = view.require_weight("v_0")?;
        let ([n, degree], true) = (<[usize; 2]>::try_from(shape.as_slice()).unwrap_or([0; 2]), {
            shape == other && shape.len() == 2 && (1..=MAX_DEGREE).contains(&shape[1])
        }) else {
            let expected = format!("equal shapes (rows, terms), at most {MAX_DEGREE} terms");
            return Err(view.invalid(format!("k1s {shape:?}, k2s {other:?}"), expected));
        };
        // The tensor of offsets can be as wide as the series; its column 0 holds the values.
        let width = match offset_shape[..] {
            [rows] if rows == n => 1,
            [rows, width] if rows == n && width > 0 => width,
            _ => {
                let found = format!("v_0 of shape {offset_shape:?}");
                return Err(view.invalid(found, format!("{n} rows")));
            }
        };
        let stride = 1 + 2 * degree;
        view.archive.charge(n.saturating_mul(stride * size_of::<f64>()))?;
        let mut values = Vec::with_capacity(n * stride);
        for i in 0..n {
            let offset = &offsets[i * width..(i + 1) * width];
            if offset[1..].iter().any(|padding| *padding != 0.0) {
                return Err(view.invalid("v_0 not 0 beyond column 0", "zeros"));
            }
            values.push(offset[0]);
            values.extend(&k1s[i * degree..(i + 1) * degree]);
            values.extend(&k2s[i * degree..(i + 1) * degree]);
        }
        Ok((degree, PerTuple { stride, values }))
    }

    /// Returns the rows of the first replica. A model holds the parameters of one molecule, so all
    /// replicas must have equal rows.
    fn one_replica(mut self, view: &View, n_tuples: Option<usize>) -> Result<PriorParameters> {
        let Some(n_tuples) = n_tuples else {
            return Ok(PriorParameters::PerTuple { values: self.values });
        };
        let block = n_tuples * self.stride;
        let n_rows = self.values.len() / self.stride;
        // The rows must be those of a whole number of replicas.
        if !n_rows.is_multiple_of(n_tuples) || (n_rows == 0) != (n_tuples == 0) {
            return Err(Error::invalid(
                view.path.as_str(),
                format!("{n_rows} rows of parameters"),
                format!("a multiple of {n_tuples}, the tuples of a structure"),
            ));
        }
        if block > 0 && self.values.chunks(block).any(|other| *other != self.values[..block]) {
            return Err(view.unsupported(
                "a specialized prior with different parameters for different replicas",
                "import the model before it was specialized",
            ));
        }
        self.values.truncate(block);
        Ok(PriorParameters::PerTuple { values: self.values })
    }
}

//! The files of a case: values of the manifest and tensors, accessed by name.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::error::{Error, OfFile, Result};
use crate::io::content::{check_shape, is_safetensors, wrong_content};

/// A longer manifest is refused. JSON takes up to 100 times its length in memory, and the manifest of
/// a large case has 20 kB.
const MOST: u64 = 2 << 20;

/// A loaded case: its manifest, its tensors and its path.
pub(crate) struct Case {
    pub(crate) manifest: Value,
    tensors: Vec<u8>,
    /// The type, the shape and the place in `tensors` of every tensor.
    index: BTreeMap<String, (Dtype, Vec<usize>, Range<usize>)>,
    references: RefCell<HashMap<String, Rc<Reference>>>,
    /// The path of the manifest; `None` for a built-in case.
    pub(super) path: Option<PathBuf>,
}

/// The shape of a tensor, and its values as f64.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// Results of the reference implementation, and the tolerance of each number.
pub(crate) struct Reference {
    pub(crate) tensor: Tensor,
    pub(crate) tolerance: f64,
}

impl Tensor {
    pub(crate) fn vectors(&self) -> Vec<[f64; 3]> {
        self.values.as_chunks::<3>().0.to_vec()
    }
}

impl Case {
    /// Whether a JSON object is a case: it has `file` and `tensors`.
    pub(crate) fn is_case(manifest: &Value) -> bool {
        manifest.get("file").is_some_and(Value::is_string) && manifest.get("tensors").is_some()
    }

    pub(crate) fn read_manifest(path: &Path) -> Result<Value> {
        let io = |error| Error::io(path, error);
        let mut text = Vec::new();
        std::fs::File::open(path).map_err(io)?.take(MOST + 1).read_to_end(&mut text).map_err(io)?;
        let manifest = match text.trim_ascii_start() {
            [b'{' | b'[', ..] if text.len() as u64 > MOST => {
                let expected = format!("a manifest of a case, at most {MOST} bytes");
                Err(Error::invalid("manifest", "a longer file", expected))
            }
            [b'{' | b'[', ..] => serde_json::from_slice(&text)
                .map_err(|error| Error::invalid("manifest", error, "a JSON object")),
            _ => Err(wrong_content(&text, "the JSON manifest of a case")),
        };
        manifest.of_file(path)
    }

    pub(crate) fn open(path: &Path) -> Result<Self> {
        let manifest = Self::read_manifest(path)?;
        if !Self::is_case(&manifest) {
            let error = Error::invalid("manifest", "other JSON", "an object with file and tensors");
            return Err(error.of_file(path));
        }
        // A manifest can name a file in its own folder only, and gives no access to other files.
        let file = Path::new(manifest["file"].as_str().unwrap_or_default());
        let Some(file_name) = file.file_name().filter(|name| Path::new(name) == file) else {
            let error = Error::invalid("file", file.display(), "a file in the same folder");
            return Err(error.of_file(path));
        };
        let tensors_path = path.with_file_name(file_name);
        let tensors =
            std::fs::read(&tensors_path).map_err(|error| Error::io(&tensors_path, error))?;
        Self::new(manifest, tensors, Some(path.to_owned())).of_file(&tensors_path)
    }

    pub(crate) fn built_in(manifest: &[u8], tensors: &[u8]) -> Result<Self> {
        let manifest = serde_json::from_slice(manifest)
            .map_err(|error| Error::invalid("manifest", error, "a JSON object"))?;
        Self::new(manifest, tensors.to_vec(), None)
    }

    fn new(manifest: Value, tensors: Vec<u8>, path: Option<PathBuf>) -> Result<Self> {
        if !is_safetensors(&tensors) {
            return Err(wrong_content(&tensors, "the safetensors file of a case"));
        }
        let damaged = |error| Error::invalid("safetensors", error, "a safetensors file");
        let archive = SafeTensors::deserialize(&tensors).map_err(damaged)?;
        let mut index = BTreeMap::new();
        for (name, view) in archive.iter() {
            let start = view.data().as_ptr() as usize - tensors.as_ptr() as usize;
            check_shape(&format!("tensor {name}"), view.shape())?;
            let place = start..start + view.data().len();
            index.insert(name.to_owned(), (view.dtype(), view.shape().to_vec(), place));
        }
        Ok(Case { manifest, tensors, index, references: RefCell::default(), path })
    }

    /// The case that contains the model of this trajectory.
    pub(crate) fn model_case(&self) -> Result<Case> {
        let name = self.text(&["model"])?;
        match &self.path {
            Some(path) if !name.contains(['/', '\\']) => {
                Case::open(&path.with_file_name(format!("{name}.json")))
            }
            _ => Err(Error::invalid("model", name, "a case in the same folder")),
        }
    }

    /// The path of a file that the manifest names, which is in the folder `raw` beside the manifest.
    pub(super) fn raw_file(&self, field: &str) -> Result<PathBuf> {
        let name = self.text(&[field])?;
        let file = name.strip_prefix("raw/").filter(|file| !file.contains(['/', '\\']));
        match (&self.path, file) {
            (Some(path), Some(file)) => Ok(path.with_file_name("raw").join(file)),
            _ => Err(Error::invalid(field, name, "a file in the folder raw beside the manifest")),
        }
    }

    /// The sorted names of all tensors whose names start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.index.keys().filter(|name| name.starts_with(prefix));
        names.cloned().collect()
    }

    /// Reads a tensor of any supported number type.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let missing = || Error::invalid(format!("tensor {name}"), "nothing", "a tensor");
        let (dtype, shape, place) = self.index.get(name).ok_or_else(missing)?;
        let data = &self.tensors[place.clone()];
        let values = match dtype {
            Dtype::F32 => widen(data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => widen(data, f64::from_le_bytes),
            Dtype::I32 => widen(data, |b| f64::from(i32::from_le_bytes(b))),
            Dtype::I64 => widen(data, |b| i64::from_le_bytes(b) as f64),
            Dtype::U8 => widen(data, |[b]: [u8; 1]| f64::from(b)),
            other => {
                let expected = "F32, F64, I32, I64 or U8";
                return Err(Error::invalid(
                    format!("tensor {name}"),
                    format!("{other:?}"),
                    expected,
                ));
            }
        };
        Ok(Tensor { shape: shape.clone(), values })
    }

    /// Reads the results `out/f64/{name}`. `tolerance` computes their tolerance. A trajectory needs
    /// the same results in every step, so both are kept.
    pub(crate) fn reference(
        &self,
        name: &str,
        tolerance: impl FnOnce(&Tensor) -> Result<f64>,
    ) -> Result<Rc<Reference>> {
        if let Some(known) = self.references.borrow().get(name) {
            return Ok(known.clone());
        }
        let tensor = self.tensor(&format!("out/f64/{name}"))?;
        let tolerance = tolerance(&tensor)?;
        let reference = Rc::new(Reference { tensor, tolerance });
        self.references.borrow_mut().insert(name.to_owned(), reference.clone());
        Ok(reference)
    }

    /// Whether there is a tensor of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Reads a tensor of whole numbers from 0 to 2^32 − 1.
    pub(super) fn counts(&self, name: &str) -> Result<(Vec<usize>, Vec<u32>)> {
        let Tensor { shape, values } = self.tensor(name)?;
        let count = |value: &f64| match *value as u32 {
            count if f64::from(count) == *value => Ok(count),
            _ => {
                let expected = "whole numbers from 0 to 4294967295";
                Err(Error::invalid(format!("tensor {name}"), value, expected))
            }
        };
        let values = values.iter().map(count).collect::<Result<_>>()?;
        Ok((shape, values))
    }

    /// Reads a tensor that must have the given shape.
    pub(crate) fn shaped(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            let (found, expected) = (format!("{:?}", tensor.shape), format!("shape {shape:?}"));
            return Err(Error::invalid(format!("tensor {name}"), found, expected));
        }
        Ok(tensor)
    }

    /// Whether the manifest has a value.
    pub(super) fn has_field(&self, path: &[&str]) -> bool {
        self.field(path).is_ok_and(|value| !value.is_null())
    }

    fn field(&self, path: &[&str]) -> Result<&Value> {
        let mut value = &self.manifest;
        for key in path {
            value = value
                .get(key)
                .ok_or_else(|| Error::invalid(path.join("."), "nothing", "a value"))?;
        }
        Ok(value)
    }

    pub(crate) fn number(&self, path: &[&str]) -> Result<f64> {
        let value = self.field(path)?;
        value.as_f64().ok_or_else(|| Error::invalid(path.join("."), value, "a number"))
    }

    pub(crate) fn count(&self, path: &[&str]) -> Result<usize> {
        let value = self.field(path)?;
        value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| Error::invalid(path.join("."), value, "a whole number"))
    }

    pub(crate) fn text(&self, path: &[&str]) -> Result<&str> {
        let value = self.field(path)?;
        value.as_str().ok_or_else(|| Error::invalid(path.join("."), value, "a name"))
    }
}

fn widen<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
}

//! Reading and writing of a safetensors file with named tensors and a JSON text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::checksum::{self, CHECKSUM_KEY};
use crate::error::{Error, Result};
use crate::io::content::check_shape;

const VERSION: &str = "1";
const FORMAT_KEY: &str = "format";
const VERSION_KEY: &str = "version";
const JSON_KEY: &str = "hyperparameters";
/// A field of structures that [`crate::prepare`] has made. It says where they come from.
const PROVENANCE_KEY: &str = "provenance";

/// The start of a header, before the fields.
const METADATA: &[u8] = b"{\"__metadata__\":";

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Entry {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Collects the tensors of a new file.
#[derive(Default)]
pub(crate) struct Writer {
    tensors: Vec<(String, Entry)>,
    /// The text of the field `provenance`, which is no part of the digest.
    pub(super) provenance: Option<String>,
}

impl Writer {
    pub(crate) fn numbers(&mut self, name: impl Into<String>, shape: &[usize], values: &[f64]) {
        let exact = values.iter().all(|value| f64::from(*value as f32) == *value);
        let (dtype, bytes) = if exact {
            (Dtype::F32, values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect())
        } else {
            (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        };
        self.tensors.push((name.into(), Entry { dtype, shape: shape.into(), bytes }));
    }

    pub(crate) fn counts(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        values: impl IntoIterator<Item = u32>,
    ) {
        let bytes = values.into_iter().flat_map(u32::to_le_bytes).collect();
        self.tensors.push((name.into(), Entry { dtype: Dtype::U32, shape: shape.into(), bytes }));
    }

    /// Writes the whole file or nothing. An existing file of that name is replaced.
    pub(super) fn write(self, path: &Path, format: &str, json: &impl Serialize) -> Result<()> {
        let provenance = self.provenance.clone().map(|text| (PROVENANCE_KEY, text));
        let bytes = self.bytes(format, json, provenance)?;
        replace(path, &bytes).map_err(|error| Error::io(path, error))
    }

    /// The bytes of a file with a checksum of the whole file in its header.
    pub(crate) fn sealed(self, format: &str, json: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes = self.bytes(format, json, Some((CHECKSUM_KEY, checksum::blank())))?;
        checksum::seal(&mut bytes);
        Ok(bytes)
    }

    fn bytes(
        self,
        format: &str,
        json: &impl Serialize,
        field: Option<(&str, String)>,
    ) -> Result<Vec<u8>> {
        let mut metadata = BTreeMap::from([
            (FORMAT_KEY.to_owned(), format.to_owned()),
            (VERSION_KEY.to_owned(), VERSION.to_owned()),
            (JSON_KEY.to_owned(), text(json)?),
        ]);
        metadata.extend(field.map(|(key, text)| (key.to_owned(), text)));
        let tensors = self.tensors.iter().map(|(name, stored)| (name.as_str(), stored));
        let unordered = metadata.clone().into_iter().collect();
        let mut bytes = safetensors::serialize(tensors, Some(unordered))
            .map_err(|error| Error::invalid("tensors", error, "tensors that safetensors holds"))?;
        // The header has the fields in a random order. Equal contents are to give equal files.
        let ordered = text(&metadata)?;
        let start = 8 + METADATA.len();
        if bytes[8..].starts_with(METADATA)
            && let Some(place) = bytes.get_mut(start..start + ordered.len())
        {
            place.copy_from_slice(ordered.as_bytes());
        }
        Ok(bytes)
    }

    /// SHA-256 of the JSON and of all tensors in the order in which they were added.
    pub(super) fn digest(self, json: &impl Serialize) -> Result<String> {
        let mut hash = Sha256::new();
        // Lengths separate the parts, so that different contents never give the same bytes.
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(text(json)?.as_bytes());
        for (name, Entry { dtype, shape, bytes }) in &self.tensors {
            add(format!("{name} {dtype:?} {shape:?}").as_bytes());
            add(bytes);
        }
        Ok(checksum::digits(&hash.finalize()))
    }
}

fn text(json: &impl Serialize) -> Result<String> {
    serde_json::to_string(json)
        .map_err(|error| Error::invalid(JSON_KEY, error, "values that JSON can hold"))
}

/// Writes a temporary file in the folder of `path`, and renames it to `path` when it is complete.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flashschnet-");
    // Temporary files are private by default. The result gets the permissions of the user's umask.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The tensors of a file. The caller must read all of them.
pub(crate) struct Reader<'a> {
    tensors: SafeTensors<'a>,
    unread: HashSet<String>,
}

impl<'a> Reader<'a> {
    /// Parses a file of the given format. Returns its tensors and its JSON.
    pub(super) fn parse<T: DeserializeOwned>(bytes: &'a [u8], format: &str) -> Result<(Self, T)> {
        Self::parse_fields(bytes, format, &[FORMAT_KEY, VERSION_KEY, JSON_KEY])
    }

    /// Parses a file that can have the field `provenance`.
    pub(super) fn parse_with_provenance<T: DeserializeOwned>(
        bytes: &'a [u8],
        format: &str,
    ) -> Result<(Self, T)> {
        let known = [FORMAT_KEY, VERSION_KEY, JSON_KEY, PROVENANCE_KEY];
        Self::parse_fields(bytes, format, &known)
    }

    /// Checks the checksum of a file ([`Writer::sealed`]), and parses the file.
    pub(crate) fn parse_sealed<T: DeserializeOwned>(
        bytes: &'a [u8],
        format: &str,
    ) -> Result<(Self, T)> {
        checksum::verify(bytes)?;
        Self::parse_fields(bytes, format, &[FORMAT_KEY, VERSION_KEY, JSON_KEY, CHECKSUM_KEY])
    }

    fn parse_fields<T: DeserializeOwned>(
        bytes: &'a [u8],
        format: &str,
        known: &[&str],
    ) -> Result<(Self, T)> {
        let broken = |error: &dyn Display| {
            Error::invalid("safetensors header", error, "a complete safetensors file")
        };
        let (n_header, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|error| broken(&error))?;
        let header = bytes.get(8..8 + n_header).unwrap_or_default();
        serde_json::from_slice::<UniqueKeys>(header).map_err(|error| broken(&error))?;
        let none = HashMap::new();
        let metadata = metadata.metadata().as_ref().unwrap_or(&none);
        let text = |key: &str| metadata.get(key).map_or("", String::as_str);
        if text(FORMAT_KEY) != format {
            let found = match text(FORMAT_KEY) {
                // "pt" and others are names of the frameworks that have written the tensors.
                "" | "pt" | "tf" | "flax" | "np" | "mlx" => {
                    "tensors of another program, for example of Hugging Face".to_owned()
                }
                other @ "flashschnet-model" => format!("{other:?}, a native model file"),
                other @ "flashschnet-structures" => {
                    format!("{other:?}, a file of native structures")
                }
                other @ "flashschnet-checkpoint" => {
                    format!("{other:?}, the last state of a run")
                }
                other => format!("{other:?}"),
            };
            return Err(Error::invalid(FORMAT_KEY, found, format!("{format:?}")));
        }
        if text(VERSION_KEY) != VERSION {
            let what = format!("version {:?} of {format}", text(VERSION_KEY));
            let advice = format!("this program reads version {VERSION}; try a newer one");
            return Err(Error::unsupported(what, advice));
        }
        if let Some(other) = metadata.keys().filter(|key| !known.contains(&key.as_str())).min() {
            let field = format!("metadata {other:?}");
            return Err(Error::invalid(field, "an unknown field", "no other fields"));
        }
        let json = serde_json::from_str(text(JSON_KEY))
            .map_err(|error| Error::invalid(JSON_KEY, error, format!("those of {format}")))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| broken(&error))?;
        let unread = tensors.names().into_iter().map(str::to_owned).collect();
        Ok((Reader { tensors, unread }, json))
    }

    fn tensor(&mut self, name: &str, shape: &[Option<usize>]) -> Result<TensorView<'a>> {
        let expected = || {
            let axis = |size: &Option<usize>| size.map_or("n".into(), |size| size.to_string());
            format!("shape [{}]", shape.iter().map(axis).collect::<Vec<_>>().join(", "))
        };
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Err(Error::invalid(format!("tensor {name}"), "none", expected()));
        };
        self.unread.remove(name);
        let fits = |(found, size): (&usize, &Option<usize>)| size.is_none_or(|n| n == *found);
        if tensor.shape().len() != shape.len() || !tensor.shape().iter().zip(shape).all(fits) {
            let found = format!("shape {:?}", tensor.shape());
            return Err(Error::invalid(format!("tensor {name}"), found, expected()));
        }
        check_shape(&format!("tensor {name}"), tensor.shape())?;
        Ok(tensor)
    }

    /// Whether the file has a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Reads real numbers as f64. `None` in `shape` means any size.
    pub(crate) fn numbers(&mut self, name: &str, shape: &[Option<usize>]) -> Result<Vec<f64>> {
        let tensor = self.tensor(name, shape)?;
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => {
                Ok(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect())
            }
            Dtype::F64 => Ok(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            other => Err(Error::invalid(format!("tensor {name}"), other, "F32 or F64")),
        }
    }

    pub(crate) fn counts(&mut self, name: &str, shape: &[Option<usize>]) -> Result<Vec<u32>> {
        let tensor = self.tensor(name, shape)?;
        match tensor.dtype() {
            Dtype::U32 => {
                Ok(tensor.data().as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
            }
            other => Err(Error::invalid(format!("tensor {name}"), other, "U32")),
        }
    }

    /// Refuses a file with tensors that have not been read.
    pub(crate) fn finish(self) -> Result<()> {
        match self.unread.iter().min() {
            Some(name) => {
                Err(Error::invalid(format!("tensor {name}"), "an unknown tensor", "no others"))
            }
            None => Ok(()),
        }
    }
}

/// A JSON object that has no key twice, in itself or in the objects that are its values. This check
/// is needed because the safetensors crate keeps only one of several equal keys.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Keys {
            depth: usize,
        }
        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueKeys;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(
                self,
                mut map: M,
            ) -> std::result::Result<UniqueKeys, M::Error> {
                let mut seen = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    match self.depth {
                        0 => map.next_value_seed(Keys { depth: 1 })?,
                        _ => map.next_value::<IgnoredAny>().map(|_| UniqueKeys)?,
                    };
                    if let Some(key) = seen.replace(key) {
                        return Err(M::Error::custom(format!("the key {key:?} twice")));
                    }
                }
                Ok(UniqueKeys)
            }
        }
        impl<'de> serde::de::DeserializeSeed<'de> for Keys {
            type Value = UniqueKeys;

            fn deserialize<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> std::result::Result<UniqueKeys, D::Error> {
                deserializer.deserialize_map(self)
            }
        }
        deserializer.deserialize_map(Keys { depth: 0 })
    }
}

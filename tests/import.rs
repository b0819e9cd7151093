//! Files of the field's Python tools: what the reader sees, and what the importer makes of it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use flashschnet::model::pickle::{Archive, Dtype, Node, NodeId, Tensor};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The folder of the reference data; says so when there is none.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "FLASHSCHNET_REFERENCE is not set: the files of the reference data are NOT tested"
        );
    }
    folder
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Class names and tensors by path, as `importer_checks.json` lists them.
struct Walk<'a> {
    archive: &'a Archive,
    seen: HashSet<NodeId>,
    classes: BTreeMap<String, String>,
    tensors: BTreeMap<String, Value>,
}

impl Walk<'_> {
    fn entry(&self, path: &str, tensor: &flashschnet::model::pickle::DenseTensor) -> Value {
        let dtype = match tensor.dtype {
            Dtype::F64 => "f64",
            Dtype::F32 => "f32",
            Dtype::I64 => "i64",
            other => panic!("{path}: {other:?}"),
        };
        let bytes = self.archive.bytes_of(tensor).unwrap();
        json!({"dtype": dtype, "shape": tensor.shape, "sha256": sha256(&bytes)})
    }

    fn visit(&mut self, id: NodeId, path: &str) {
        if let Some(tensor) = self.archive.tensor(id).unwrap() {
            match tensor {
                Tensor::Dense(dense) => {
                    let entry = self.entry(path, &dense);
                    self.tensors.insert(path.to_owned(), entry);
                }
                Tensor::Sparse(sparse) => {
                    let entry = json!({"sparse_coo": true, "size": sparse.shape});
                    self.tensors.insert(path.to_owned(), entry);
                    for (part, tensor) in [("indices", &sparse.indices), ("values", &sparse.values)]
                    {
                        let path = format!("{path}.{part}");
                        let entry = self.entry(&path, tensor);
                        self.tensors.insert(path, entry);
                    }
                }
            }
            return;
        }
        let below = |name: &str| match path {
            "" => name.to_owned(),
            _ => format!("{path}/{name}"),
        };
        match self.archive.node(id) {
            Node::List(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    self.visit(*element, &below(&i.to_string()));
                }
            }
            Node::Tuple(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    self.visit(*element, &below(&i.to_string()));
                }
            }
            Node::Dict(items) => {
                for (key, value) in items {
                    let key = match self.archive.node(*key) {
                        Node::Str(key) => key.to_string(),
                        Node::Int(key) => key.to_string(),
                        _ => continue,
                    };
                    self.visit(*value, &below(&key));
                }
            }
            Node::Object { .. } if self.seen.insert(id) => {
                let class = self.archive.class(id).unwrap().to_string();
                if class.starts_with("torch_geometric.inspector") {
                    return;
                }
                let get = |dict: NodeId, name: &str| match self.archive.node(dict) {
                    Node::Dict(items) => items
                        .iter()
                        .find(|(key, _)| self.archive.str(*key) == Some(name))
                        .map(|(_, value)| *value),
                    _ => None,
                };
                let state = self.archive.state(id).expect(path);
                let module = ["_parameters", "_buffers", "_modules"].map(|name| get(state, name));
                let data = get(state, "_store")
                    .and_then(|store| get(self.archive.state(store)?, "_mapping"));
                let root = if path.is_empty() { "/" } else { path };
                self.classes.insert(root.to_owned(), class);
                for part in module.into_iter().chain([data]).flatten() {
                    self.visit(part, path);
                }
            }
            _ => {}
        }
    }
}

fn raw(folder: &Path, name: &str) -> PathBuf {
    folder.join("raw").join(name)
}

#[test]
fn every_class_and_every_tensor_of_the_reference_files_is_seen() {
    let Some(folder) = reference() else { return };
    let checks = std::fs::read_to_string(folder.join("importer_checks.json")).unwrap();
    let checks: Value = serde_json::from_str(&checks).unwrap();
    let mut n_tensors = 0;
    for (name, check) in checks.as_object().unwrap() {
        let archive = Archive::open(&raw(&folder, name)).unwrap();
        let mut walk = Walk {
            archive: &archive,
            seen: HashSet::new(),
            classes: BTreeMap::new(),
            tensors: BTreeMap::new(),
        };
        walk.visit(archive.root(), "");

        let classes = check["classes"].as_object().unwrap();
        let classes: BTreeMap<_, _> =
            classes.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
        assert_eq!(walk.classes, classes, "{name}");

        let mut tensors: BTreeMap<_, _> =
            check["tensors"].as_object().unwrap().clone().into_iter().collect();
        for tensor in tensors.values_mut() {
            for ignored in ["first", "last", "coalesced"] {
                tensor.as_object_mut().unwrap().remove(ignored);
            }
        }
        n_tensors += tensors.len();
        assert_eq!(
            walk.tensors.keys().collect::<Vec<_>>(),
            tensors.keys().collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(walk.tensors, tensors, "{name}");
    }
    eprintln!("{n_tensors} tensors agree");
}

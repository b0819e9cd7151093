//! Files of the field's Python tools: the objects and tensors that the reader finds, and the models
//! and structures that the importer makes of them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashschnet::io::import::{combine, import};
use flashschnet::io::pickle::{Archive, Dtype, Node, NodeId, Tensor};
use flashschnet::model::{Activation, Cutoff, Model, PriorParameters, RadialFunctions};
use flashschnet::structure::Structure;
use flashschnet::system::Molecule;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The folder of the reference data. Prints a message if the variable is not set.
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

/// Collects the class names and tensors of an archive by path, as `importer_checks.json` lists
/// them.
struct Walk<'a> {
    archive: &'a Archive,
    seen: HashSet<NodeId>,
    classes: BTreeMap<String, String>,
    tensors: BTreeMap<String, Value>,
}

impl Walk<'_> {
    fn entry(&self, path: &str, tensor: &flashschnet::io::pickle::DenseTensor) -> Value {
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

fn model_of(path: &Path) -> Model {
    let import = import(path).unwrap();
    assert!(import.structures.is_none());
    import.model.unwrap()
}

fn structures_of(path: &Path) -> Vec<Structure> {
    let import = import(path).unwrap();
    assert!(import.model.is_none());
    import.structures.unwrap()
}

#[test]
fn the_specialized_chignolin_is_its_type_keyed_parts_joined() {
    let Some(folder) = reference() else { return };
    let specialized =
        import(&raw(&folder, "schnet_cln_ca_specialized_model_and_config.pt")).unwrap();
    let (model, structures) = (specialized.model.unwrap(), specialized.structures.unwrap());
    let keyed = model_of(&raw(&folder, "sparse_prior_cln_ca.pt"));
    let keyed_structures = structures_of(&raw(&folder, "structures_cln_ca.pt"));

    let schnet = model.schnet.as_ref().unwrap();
    assert_eq!((schnet.n_types, schnet.n_hidden, schnet.n_filters()), (42, 256, 128));
    assert_eq!((schnet.interactions.len(), schnet.readout.len()), (3, 3));
    assert_eq!(schnet.activation, Activation::Tanh);
    assert_eq!(schnet.cutoff, Cutoff::Cosine { lower: 0.0, upper: 5.0 });
    assert_eq!(schnet.max_num_neighbors, Some(200));
    let RadialFunctions::ExpNormal { alpha, lower, means, .. } = &schnet.radial_basis.functions
    else {
        panic!("{:?}", schnet.radial_basis);
    };
    assert_eq!((*alpha, *lower, means.len()), (1.0, 0.0, 33));
    let names: Vec<_> = model.priors.iter().map(|prior| prior.name.as_str()).collect();
    assert_eq!(names, ["non_bonded", "dihedrals", "angles", "bonds"]);

    assert_eq!(structures.len(), 2);
    assert!(Arc::ptr_eq(&structures[0].topology, &structures[1].topology));
    for (specialized, keyed) in structures.iter().zip(&keyed_structures) {
        assert_eq!(specialized.positions, keyed.positions);
        assert_eq!(specialized.topology.types, keyed.topology.types);
        assert_eq!(specialized.topology.masses, keyed.topology.masses);
    }
    let joined = Molecule::join(&model, &structures[0].topology).unwrap();
    let other = Molecule::join(&keyed, &keyed_structures[0].topology).unwrap();
    for (name, keyed_name, n) in [
        ("non_bonded", "non_bonded", 28),
        ("dihedrals", "pseudo_ca_dihedral", 7),
        ("angles", "angles", 8),
        ("bonds", "bonds", 9),
    ] {
        let term = joined.terms.iter().find(|term| term.name == name).unwrap();
        let keyed = other.terms.iter().find(|term| term.name == keyed_name).unwrap();
        assert_eq!(term.tuples.len(), n, "{name}");
        assert_eq!((term.form, &term.tuples), (keyed.form, &keyed.tuples), "{name}");
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&term.values), bits(&keyed.values), "{name}");
        assert!(term.values.iter().any(|value| *value != 0.0), "{name}");
    }
}

#[test]
fn the_network_of_the_reference_case_is_the_imported_one() {
    let Some(folder) = reference() else { return };
    let model = import(&raw(&folder, "schnet_cln_ca_specialized_model_and_config.pt")).unwrap();
    let schnet = model.model.unwrap().schnet.unwrap();
    let bytes = std::fs::read(folder.join("cln_ca_real.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weights = |name: &str| -> Vec<f64> {
        let tensor = tensors.tensor(&format!("weights/{name}")).unwrap();
        tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect()
    };
    assert_eq!(schnet.embedding, weights("embedding.weight"));
    for (b, block) in schnet.interactions.iter().enumerate() {
        for (name, layer) in [
            ("filter0", &block.filter0),
            ("filter1", &block.filter1),
            ("lin1", &block.lin1),
            ("lin2", &block.lin2),
            ("lin", &block.lin),
        ] {
            assert_eq!(layer.weight, weights(&format!("block{b}.{name}.weight")));
            if let Some(bias) = &layer.bias {
                assert_eq!(*bias, weights(&format!("block{b}.{name}.bias")));
            }
        }
    }
    for (l, layer) in schnet.readout.iter().enumerate() {
        assert_eq!(layer.weight, weights(&format!("out{l}.weight")));
    }
}

#[test]
fn five_bead_priors_and_structures_have_the_counts_of_the_specification() {
    let Some(folder) = reference() else { return };
    for (name, n_terms) in [
        ("sparse_prior_cln_5b.pt", 51),
        ("prior_multiple_molecules.pt", 51),
        ("prior_tag_prior_model.pt", 34),
    ] {
        let model = model_of(&raw(&folder, name));
        assert!(model.schnet.is_none());
        assert_eq!(model.priors.len(), n_terms, "{name}");
        let n_keys = |term: &str| {
            let prior = model.priors.iter().find(|prior| prior.name == term).unwrap();
            match &prior.parameters {
                PriorParameters::Keyed { keys, .. } => keys.len(),
                PriorParameters::PerTuple { .. } => panic!("{term} is type-keyed"),
            }
        };
        if n_terms == 51 {
            for (term, n) in [
                ("bulk_bonds", 50),
                ("bulk_angles", 94),
                ("ALA_phi", 2),
                ("pro_omega", 4),
                ("non_pro_omega", 8),
                ("gamma_1", 38),
                ("gamma_2", 4),
                ("non_bonded", 576),
            ] {
                assert_eq!(n_keys(term), n, "{name}: {term}");
            }
        }
    }
    let model = model_of(&raw(&folder, "sparse_prior_cln_5b.pt"));
    for (name, n) in [("structures_cln_5b.pt", 2), ("cln_configurations_demo.pt", 10)] {
        let structures = structures_of(&raw(&folder, name));
        assert_eq!(structures.len(), n);
        for structure in &structures {
            structure.check().unwrap();
            let topology = &structure.topology;
            assert!(Arc::ptr_eq(topology, &structures[0].topology));
            assert_eq!((topology.types.len(), topology.lists.len()), (49, 51));
            assert_eq!(topology.lists.iter().map(|list| list.tuples.len()).sum::<usize>(), 1082);
            assert_eq!(topology.types[..2], [21, 22]);
            let amu = topology.masses.iter().map(|mass| mass * 418.4);
            assert!(amu.into_iter().all(|amu| (amu.round() - amu).abs() < 1e-4));
        }
        let molecule = Molecule::join(&model, &structures[0].topology).unwrap();
        let term = |name: &str| molecule.terms.iter().find(|term| term.name == name).unwrap();
        assert_eq!(term("non_bonded").tuples.len(), 924);
        for term in &molecule.terms {
            let n = term.form.n_parameters();
            // The priors have fitted parameters for every tuple of this molecule.
            for row in term.values.chunks(n) {
                assert!(row.iter().any(|value| *value != 0.0), "{}", term.name);
            }
        }
    }
}

#[test]
fn a_training_checkpoint_is_a_network_to_combine_with_priors() {
    let Some(folder) = reference() else { return };
    let path = raw(&folder, "schnet_train.ckpt");
    let network = import(&path).unwrap();
    let schnet = network.model.as_ref().unwrap().schnet.as_ref().unwrap();
    assert_eq!((schnet.n_types, schnet.n_hidden, schnet.n_filters()), (50, 32, 32));
    assert_eq!(schnet.max_num_neighbors, Some(400));
    assert_eq!(schnet.cutoff, Cutoff::Cosine { lower: 0.0, upper: 15.0 });
    assert_eq!(schnet.embedding[0], 0.1578657031059265);
    let priors = import(&raw(&folder, "sparse_prior_cln_5b.pt")).unwrap();
    let model = combine(network.clone(), priors.clone()).unwrap();
    assert_eq!(model.priors.len(), 51);
    let error = combine(priors, network).unwrap_err().to_string();
    assert_eq!(error, "network: found only priors, expected a file with a network");
}

#[test]
fn a_simulation_checkpoint_is_not_a_model() {
    let Some(folder) = reference() else { return };
    let error = import(&raw(&folder, "schnet_cln_ca_checkpoint.pt")).unwrap_err().to_string();
    assert!(error.contains("a simulation checkpoint at the top level is not supported"), "{error}");
    assert!(error.contains("schnet_cln_ca_checkpoint.pt"), "{error}");
}

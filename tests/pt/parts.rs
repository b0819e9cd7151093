//! Small modules, models and structures as the field's Python tools pickle them.

use super::{Py, Tensor, dict, f32s, i64s, module, object, sparse};

/// `n` pseudorandom numbers in [−0.5, 0.5), the same for the same seed.
pub fn noise(n: i64, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747796405).wrapping_add(1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect()
}

pub const TANH: (&str, &str) = ("torch.nn.modules.activation", "Tanh");
pub const COSINE: (&str, &str) = ("mlcg.nn.cutoff", "CosineCutoff");

pub fn linear(n_in: i64, n_out: i64, bias: bool, seed: u32) -> Py {
    let bias = if bias { f32s(&[n_out], noise(n_out, seed + 1)) } else { Py::None };
    let weight = f32s(&[n_out, n_in], noise(n_out * n_in, seed));
    module(
        ("torch.nn.modules.linear", "Linear"),
        [("weight", weight), ("bias", bias)],
        [],
        [("in_features", Py::Int(n_in)), ("out_features", Py::Int(n_out))],
    )
}

pub fn cutoff(lower: f64, upper: f64) -> Py {
    let limits = [("cutoff_lower", Py::Float(lower)), ("cutoff_upper", Py::Float(upper))];
    module(COSINE, [], [], limits)
}

fn sequential(modules: Vec<Py>) -> Py {
    let names: Vec<_> = (0..modules.len()).map(|i| i.to_string()).collect();
    let modules = names.iter().map(String::as_str).zip(modules);
    module(("torch.nn.modules.container", "Sequential"), [], modules, [])
}

fn mlp(layers: Vec<Py>) -> Py {
    module(("mlcg.nn.mlp", "MLP"), [], [("layers", sequential(layers))], [])
}

/// The parts of a network that tests vary.
pub struct Network {
    pub activation: Py,
    pub radial_basis: Py,
    pub cutoff: Py,
    pub attributes: Vec<(&'static str, Py)>,
    pub seed: u32,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            activation: module(TANH, [], [], []),
            radial_basis: exp_normal(),
            cutoff: cutoff(0.0, 5.0),
            attributes: vec![
                ("max_num_neighbors", Py::Int(30)),
                ("self_interaction", Py::Bool(false)),
            ],
            seed: 0,
        }
    }
}

pub fn exp_normal() -> Py {
    module(
        ("mlcg.nn.radial_basis.exp_normal", "ExpNormalBasis"),
        [("means", f32s(&[K], noise(K, 7))), ("betas", f32s(&[K], noise(K, 8)))],
        [("cutoff", cutoff(0.0, 5.0))],
        [("alpha", Py::Float(0.3)), ("num_rbf", Py::Int(K))],
    )
}

pub const N_TYPES: i64 = 5;
pub const H: i64 = 4;
pub const F: i64 = 3;
pub const K: i64 = 6;

/// A network of two blocks. The activation and the cutoff are shared objects: the first use holds
/// the object, and the later ones refer to it.
pub fn schnet(network: Network) -> Py {
    let Network { activation, radial_basis, cutoff, attributes, seed } = network;
    let mut activations =
        std::iter::once(Py::Share(0, Box::new(activation))).chain(std::iter::repeat(Py::Ref(0)));
    let mut cutoffs =
        std::iter::once(Py::Share(1, Box::new(cutoff))).chain(std::iter::repeat(Py::Ref(1)));
    let mut blocks = Vec::new();
    for b in 0..2 {
        let seed = seed + 100 * b;
        let aggregation = ("torch_geometric.nn.aggr.basic", "SumAggregation");
        let filter = mlp(vec![
            linear(K, F, true, seed + 10),
            activations.next().unwrap(),
            linear(F, F, false, seed + 20),
        ]);
        let conv = module(
            ("mlcg.nn.schnet", "CFConv"),
            [],
            [
                ("aggr_module", module(aggregation, [], [], [])),
                ("lin1", linear(H, F, false, seed + 30)),
                ("lin2", linear(F, H, true, seed + 40)),
                ("filter_network", filter),
                ("cutoff", cutoffs.next().unwrap()),
            ],
            [("aggr", "add".into())],
        );
        let parts = [
            ("conv", conv),
            ("activation", activations.next().unwrap()),
            ("lin", linear(H, H, true, seed + 50)),
        ];
        blocks.push(module(("mlcg.nn.schnet", "InteractionBlock"), [], parts, []));
    }
    let embedding = f32s(&[N_TYPES, H], noise(N_TYPES * H, seed + 1));
    let embedding = module(
        ("torch.nn.modules.sparse", "Embedding"),
        [("weight", embedding)],
        [],
        [("max_norm", Py::None)],
    );
    let readout = mlp(vec![
        linear(H, 2, true, seed + 60),
        activations.next().unwrap(),
        linear(2, 1, false, seed + 70),
    ]);
    let parts = [
        ("embedding_layer", embedding),
        ("rbf_layer", radial_basis),
        ("interaction_blocks", sequential(blocks)),
        ("output_network", readout),
    ];
    module(("mlcg.nn.schnet", "StandardSchNet"), [], parts, attributes)
}

pub fn gradients_out(name: &str, inner: Py) -> Py {
    let attributes = [("name", name.into()), ("targets", Py::List(vec!["forces".into()]))];
    module(("mlcg.nn.gradients", "GradientsOut"), [], [("model", inner)], attributes)
}

pub fn module_dict(terms: Vec<(&str, Py)>) -> Py {
    let terms: Vec<_> =
        terms.into_iter().map(|(name, inner)| (name, gradients_out(name, inner))).collect();
    module(("torch.nn.modules.container", "ModuleDict"), [], terms, [])
}

pub fn sum_out(terms: Vec<(&str, Py)>) -> Py {
    let targets = Py::List(vec!["energy".into(), "forces".into()]);
    module(
        ("mlcg.nn.gradients", "SumOut"),
        [],
        [("models", module_dict(terms))],
        [("targets", targets)],
    )
}

/// A prior module with the given tensors.
pub fn prior(class: &'static str, name: &str, tensors: Vec<(&str, Py)>) -> Py {
    module(("mlcg.nn.prior", class), tensors, [], [("name", name.into())])
}

/// A term of a specialized model. Such a term has no name of its own.
pub fn static_prior(class: &'static str, tensors: Vec<(&str, Py)>) -> Py {
    module(("mlcg.simulation.specialize_prior", class), tensors, [], [])
}

/// The data of a structure of three beads in a row.
pub fn structure_data(extra: Vec<(&str, Py)>) -> Vec<(&str, Py)> {
    let list = |order: i64, mapping: Py| {
        dict([
            ("tag", "list".into()),
            ("order", Py::Int(order)),
            ("index_mapping", mapping),
            ("cell_shifts", Py::None),
            ("rcut", Py::None),
        ])
    };
    // The tools store this tensor transposed.
    let transposed = Py::Tensor(Tensor {
        storage: "LongStorage",
        data: [0i64, 1, 1, 2].into_iter().flat_map(i64::to_le_bytes).collect(),
        itemsize: 8,
        shape: vec![2, 2],
        strides: vec![1, 2],
        offset: 0,
    });
    let lists = dict([
        ("bonds", list(2, transposed)),
        ("angles", list(3, i64s(&[3, 1], [0, 1, 2]))),
        ("dihedrals", list(4, i64s(&[4, 0], []))),
    ]);
    let mut data = vec![
        ("pos", f32s(&[3, 3], [0.1, 0.2, 0.3, 3.9, 0.0, 0.0, 5.0, 3.6, 0.0])),
        ("atom_types", i64s(&[3], [1, 2, 3])),
        ("n_atoms", i64s(&[1], [3])),
        ("masses", f32s(&[3], [0.03, 0.03, 0.04])),
        ("neighbor_list", lists),
        ("name", "tri".into()),
        ("out", dict([])),
    ];
    data.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    data.extend(extra);
    data
}

/// A structure of three beads in a row.
pub fn structure(extra: Vec<(&str, Py)>) -> Py {
    let mapping = dict(structure_data(extra));
    let store = object(
        "torch_geometric.data.storage",
        "GlobalStorage",
        dict([("_mapping", mapping), ("_parent", Py::Ref(9))]),
    );
    let data = object("mlcg.data.atomic_data", "AtomicData", dict([("_store", store)]));
    // The store refers back to the structure that holds it (`_parent`).
    Py::Share(9, Box::new(data))
}

/// Type-keyed bonds and angles for [`structure`].
pub fn keyed_priors() -> Vec<(&'static str, Py)> {
    let bonds = prior(
        "GeneralBonds",
        "bonds",
        vec![
            ("x_0", sparse(i64s(&[2, 2], [1, 2, 2, 3]), f32s(&[2], [3.8, 3.9]), &[4, 4])),
            ("k", sparse(i64s(&[2, 2], [1, 2, 2, 3]), f32s(&[2], [100.0, 90.5]), &[4, 4])),
        ],
    );
    let mut x_0 = vec![0.0; 64];
    let mut k = vec![0.0; 64];
    (x_0[16 + 2 * 4 + 3], k[16 + 2 * 4 + 3]) = (-0.5, 8.25);
    let angles = prior(
        "GeneralAngles",
        "angles",
        vec![("x_0", f32s(&[4, 4, 4], x_0)), ("k", f32s(&[4, 4, 4], k))],
    );
    vec![("bonds", bonds), ("angles", angles)]
}

/// A neighbor list of `n` pairs of the three beads of [`structure`].
pub fn long_lists(n: i64) -> Py {
    let beads = (0..2 * n).map(|i| if i < n { 0 } else { 1 + i % 2 });
    let list = dict([("order", Py::Int(2)), ("index_mapping", i64s(&[2, n], beads))]);
    dict([("bonds", list)])
}

/// The tensors of a module and of its submodules by name, as `state_dict()` returns them.
pub fn state_dict(module: &Py, prefix: &str) -> Vec<(String, Py)> {
    let module = match module {
        Py::Share(_, inner) => inner,
        other => other,
    };
    let Py::Object(_, state) = module else { return Vec::new() };
    let Py::Dict(parts) = &**state else { return Vec::new() };
    let mut all = Vec::new();
    for (part, items) in parts {
        let (Py::Str(part), Py::Dict(items)) = (part, items) else { continue };
        for (name, value) in items {
            let Py::Str(name) = name else { continue };
            match part.as_str() {
                "_parameters" | "_buffers" if !matches!(value, Py::None) => {
                    all.push((format!("{prefix}{name}"), value.clone()));
                }
                "_modules" => all.extend(state_dict(value, &format!("{prefix}{name}."))),
                _ => {}
            }
        }
    }
    all
}

/// A module in a wrapper of PyTorch, which holds it under the given name.
pub fn wrapped(class: (&'static str, &'static str), name: &str, inner: Py) -> Py {
    module(class, [], [(name, inner)], [("dynamo_ctx", Py::None)])
}

pub fn compiled(inner: Py) -> Py {
    wrapped(("torch._dynamo.eval_frame", "OptimizedModule"), "_orig_mod", inner)
}

pub fn parallel(inner: Py) -> Py {
    wrapped(("torch.nn.parallel.data_parallel", "DataParallel"), "module", inner)
}

/// A training checkpoint of Lightning.
pub fn checkpoint(state: Vec<(String, Py)>, model: Py) -> Py {
    let state = state.into_iter().map(|(name, value)| (Py::Str(name), value));
    dict([
        ("epoch", Py::Int(1)),
        ("state_dict", Py::Dict(state.collect())),
        ("hyper_parameters", dict([("model", model)])),
    ])
}

/// A scalar of NumPy of a type such as `f8`, with its bytes in the given order, `<` or `>`.
pub fn numpy(package: &'static str, kind: &str, order: &str, bytes: &[u8]) -> Py {
    let function = Box::new(Py::Global(package, "scalar"));
    Py::Call(function, vec![numpy_dtype(kind, order), numpy_bytes(bytes)])
}

pub fn numpy_dtype(kind: &str, order: &str) -> Py {
    let none = || Py::None;
    let state = vec![Py::Int(3), order.into(), none(), none(), none(), Py::Int(-1), Py::Int(-1)];
    let dtype = Box::new(Py::Global("numpy", "dtype"));
    let dtype = Py::Call(dtype, vec![kind.into(), Py::Bool(false), Py::Bool(true)]);
    Py::Build(Box::new(dtype), Box::new(Py::Tuple(state)))
}

/// Protocol 2 stores bytes as text.
pub fn numpy_bytes(bytes: &[u8]) -> Py {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let encode = Box::new(Py::Global("_codecs", "encode"));
    Py::Call(encode, vec![Py::Str(text), "latin1".into()])
}

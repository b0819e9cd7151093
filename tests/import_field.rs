//! Files of the field in the forms that other libraries give them: wrapped modules, numbers of NumPy,
//! structures of an older PyTorch Geometric.

use flashschnet::io::import::{Import, import};
use flashschnet::model::SchNet;

use crate::pt::{self, Network, Py, dict, f32s, module, object};

fn try_import(value: &Py) -> flashschnet::Result<Import> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pt");
    std::fs::write(&path, pt::file(value)).unwrap();
    import(&path)
}

fn schnet(value: &Py) -> SchNet {
    try_import(value).unwrap().model.unwrap().schnet.unwrap()
}

fn refusal(value: &Py) -> String {
    try_import(value).unwrap_err().to_string()
}

fn network(seed: u32) -> Py {
    pt::gradients_out("SchNet", pt::schnet(Network { seed, ..Network::default() }))
}

#[test]
fn a_checkpoint_is_read_with_any_wrappers_in_its_names() {
    let trained = schnet(&network(5000));
    assert_ne!(trained, schnet(&network(0)));
    let state = |change: &dyn Fn(String) -> String| {
        let state = pt::state_dict(&network(5000), "model.").into_iter();
        state.map(|(name, tensor)| (change(name), tensor)).collect::<Vec<_>>()
    };
    let compiled = |name: String| name.replacen("model.", "model._orig_mod.", 1);
    type Change<'a> = &'a dyn Fn(String) -> String;
    let changes: [Change; 8] = [
        &|name| name,
        &compiled,
        &|name| name.replacen("model.", "model.module.", 1),
        &|name| format!("_orig_mod.{name}"),
        &|name| format!("module.{}", compiled(name)),
        &|name| format!("_forward_module.module._orig_mod.{name}"),
        // A part of the network is compiled, and the whole once more.
        &|name| {
            compiled(name.replacen("interaction_blocks.1.", "interaction_blocks.1._orig_mod.", 1))
        },
        &|name| name.replacen("model.model.", "model._orig_mod.module.model._orig_mod.", 1),
    ];
    for (c, change) in changes.iter().enumerate() {
        for (m, model) in [
            network(0),
            pt::compiled(network(0)),
            pt::parallel(pt::compiled(network(0))),
            pt::compiled(pt::gradients_out("SchNet", pt::compiled(pt::schnet(Network::default())))),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(schnet(&pt::checkpoint(state(change), model)), trained, "{c} {m}");
        }
    }

    // A second copy of a weight, which differs in wrappers only.
    let mut twice = state(&|name| name);
    twice.push((compiled(twice[3].0.clone()), twice[3].1.clone()));
    let error = refusal(&pt::checkpoint(twice, network(0)));
    assert!(error.contains("state_dict/model._orig_mod.model."), "{error}");
    assert!(error.contains("a second tensor for the same weight"), "{error}");
    // Copies outside the model, such as an average, do not matter.
    let mut twice = state(&|name| name);
    for name in ["ema.module.x", "ema.x"] {
        twice.push((name.into(), f32s(&[1], [1.0])));
    }
    assert_eq!(schnet(&pt::checkpoint(twice, network(0))), trained);
    let mut more = state(&compiled);
    more.push(("model._orig_mod.more".into(), f32s(&[1], [1.0])));
    let error = refusal(&pt::checkpoint(more, network(0)));
    assert!(error.contains("state_dict/model.more: found a tensor that"), "{error}");
}

#[test]
fn pickled_wrappers_are_looked_through() {
    let plain = try_import(&network(3)).unwrap();
    let distributed = ("torch.nn.parallel.distributed", "DistributedDataParallel");
    let sharded =
        ("torch.distributed.fsdp.fully_sharded_data_parallel", "FullyShardedDataParallel");
    // Newer versions of PyTorch pickle an OptimizedModule as a call.
    let call = |inner| {
        let class = Box::new(Py::Global("torch._dynamo.eval_frame", "OptimizedModule"));
        Py::Call(class, vec![inner, Py::None])
    };
    for wrapped in [
        pt::compiled(network(3)),
        pt::parallel(network(3)),
        pt::wrapped(distributed, "module", network(3)),
        pt::wrapped(sharded, "_fsdp_wrapped_module", pt::compiled(network(3))),
        call(network(3)),
        pt::parallel(call(pt::compiled(network(3)))),
    ] {
        assert_eq!(try_import(&wrapped).unwrap(), plain);
    }
    let mut terms = pt::keyed_priors();
    terms.insert(0, ("SchNet", pt::schnet(Network::default())));
    let whole = try_import(&pt::sum_out(terms.clone())).unwrap();
    let inside = terms.into_iter().map(|(name, term)| (name, pt::compiled(term))).collect();
    assert_eq!(try_import(&pt::compiled(pt::sum_out(inside))).unwrap(), whole);

    let pair = |model| Py::Tuple(vec![model, Py::List(vec![pt::structure(vec![])])]);
    assert_eq!(try_import(&pair(pt::compiled(network(3)))).unwrap().model, plain.model);

    let optimized = ("torch._dynamo.eval_frame", "OptimizedModule");
    let error = refusal(&module(optimized, [], [("other", network(3))], []));
    assert!(error.contains("the part \"other\" of torch._dynamo"), "{error}");
    let own = Py::Share(7, Box::new(pt::wrapped(optimized, "_orig_mod", Py::Ref(7))));
    assert!(refusal(&own).contains("more than 8 nested wrappers"));
}

#[test]
fn numbers_of_numpy_are_numbers() {
    let (old, new) = ("numpy.core.multiarray", "numpy._core.multiarray");
    let tensor = |bytes: Vec<u8>, shape: &[i64]| pt::tensor("LongStorage", 8, shape, bytes);
    // An array of one element, as newer protocols of pickle have it.
    let from_buffer = |bytes: Vec<u8>| {
        let function = Box::new(Py::Global("numpy._core.numeric", "_frombuffer"));
        let (dtype, shape) = (pt::numpy_dtype("i8", "<"), Py::Tuple(vec![Py::Int(1)]));
        Py::Call(function, vec![pt::numpy_bytes(&bytes), dtype, shape, "C".into()])
    };
    for limit in [
        pt::numpy(old, "i8", "<", &30i64.to_le_bytes()),
        pt::numpy(new, "i8", ">", &30i64.to_be_bytes()),
        pt::numpy(old, "i4", "<", &30i32.to_le_bytes()),
        pt::numpy(new, "u2", ">", &30u16.to_be_bytes()),
        pt::numpy(old, "u8", "<", &30u64.to_le_bytes()),
        pt::numpy(old, "i1", "|", &[30]),
        pt::numpy(old, "f8", "<", &30f64.to_le_bytes()),
        from_buffer(30i64.to_le_bytes().to_vec()),
        tensor(30i64.to_le_bytes().to_vec(), &[]),
        tensor(30i64.to_le_bytes().to_vec(), &[1]),
        Py::Float(30.0),
    ] {
        let attributes = vec![("max_num_neighbors", limit)];
        let network = pt::schnet(Network { attributes, ..Network::default() });
        assert_eq!(schnet(&network).max_num_neighbors, Some(30));
    }
    for (limit, found) in [
        (pt::numpy(old, "i8", "<", &(-30i64).to_le_bytes()), "-30"),
        (pt::numpy(old, "u8", "<", &u64::MAX.to_le_bytes()), "18446744073709552000"),
        (pt::numpy(old, "f4", "<", &30.5f32.to_le_bytes()), "30.5"),
        (pt::numpy(old, "b1", "|", &[1]), "true"),
        (pt::numpy(old, "c8", "<", &[0; 8]), "a NumPy scalar of another type"),
        (pt::numpy("other.multiarray", "i1", "|", &[1]), "a call of other.multiarray.scalar"),
    ] {
        let attributes = vec![("max_num_neighbors", limit)];
        let error = refusal(&pt::schnet(Network { attributes, ..Network::default() }));
        let expected = format!("max_num_neighbors: found {found}, expected a count");
        assert!(error.contains(&expected), "{error}");
    }

    // Limits of a cutoff, flags and counts.
    let cutoff = |upper: Py| {
        let lower = pt::numpy(new, "f2", "<", &half(0.0));
        module(pt::COSINE, [], [], [("cutoff_lower", lower), ("cutoff_upper", upper)])
    };
    let array = Py::Build(
        Box::new(Py::Call(Box::new(Py::Global(old, "_reconstruct")), vec![Py::Int(0)])),
        Box::new(Py::Tuple(vec![
            Py::Int(1),
            Py::Tuple(vec![]),
            pt::numpy_dtype("f8", ">"),
            Py::Bool(false),
            pt::numpy_bytes(&4.5f64.to_be_bytes()),
        ])),
    );
    for upper in [
        pt::numpy(old, "f8", "<", &4.5f64.to_le_bytes()),
        pt::numpy(new, "f8", ">", &4.5f64.to_be_bytes()),
        pt::numpy(old, "f4", "<", &4.5f32.to_le_bytes()),
        pt::numpy(new, "f2", ">", &[half(4.5)[1], half(4.5)[0]]),
        f32s(&[], [4.5]),
        f32s(&[1], [4.5]),
        array,
    ] {
        let flag = pt::numpy(new, "b1", "|", &[0]);
        let attributes = vec![("self_interaction", flag), ("max_num_neighbors", Py::None)];
        let network = Network { cutoff: cutoff(upper), attributes, ..Network::default() };
        assert_eq!(schnet(&pt::schnet(network)).cutoff.upper(), 4.5);
    }
    for (flag, open) in [(0, true), (1, false)] {
        let pbc = vec![("pbc", pt::numpy(old, "b1", "|", &[flag]))];
        assert_eq!(try_import(&pt::structure(pbc)).is_ok(), open);
    }
    let attributes = vec![("self_interaction", pt::numpy(old, "b1", "|", &[1]))];
    let error = refusal(&pt::schnet(Network { attributes, ..Network::default() }));
    assert!(error.contains("self_interaction=True"), "{error}");
    let count = |n: i64| vec![("n_atoms", pt::numpy(new, "i8", "<", &n.to_le_bytes()))];
    assert!(try_import(&pt::structure(count(3))).is_ok());
    assert!(refusal(&pt::structure(count(4))).contains("n_atoms: found 4, expected 3"));
}

/// The bytes of a small number in half precision.
fn half(value: f32) -> [u8; 2] {
    half::f16::from_f32(value).to_le_bytes()
}

#[test]
fn structures_of_an_older_geometric_are_read() {
    let new = try_import(&pt::structure(vec![])).unwrap();
    // Before version 2.0 the attributes stand in the object itself.
    let old = |left_out: &str| {
        let mut data = pt::structure_data(vec![]);
        for name in ["x", "edge_index", "edge_attr", "y", "normal", "face"] {
            data.push((name, Py::None));
        }
        data.retain(|(name, _)| *name != left_out);
        object("mlcg.data.atomic_data", "AtomicData", dict(data))
    };
    assert_eq!(try_import(&old("")).unwrap(), new);
    let list = Py::List(vec![old(""), pt::structure(vec![])]);
    assert_eq!(try_import(&list).unwrap().structures.unwrap().len(), 2);
    let error = refusal(&old("pos"));
    assert!(error.contains("AtomicData without _store") && error.contains("PyG"), "{error}");
}

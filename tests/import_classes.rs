//! Classes of mlcg that mean the same as a plain SchNet: filtered and regularized bases, fused
//! networks, readouts by types; and the networks that are refused.

use flashschnet::io::import::import;
use flashschnet::model::{Model, SchNet};

use crate::pt::{self, K, Network, Py, dict, f32s, module, noise};

fn try_import(value: &Py) -> flashschnet::Result<Model> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pt");
    std::fs::write(&path, pt::file(value)).unwrap();
    import(&path).map(|import| import.model.unwrap())
}

fn imported(network: &Py) -> SchNet {
    try_import(&pt::gradients_out("SchNet", network.clone())).unwrap().schnet.unwrap()
}

fn refusal(network: &Py) -> String {
    try_import(&pt::gradients_out("SchNet", network.clone())).unwrap_err().to_string()
}

/// The network with other classes, by their names.
fn renamed(value: &Py, rename: &dyn Fn(&'static str) -> &'static str) -> Py {
    let each = |value: &Py| renamed(value, rename);
    let boxed = |value: &Py| Box::new(each(value));
    match value {
        Py::Global(module, name) => Py::Global(module, rename(name)),
        Py::Object(class, state) => Py::Object(boxed(class), boxed(state)),
        Py::Share(id, inner) => Py::Share(*id, boxed(inner)),
        Py::Dict(items) => {
            Py::Dict(items.iter().map(|(key, value)| (key.clone(), each(value))).collect())
        }
        other => other.clone(),
    }
}

/// A network of a class, with a radial basis.
fn network(class: &'static str, radial_basis: Py) -> Py {
    let network = pt::schnet(Network { radial_basis, ..Network::default() });
    renamed(&network, &|name| if name == "StandardSchNet" { class } else { name })
}

/// The network with another readout.
fn with_readout(readout: Py) -> Py {
    let Py::Object(class, state) = pt::schnet(Network::default()) else { panic!() };
    let Py::Dict(mut parts) = *state else { panic!() };
    for (name, part) in &mut parts {
        if let (Py::Str(name), Py::Dict(modules)) = (&name, part)
            && name == "_modules"
        {
            modules.last_mut().unwrap().1 = readout.clone();
        }
    }
    Py::Object(class, Box::new(Py::Dict(parts)))
}

fn flags(flags: [bool; 8]) -> Py {
    pt::tensor("BoolStorage", 1, &[8], flags.map(u8::from).to_vec())
}

#[test]
fn a_filtered_basis_has_the_functions_that_it_keeps() {
    let tensors = || vec![("means", f32s(&[K], noise(K, 7))), ("betas", f32s(&[K], noise(K, 8)))];
    let basis = |class, keep| {
        let mut tensors = tensors();
        tensors.push(("lambda_filter", flags(keep)));
        let attributes = [("alpha", Py::Float(0.3)), ("num_rbf", Py::Int(8))];
        let class = ("mlcg.nn.radial_basis.exp_normal", class);
        let basis = module(class, tensors, [("cutoff", pt::cutoff(0.0, 5.0))], attributes);
        pt::schnet(Network { radial_basis: basis, ..Network::default() })
    };
    let plain = imported(&pt::schnet(Network::default()));
    let six = [true, true, false, true, true, true, false, true];
    assert_eq!(imported(&basis("FilteredExpNormalBasis", six)), plain);
    let error = refusal(&basis("FilteredExpNormalBasis", [true; 8]));
    assert!(error.contains("rbf_layer: found 8 functions in lambda_filter, expected 6"), "{error}");

    // A checkpoint holds the filter among its weights.
    let trained = pt::gradients_out("SchNet", basis("FilteredExpNormalBasis", six));
    let state = pt::state_dict(&trained, "model.");
    let checkpoint = pt::checkpoint(state, trained);
    assert_eq!(try_import(&checkpoint).unwrap().schnet.unwrap(), plain);

    let tensors = [
        ("coeff", f32s(&[], [-0.5])),
        ("offset", f32s(&[K], noise(K, 7))),
        ("lambda_filter", flags(six)),
    ];
    let gaussian = |class, n_tensors: usize| {
        let class = ("mlcg.nn.radial_basis.gaussian", class);
        let tensors = tensors[..n_tensors].to_vec();
        let radial_basis = module(class, tensors, [("cutoff", pt::cutoff(0.0, 5.0))], []);
        imported(&pt::schnet(Network { radial_basis, ..Network::default() }))
    };
    assert_eq!(gaussian("FilteredGaussianBasis", 3), gaussian("GaussianBasis", 2));
}

/// A regularized basis, with tables of factors for the pairs of two bead types.
fn regularized(tables: &[[[f32; K as usize]; 3]]) -> Py {
    let mlcg = |class| ("mlcg.nn.radial_basis.regularized_basis", class);
    let mut tables: Vec<_> = tables
        .iter()
        .map(|rows| {
            let w = f32s(&[3, K], rows.iter().flatten().copied());
            let attributes = [("N", Py::Int(2)), ("size", Py::Int(K))];
            module(mlcg("SymmetricTensor"), [("w", w)], [], attributes)
        })
        .collect();
    let regularization = match tables.len() {
        1 => tables.remove(0),
        _ => {
            let names = ["0", "1", "2", "3"];
            let list = ("torch.nn.modules.container", "ModuleList");
            module(list, [], names.into_iter().zip(tables), [])
        }
    };
    // The basis has attributes that are methods of itself.
    let method = |name: &str| {
        let getattr = Box::new(Py::Global("__builtin__", "getattr"));
        Py::Call(getattr, vec![Py::Ref(5), name.into()])
    };
    let basis = module(
        mlcg("RegularizedBasis"),
        [],
        [
            ("basis_function", pt::exp_normal()),
            ("cutoff", pt::cutoff(0.0, 5.0)),
            ("regularization", regularization),
        ],
        [
            ("types", Py::Int(2)),
            ("get_regularization_parameters", method("_get_shared_regularization_parameters")),
        ],
    );
    Py::Share(5, Box::new(basis))
}

#[test]
fn factors_that_all_pairs_share_are_folded_into_the_filters() {
    let class = "RBFRegularizedSchNet";
    let plain = imported(&pt::schnet(Network::default()));
    assert_eq!(imported(&network(class, regularized(&[[[1.0; 6]; 3]]))), plain);

    let folded = |factors: [[f64; 6]; 2]| {
        let mut folded = plain.clone();
        for (block, factors) in folded.interactions.iter_mut().zip(factors) {
            for row in block.filter0.weight.chunks_exact_mut(6) {
                row.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
            }
        }
        folded
    };
    // mlcg limits the factors to 0 to 1.
    let row = [0.25, -3.0, 0.0, 1.0, 7.5, 0.625];
    let limited = [0.25, 0.0, 0.0, 1.0, 1.0, 0.625];
    let model = imported(&network(class, regularized(&[[row; 3]])));
    assert_eq!(model, folded([limited; 2]));
    let mut beyond = [row; 3];
    (beyond[1][1], beyond[2][4]) = (-0.5, 1.0);
    assert_eq!(imported(&network(class, regularized(&[beyond]))), folded([limited; 2]));
    let model = imported(&network(class, regularized(&[[row; 3], [[0.5; 6]; 3]])));
    assert_eq!(model, folded([limited, [0.5; 6]]));

    let mut different = [row; 3];
    different[1][5] = 0.75;
    for (tables, expected) in [
        (vec![different], "rbf_layer/regularization is not supported"),
        (vec![[row; 3], different], "rbf_layer/regularization/1 is not supported"),
        (vec![[row; 3]; 3], "model/rbf_layer: found 3 sets of factors, expected 2"),
    ] {
        let error = refusal(&network(class, regularized(&tables)));
        assert!(error.contains(expected), "{error}");
    }
    let error = refusal(&network(class, regularized(&[different])));
    assert!(error.contains("different filters for different pairs of bead types"), "{error}");
}

#[test]
fn classes_that_compute_the_same_are_read() {
    let plain = imported(&pt::schnet(Network::default()));
    let fused = renamed(&pt::schnet(Network::default()), &|name| match name {
        "StandardSchNet" => "StandardFlashSchNet",
        "InteractionBlock" => "FlashInteractionBlock",
        "CFConv" => "FlashCFConv",
        other => other,
    });
    assert_eq!(imported(&fused), plain);

    let energy_out = |inner| module(("mlcg.nn.gradients", "EnergyOut"), [], [("model", inner)], []);
    let whole = try_import(&pt::sum_out(vec![("SchNet", pt::schnet(Network::default()))])).unwrap();
    let sum = pt::module_dict(vec![("SchNet", energy_out(pt::schnet(Network::default())))]);
    let sum = module(("mlcg.nn.gradients", "SumOut"), [], [("models", sum)], []);
    for other in [
        energy_out(pt::schnet(Network::default())),
        energy_out(pt::sum_out(vec![("SchNet", pt::schnet(Network::default()))])),
        pt::gradients_out("SumOut", sum),
    ] {
        assert_eq!(try_import(&other).unwrap(), whole);
    }

    // A readout by types, with one network for all types, and with a bias of the last layer.
    let layers = |bias| {
        let layers = [
            ("0", pt::linear(pt::H, 2, true, 60)),
            ("1", module(pt::TANH, [], [], [])),
            ("2", pt::linear(2, 1, bias, 70)),
        ];
        let layers = module(("torch.nn.modules.container", "Sequential"), [], layers, []);
        module(("mlcg.nn.mlp", "MLP"), [], [("layers", layers)], [])
    };
    let by_types = |species, inner| {
        let class = ("mlcg.nn.mlp", "TypesMLP");
        module(class, [("species", species)], [("mlp", inner)], [])
    };
    assert_eq!(imported(&with_readout(layers(false))), plain);
    assert_eq!(imported(&with_readout(by_types(Py::None, layers(false)))), plain);
    let biased = imported(&with_readout(layers(true)));
    let constants = biased.constants.clone().unwrap();
    let bias = f64::from(noise(1, 71)[0]);
    assert_eq!((constants.of_molecule, constants.of_type), (0.0, vec![bias; 5]));
    assert_eq!(SchNet { constants: None, ..biased }, plain);
    let error = refusal(&with_readout(by_types(pt::i64s(&[1], [1]), layers(false))));
    assert!(error.contains("a TypesMLP with a network for each species"), "{error}");
}

#[test]
fn other_networks_are_refused_with_what_is_missing() {
    for (class, expected) in [
        ("AttentiveSchNet", "attention between beads"),
        ("EdgeRBFRegularizedSchNet", "filters by pairs of bead types"),
        ("StandardPaiNN", "features with directions"),
        ("StandardMACE", "features with directions"),
        ("FlashRepulsion", "import the model before its conversion"),
        ("Unknown", "neither a known network nor a known prior"),
    ] {
        let error = refusal(&module(("mlcg.nn.some", class), [], [], [("name", Py::None)]));
        assert!(error.contains(&format!("mlcg.nn.some.{class} at model")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let whole = module(("torchmdnet.models.model", "TorchMD_Net"), [], [], []);
    assert!(refusal(&whole).contains("give a checkpoint (.ckpt) of torchmd-net"));
    let weights = || dict([("model.embedding_layer.weight", f32s(&[1], [1.0]))]);
    for value in [weights(), dict([("state_dict", weights())])] {
        let error = try_import(&value).unwrap_err().to_string();
        assert!(error.contains("weights without hyper_parameters"), "{error}");
    }
}

#[test]
fn velocities_of_structures_are_read() {
    let velocities = noise(9, 3);
    let structure = |value: Py| pt::structure(vec![("velocities", value)]);
    let list = Py::List(vec![
        structure(f32s(&[3, 3], velocities.clone())),
        structure(Py::None),
        pt::structure(vec![]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pt");
    std::fs::write(&path, pt::file(&list)).unwrap();
    let structures = import(&path).unwrap().structures.unwrap();
    let flat: Vec<f64> = velocities.iter().map(|v| f64::from(*v)).collect();
    assert_eq!(structures[0].velocities.as_ref().unwrap().as_flattened(), flat);
    assert_eq!((&structures[1].velocities, &structures[2].velocities), (&None, &None));

    for (value, expected) in [
        (f32s(&[9], velocities.clone()), "velocities: found shape [9]"),
        (f32s(&[1, 3], [0.0; 3]), "velocities: found shape [1, 3], expected (3, 3)"),
        (f32s(&[3, 3], [f32::NAN; 9]), "velocities"),
        (dict([]), "velocities: found a dict of 0, expected a tensor"),
    ] {
        std::fs::write(&path, pt::file(&structure(value))).unwrap();
        let error = import(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

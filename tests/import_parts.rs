//! The importer on files that the tests write: every kind of file, every option, and every error.

use std::path::Path;
use std::sync::Arc;

use flashschnet::io::import::{Import, combine, import};
use flashschnet::model::{Activation, Cutoff, PriorForm, PriorParameters, RadialFunctions};
use flashschnet::system::Molecule;

use crate::pt::{self, Network, Py, dict, f32s, i64s, module, noise};

fn try_import(value: &Py) -> flashschnet::Result<Import> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pt");
    std::fs::write(&path, pt::file(value)).unwrap();
    import(&path)
}

/// The error of importing a value. It must name the file.
fn refusal(value: &Py) -> String {
    let error = try_import(value).unwrap_err().to_string();
    assert!(error.contains("some.pt: "), "{error}");
    error
}

fn imported(network: Network) -> flashschnet::model::SchNet {
    try_import(&pt::schnet(network)).unwrap().model.unwrap().schnet.unwrap()
}

#[test]
fn every_kind_of_file_is_taken() {
    let network = || pt::schnet(Network::default());
    let mut all = vec![("SchNet", network())];
    all.extend(pt::keyed_priors());

    let bare = try_import(&network()).unwrap();
    let wrapped = try_import(&pt::gradients_out("SchNet", network())).unwrap();
    assert_eq!(bare, wrapped);
    let priors = try_import(&pt::module_dict(pt::keyed_priors())).unwrap();
    assert_eq!(priors, try_import(&pt::sum_out(pt::keyed_priors())).unwrap());
    let whole = try_import(&pt::sum_out(all.clone())).unwrap();
    assert_eq!(whole.model, Some(combine(bare, priors).unwrap()));

    let one = try_import(&pt::structure(vec![])).unwrap();
    let list = try_import(&Py::List(vec![pt::structure(vec![]), pt::structure(vec![])])).unwrap();
    let structures = list.structures.unwrap();
    assert_eq!(one.structures.unwrap(), structures[..1]);
    assert!(Arc::ptr_eq(&structures[0].topology, &structures[1].topology));
    let bonds = &structures[0].topology.lists[0];
    assert_eq!((bonds.order, &bonds.tuples[..]), (2, &[[0, 1, 0, 0], [1, 2, 0, 0]][..]));

    // Frames that share only their neighbor lists.
    let frames = |n: usize| {
        let lists = |i: usize| match i {
            0 => Py::Share(50, Box::new(pt::long_lists(20_000))),
            _ => Py::Ref(50),
        };
        let frame = |i| pt::structure(vec![("neighbor_list", lists(i))]);
        try_import(&Py::List((0..n).map(frame).collect())).unwrap().structures.unwrap()
    };
    let frames = frames(500);
    assert!(frames.iter().all(|frame| Arc::ptr_eq(&frame.topology, &frames[0].topology)));

    let pair = Py::Tuple(vec![pt::sum_out(all), Py::List(vec![pt::structure(vec![])])]);
    let pair = try_import(&pair).unwrap();
    assert_eq!(pair.model, whole.model);
    let molecule =
        Molecule::join(&pair.model.unwrap(), &pair.structures.unwrap()[0].topology).unwrap();
    assert_eq!(molecule.terms[0].parameters(1), [90.5, 3.9f32.into(), 0.0]);
    assert_eq!(molecule.terms[1].parameters(0), [8.25, -0.5, 0.0]);
}

#[test]
fn a_shared_object_that_is_referred_to_before_it_has_its_state_is_whole() {
    // The network refers six times to the activation and twice to the cutoff. Only the first
    // reference to each carries the state.
    let soft = ("torch_geometric.nn.models.schnet", "ShiftedSoftplus");
    let network = Network {
        activation: module(soft, [], [], [("shift", Py::Float(0.6931471824645996))]),
        cutoff: pt::cutoff(1.0, 4.5),
        ..Network::default()
    };
    let schnet = imported(network);
    assert_eq!(schnet.activation, Activation::ShiftedSoftplus { shift: 0.6931471824645996 });
    assert_eq!(schnet.cutoff, Cutoff::Cosine { lower: 1.0, upper: 4.5 });
    assert_eq!(schnet.max_num_neighbors, Some(30));
    assert_eq!(schnet.interactions.len(), 2);
}

#[test]
fn a_checkpoint_has_the_architecture_of_the_module_and_the_weights_of_the_state_dict() {
    let trained = imported(Network { seed: 5000, ..Network::default() });
    let mut state = Vec::new();
    let tensors = [("embedding_layer.weight", &trained.embedding, vec![pt::N_TYPES, pt::H])];
    for (name, values, shape) in tensors {
        state.push((name.to_owned(), f32s(&shape, values.iter().map(|v| *v as f32))));
    }
    let RadialFunctions::ExpNormal { means, betas, .. } = &trained.radial_basis.functions else {
        panic!()
    };
    for (name, values) in [("means", means), ("betas", betas)] {
        let values = values.iter().map(|v| *v as f32);
        state.push((format!("rbf_layer.{name}"), f32s(&[pt::K], values)));
    }
    let mut layer = |name: String, layer: &flashschnet::model::Linear| {
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let shape = [layer.n_out as i64, layer.n_in as i64];
        state.push((format!("{name}.weight"), f32s(&shape, narrow(&layer.weight))));
        if let Some(bias) = &layer.bias {
            state.push((format!("{name}.bias"), f32s(&shape[..1], narrow(bias))));
        }
    };
    for (b, block) in trained.interactions.iter().enumerate() {
        let conv = format!("interaction_blocks.{b}.conv");
        layer(format!("{conv}.filter_network.layers.0"), &block.filter0);
        layer(format!("{conv}.filter_network.layers.2"), &block.filter1);
        layer(format!("{conv}.lin1"), &block.lin1);
        layer(format!("{conv}.lin2"), &block.lin2);
        layer(format!("interaction_blocks.{b}.lin"), &block.lin);
    }
    layer("output_network.layers.0".into(), &trained.readout[0]);
    layer("output_network.layers.2".into(), &trained.readout[1]);

    let checkpoint = |state: &[(String, Py)], prefix: &str, model: Py| {
        let state =
            state.iter().map(|(name, value)| (Py::Str(format!("{prefix}{name}")), value.clone()));
        let weights = ("loss.weights".into(), f32s(&[1], [1.0]));
        dict([
            ("epoch", Py::Int(1)),
            ("state_dict", Py::Dict(state.chain([weights]).collect())),
            ("hyper_parameters", dict([("model", model)])),
        ])
    };
    let wrapped = || pt::gradients_out("SchNet", pt::schnet(Network::default()));
    let import = try_import(&checkpoint(&state, "model.model.", wrapped())).unwrap();
    assert_eq!(import.model.unwrap().schnet.unwrap(), trained);
    // Other versions of Lightning save the hyperparameters in other containers.
    let Py::Dict(mut items) = checkpoint(&state, "model.model.", wrapped()) else { unreachable!() };
    let Some((_, Py::Dict(parameters))) = items.pop() else { unreachable!() };
    let class = Box::new(Py::Global("lightning.fabric.utilities.data", "AttributeDict"));
    for container in [
        Py::Subclass(class, parameters.clone()),
        pt::object("argparse", "Namespace", Py::Dict(parameters)),
    ] {
        let mut items = items.clone();
        items.push(("hyper_parameters".into(), container));
        let import = try_import(&Py::Dict(items)).unwrap();
        assert_eq!(import.model.unwrap().schnet.unwrap(), trained);
    }
    let bare = checkpoint(&state, "model.", pt::schnet(Network::default()));
    assert_eq!(try_import(&bare).unwrap().model.unwrap().schnet.unwrap(), trained);

    let error = refusal(&checkpoint(&state[1..], "model.model.", wrapped()));
    assert!(
        error.contains("state_dict/model.model.embedding_layer.weight: found no such"),
        "{error}"
    );
    state.push(("more.weight".into(), f32s(&[1], [1.0])));
    let error = refusal(&checkpoint(&state, "model.model.", wrapped()));
    assert!(error.contains("state_dict/model.model.more.weight"), "{error}");
}

#[test]
fn every_radial_basis_cutoff_and_activation_is_read() {
    let basis = |module_name,
                 class,
                 tensors: Vec<(&'static str, Py)>,
                 cutoff,
                 attributes: Vec<(&'static str, Py)>| {
        let class = (module_name, class);
        let radial_basis = module(class, tensors, [("cutoff", cutoff)], attributes);
        imported(Network { radial_basis, ..Network::default() }).radial_basis
    };
    let identity = || {
        let limits = [("cutoff_lower", Py::Int(0)), ("cutoff_upper", Py::Int(5))];
        module(("mlcg.nn.cutoff", "IdentityCutoff"), [], [], limits)
    };
    let means = || f32s(&[pt::K], noise(pt::K, 3));
    let wide: Vec<f64> = noise(pt::K, 3).into_iter().map(f64::from).collect();

    let gaussian = vec![("coeff", f32s(&[], [-0.5])), ("offset", means())];
    let gaussian =
        basis("flashmd.models.radial_basis", "GaussianBasis", gaussian, identity(), vec![]);
    assert_eq!(gaussian.cutoff, Cutoff::Identity { lower: 0.0, upper: 5.0 });
    assert_eq!(gaussian.functions, RadialFunctions::Gaussian { coeff: -0.5, offset: wide.clone() });

    let tensors = || vec![("means", means()), ("betas", means())];
    let spaced =
        basis("mlcg.nn.radial_basis.exp_spaced", "SpacedExpBasis", tensors(), identity(), vec![]);
    let expected = RadialFunctions::SpacedExp { means: wide.clone(), betas: wide.clone() };
    assert_eq!(spaced.functions, expected);

    let exp_normal = |lower, class, attributes: Vec<(&'static str, Py)>| {
        let cutoff = pt::cutoff(1.25, 6.0);
        let basis = basis("mlcg.nn.radial_basis.exp_normal", class, tensors(), cutoff, attributes);
        let (means, betas) = (wide.clone(), wide.clone());
        let expected = RadialFunctions::ExpNormal { alpha: 0.3, lower, means, betas };
        assert_eq!(basis.functions, expected);
    };
    let alpha = || ("alpha", Py::Float(0.3));
    exp_normal(1.25, "ExpNormalBasis", vec![alpha()]);
    let inner = [("internal_cutoff_lower", Py::Float(0.5)), ("internal_cutoff_upper", Py::Int(4))];
    exp_normal(0.5, "ExtendedExpNormalBasis", [alpha()].into_iter().chain(inner).collect());

    let shifted = [
        ("cutoff_lower", Py::Int(0)),
        ("cutoff_upper", Py::Float(5.0)),
        ("smooth_width", Py::Float(1.5)),
    ];
    let cutoff = module(("mlcg.nn.cutoff", "ShiftedCosineCutoff"), [], [], shifted);
    let schnet = imported(Network { cutoff, ..Network::default() });
    assert_eq!(schnet.cutoff, Cutoff::ShiftedCosine { upper: 5.0, width: 1.5 });

    let activation = |name, attributes: Vec<(&'static str, Py)>| {
        let activation = module(("torch.nn.modules.activation", name), [], [], attributes);
        imported(Network { activation, ..Network::default() }).activation
    };
    assert_eq!(activation("SiLU", vec![]), Activation::Silu);
    let defaults = vec![("beta", Py::Float(1.0)), ("threshold", Py::Float(20.0))];
    assert_eq!(activation("Softplus", defaults), Activation::ShiftedSoftplus { shift: 0.0 });
}

/// A dihedral prior of degree 2, keyed by bead types. Its sparse tensors hold parameters of the
/// first allowed key only. The second key, of numpy scalars, is allowed with parameters of zero.
/// The third is unreadable.
fn dihedral() -> Py {
    let series = |values: [f32; 2]| {
        let indices = i64s(&[5, 2], [0, 1, 1, 1, 2, 2, 0, 0, 1, 1]);
        pt::sparse(indices, f32s(&[2], values), &[2, 3, 3, 3, 3])
    };
    let offset = pt::sparse(i64s(&[4, 1], [1, 2, 0, 1]), f32s(&[1], [0.5]), &[3, 3, 3, 3]);
    let scalar = |value: u8| {
        let global = |module, name| Box::new(Py::Global(module, name));
        let arguments = vec!["i8".into(), Py::Bool(false), Py::Bool(true)];
        let kind = Py::Call(global("numpy", "dtype"), arguments);
        let state = Py::Tuple(vec![Py::Int(3), "<".into(), Py::None, Py::None]);
        let text = format!("{}\0\0\0\0\0\0\0", char::from(value));
        let bytes = Py::Call(global("_codecs", "encode"), vec![Py::Str(text), "latin1".into()]);
        Py::Call(
            global("numpy.core.multiarray", "scalar"),
            vec![Py::Build(Box::new(kind), Box::new(state)), bytes],
        )
    };
    let keys = vec![
        Py::Tuple([1, 2, 0, 1].map(Py::Int).into()),
        Py::Tuple([2, 2, 2, 200].map(scalar).into()),
        Py::Tuple(vec!["unreadable".into(), Py::None, Py::Int(1), Py::Int(1)]),
    ];
    let attributes = [
        ("name", "torsion".into()),
        ("order", Py::Int(4)),
        ("n_degs", Py::Int(2)),
        ("allowed_interaction_keys", Py::List(keys)),
    ];
    let tensors = [("k1s", series([0.1, 0.2])), ("k2s", series([0.3, 0.4])), ("v_0", offset)];
    module(("mlcg.nn.prior.fourier_series", "Dihedral"), tensors, [], attributes)
}

#[test]
fn tables_keep_the_keys_that_are_fitted() {
    let sigma =
        pt::prior("Repulsion", "pairs", vec![("sigma", f32s(&[2, 2], [0.0, 3.5, 4.5, 0.0]))]);
    let terms = pt::module_dict(vec![("torsion", dihedral()), ("pairs", sigma)]);
    let model = try_import(&terms).unwrap().model.unwrap();
    assert_eq!(model.priors[0].form, PriorForm::Dihedral { degree: 2 });
    let [a, b, c, d] = [0.1f32, 0.2, 0.3, 0.4].map(f64::from);
    let keys = vec![[1, 2, 0, 1], [2, 2, 2, 200]];
    let values = vec![0.5, a, b, c, d, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(model.priors[0].parameters, PriorParameters::Keyed { keys, values });
    let keys = vec![[0, 1, 0, 0], [1, 0, 0, 0]];
    assert_eq!(model.priors[1].parameters, PriorParameters::Keyed { keys, values: vec![3.5, 4.5] });
}

fn specialized(bonds: [f32; 4], torsions: Py) -> Py {
    let columns = |values: Vec<f32>| f32s(&[values.len() as i64], values);
    let bonds = pt::static_prior(
        "StaticGeneralBonds",
        vec![
            ("x0", columns(bonds.to_vec())),
            ("k", columns(vec![1.0; 4])),
            ("V0", columns(vec![0.0; 4])),
        ],
    );
    let terms = pt::sum_out(vec![("bonds", bonds), ("dihedrals", torsions)]);
    Py::Tuple(vec![terms, Py::List(vec![pt::structure(vec![]), pt::structure(vec![])])])
}

fn torsions(n: i64) -> Py {
    let width = |n: i64| f32s(&[n, 2], noise(2 * n, 1));
    let offset = f32s(&[n, 2], (0..2 * n).map(|i| if i % 2 == 0 { 1.5 } else { 0.0 }));
    pt::static_prior("StaticDihedral", vec![("k1s", width(n)), ("k2s", width(n)), ("v_0", offset)])
}

#[test]
fn a_specialized_model_keeps_the_parameters_of_one_replica() {
    let import = try_import(&specialized([1.0, 2.0, 1.0, 2.0], torsions(0))).unwrap();
    let model = import.model.unwrap();
    let values = vec![1.0, 1.0, 0.0, 1.0, 2.0, 0.0];
    assert_eq!(model.priors[0].parameters, PriorParameters::PerTuple { values });
    assert_eq!(model.priors[1].form, PriorForm::Dihedral { degree: 2 });
    let error = refusal(&specialized([1.0, 2.0, 1.0, 2.5], torsions(0)));
    assert!(error.contains("different parameters for different replicas"), "{error}");
    let error = refusal(&specialized([1.0, 2.0, 1.0, 2.0], torsions(1)));
    assert!(error.contains("0/models/dihedrals/model: found 1 rows"), "{error}");

    let alone = try_import(&pt::module_dict(vec![("dihedrals", torsions(1))])).unwrap();
    let n: Vec<f64> = noise(2, 1).into_iter().map(f64::from).collect();
    let values = vec![1.5, n[0], n[1], n[0], n[1]];
    assert_eq!(alone.model.unwrap().priors[0].parameters, PriorParameters::PerTuple { values });
}

#[test]
fn what_this_version_does_not_have_is_refused_by_name_and_place() {
    let network = |change: fn(&mut Network)| {
        let mut network = Network::default();
        change(&mut network);
        pt::sum_out(vec![("SchNet", pt::schnet(network))])
    };
    let activation = |name, attributes: Vec<(&'static str, Py)>| {
        module(("torch.nn.modules.activation", name), [], [], attributes)
    };
    let softplus = |beta, threshold| {
        activation("Softplus", vec![("beta", Py::Int(beta)), ("threshold", Py::Int(threshold))])
    };
    let prior = |class| pt::module_dict(vec![("x", pt::prior(class, "x", vec![]))]);
    let in_network = |activation| pt::schnet(Network { activation, ..Network::default() });
    let bonds = || pt::keyed_priors().remove(0).1;
    let cases = [
        (
            in_network(activation("ReLU", vec![])),
            "the activation torch.nn.modules.activation.ReLU at interaction_blocks/0/activation is not supported; Tanh",
        ),
        (in_network(softplus(2, 20)), "Softplus with beta=2"),
        (in_network(softplus(1, 5)), "Softplus with threshold=5"),
        (
            network(|n| n.attributes[1].1 = Py::Bool(true)),
            "self_interaction=True at models/SchNet/model/self_interaction",
        ),
        (
            network(|n| n.cutoff = module(("mlcg.nn.cutoff", "StepCutoff"), [], [], [])),
            "the cutoff mlcg.nn.cutoff.StepCutoff at models/SchNet/model/interaction_blocks/0/conv/cutoff",
        ),
        (
            network(|n| n.cutoff = module(("elsewhere", "CosineCutoff"), [], [], [])),
            "the cutoff elsewhere.CosineCutoff",
        ),
        (
            network(|n| n.radial_basis = module(("mlcg.nn", "BesselBasis"), [], [], [])),
            "the radial basis mlcg.nn.BesselBasis at models/SchNet/model/rbf_layer",
        ),
        (
            network(|n| n.radial_basis = Py::Int(3)),
            "the radial basis 3 at models/SchNet/model/rbf_layer",
        ),
        (
            module(("mlcg.nn.painn", "StandardPaiNN"), [], [], []),
            "the model class mlcg.nn.painn.StandardPaiNN at the top level",
        ),
        (
            module(("mlcg.nn.schnet", "AttentiveSchNet"), [], [], []),
            "the model class mlcg.nn.schnet.AttentiveSchNet",
        ),
        (
            pt::sum_out(vec![
                ("a", pt::schnet(Network::default())),
                ("b", pt::schnet(Network::default())),
            ]),
            "a second network at models/b/model",
        ),
        (prior("Surprise"), "the model class mlcg.nn.prior.Surprise at x/model"),
        (
            pt::module_dict(vec![("x", pt::static_prior("StaticQuarticAngles", vec![]))]),
            "specialize_prior.StaticQuarticAngles at x/model",
        ),
        (
            pt::module_dict(vec![("angles", bonds())]),
            r#"angles/model/name: found "bonds", expected "angles""#,
        ),
        (
            pt::structure(vec![("pbc", pt::tensor("BoolStorage", 1, &[1, 3], vec![0, 0, 1]))]),
            "a periodic cell at pbc",
        ),
        (pt::structure(vec![("cell", f32s(&[1, 3, 3], [9.0; 9]))]), "a cell at cell"),
        (
            pt::structure(vec![("exc_pair_index", i64s(&[2, 1], [0, 1]))]),
            "the exclusion of pairs at exc_pair_index",
        ),
        (
            pt::structure(vec![(
                "neighbor_list",
                pt::dict([(
                    "non_bonded",
                    pt::dict([
                        ("order", Py::Int(2)),
                        ("index_mapping", i64s(&[2, 0], [])),
                        ("index_mapping_excluded", i64s(&[2, 1], [0, 1])),
                    ]),
                )]),
            )]),
            "index_mapping_excluded of a tuple list at",
        ),
        (listed("rcut", Py::Float(7.5)), "the cutoff rcut 7.5 of a tuple list at"),
        (listed("self_interaction", Py::Bool(true)), "a list with self_interaction at"),
        (listed("weights", f32s(&[1], [1.0])), "weights of a tuple list at"),
        (pt::structure(vec![("n_atoms", i64s(&[2], [1, 2]))]), "a batch of structures at n_atoms"),
        (pt::structure(vec![("n_atoms", i64s(&[1], [2]))]), "n_atoms: found 2, expected 3"),
        (
            pt::structure(vec![("pos", f32s(&[3, 2], [0.0; 6]))]),
            "pos: found shape [3, 2], expected (3, 3)",
        ),
        (pt::structure(vec![("atom_types", Py::None)]), "found no atom_types"),
        (pt::structure(vec![("atom_types", i64s(&[3], [-1, 0, 0]))]), "atom_types: found -1"),
        (Py::List(vec![]), "found an empty list"),
        (Py::List(vec![Py::Int(3)]), "the structure 3 at 0"),
        (Py::Int(3), "the model class 3 at the top level"),
        (
            dict([("pos", Py::None), ("velocities", Py::None), ("current_timestep", Py::Int(1))]),
            "a simulation checkpoint at the top level is not supported; it holds",
        ),
        (
            dict([("a.weight", Py::None)]),
            "the saved object: found weights without hyper_parameters",
        ),
        (
            dict([("state_dict", dict([])), ("hyper_parameters", dict([]))]),
            "hyper_parameters: found a dict of 0 without a model",
        ),
        (
            dict([
                ("state_dict", dict([])),
                ("hyper_parameters", pt::object("argparse", "Namespace", dict([]))),
            ]),
            "hyper_parameters: found argparse.Namespace without a model",
        ),
        (numpy_array(2), "the model class a NumPy array at the top level"),
        (Py::List(vec![numpy_array(3)]), "the structure a NumPy array at 0"),
        (
            pt::numpy("numpy._core.multiarray", "U1", "<", b"abcd"),
            "the model class a NumPy string at the top level",
        ),
    ];
    for plain in [("rcut", Py::None), ("self_interaction", Py::Bool(false)), ("tag", "x".into())] {
        try_import(&listed(plain.0, plain.1)).unwrap();
    }
    for (value, expected) in cases {
        let error = refusal(&value);
        assert!(error.contains(expected), "expected {expected}\n   found {error}");
    }
    // The importer accepts fields that do not change the result.
    let none = pt::structure(vec![
        ("pbc", pt::tensor("BoolStorage", 1, &[1, 3], vec![0; 3])),
        ("cell", f32s(&[1, 3, 3], [0.0; 9])),
        ("exc_pair_index", i64s(&[2, 0], [])),
        ("velocities", Py::None),
    ]);
    assert_eq!(try_import(&none).unwrap(), try_import(&pt::structure(vec![])).unwrap());
}

/// A structure with a tuple list that has one more entry.
fn listed(key: &str, value: Py) -> Py {
    let list = [("order", Py::Int(2)), ("index_mapping", i64s(&[2, 0], [])), (key, value)];
    pt::structure(vec![("neighbor_list", pt::dict([("non_bonded", pt::dict(list))]))])
}

/// An array of NumPy of one axis, as newer protocols of pickle have it.
fn numpy_array(n: i64) -> Py {
    let function = Box::new(Py::Global("numpy._core.numeric", "_frombuffer"));
    let bytes = pt::numpy_bytes(&vec![0; 8 * n as usize]);
    let shape = Py::Tuple(vec![Py::Int(n)]);
    Py::Call(function, vec![bytes, pt::numpy_dtype("f8", "<"), shape, "C".into()])
}

#[test]
fn a_call_stays_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("executed");
    let command = Py::Str(format!("touch {}", witness.display()));
    let system = || {
        let function = Box::new(Py::Global("posix", "system"));
        Py::Call(function, vec![command.clone()])
    };
    let error = refusal(&system());
    assert!(error.contains("the model class a call of posix.system at the top level"), "{error}");
    let error = refusal(&pt::module_dict(vec![("bonds", system())]));
    assert!(error.contains("the model class a call of posix.system at bonds/model"), "{error}");
    // The importer does not execute the call either if it ignores the attribute.
    let network = Network {
        attributes: vec![("inspector", system()), ("max_num_neighbors", Py::Int(30))],
        ..Network::default()
    };
    assert_eq!(imported(network), imported(Network::default()));
    assert!(!Path::new(&witness).exists());
}

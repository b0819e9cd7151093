//! Native files: a round trip changes nothing, and damaged files are refused.

use std::path::Path;
use std::sync::Arc;

use flashschnet::io::import::import;
use flashschnet::io::native::{read_model, read_structures, write_model, write_structures};
use flashschnet::io::{load_model_and_structures, load_structures};
use flashschnet::model::{
    Activation, Cutoff, Model, Prior, PriorForm, PriorParameters, RadialFunctions,
};
use flashschnet::structure::Structure;

use crate::pt;

fn sample() -> (Model, Vec<Structure>) {
    let mut terms = vec![("SchNet", pt::schnet(pt::Network::default()))];
    terms.extend(pt::keyed_priors());
    let structures = pt::Py::List(vec![
        pt::structure(vec![]),
        pt::structure(vec![("velocities", pt::f32s(&[3, 3], pt::noise(9, 3)))]),
        pt::structure(vec![("masses", pt::f32s(&[3], [0.5, 0.25, 0.1]))]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.pt");
    std::fs::write(&path, pt::file(&pt::Py::Tuple(vec![pt::sum_out(terms), structures]))).unwrap();
    load_model_and_structures(&path).unwrap()
}

fn round_trip(model: &Model) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_model(&path, model).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
    assert_eq!(Model::load(&path).unwrap(), *model);
    read_model(&path).unwrap()
}

#[test]
fn models_of_every_kind_come_back_equal() {
    let (mut model, _) = sample();
    assert_eq!(round_trip(&model), model);

    // Values that single precision cannot hold.
    let schnet = model.schnet.as_mut().unwrap();
    schnet.embedding[3] = 0.1;
    schnet.activation = Activation::ShiftedSoftplus { shift: 0.693_147_182_464_599_6 };
    schnet.cutoff = Cutoff::ShiftedCosine { upper: 5.0, width: 1.0 / 3.0 };
    schnet.max_num_neighbors = None;
    let n = schnet.radial_basis.n_rbf();
    schnet.radial_basis.functions =
        RadialFunctions::Gaussian { coeff: -1.0 / 3.0, offset: vec![0.7; n] };
    model.priors.extend([
        Prior {
            name: "dihedrals".into(),
            form: PriorForm::Dihedral { degree: 2 },
            parameters: PriorParameters::PerTuple { values: vec![0.1, 0.2, 0.3, 0.4, -0.0] },
        },
        Prior {
            name: "a/name with, odd \"characters\" é".into(),
            form: PriorForm::Repulsion,
            parameters: PriorParameters::Keyed { keys: vec![], values: vec![] },
        },
    ]);
    let forms = [
        PriorForm::HarmonicBond,
        PriorForm::HarmonicAngle,
        PriorForm::HarmonicAngleRaw,
        PriorForm::HarmonicImproper,
        PriorForm::ShiftedHarmonicImproper,
        PriorForm::QuarticAngle,
        PriorForm::QuarticAngleRaw,
        PriorForm::RestrictedQuartic,
        PriorForm::Repulsion,
        PriorForm::CutoffRepulsion,
        PriorForm::ExpRepulsion,
        PriorForm::CutoffExpRepulsion,
    ];
    model.priors.extend(forms.map(|form| {
        let values = (1..=form.n_parameters()).map(|k| k as f64).collect();
        let mut key = [0; 4];
        key[..form.order()].copy_from_slice(&[3, 1, 2, 4][..form.order()]);
        let parameters = PriorParameters::Keyed { keys: vec![key], values };
        Prior { name: form.name().into(), form, parameters }
    }));
    assert_eq!(round_trip(&model), model);
    model.schnet.as_mut().unwrap().activation = Activation::Silu;
    model.schnet.as_mut().unwrap().cutoff = Cutoff::Identity { lower: 0.0, upper: 9.5 };
    assert_eq!(round_trip(&model), model);
    model.schnet = None;
    assert_eq!(round_trip(&model), model);
}

#[test]
fn structures_come_back_equal_and_share_their_topology() {
    let (_, structures) = sample();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("structures.safetensors");
    write_structures(&path, &structures).unwrap();
    let read = read_structures(&path).unwrap();
    assert_eq!(read, structures);
    assert_eq!(load_structures(&path).unwrap(), structures);
    assert!(Arc::ptr_eq(&read[0].topology, &read[1].topology));
    assert!(!Arc::ptr_eq(&read[0].topology, &read[2].topology));
    assert!(write_structures(&path, &[]).is_err());
    // The failed write left the earlier file unchanged.
    assert_eq!(read_structures(&path).unwrap(), structures);
}

#[test]
fn the_reference_files_survive_the_round_trip() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        eprintln!(
            "FLASHSCHNET_REFERENCE is not set: the files of the reference data are NOT tested"
        );
        return;
    };
    let out = tempfile::tempdir().unwrap();
    for name in [
        "schnet_cln_ca_specialized_model_and_config.pt",
        "schnet_train.ckpt",
        "sparse_prior_cln_ca.pt",
        "sparse_prior_cln_5b.pt",
        "prior_multiple_molecules.pt",
        "prior_tag_prior_model.pt",
        "structures_cln_ca.pt",
        "structures_cln_5b.pt",
        "cln_configurations_demo.pt",
    ] {
        let imported = import(&Path::new(&folder).join("raw").join(name)).unwrap();
        let path = out.path().join(name);
        if let Some(model) = imported.model {
            write_model(&path, &model).unwrap();
            assert_eq!(read_model(&path).unwrap(), model, "{name}");
            // All weights of these files are in single precision, so no tensor is stored in f64.
            let bytes = std::fs::read(&path).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let f64 = safetensors::tensor::Dtype::F64;
            assert!(tensors.iter().all(|(_, tensor)| tensor.dtype() != f64), "{name}");
        }
        if let Some(structures) = imported.structures {
            write_structures(&path, &structures).unwrap();
            assert_eq!(read_structures(&path).unwrap(), structures, "{name}");
        }
    }
}

/// Writes a model, changes the text of its header, and reads it again.
fn error_after(change: impl Fn(String) -> String) -> String {
    let (model, _) = sample();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.safetensors");
    write_model(&path, &model).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = change(String::from_utf8(bytes[8..8 + n].to_vec()).unwrap());
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend(header.as_bytes());
    changed.extend(&bytes[8 + n..]);
    std::fs::write(&path, changed).unwrap();
    let error = read_model(&path).unwrap_err().to_string();
    assert!(error.contains("changed.safetensors: "), "{error}");
    error
}

#[test]
fn what_the_format_does_not_say_is_refused_by_name() {
    let cases = [
        (r#""version":"1""#, r#""version":"2""#, r#"version "2" of flashschnet-model is not supp"#),
        (r#""format":"flashschnet-model""#, r#""format":"x""#, r#"format: found "x""#),
        (r#""format":"#, r#""extra":"1","format":"#, r#"metadata "extra": found an unknown field"#),
        (r#"\"n_hidden\":4"#, r#"\"n_hidden\":5"#, "expected shape ["),
        (r#"\"n_hidden\":4"#, r#"\"n_hidden\":4,\"bias\":1"#, "unknown field `bias`"),
        (r#"\"n_hidden\":4"#, r#"\"n_hidden\":4,\"n_hidden\":4"#, "duplicate field `n_hidden`"),
        (r#"\"n_hidden\":4,"#, "", "missing field `n_hidden`"),
        (r#",\"max_num_neighbors\":30"#, "", "missing field `max_num_neighbors`"),
        (r#"\"kind\":\"tanh\""#, r#"\"kind\":\"relu\""#, "unknown variant `relu`"),
        (r#"\"kind\":\"tanh\""#, r#"\"kind\":\"tanh\",\"x\":1"#, "unknown field `x`"),
        (r#"\"n_interactions\":2"#, r#"\"n_interactions\":1"#, "an unknown tensor"),
        (
            r#"\"n_interactions\":2"#,
            r#"\"n_interactions\":3"#,
            "tensor block2.filter0.weight: found",
        ),
        (r#""block1.lin.bias""#, r#""block1.lin.bios""#, "tensor block1.lin.bias: found none"),
        (r#""block1.lin.bias""#, r#""block0.lin.bias""#, "safetensors header: "),
        (r#"\"upper\":5.0"#, r#"\"upper\":-5.0"#, "rbf.cutoff.upper: found -5"),
        (r#"\"n_rows\":2"#, r#"\"n_rows\":18446744073709551615"#, "expected shape ["),
    ];
    for (from, to, expected) in cases {
        let error = error_after(|header| {
            assert!(header.contains(from), "{from} is not in {header}");
            header.replacen(from, to, 1)
        });
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

#[test]
fn files_of_the_wrong_kind_say_what_they_are() {
    let (model, structures) = sample();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_model(&path, &model).unwrap();
    let error = load_structures(&path).unwrap_err().to_string();
    assert!(
        error.ends_with(
            r#"found "flashschnet-model", a native model file, expected "flashschnet-structures""#
        ),
        "{error}"
    );
    assert!(load_model_and_structures(&path).is_err());
    write_structures(&path, &structures).unwrap();
    assert!(Model::load(&path).is_err());
    for (content, expected) in [
        (&b""[..], "an empty file"),
        (b"HEADER    PROTEIN", "a PDB file"),
        (b"\x80\x02}q\x00.", "before 1.6"),
        (b"PK\x03\x04", "no end of the central directory"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Model::load(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(load_structures(&path).is_err());
        assert!(load_model_and_structures(&path).is_err());
    }
    assert!(matches!(Model::load(&folder.path().join("none")), Err(flashschnet::Error::Io { .. })));
}

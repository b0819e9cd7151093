//! Every shader, without a GPU: composes, validates, keeps to the limits, says what it is.

use flashschnet::gpu::wgsl::{KERNELS, compose, parse, reflect};

#[test]
fn kernels_compose_and_validate() {
    let mut failures = Vec::new();
    for (name, _) in KERNELS {
        if let Err(message) = parse(&compose(name, &[])) {
            failures.push(format!("{name}: {message}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn kernels_keep_to_the_default_limits() {
    for (name, _) in KERNELS {
        let (module, _) = parse(&compose(name, &[])).expect("validates");
        let reflection = reflect(&module);
        println!("{name}: {reflection:?}");
        assert!(reflection.invocations <= 256, "{name}");
        assert!(reflection.workgroup_bytes <= 16384, "{name}");
        let storage = reflection.bindings.len() - 1;
        assert!(storage <= 8, "{name}: {storage} storage buffers");
        assert_eq!(module.entry_points[0].name, *name);
    }
}

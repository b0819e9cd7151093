//! The name of a device: its own name, and facts about it in parentheses.

/// A name with facts about it, for example `Radeon 780M (Vulkan, Mesa 25.1)`. Facts that a driver
/// leaves empty are left out.
pub(super) fn with_facts(name: &str, facts: &[&str]) -> String {
    let known: Vec<&str> = facts.iter().copied().filter(|fact| !fact.is_empty()).collect();
    if known.is_empty() { name.to_owned() } else { format!("{name} ({})", known.join(", ")) }
}

/// Whether a device with this name and facts has the given name and first fact.
pub(super) fn is_of(device: &str, name: &str, first: &str) -> bool {
    let facts = device.strip_prefix(name).and_then(|rest| rest.strip_prefix(" ("));
    let rest = facts.and_then(|facts| facts.strip_prefix(first));
    rest.is_some_and(|rest| rest.starts_with([',', ')']))
}

/// The name of a device ([`Device::name`](crate::gpu::Device::name)) without interface and driver,
/// as an option for an adapter takes it.
pub fn without_facts(device: &str) -> &str {
    // Names have parentheses too, and so have facts: those that end last are the facts.
    let mut open = 0_usize;
    for (place, c) in device.char_indices().rev() {
        match c {
            ')' => open += 1,
            '(' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            let name = device[..place].strip_suffix(' ');
            return name.filter(|_| c == '(').unwrap_or(device);
        }
    }
    device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_joined_and_taken_off_again() {
        let mesa = "Mesa 22.3.6 (LLVM 15.0.6)";
        for (name, facts, expected) in [
            ("Apple M3", &["Metal", ""][..], "Apple M3 (Metal)"),
            ("AMD Radeon(TM) 780M", &["Dx12", ""], "AMD Radeon(TM) 780M (Dx12)"),
            ("NVIDIA H200", &["CUDA 9.0"], "NVIDIA H200 (CUDA 9.0)"),
            (
                "llvmpipe (LLVM 15.0.6, 256 bits)",
                &["Vulkan", mesa],
                "llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan, Mesa 22.3.6 (LLVM 15.0.6))",
            ),
            ("a", &["Vulkan", "1", "of the host"], "a (Vulkan, 1, of the host)"),
        ] {
            let device = with_facts(name, facts);
            assert_eq!(device, expected);
            assert_eq!(without_facts(&device), name);
            assert!(is_of(&device, name, facts[0]), "{device}");
            assert!(!is_of(&device, name, "Gl") && !is_of(&device, name, "V"), "{device}");
            assert!(!is_of(&device, "a (Vulkan", facts[0]), "{device}");
        }
        assert_eq!(with_facts("a", &["", ""]), "a");
        for device in ["", "a", "a)", "(a)", "a (b", "a(b)", "a (b))"] {
            assert_eq!(without_facts(device), device);
        }
    }
}

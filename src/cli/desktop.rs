//! Mesa without a desktop session.

use std::ffi::OsString;
use std::path::Path;

/// The variable that turns off Mesa's layer for the choice of a device.
const OFF: &str = "NODEVICE_SELECT";

/// Turns off Mesa's layer for the choice of a device where it would print an error. The layer asks a
/// Wayland desktop for its device, and libwayland writes to stderr if it knows no place where the
/// desktop could be. The program makes its own choice.
pub(super) fn turn_off_complaint() {
    if complains(|name| std::env::var_os(name)) {
        // SAFETY: this is the start of the program, so no other thread reads the environment.
        unsafe { std::env::set_var(OFF, "1") };
    }
}

/// Whether the layer is on and would print an error. A user who directs the layer keeps it.
fn complains(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_absolute = |name| variable(name).is_some_and(|path| Path::new(&path).is_absolute());
    let has_desktop = is_absolute("XDG_RUNTIME_DIR") || is_absolute("WAYLAND_DISPLAY");
    let directs = [OFF, "MESA_VK_DEVICE_SELECT", "DRI_PRIME"];
    !has_desktop && !directs.into_iter().any(|name| variable(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_layer_that_complains_is_turned_off() {
        for (name, value, expected) in [
            ("HOME", "/root", true),
            ("XDG_RUNTIME_DIR", "", true),
            ("XDG_RUNTIME_DIR", "run", true),
            ("XDG_RUNTIME_DIR", "/run/user/0", false),
            ("WAYLAND_DISPLAY", "wayland-1", true),
            ("WAYLAND_DISPLAY", "/run/wayland-1", false),
            ("DISPLAY", ":0", true),
            ("NODEVICE_SELECT", "", false),
            ("MESA_VK_DEVICE_SELECT", "10de:2335", false),
            ("DRI_PRIME", "1", false),
        ] {
            let found = complains(|asked| (asked == name).then(|| value.into()));
            assert_eq!(found, expected, "{name}={value}");
        }
    }
}

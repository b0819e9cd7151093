//! The names of quantities for a reader.

/// The words of captions about the errors of an analysis.
pub(super) const ERRORS: &str = "one standard error, from a jackknife over blocks of time";

/// The names of a quantity.
#[derive(Debug)]
pub(super) struct Name {
    /// Without the unit, for a sentence.
    pub(super) text: String,
    /// With the unit.
    pub(super) axis: String,
}

impl Name {
    /// The first letter is a capital.
    pub(super) fn title(&self) -> String {
        let mut letters = self.text.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect())
            .unwrap_or_default()
    }
}

/// The columns with the values of a bias and their units, from a line of the log of a run: see
/// `log_settings`.
pub(super) fn bias_units(line: &str) -> Vec<(String, &'static str)> {
    let Some((bias, form)) = line.strip_prefix("bias ").and_then(|rest| rest.split_once(": "))
    else {
        return Vec::new();
    };
    let kinds: Vec<&str> = match form.strip_prefix("metadynamics ") {
        Some(rest) => rest.split("; ").skip(1).filter_map(|axis| axis.split(' ').next()).collect(),
        None => form.split(' ').nth(2).map(|kind| kind.trim_end_matches(',')).into_iter().collect(),
    };
    let column = |k: usize| match k {
        0 => format!("bias_{bias}_value"),
        k => format!("bias_{bias}_value_{k}"),
    };
    let unit = |kind: &str| match kind {
        "position" | "distance" | "rg" | "rmsd" => Some(" (Å)"),
        "angle" | "dihedral" => Some(" (rad)"),
        _ => None,
    };
    let all = kinds.into_iter().enumerate();
    all.filter_map(|(k, kind)| Some((column(k), unit(kind)?))).collect()
}

/// A number of things, for example `1 frame`, `2 frames`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The names of a column of energies.csv, or of an analysis.
pub(super) fn name(column: &str) -> Name {
    let units = [("_A", " (Å)"), ("_rad", " (rad)")];
    let found = units.into_iter().find_map(|(end, unit)| Some((column.strip_suffix(end)?, unit)));
    let is_work = column.starts_with("bias_") && column.ends_with("_work");
    let (text, unit) = found.unwrap_or((column, if is_work { " (kcal/mol)" } else { "" }));
    let text = match text {
        "rg" => "radius of gyration".to_owned(),
        "end_to_end" => "end-to-end distance".to_owned(),
        "rmsd" => "RMSD from the reference".to_owned(),
        "q" => "fraction of native contacts Q".to_owned(),
        "tic_1" => "first TICA component".to_owned(),
        "tic_2" => "second TICA component".to_owned(),
        other => other.replace('_', " "),
    };
    Name { axis: format!("{text}{unit}"), text }
}

/// A temperature; nothing if it is unknown.
pub(super) fn kelvin(temperature: f64) -> String {
    match temperature.is_finite() {
        true => format!("{temperature:.1} K"),
        false => String::new(),
    }
}

/// A temperature for a table.
pub(super) fn kelvin_or_unknown(temperature: f64) -> String {
    Some(kelvin(temperature)).filter(|text| !text.is_empty()).unwrap_or("unknown".to_owned())
}

/// A number with its error in two digits, for example `0.812 ± 0.013`.
pub(super) fn with_error(value: f64, error: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if !(error > 0.0 && error.is_finite()) {
        let digits = (3.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0);
        return format!("{value:.*}", digits as usize);
    }
    let digits = (1.0 - error.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$} ± {error:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{bias_units, with_error};

    #[test]
    fn values_of_biases_have_the_units_of_their_variables() {
        for (line, expected) in [
            (
                "bias w: harmonic on rg, k 1, center 8 to 14 in 4 numbers",
                vec![("bias_w_value", " (Å)")],
            ),
            ("bias a: flat-bottom on dihedral, k 1", vec![("bias_a_value", " (rad)")]),
            ("bias a: moving on q, k 1", vec![]),
            (
                "bias h: metadynamics every 5 steps, height 0.2 kcal/mol, bias factor 8, 300 K; q on an axis \
                 from 0 to 1 with 9 bins, width 0.1; angle on an axis from 0 to 3 with 9 bins, width 0.1",
                vec![("bias_h_value_1", " (rad)")],
            ),
            ("biases: none", vec![]),
            ("bias", vec![]),
        ] {
            let found = bias_units(line);
            let found: Vec<_> =
                found.iter().map(|(column, unit)| (column.as_str(), *unit)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn errors_have_two_digits() {
        assert_eq!(with_error(0.81234, 0.0129), "0.812 ± 0.013");
        assert_eq!(with_error(1234.5, 56.7), "1234 ± 57");
        assert_eq!(with_error(351.234, f64::NAN), "351.2");
        assert_eq!(with_error(f64::NAN, 1.0), "unknown");
    }
}

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
    use super::with_error;

    #[test]
    fn errors_have_two_digits() {
        assert_eq!(with_error(0.81234, 0.0129), "0.812 ± 0.013");
        assert_eq!(with_error(1234.5, 56.7), "1234 ± 57");
        assert_eq!(with_error(351.234, f64::NAN), "351.2");
        assert_eq!(with_error(f64::NAN, 1.0), "unknown");
    }
}

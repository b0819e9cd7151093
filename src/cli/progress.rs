//! Progress and speed of a run: a bar on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::tell::{stderr_has_room, tell};

/// The progress of one run.
pub(super) struct Progress {
    bar: ProgressBar,
    n_steps: u64,
    n_replicas: usize,
    dt: f64,
    /// Time and step from which the speed is measured: the end of the first piece of the run, so
    /// that the start-up is left out.
    origin: Option<(Instant, u64)>,
    step: u64,
    /// A few words about the last frame.
    frame: String,
    tenths_told: u64,
    last_told: Instant,
}

/// Simulated nanoseconds per day, for `steps` steps of `dt` ps in `seconds` seconds.
pub(super) fn ns_per_day(steps: f64, dt: f64, seconds: f64) -> f64 {
    steps * dt * 1e-3 * 86_400.0 / seconds
}

/// A positive number in about three digits.
pub(super) fn short(x: f64) -> String {
    let decimals = (2.0 - x.log10().floor()).clamp(0.0, 6.0);
    format!("{x:.*}", decimals as usize)
}

impl Progress {
    pub(super) fn new(n_steps: u64, n_replicas: usize, dt: f64) -> Self {
        let bar = ProgressBar::new(n_steps);
        let style = ProgressStyle::with_template("[{bar:12}] {percent:>3}%  {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("starting");
        Progress {
            bar,
            n_steps,
            n_replicas,
            dt,
            origin: None,
            step: 0,
            frame: String::new(),
            tenths_told: 0,
            last_told: Instant::now(),
        }
    }

    /// Shows that `step` steps are done.
    pub(super) fn advance(&mut self, step: u64) {
        self.step = step;
        self.origin.get_or_insert_with(|| (Instant::now(), step));
        // A terminal that is stopped, for example with Ctrl-S, must not stop the run.
        if !stderr_has_room(0) {
            return;
        }
        self.bar.set_message(self.text());
        self.bar.set_position(step);
        let tenths = 10 * step / self.n_steps.max(1);
        let waited = self.last_told.elapsed() > Duration::from_secs(30);
        if self.bar.is_hidden() && (tenths > self.tenths_told || waited) {
            tell!("{step}/{} steps  {}", self.n_steps, self.text());
            (self.tenths_told, self.last_told) = (tenths, Instant::now());
        }
    }

    /// Sets a few words about the last frame, which may be empty.
    pub(super) fn set_frame(&mut self, words: String) {
        self.frame = words;
    }

    /// Clears the bar.
    pub(super) fn finish(&self) {
        if stderr_has_room(0) {
            self.bar.finish_and_clear();
        }
    }

    /// ns/day per replica and of all replicas together; `None` until steps have been timed.
    pub(super) fn speed(&self) -> Option<(f64, f64)> {
        let (start, first_step) = self.origin?;
        let seconds = start.elapsed().as_secs_f64();
        let one = ns_per_day((self.step - first_step) as f64, self.dt, seconds);
        (one > 0.0).then_some((one, one * self.n_replicas as f64))
    }

    fn text(&self) -> String {
        let speed = self.speed().map(|(one, _)| {
            let left = (self.n_steps.saturating_sub(self.step)) as f64;
            (one, left / (one / ns_per_day(1.0, self.dt, 1.0)))
        });
        message(&self.frame, speed)
    }
}

/// The words about the last frame, and the speed in ns/day per replica with the seconds left. With
/// the bar they fit into a line of 80 columns.
fn message(frame: &str, speed: Option<(f64, f64)>) -> String {
    let speed = match speed {
        None => "measuring".to_owned(),
        Some((speed, seconds)) => {
            let left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            let left = HumanDuration(Duration::from_secs(left.as_secs()));
            format!("ETA {left:#}, {} ns/day per replica", short(speed))
        }
    };
    if frame.is_empty() { speed } else { format!("{frame}, {speed}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_has_80_columns() {
        assert_eq!(
            super::message("Q 0.13, 304 K", Some((2182.3, 5.2))),
            "Q 0.13, 304 K, ETA 5s, 2182 ns/day per replica"
        );
        assert_eq!(super::message("", None), "measuring");
        let bar = "[============] 100%  ".len();
        for seconds in [0.0, 59.0, 3599.0, 86_000.0, 9e5, 3e9] {
            for speed in [0.000_012_3, 0.0123, 99_999.0] {
                let text = super::message("RMSD 123.4 Å, 1304 K", Some((speed, seconds)));
                assert!(bar + text.chars().count() <= 80, "{text}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (x, expected) in
            [(12345.6, "12346"), (123.4, "123"), (1.234, "1.23"), (0.0123, "0.0123")]
        {
            assert_eq!(super::short(x), expected);
        }
    }
}

//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Result;

pub(crate) const HELP: &str = "\
Draws the beads and bonds of a running simulation from its buffer on the GPU.

Usage: viewer [MODEL STRUCTURES] [OPTIONS]

Without files it runs the built-in chain of 269 beads.

  --replicas N         number of replicas [1]
  --replica K          the replica to show first, counted from 0 [0]
  --temperature K      temperature, K [300]
  --seed N             seed of the random numbers [7]
  --steps-per-frame N  steps of dynamics from one picture to the next [10]
  --trail N            frames that a trail lasts; 0 for no trails [40]
  --size WxH           size in pixels [1280x800]
  --adapter NAME       a part of the adapter's name [the best]
  --offscreen FILE     write a picture to a PNG file and open no window; replaces the file
  --steps N            with --offscreen: steps of dynamics before the picture [500]
  --help               show this help

In the window:
  left, right          show another replica
  drag, wheel          rotate and zoom
  space                pause
  T                    show or hide trails
  R                    reset the view
  Esc                  quit";

/// The values of the command line.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    /// The files of model and structures, or the built-in ones.
    pub(crate) files: Option<[PathBuf; 2]>,
    pub(crate) replicas: usize,
    pub(crate) replica: usize,
    /// K.
    pub(crate) temperature: f64,
    pub(crate) seed: u64,
    pub(crate) steps_per_frame: u64,
    /// Frames.
    pub(crate) trail: u32,
    /// Pixels.
    pub(crate) size: [u32; 2],
    pub(crate) adapter: Option<String>,
    pub(crate) offscreen: Option<PathBuf>,
    pub(crate) steps: u64,
}

/// Reads the words after the name of the program; `None` if they ask for help.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Option<Arguments>> {
    let mut arguments = Arguments {
        files: None,
        replicas: 1,
        replica: 0,
        temperature: 300.0,
        seed: 7,
        steps_per_frame: 10,
        trail: 40,
        size: [1280, 800],
        adapter: None,
        offscreen: None,
        steps: 500,
    };
    let (mut files, mut has_steps) = (Vec::new(), false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let option = match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some(option) if option.starts_with('-') => option.to_owned(),
            _ => {
                files.push(PathBuf::from(word));
                continue;
            }
        };
        let mut value = || words.next().ok_or_else(|| format!("{option}: a value is missing"));
        match &*option {
            "--replicas" => {
                arguments.replicas =
                    number(&option, value()?, "a whole number from 1", |n| *n > 0)?;
            }
            "--replica" => {
                arguments.replica = number(&option, value()?, "a whole number", |_| true)?;
            }
            "--temperature" => {
                let expected = "a temperature > 0";
                arguments.temperature =
                    number(&option, value()?, expected, |t: &f64| *t > 0.0 && t.is_finite())?;
            }
            "--seed" => arguments.seed = number(&option, value()?, "a whole number", |_| true)?,
            "--steps-per-frame" => {
                arguments.steps_per_frame =
                    number(&option, value()?, "a whole number from 1", |n| *n > 0)?;
            }
            "--trail" => {
                let expected = "a whole number of frames up to 10000";
                arguments.trail = number(&option, value()?, expected, |n| *n <= 10_000)?;
            }
            "--size" => arguments.size = size(value()?)?,
            "--adapter" => arguments.adapter = Some(value()?.to_string_lossy().into_owned()),
            "--offscreen" => arguments.offscreen = Some(value()?.into()),
            "--steps" => {
                has_steps = true;
                arguments.steps = number(&option, value()?, "a whole number", |_| true)?;
            }
            _ => return Err(format!("{option}: no such option; --help lists them").into()),
        }
    }
    arguments.files = match <[PathBuf; 2]>::try_from(files) {
        Ok(both) => Some(both),
        Err(files) if files.is_empty() => None,
        Err(files) => {
            return Err(
                format!("found {} files, expected MODEL and STRUCTURES", files.len()).into()
            );
        }
    };
    if arguments.replica >= arguments.replicas {
        let last = arguments.replicas - 1;
        return Err(format!(
            "--replica: found {}, expected one from 0 to {last}; --replicas gives their number",
            arguments.replica
        )
        .into());
    }
    if has_steps && arguments.offscreen.is_none() {
        return Err("--steps needs --offscreen: a window runs until it is closed".into());
    }
    Ok(Some(arguments))
}

/// The number of an option, if it is `expected`.
fn number<T: FromStr>(
    option: &str,
    value: OsString,
    expected: impl Display,
    is_expected: impl Fn(&T) -> bool,
) -> Result<T> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(is_expected);
    let found = value.to_string_lossy();
    number.ok_or_else(|| format!("{option}: found {found}, expected {expected}").into())
}

fn size(value: OsString) -> Result<[u32; 2]> {
    let text = value.to_string_lossy();
    let sides = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    let size = sides.filter(|sides: &[u32; 2]| !sides.contains(&0));
    size.ok_or_else(|| format!("--size: found {text}, expected pixels such as 1280x800").into())
}

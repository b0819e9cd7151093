//! Reads YAML files.

use granit_parser::{Event, Parser, ScalarStyle};

use super::entry::{Entry, Source, Value};
use crate::error::Result;

/// The largest depth of mappings and lists.
const DEPTH: usize = 8;

/// The keys of a file. Aliases are refused, so that a small file cannot hold many values.
///
/// # Errors
/// [`crate::Error::Invalid`] names the line that is no YAML, or no mapping.
pub fn read(source: &Source, text: &str) -> Result<Vec<Entry>> {
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let found = error.info().lines().collect::<Vec<_>>().join("; ");
            source.invalid(error.marker().line(), "YAML", found, "a YAML file")
        })?;
        let line = span.start.line();
        let refuse = |found: &str, expected: &str| source.invalid(line, "YAML", found, expected);
        let value = match event {
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH => {
                let found = format!("more than {DEPTH} levels");
                return Err(refuse(&found, "lists and mappings in fewer levels"));
            }
            Event::SequenceStart(..) => {
                open.push(Node::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Node::Table(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Node::List(list)) => Value::List(list),
                Some(Node::Table(entries, _)) => {
                    source.check_unique(&entries)?;
                    Value::Table(entries)
                }
                None => continue,
            },
            Event::Alias(..) => return Err(refuse("an alias", "the value itself")),
            Event::DocumentStart(..) if root.is_some() => {
                return Err(refuse("a second document", "one"));
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some((line, value)),
            Some(Node::List(list)) => list.push(value),
            Some(Node::Table(entries, key)) => match (key.take(), value) {
                (Some((key, line)), value) => entries.push(Entry { key, line, value }),
                (None, Value::Text(text)) => *key = Some((text, line)),
                (None, value) => {
                    return Err(refuse(&value.describe(), "a name before the colon"));
                }
            },
        }
    }
    match root {
        None | Some((_, Value::Null)) => Ok(Vec::new()),
        Some((_, Value::Table(entries))) => Ok(entries),
        Some((line, other)) => {
            Err(source.invalid(line, "YAML", other.describe(), "lines of the form `key: value`"))
        }
    }
}

/// A list or a mapping whose end has not come, the mapping with a key that waits for its value.
enum Node {
    List(Vec<Value>),
    Table(Vec<Entry>, Option<(String, usize)>),
}

/// A scalar with the words of YAML 1.1, which Python's reader knows.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => Value::Null,
        "true" | "yes" | "on" => Value::Bool(true),
        "false" | "no" | "off" => Value::Bool(false),
        // Python's reader allows underscores between digits.
        lower if lower.contains('_') => match lower.replace('_', "") {
            digits if lower.starts_with(char::is_numeric) && digits.parse::<f64>().is_ok() => {
                Value::Text(digits)
            }
            _ => Value::Text(text.to_owned()),
        },
        _ => Value::Text(text.to_owned()),
    }
}

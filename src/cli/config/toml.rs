//! Reads TOML files.

use crate::Result;
use toml_edit::{Document, Item, Key, Table, Value as Toml};

use crate::io::entry::{Entry, Source, Value};

/// The keys of a file. The parser limits the depth of tables and arrays.
pub(super) fn read(source: &Source, text: &str) -> Result<Vec<Entry>> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
    let line = |byte: usize| 1 + ends.partition_point(|end| *end < byte);
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| line(span.start));
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        source.invalid(at, "TOML", message, "a TOML file")
    })?;
    Ok(entries(document.as_table(), &line))
}

fn entries(table: &Table, line: &dyn Fn(usize) -> usize) -> Vec<Entry> {
    let keys = table.iter().filter_map(|(key, _)| table.get_key_value(key));
    keys.map(|(key, item)| entry(key, value(item, line), line)).collect()
}

fn entry(key: &Key, value: Value, line: &dyn Fn(usize) -> usize) -> Entry {
    let line = key.span().map_or(0, |span| line(span.start));
    Entry { key: key.get().to_owned(), line, value }
}

fn value(item: &Item, line: &dyn Fn(usize) -> usize) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(toml) => of_toml(toml, line),
        Item::Table(table) => Value::Table(entries(table, line)),
        Item::ArrayOfTables(tables) => {
            Value::List(tables.iter().map(|table| Value::Table(entries(table, line))).collect())
        }
    }
}

fn of_toml(toml: &Toml, line: &dyn Fn(usize) -> usize) -> Value {
    match toml {
        Toml::Boolean(value) => Value::Bool(*value.value()),
        Toml::String(text) => Value::Text(text.value().clone()),
        Toml::Integer(number) => Value::Text(number.value().to_string()),
        // A number with a point keeps it, so that 100.0 is no number of steps.
        Toml::Float(number) => Value::Text(format!("{:?}", number.value())),
        Toml::Datetime(time) => Value::Text(time.value().to_string()),
        Toml::Array(array) => Value::List(array.iter().map(|toml| of_toml(toml, line)).collect()),
        Toml::InlineTable(table) => {
            let keys = table.iter().filter_map(|(key, _)| table.get_key_value(key));
            Value::Table(keys.map(|(key, item)| entry(key, value(item, line), line)).collect())
        }
    }
}

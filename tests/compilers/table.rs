//! Registers and spills of every kernel by a driver's compiler: a committed table, and what is worse
//! than in it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Result, read};

/// When a value is worse than that of the table.
#[derive(Clone, Copy)]
enum Rule {
    Differs,
    Less,
    /// Greater by more than this.
    Above(u64),
}

/// The statistics of drivers that a table has, by the drivers' own names. A driver has some of them.
/// Registers may grow by 8, the step in which RDNA allocates them for subgroups of 64.
const COLUMNS: [(&str, Rule); 8] = [
    ("subgroup", Rule::Differs),
    ("VGPRs", Rule::Above(8)),
    ("SGPRs", Rule::Above(16)),
    ("Spilled VGPRs", Rule::Above(0)),
    ("Spilled SGPRs", Rule::Above(0)),
    ("Subgroups per SIMD", Rule::Less),
    ("Spill Count", Rule::Above(0)),
    ("Fill Count", Rule::Above(0)),
];

/// The value of each of [`COLUMNS`] that the driver has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row([Option<u64>; COLUMNS.len()]);

impl Row {
    /// # Errors
    /// If the driver tells no spills.
    pub(crate) fn new(statistics: &BTreeMap<String, u64>) -> Result<Self> {
        let row = Row(COLUMNS.map(|(name, _)| statistics.get(name).copied()));
        match row.get("Spilled VGPRs").or(row.get("Spill Count")) {
            Some(_) => Ok(row),
            None => Err(format!("the driver tells no spills, only {:?}", statistics.keys())),
        }
    }

    pub(crate) fn get(&self, column: &str) -> Option<u64> {
        let at = COLUMNS.iter().position(|(name, _)| *name == column)?;
        self.0[at]
    }

    /// Values that the kernel keeps in memory for want of registers.
    pub(crate) fn spills(&self) -> u64 {
        let columns = ["Spilled VGPRs", "Spilled SGPRs", "Spill Count"];
        columns.iter().filter_map(|column| self.get(column)).sum()
    }
}

/// Rows by kernel and hash of its constants. `constants.csv`, beside the shaders, tells the constants.
pub(crate) struct Table {
    pub(crate) driver: String,
    pub(crate) rows: BTreeMap<String, Row>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let wrong = |line: &str| format!("{}: not a row of the table: {line}", path.display());
        let mut lines = text.lines();
        let driver = lines.next().and_then(|line| line.strip_prefix("# "));
        let driver = driver.ok_or_else(|| wrong("the first line, with the driver"))?.to_owned();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').skip(1).collect();
        let mut rows = BTreeMap::new();
        for line in lines {
            let mut words = line.split(',').map(str::to_owned);
            let kernel = words.next().ok_or_else(|| wrong(line))?;
            let values: BTreeMap<String, u64> = names
                .iter()
                .zip(words)
                .map(|(name, word)| Some(((*name).to_owned(), word.parse().ok()?)))
                .collect::<Option<_>>()
                .ok_or_else(|| wrong(line))?;
            rows.insert(kernel, Row::new(&values)?);
        }
        Ok(Table { driver, rows })
    }

    pub(crate) fn text(&self) -> String {
        let has = |k: &usize| self.rows.values().any(|row| row.0[*k].is_some());
        let columns: Vec<usize> = (0..COLUMNS.len()).filter(has).collect();
        let names: String = columns.iter().map(|k| format!(",{}", COLUMNS[*k].0)).collect();
        let mut text = format!("# {}\nkernel{names}\n", self.driver);
        for (kernel, row) in &self.rows {
            let value = |k: &usize| format!(",{}", row.0[*k].unwrap_or_default());
            let values: String = columns.iter().map(value).collect();
            text += &format!("{kernel}{values}\n");
        }
        text
    }

    /// The most registers, and all spills.
    pub(crate) fn most(&self) -> String {
        let largest = self.rows.iter().max_by_key(|(_, row)| row.get("VGPRs"));
        let registers = largest.and_then(|(kernel, row)| {
            Some(format!("at most {} registers ({kernel}), ", row.get("VGPRs")?))
        });
        let total: u64 = self.rows.values().map(Row::spills).sum();
        format!("{}{total} spills", registers.unwrap_or_default())
    }

    /// Every way in which this table is worse than `known`, and the rows that one of them lacks.
    fn worse_than(&self, known: &Table) -> Vec<String> {
        let mut found = Vec::new();
        for (kernel, row) in &self.rows {
            let Some(before) = known.rows.get(kernel) else {
                found.push(format!("{kernel}: not in the table"));
                continue;
            };
            for ((name, rule), (now, before)) in COLUMNS.iter().zip(row.0.iter().zip(&before.0)) {
                let worse = match rule {
                    Rule::Differs => now != before,
                    Rule::Less => now < before,
                    Rule::Above(more) => *now > before.map(|before| before + more),
                };
                if worse {
                    let value =
                        |value: &Option<u64>| value.map_or("none".into(), |n| n.to_string());
                    let (now, before) = (value(now), value(before));
                    found.push(format!("{kernel}: {name} was {before}, is {now}"));
                }
            }
        }
        let gone = known.rows.keys().filter(|kernel| !self.rows.contains_key(*kernel));
        found.extend(gone.map(|kernel| format!("{kernel}: in the table, and no more in use")));
        found
    }
}

/// Compares a table with the committed one. First it makes sure that a worse table is found.
pub(crate) fn compare(table: &Table, path: &Path) -> Result<()> {
    let known = Table::read(path)?;
    for (k, (name, rule)) in COLUMNS.iter().enumerate() {
        let mut worse = Table { driver: String::new(), rows: table.rows.clone() };
        let Some(row) = worse.rows.values_mut().find(|row| row.0[k].is_some()) else { continue };
        row.0[k] = match rule {
            Rule::Less => Some(0),
            Rule::Differs => Some(1),
            Rule::Above(more) => row.0[k].map(|value| value + more + 1),
        };
        if worse.worse_than(table).len() != 1 {
            return Err(format!("a worse value of {name} was not found"));
        }
    }
    let found = table.worse_than(&known);
    if found.is_empty() {
        return Ok(());
    }
    let drivers = if known.driver == table.driver {
        String::new()
    } else {
        format!("\nthe table is by {}, here is {}", known.driver, table.driver)
    };
    Err(format!("{}: worse than {}{drivers}\n{}", table.driver, path.display(), found.join("\n")))
}

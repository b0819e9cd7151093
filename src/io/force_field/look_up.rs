//! Parameters by names of atom types, with wildcards.

use std::collections::HashMap;

/// The name that fits every atom type.
const ANY: &str = "X";

/// Parameters by the names of the atom types of a tuple.
#[derive(Debug, PartialEq)]
pub(super) struct Section<T> {
    entries: HashMap<Vec<String>, Row<T>>,
}

/// Parameters, and the line of the file that has them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Section { entries: HashMap::new() }
    }
}

impl<T> Section<T> {
    /// Adds the parameters of a key, such as `(CAA, CAC)` or `CAA`. If the section has these names
    /// already, returns the row that is replaced.
    pub(super) fn add(&mut self, key: &str, line: usize, value: T) -> Option<Row<T>> {
        let key = key.trim();
        let names = key.strip_prefix('(').and_then(|key| key.strip_suffix(')')).unwrap_or(key);
        let names = names.split(',').map(|name| name.trim().to_owned()).collect();
        self.entries.insert(names, Row { line, value })
    }

    /// The parameters of exactly this name.
    pub(super) fn exact(&self, name: &str) -> Option<&Row<T>> {
        self.entries.get(&[name.to_owned()][..])
    }

    /// The parameters of the first of several orders of the same names that the section has, with
    /// as few wildcards as possible.
    ///
    /// Among equally many wildcards the first order comes first. Then the last name that can be
    /// replaced is replaced first: (A, X) comes before (X, B).
    pub(super) fn look_up(&self, orders: &[Vec<&str>]) -> Option<&Row<T>> {
        let n = orders.first().map_or(0, Vec::len);
        let candidates = (0..=n).flat_map(|wildcards| {
            let masks =
                move || (0..1_u32 << n).filter(move |mask| mask.count_ones() as usize == wildcards);
            orders.iter().flat_map(move |order| masks().map(move |mask| (order, mask)))
        });
        let with_wildcards = |(order, mask): (&Vec<&str>, u32)| {
            let name = |(k, name): (usize, &&str)| match mask >> (n - 1 - k) & 1 {
                0 => (*name).to_owned(),
                _ => ANY.to_owned(),
            };
            order.iter().enumerate().map(name).collect::<Vec<_>>()
        };
        candidates.map(with_wildcards).find_map(|names| self.entries.get(&names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(keys: &[&str]) -> Section<usize> {
        let mut section = Section::default();
        for (k, key) in keys.iter().enumerate() {
            assert_eq!(section.add(key, k + 1, k), None);
        }
        section
    }

    #[test]
    fn exact_names_come_first_then_the_other_order_then_wildcards() {
        let both = || [vec!["A", "B"], vec!["B", "A"]];
        let all = ["(X, X)", "(X, A)", "(B, X)", "(X, B)", "(A, X)", "(B, A)", "(A, B)"];
        for n in (1..=all.len()).rev() {
            let row = Row { line: n, value: n - 1 };
            assert_eq!(section(&all[..n]).look_up(&both()), Some(&row), "{n}");
        }
        assert_eq!(section(&["(A, C)"]).look_up(&both()), None);
        assert_eq!(section(&["X"]).look_up(&[vec!["A"]]), Some(&Row { line: 1, value: 0 }));
    }
}

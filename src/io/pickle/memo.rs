//! The memo of a pickle: objects by number.

use std::collections::HashMap;

use super::graph::NodeId;

/// Picklers number the objects from 0 on. A table holds such objects in a few bytes each; a map
/// holds those with other numbers.
#[derive(Default)]
pub(super) struct Memo {
    table: Vec<NodeId>,
    others: HashMap<u32, NodeId>,
}

impl Memo {
    /// The number of objects.
    pub(super) fn len(&self) -> usize {
        self.table.len() + self.others.len()
    }

    pub(super) fn get(&self, index: u32) -> Option<NodeId> {
        self.table.get(index as usize).or_else(|| self.others.get(&index)).copied()
    }

    pub(super) fn put(&mut self, index: u32, id: NodeId) {
        let at = index as usize;
        if at < self.table.len() {
            self.table[at] = id;
        } else if at == self.table.len() {
            self.others.remove(&index);
            self.table.push(id);
        } else {
            self.others.insert(index, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_object_of_a_number_counts() {
        let mut memo = Memo::default();
        for (n, index) in [0, 2, 7, 1, 2, 0, u32::MAX, 7].into_iter().enumerate() {
            memo.put(index, NodeId(n as u32));
            assert_eq!(memo.get(index), Some(NodeId(n as u32)));
        }
        let all = [0, 1, 2, 3, 7, u32::MAX].map(|index| memo.get(index).map(|id| id.0));
        assert_eq!(all, [Some(5), Some(3), Some(4), None, Some(7), Some(6)]);
        assert_eq!(memo.len(), 5);
    }
}

//! Points in the cells of a grid, to find those near a place without a look at all of them.

use std::collections::HashMap;

/// Numbered points.
pub(crate) struct Grid {
    /// The edge of a cell, Å.
    size: f64,
    cells: HashMap<[i64; 3], Vec<u32>>,
}

impl Grid {
    /// No points, in cells of this edge, Å.
    pub(crate) fn new(size: f64) -> Self {
        Grid { size, cells: HashMap::new() }
    }

    fn cell(&self, x: [f64; 3]) -> [i64; 3] {
        x.map(|x| (x / self.size).floor().clamp(-1e15, 1e15) as i64)
    }

    pub(crate) fn insert(&mut self, point: u32, x: [f64; 3]) {
        self.cells.entry(self.cell(x)).or_default().push(point);
    }

    pub(crate) fn remove(&mut self, point: u32, x: [f64; 3]) {
        if let Some(points) = self.cells.get_mut(&self.cell(x)) {
            points.retain(|other| *other != point);
        }
    }

    /// All points that are not farther from x than the edge of a cell, among others.
    pub(crate) fn near(&self, x: [f64; 3]) -> impl Iterator<Item = u32> {
        let [i, j, k] = self.cell(x);
        let cells = (0..27).map(move |n| [i + n % 3 - 1, j + n / 3 % 3 - 1, k + n / 9 - 1]);
        cells.filter_map(|cell| self.cells.get(&cell)).flatten().copied()
    }
}

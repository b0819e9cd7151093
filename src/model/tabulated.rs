//! A network with the filter tables that were made for it.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use super::filter_table::FilterTable;
use super::schnet::SchNet;
use crate::error::Result;

/// A network that keeps its filter tables, because fitting them takes longer than an evaluation.
#[derive(Debug)]
pub(crate) struct Tabulated {
    schnet: SchNet,
    /// The tables, each with its tolerance.
    tables: Mutex<Vec<(f64, Arc<FilterTable>)>>,
}

impl Tabulated {
    pub(crate) fn new(schnet: SchNet) -> Self {
        Tabulated { schnet, tables: Mutex::default() }
    }

    /// The table of this tolerance, fitted at the first call.
    ///
    /// # Errors
    /// See [`FilterTable::new`].
    pub(crate) fn table(&self, tolerance: f64) -> Result<Arc<FilterTable>> {
        // Locked while a table is fitted, so that two threads do not fit the same one.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = tables.iter().find(|(known, _)| *known == tolerance) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(FilterTable::new(&self.schnet, tolerance)?);
        log::info!(
            "filter tables: {} intervals, errors {:.1e} of the largest value and {:.1e} of the \
             largest slope",
            table.n_intervals(),
            table.value_error,
            table.slope_error
        );
        tables.push((tolerance, Arc::clone(&table)));
        Ok(table)
    }
}

impl Deref for Tabulated {
    type Target = SchNet;

    fn deref(&self) -> &SchNet {
        &self.schnet
    }
}

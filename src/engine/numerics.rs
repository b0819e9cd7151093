//! The choices of how a backend evaluates the network.

use std::sync::Arc;

use crate::error::Result;
use crate::model::{FilterTable, Tabulated};

/// How the filters of the network are evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Filter {
    /// By the filter networks, for every edge.
    Exact,
    /// From tables of cubic pieces, fitted when the first engine of a system is made
    /// ([`crate::model::FilterTable`]).
    Table {
        /// The largest error of a slope, relative to the largest slope of its block; see
        /// [`crate::model::FilterTable::new`].
        tolerance: f64,
    },
}

impl Default for Filter {
    fn default() -> Self {
        Filter::TABLE
    }
}

impl Filter {
    /// Tables with which all reference cases stay within the tolerances of single precision.
    pub const TABLE: Filter = Filter::Table { tolerance: 1e-6 };

    /// The tables of a network, unless filters are exact.
    pub(crate) fn table(self, network: &Tabulated) -> Result<Option<Arc<FilterTable>>> {
        match self {
            Filter::Exact => Ok(None),
            Filter::Table { tolerance } => network.table(tolerance).map(Some),
        }
    }
}

/// The precision in which the network's weights and features are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Precision {
    /// f32. On tensor cores linear layers use pairs of f16, which are as exact.
    #[default]
    F32,
    /// 16 bits with a scale factor per channel, for data whose rounding matters little. The errors
    /// of the network's forces are below 1e-3 of their root mean square. Only on a GPU.
    Mixed,
}

impl Precision {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Mixed => "mixed",
        }
    }

    /// Filter tables with an error that suits the precision.
    pub fn table(self) -> Filter {
        match self {
            Precision::F32 => Filter::TABLE,
            Precision::Mixed => Filter::Table { tolerance: 3e-5 },
        }
    }
}

/// How a backend evaluates the network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Numerics {
    /// The evaluation of its filters.
    pub filter: Filter,
    /// The precision of its weights and features.
    pub precision: Precision,
}

impl From<Filter> for Numerics {
    fn from(filter: Filter) -> Self {
        Numerics { filter, precision: Precision::F32 }
    }
}

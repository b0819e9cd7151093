//! A network with everything that was made from it.

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter_table::FilterTable;
use super::schnet::SchNet;
use crate::error::Result;

/// A network that keeps its filter tables, and the layouts in which backends read its weights: making
/// them takes longer than an evaluation.
#[derive(Debug)]
pub(crate) struct Tabulated {
    schnet: SchNet,
    /// Each is a key and the [`Slot`] of its value.
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// The place of a kept value, which is locked while the value is made, so that two threads do not make
/// it twice.
type Slot<T> = Arc<Mutex<Option<Arc<T>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tabulated {
    pub(crate) fn new(schnet: SchNet) -> Self {
        Tabulated { schnet, kept: Mutex::default() }
    }

    /// The table of this tolerance, fitted at the first call.
    ///
    /// # Errors
    /// See [`FilterTable::new`].
    pub(crate) fn table(&self, tolerance: f64) -> Result<Arc<FilterTable>> {
        self.kept(tolerance, || {
            let table = FilterTable::new(&self.schnet, tolerance)?;
            log::info!(
                "filter tables: {} intervals, errors {:.1e} of the largest value and {:.1e} of the \
                 largest slope",
                table.n_intervals(),
                table.value_error,
                table.slope_error
            );
            Ok(table)
        })
    }

    /// The value of type `T` with this key, made at the first call.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn kept<K, T>(&self, key: K, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>>
    where
        K: PartialEq + Send + 'static,
        T: Send + Sync + 'static,
    {
        let slot = self.slot(key);
        let mut value = lock(&slot);
        if let Some(value) = &*value {
            return Ok(Arc::clone(value));
        }
        let made = Arc::new(make()?);
        *value = Some(Arc::clone(&made));
        Ok(made)
    }

    fn slot<K, T>(&self, key: K) -> Slot<T>
    where
        K: PartialEq + Send + 'static,
        T: Send + Sync + 'static,
    {
        let mut kept = lock(&self.kept);
        let known = kept.iter().filter_map(|entry| entry.downcast_ref::<(K, Slot<T>)>());
        if let Some((_, slot)) = known.into_iter().find(|(known, _)| *known == key) {
            return Arc::clone(slot);
        }
        let slot = Slot::<T>::default();
        kept.push(Box::new((key, Arc::clone(&slot))));
        slot
    }
}

impl Deref for Tabulated {
    type Target = SchNet;

    fn deref(&self) -> &SchNet {
        &self.schnet
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

    #[test]
    fn a_value_is_made_once_for_each_type_and_key() {
        let network = Tabulated::new(crate::builtin::model().schnet.expect("it has a network"));
        let made = Cell::new(0);
        let text = |key: u32| {
            let make = || {
                made.set(made.get() + 1);
                Ok(format!("{key}"))
            };
            network.kept(key, make).unwrap()
        };
        for key in [1, 2, 1, 2] {
            assert_eq!(*text(key), format!("{key}"));
        }
        assert_eq!(made.get(), 2);
        assert_eq!(*network.kept(1_u32, || Ok(0.5)).unwrap(), 0.5);
        // An error is not kept, and `make` may ask for other values.
        assert!(network.kept("key", || Err::<u8, _>(Error::unsupported("a", "b"))).is_err());
        let nested = network.kept("key", || Ok(*network.kept("other", || Ok(3_u8))? + 1));
        assert_eq!(*nested.unwrap(), 4);
    }
}

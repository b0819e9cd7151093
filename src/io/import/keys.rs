//! `allowed_interaction_keys`: the bead types of a prior that have been fitted.

use super::view::View;
use crate::error::Result;
use crate::model::prior::TypeKey;

/// Reads the keys. A key that cannot be read is skipped, because the tables contain the parameters.
pub(super) fn allowed(view: &View, n_beads: usize) -> Result<Vec<TypeKey>> {
    let Some(list) = view.attribute("allowed_interaction_keys")? else {
        return Ok(Vec::new());
    };
    let elements = list.sequence().unwrap_or_default();
    view.archive.charge(elements.len() * size_of::<TypeKey>())?;
    let mut keys = Vec::new();
    for element in elements {
        let Some(types) = list.at(*element, "").sequence().filter(|t| t.len() == n_beads) else {
            continue;
        };
        let mut key = TypeKey::default();
        let mut readable = true;
        for (part, id) in key.iter_mut().zip(types) {
            match list.at(*id, "").count() {
                Ok(value) => *part = value,
                Err(_) => readable = false,
            }
        }
        if readable {
            keys.push(key);
        }
    }
    Ok(keys)
}

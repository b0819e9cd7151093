//! Filters and their slopes from a table.

use crate::model::FilterTable;
use crate::model::filter::Filters;

/// `W = c0 + c1 s + c2 s² + c3 s³` and its derivative by d. The coordinate s(d) runs from 0 to 1
/// within the interval of d.
pub(super) fn tabulated_filters(
    table: &FilterTable,
    n_filters: usize,
    block: usize,
    distance: &[f64],
) -> Filters {
    let (mut value, mut slope) = (Vec::new(), Vec::new());
    for &d in distance {
        let place = table.place(d);
        let s = place.s;
        let pieces = &table.coefficients[block][place.interval * n_filters..][..n_filters];
        for [c0, c1, c2, c3] in pieces {
            value.push(c0 + s * (c1 + s * (c2 + s * c3)));
            slope.push(place.rate * (c1 + s * (2.0 * c2 + s * 3.0 * c3)));
        }
    }
    Filters { n_filters, value, slope }
}

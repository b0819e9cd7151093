//! Import of radial bases and cutoffs.

use super::view::View;
use crate::error::Result;
use crate::model::{Cutoff, Interaction, RadialBasis, RadialFunctions};

pub(super) fn cutoff(view: &View) -> Result<Cutoff> {
    view.only(&[], &[])?;
    let upper = || view.require("cutoff_upper")?.number();
    let lower = || view.require("cutoff_lower")?.number();
    match view.own_class() {
        Some("IdentityCutoff") => Ok(Cutoff::Identity { lower: lower()?, upper: upper()? }),
        Some("CosineCutoff") => Ok(Cutoff::Cosine { lower: lower()?, upper: upper()? }),
        Some("ShiftedCosineCutoff") => Ok(Cutoff::ShiftedCosine {
            upper: upper()?,
            width: view.require("smooth_width")?.number()?,
        }),
        _ => Err(view.unsupported(
            &format!("the cutoff {}", view.describe()),
            "IdentityCutoff, CosineCutoff and ShiftedCosineCutoff are supported",
        )),
    }
}

pub(super) fn radial_basis(view: &View) -> Result<RadialBasis> {
    let tensors: &[_] = match view.own_class() {
        Some("GaussianBasis" | "FilteredGaussianBasis") => &["coeff", "offset", FILTER],
        Some("ExpNormalBasis" | "ExtendedExpNormalBasis" | "FilteredExpNormalBasis") => {
            &["means", "betas", "alpha", FILTER]
        }
        Some("SpacedExpBasis") => &["means", "betas"],
        _ => {
            return Err(view.unsupported(
                &format!("the radial basis {}", view.describe()),
                "GaussianBasis, ExpNormalBasis, ExtendedExpNormalBasis, SpacedExpBasis, filtered \
                 bases and RegularizedBasis are supported",
            ));
        }
    };
    view.only(&["cutoff"], tensors)?;
    let cutoff = cutoff(&view.module("cutoff")?)?;
    let functions = match view.own_class() {
        Some("GaussianBasis" | "FilteredGaussianBasis") => RadialFunctions::Gaussian {
            coeff: view.scalar("coeff")?,
            offset: view.vector("offset")?,
        },
        Some("SpacedExpBasis") => RadialFunctions::SpacedExp {
            means: view.vector("means")?,
            betas: view.vector("betas")?,
        },
        class => RadialFunctions::ExpNormal {
            alpha: view.scalar("alpha")?,
            lower: match class {
                Some("ExtendedExpNormalBasis") => view.scalar("internal_cutoff_lower")?,
                _ => cutoff.lower(),
            },
            means: view.vector("means")?,
            betas: view.vector("betas")?,
        },
    };
    let basis = RadialBasis { functions, cutoff };
    // A filtered basis holds the functions that are kept, and no others.
    if let Some((_, filter)) = view.dense_weight(FILTER)? {
        let kept = filter.iter().filter(|keep| **keep != 0.0).count();
        if kept != basis.n_rbf() {
            let expected = format!("{}, the number of radial functions", basis.n_rbf());
            return Err(view.invalid(format!("{kept} functions in {FILTER}"), expected));
        }
    }
    Ok(basis)
}

/// The functions that a filtered basis keeps.
const FILTER: &str = "lambda_filter";

/// The factors of the radial functions in a `RegularizedBasis`. A network has one filter for all
/// pairs of bead types, so that all pairs must have the same factors.
pub(super) struct Factors {
    /// The factors of each block, or one set of factors for all blocks.
    sets: Vec<Vec<f64>>,
    independent: bool,
}

impl Factors {
    /// Reads the basis inside and the factors. Other bases have no factors.
    pub(super) fn read<'a>(view: &View<'a>) -> Result<(View<'a>, Option<Self>)> {
        if view.own_class() != Some("RegularizedBasis") {
            return Ok((view.clone(), None));
        }
        view.only(&["basis_function", "cutoff", "regularization"], &[])?;
        let tables = view.module("regularization")?;
        let independent = tables.torch_class() == Some("ModuleList");
        let sets = match independent {
            true => tables.modules()?.iter().map(|(_, table)| shared(table)).collect(),
            false => shared(&tables).map(|factors| vec![factors]),
        };
        Ok((view.module("basis_function")?, Some(Factors { sets: sets?, independent })))
    }

    /// Multiplies the weights of the first filter layers, which act on the radial functions.
    pub(super) fn fold(&self, view: &View, blocks: &mut [Interaction]) -> Result<()> {
        let (n_sets, n_blocks) = (self.sets.len(), blocks.len());
        if self.independent && n_sets != n_blocks {
            let expected = format!("{n_blocks}, one for each block");
            return Err(view.invalid(format!("{n_sets} sets of factors"), expected));
        }
        for (Interaction { filter0, .. }, factors) in
            blocks.iter_mut().zip(self.sets.iter().cycle())
        {
            if factors.len() != filter0.n_in {
                let expected = format!("{}, the inputs of the filter network", filter0.n_in);
                return Err(view.invalid(format!("{} factors", factors.len()), expected));
            }
            for row in filter0.weight.chunks_exact_mut(factors.len().max(1)) {
                row.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
            }
        }
        Ok(())
    }
}

/// The factors that all pairs of bead types share. mlcg limits them to 0 to 1.
fn shared(view: &View) -> Result<Vec<f64>> {
    if view.own_class() != Some("SymmetricTensor") {
        return Err(view.unsupported(&format!("the factors {}", view.describe()), ""));
    }
    view.only(&[], &["w"])?;
    let (shape, mut factors) = view.require_weight("w")?;
    let [_, n_functions] = shape[..] else {
        return Err(view.invalid(format!("w of shape {shape:?}"), "(pairs, radial functions)"));
    };
    factors.iter_mut().for_each(|factor| *factor = factor.clamp(0.0, 1.0));
    let (first, others) = factors.split_at_checked(n_functions).unwrap_or_default();
    if others.chunks(n_functions.max(1)).any(|other| other != first) {
        return Err(view.unsupported(
            "a RegularizedBasis with different filters for different pairs of bead types",
            "a network has the same filters for all pairs",
        ));
    }
    factors.truncate(n_functions);
    Ok(factors)
}

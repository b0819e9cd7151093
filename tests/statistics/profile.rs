use flashschnet::analysis::statistics::blocks::{Blocks, Estimate};
use flashschnet::analysis::statistics::mbar::{Mbar, Potentials};
use flashschnet::analysis::statistics::profile::{
    Bins, free_energies, histogram, of_blocks, of_temperatures,
};
use flashschnet::units::{BOLTZMANN, beta};

use super::{assert_within, cut, normals, ratio_of_variances};
use crate::common::assert_close;

#[test]
fn a_value_belongs_to_the_bin_between_its_edges() {
    for (lower, upper, count) in
        [(0.0, 1.0, 10), (-0.3, 0.7, 49), (1e6, 1e6 + 1.0, 7), (2.0, 3.0, 1)]
    {
        let bins = Bins::new(lower, upper, count).unwrap();
        let (edges, centers) = (bins.edges(), bins.centers());
        assert_eq!((edges[0], edges[count], edges.len()), (lower, upper, count + 1));
        for k in 0..count {
            assert_eq!(bins.of(edges[k]), Some(k));
            assert_eq!(bins.of(edges[k].next_down()), k.checked_sub(1));
            assert_eq!(bins.of(centers[k]), Some(k));
        }
        assert_eq!((bins.of(upper), bins.of(upper.next_up())), (Some(count - 1), None));
        assert_eq!((bins.of(f64::NAN), bins.of(f64::NEG_INFINITY)), (None, None));
    }
}

#[test]
fn odd_ranges_are_refused() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let wrong = [(0.0, 0.0), (1.0, 0.0), (0.0, inf), (nan, 1.0), (1.0, 1.0_f64.next_up())];
    for (lower, upper) in wrong {
        let message = Bins::new(lower, upper, 5).unwrap_err().to_string();
        assert!(message.starts_with("range of bins: found"), "{message}");
    }
    assert!(Bins::new(0.0, 1.0, 0).unwrap_err().to_string().starts_with("number of bins: found 0"));
    assert_eq!(Bins::covering(&[], 3), None);
    assert_eq!(Bins::covering(&[2.0, 2.0, nan], 3), None);
    let covering = Bins::covering(&[2.0, nan, 1.0, inf], 3).unwrap();
    assert_eq!(covering.edges()[0]..covering.edges()[3], 1.0..2.0);
}

/// A replica that blew up has huge coordinates, which would put all others into one bin.
#[test]
fn bins_cover_all_but_a_few_values_far_away() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let ends = |bins: Bins| [bins.edges()[0], bins.edges()[bins.count()]];
    let plain = normals(41, 30_000);
    for far in [30.0, -1e3, 1e12, -1e300] {
        let values = [&plain[..], &[far, nan, far, inf, far]].concat();
        let bins = Bins::covering(&values, 50).unwrap();
        let [lower, upper] = ends(bins);
        assert!((-5.0..-3.5).contains(&lower) && (3.5..5.0).contains(&upper), "{bins:?}");
        let outside = plain.iter().filter(|x| !(lower..=upper).contains(x)).count();
        assert!(outside <= 3, "{outside}");
        assert_eq!(bins.outside(&values), outside + 3);
    }
    // Ends without a tail are covered, and so are all of few values.
    let even: Vec<f64> = (0..=100_000).map(f64::from).collect();
    let bins = Bins::covering(&even, 7).unwrap();
    assert_eq!((ends(bins), bins.outside(&even)), ([0.0, 100_000.0], 0));
    let few = [&plain[..5000], &[30.0]].concat();
    assert_eq!(Bins::covering(&few, 7).unwrap().outside(&few), 0);
    // Nearly all values are the same.
    let rare = [&[2.0; 50_000][..], &[3.0]].concat();
    assert_eq!(ends(Bins::covering(&rare, 4).unwrap()), [2.0, 3.0]);
}

#[test]
fn histograms_have_the_last_coordinate_fastest() {
    let (two, three) = (Bins::new(0.0, 2.0, 2).unwrap(), Bins::new(0.0, 3.0, 3).unwrap());
    let (x, y) = ([0.5, 0.5, 1.5, 1.5, 5.0], [0.5, 2.5, 1.5, f64::NAN, 0.5]);
    let found = histogram(&[(&x, &two), (&y, &three)], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(found, [1.0, 0.0, 2.0, 0.0, 3.0, 0.0]);
    assert_eq!(histogram(&[(&x, &two)], &[1.0, 2.0, 3.0, 4.0, 5.0]), [3.0, 7.0]);

    let found = free_energies(&[1.0, 0.0, 4.0, 2.0], 0.5);
    assert_eq!((found[2], found[3]), (0.0, 0.5 * 2.0_f64.ln()));
    assert!(found[1].is_nan());
    assert!(free_energies(&[0.0, 0.0], 1.0).iter().all(|f| f.is_nan()));
    assert!(free_energies(&[], 1.0).is_empty());
}

/// The error function by its series, for |x| ≤ 3.
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// The probabilities of bins for a normal distribution with a standard deviation.
fn normal(bins: &Bins, deviation: f64) -> Vec<f64> {
    let below = |x: &f64| 0.5 * (1.0 + erf(x / deviation / 2.0_f64.sqrt()));
    let below: Vec<f64> = bins.edges().iter().map(below).collect();
    below.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn finds_the_free_energies_of_a_normal_distribution() {
    let x = normals(21, 40_000);
    let y = normals(22, 40_000);
    let bins = Bins::new(-2.0, 2.5, 9).unwrap();
    let blocks = cut(&[40_000], 20);
    let exact = free_energies(&normal(&bins, 1.0), 0.6);
    let found = of_blocks(&blocks, &[(&x, &bins)], 0.6);
    // The bins next to 0 have the same probability; the zero is one of them.
    let differences = exact.iter().zip(&found).filter(|(_, found)| found.unwrap().value > 0.0);
    assert_eq!(differences.clone().count(), 8);
    differences.for_each(|(exact, found)| assert_within("F", *found, *exact, 3.5));

    let few = Bins::new(-1.5, 1.5, 3).unwrap();
    let both = of_blocks(&blocks, &[(&x, &few), (&y, &few)], 0.6);
    assert_eq!(both[4], Some(Estimate { value: 0.0, error: Some(0.0) }));
    let exact = free_energies(&normal(&few, 1.0), 0.6);
    for (k, found) in both.iter().enumerate().filter(|(k, _)| *k != 4) {
        assert_within("F", *found, exact[k / 3] + exact[k % 3], 3.5);
    }
}

/// 300 experiments determine a variance to 8 %; the tolerance is three times as large.
#[test]
fn errors_are_the_spread_of_experiments() {
    let bins = Bins::new(-1.5, 1.5, 3).unwrap();
    let blocks = cut(&[1000], 20);
    let of = |seed| of_blocks(&blocks, &[(&normals(seed, 1000), &bins)], 1.0)[2].unwrap();
    let ratio = ratio_of_variances(&(0..300).map(of).collect::<Vec<_>>());
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}");
}

#[test]
fn empty_bins_have_no_free_energy() {
    let bins = Bins::new(0.0, 3.0, 3).unwrap();
    let blocks = cut(&[6], 2);
    let found = of_blocks(&blocks, &[(&[0.5, 0.5, 0.5, 0.5, 0.5, 2.5], &bins)], 1.0);
    assert_eq!(found[1], None);
    // All samples of the last bin are in one block.
    assert_eq!(found[2], Some(Estimate { value: 5.0_f64.ln(), error: None }));
    assert_eq!(of_blocks(&blocks, &[(&[f64::NAN; 6], &bins)], 1.0), [None; 3]);
    // Unknown samples are in no bin.
    let odd = [f64::NAN, 0.5, f64::INFINITY, f64::NEG_INFINITY, 0.5, 2.5];
    let found = of_blocks(&blocks, &[(&odd, &bins)], 1.0);
    assert_eq!(found[2], Some(Estimate { value: 2.0_f64.ln(), error: None }));
}

/// Oscillators x²/2 at two temperatures, looked at between them and at one of them.
#[test]
fn profiles_of_other_temperatures_have_their_weights() {
    const N: usize = 20_000;
    let at = |seed, t: f64| {
        let deviation = (BOLTZMANN * t).sqrt();
        normals(seed, N).into_iter().map(move |x| deviation * x)
    };
    let x: Vec<f64> = at(31, 300.0).chain(at(32, 420.0)).collect();
    let energies: Vec<f64> = x.iter().map(|x| 0.5 * x * x).collect();
    let origins: Vec<usize> = (0..2 * N).map(|n| n / N).collect();
    let blocks = Blocks::of_samples(&(0..2 * N).map(|n| n % N * 20 / N).collect::<Vec<_>>());
    let betas = [300.0, 420.0].map(beta);
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    let (wide, fine) = (Bins::new(-1.5, 1.5, 3).unwrap(), Bins::new(-1.0, 1.0, 5).unwrap());
    let temperatures = [350.0, 420.0];
    let profiles: [&[(&[f64], &Bins)]; 2] = [&[(&x, &wide)], &[(&x, &fine)]];
    let found = of_temperatures(&mbar, &energies, &temperatures, &profiles);
    for (found, t) in found.iter().zip(temperatures) {
        for (found, bins) in found.iter().zip([&wide, &fine]) {
            let kt = BOLTZMANN * t;
            let exact = free_energies(&normal(bins, kt.sqrt()), kt);
            assert_eq!(found.len(), exact.len());
            let zero = exact.len() / 2;
            assert_eq!(found[zero], Some(Estimate { value: 0.0, error: Some(0.0) }));
            for k in (0..exact.len()).filter(|k| *k != zero) {
                assert_within("F", found[k], exact[k], 3.5);
                assert!(found[k].unwrap().error.unwrap() < 0.05 * kt);
            }
        }
    }
    let plain = mbar.weights().at(|n| beta(350.0) * energies[n]);
    let plain = free_energies(&histogram(&[(&x, &fine)], &plain), BOLTZMANN * 350.0);
    let batch: Vec<f64> = found[0][1].iter().map(|found| found.unwrap().value).collect();
    assert_close("F", &batch, &plain, 1e-13);
}

//! Two rivals in turns, with the round trip of a cache line around every sample.
//!
//! What one process sees of another depends on whether their CPUs share a cache, and on a virtual
//! machine that changes every few minutes. So only neighbours in time are compared, and samples are
//! sorted by the round trip they ran under.

use std::fmt;

use super::cpu::{self, RoundTrip};

/// A round trip below this is one within a shared cache: about 100 ns, against about 450.
const NEAR_BELOW: f64 = 250.0;

/// How near the two CPUs were during a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// They shared a cache throughout.
    Near,
    /// They did not.
    Far,
    /// That changed meanwhile.
    Unsettled,
    /// There is one.
    OneCpu,
}

impl Place {
    /// All there are.
    pub const ALL: [Place; 4] = [Place::Near, Place::Far, Place::Unsettled, Place::OneCpu];

    /// What the round trips around a sample say.
    pub fn of(trips: &[RoundTrip]) -> Self {
        let near =
            |trip: &RoundTrip| matches!(trip, RoundTrip::Nanos(nanos) if *nanos < NEAR_BELOW);
        let far =
            |trip: &RoundTrip| matches!(trip, RoundTrip::Nanos(nanos) if *nanos >= NEAR_BELOW);
        match trips {
            trips if trips.iter().all(near) => Place::Near,
            trips if trips.iter().all(far) => Place::Far,
            trips if trips.contains(&RoundTrip::OneCpu) => Place::OneCpu,
            _ => Place::Unsettled,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Place::Near => "near",
            Place::Far => "far",
            Place::Unsettled => "unsettled",
            Place::OneCpu => "one",
        })
    }
}

/// One sample of each rival, one right after the other.
#[derive(Clone, Copy, Debug)]
pub struct Pair<T> {
    /// The round trips before the first sample, between the two, and after the second.
    pub trips: [RoundTrip; 3],
    /// The first rival's.
    pub first: T,
    /// The second's.
    pub second: T,
}

impl<T> Pair<T> {
    /// How near the CPUs were.
    pub fn place(&self) -> Place {
        Place::of(&self.trips)
    }
}

/// Runs `first` and `second` in turns, `pairs` times each, and gives every pair to
/// `show` as soon as it is there.
pub fn in_turns<T, E>(
    pairs: usize,
    mut first: impl FnMut() -> Result<T, E>,
    mut second: impl FnMut() -> Result<T, E>,
    mut show: impl FnMut(usize, &Pair<T>),
) -> Result<Vec<Pair<T>>, E> {
    let mut before = cpu::round_trip();
    let mut all = Vec::with_capacity(pairs);
    for index in 0..pairs {
        let first = first()?;
        let between = cpu::round_trip();
        let second = second()?;
        let after = cpu::round_trip();
        let pair = Pair { trips: [before, between, after], first, second };
        show(index, &pair);
        all.push(pair);
        before = after;
    }
    Ok(all)
}

/// The medians of pairs that ran in the same place. `value` is what is compared; more is better.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// How near the CPUs were.
    pub place: Place,
    /// How many pairs there are.
    pub pairs: usize,
    /// The median of the first rival.
    pub first: f64,
    /// The median of the second.
    pub second: f64,
    /// The lower quartile, the median and the upper quartile of first / second, pair by pair.
    pub ratio: [f64; 3],
    /// Between these the median of more such pairs would be, at 19 of 20 tries.
    pub ratio_within: [f64; 2],
}

/// One summary for each place that has pairs.
pub fn summaries<T>(pairs: &[Pair<T>], value: impl Fn(&T) -> f64) -> Vec<Summary> {
    let of_place = |place: Place| {
        let here: Vec<&Pair<T>> = pairs.iter().filter(|pair| pair.place() == place).collect();
        (!here.is_empty()).then(|| summary(place, &here, &value))
    };
    Place::ALL.into_iter().filter_map(of_place).collect()
}

/// All pairs, wherever they ran: for what hardly depends on that.
pub fn overall<T>(pairs: &[Pair<T>], value: impl Fn(&T) -> f64) -> Summary {
    let trips: Vec<RoundTrip> = pairs.iter().flat_map(|pair| pair.trips).collect();
    summary(Place::of(&trips), &pairs.iter().collect::<Vec<_>>(), &value)
}

fn summary<T>(place: Place, pairs: &[&Pair<T>], value: &dyn Fn(&T) -> f64) -> Summary {
    let collect = |number: &dyn Fn(&Pair<T>) -> f64| {
        pairs.iter().map(|pair| number(pair)).collect::<Vec<f64>>()
    };
    let ratios = collect(&|pair| value(&pair.first) / value(&pair.second));
    // How many of n lie below the median is binomial: in 19 of 20 tries it is n/2
    // up to 0.98 times the root of n.
    let within = (0.98 / (ratios.len() as f64).sqrt()).min(0.5);
    Summary {
        place,
        pairs: pairs.len(),
        first: median(&collect(&|pair| value(&pair.first))),
        second: median(&collect(&|pair| value(&pair.second))),
        ratio: [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share)),
        ratio_within: [0.5 - within, 0.5 + within].map(|share| quantile(&ratios, share)),
    }
}

/// The middle of some numbers; NaN if there are none.
pub fn median(numbers: &[f64]) -> f64 {
    quantile(numbers, 0.5)
}

/// The number below which a share of the numbers lies, between two of them where
/// need be; NaN if there are none.
fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(nanos: f64, first: f64, second: f64) -> Pair<f64> {
        Pair { trips: [RoundTrip::Nanos(nanos); 3], first, second }
    }

    #[test]
    fn only_pairs_of_one_place_are_summed_up_together() {
        let pairs = [
            pair(100.0, 4.0, 2.0),
            pair(110.0, 9.0, 3.0),
            pair(120.0, 8.0, 2.0),
            pair(450.0, 1.0, 2.0),
        ];
        let [near, far] = summaries(&pairs, |value| *value)[..] else {
            panic!("two places have pairs")
        };
        assert_eq!((near.place, near.pairs, near.first, near.second), (Place::Near, 3, 8.0, 2.0));
        assert_eq!((near.ratio, near.ratio_within), ([2.5, 3.0, 3.5], [2.0, 4.0]));
        assert_eq!((far.place, far.pairs, far.ratio[1]), (Place::Far, 1, 0.5));
        let all = overall(&pairs, |value| *value);
        assert_eq!((all.place, all.pairs, all.ratio[1]), (Place::Unsettled, 4, 2.5));
        assert_eq!(
            Place::of(&[RoundTrip::Nanos(100.0), RoundTrip::Nanos(450.0)]),
            Place::Unsettled
        );
    }
}

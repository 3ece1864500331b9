//! Counts times without keeping them.

/// Every power of two is divided into so many buckets: a quantile is at most 1.6 % off.
const FINE: u32 = 6;

/// Times in any unit, sorted into buckets whose width grows with them.
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// An empty one; all memory it will ever need is here and touched.
    pub fn new() -> Self {
        Histogram { buckets: vec![0; 64 << FINE], count: 0 }
    }

    /// Counts a time.
    #[inline]
    pub fn add(&mut self, time: u64) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
    }

    /// The time that a share of all does not pass; zero if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map_or(0, middle)
    }
}

#[inline]
fn bucket(time: u64) -> usize {
    // The position of the highest bit, or of the finest that a bucket tells
    // apart, and the bits behind it.
    let shift = (63 - (time | 1).leading_zeros()).saturating_sub(FINE);
    ((shift as usize) << FINE) + (time >> shift) as usize
}

fn middle(bucket: usize) -> u64 {
    let shift = (bucket >> FINE).saturating_sub(1);
    let low = (bucket - (shift << FINE)) as u64;
    (low << shift) + ((1u64 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_close_to_the_truth() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        (0..100_000).for_each(|time| histogram.add(time));
        for share in [0.0001, 0.01, 0.5, 0.99, 0.999, 1.0] {
            let (found, truth) = (histogram.quantile(share) as f64, 100_000.0 * share);
            assert!((found - truth).abs() <= 1.0 + truth / 50.0, "{found} for {truth}");
        }
        for time in [0, 1, 63, 64, 65, 127, 128, 1 << 40, u64::MAX] {
            let middle = middle(bucket(time));
            assert!(middle.abs_diff(time) <= time / 64, "{middle} for {time}");
        }
    }
}

//! How long the items of a batch took, in a fixed amount of memory, to compare the slowest with the median.

use std::time::Duration;

/// Parts of an octave: the median is known to within a quarter of an octave.
const PARTS: u32 = 4;

/// Microseconds in 32 octaves: an hour and eleven minutes.
const SLOTS: usize = 128;

/// What takes longer counts as this.
const LONGEST: Duration = Duration::from_micros(4_294_967_295);

/// Items that a batch needs for its slowest to be a straggler.
const FEWEST: u32 = 3;

/// Counts of durations.
#[derive(Clone, Debug)]
pub struct Durations {
    counts: [u32; SLOTS],
    count: u32,
    slowest: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: [0; SLOTS], count: 0, slowest: Duration::ZERO }
    }
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        if let Some(count) = self.counts.get_mut(slot_of(took)) {
            *count += 1;
        }
        self.count += 1;
        self.slowest = self.slowest.max(took.min(LONGEST));
    }

    /// The slowest over the median; `None` for fewer than three.
    #[must_use]
    pub fn straggler_ratio(&self) -> Option<f64> {
        if self.count < FEWEST {
            return None;
        }
        let mut before = 0;
        let median = self.counts.iter().position(|count| {
            before += count;
            before * 2 > self.count
        })?;
        Some((self.slowest.as_secs_f64() / middle_of(median).as_secs_f64()).max(1.0))
    }
}

fn slot_of(took: Duration) -> usize {
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
    let octave = micros.ilog2();
    let part = ((u64::from(micros) * u64::from(PARTS)) >> octave) % u64::from(PARTS);
    usize::try_from(u64::from(octave * PARTS) + part).unwrap_or(SLOTS - 1)
}

/// The duration in the middle of a slot.
fn middle_of(slot: usize) -> Duration {
    let slot = u32::try_from(slot).unwrap_or_default();
    let (octave, part) = (slot / PARTS, slot % PARTS);
    Duration::from_secs_f64(
        f64::from(1_u32 << octave) * (1.0 + (f64::from(part) + 0.5) / f64::from(PARTS)) / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(milliseconds: &[u64]) -> Option<f64> {
        let mut durations = Durations::default();
        for took in milliseconds {
            durations.add(Duration::from_millis(*took));
        }
        durations.straggler_ratio()
    }

    #[test]
    fn the_ratio_is_that_of_the_slowest_to_the_median() {
        for (milliseconds, expected) in [
            (&[10, 10, 10][..], 1.0),
            (&[10, 100, 10], 10.0),
            (&[1, 2, 3, 4, 500], 167.0),
            (&[7_200_000, 7_200_000, 7_200_000], 1.0),
        ] {
            let found = ratio(milliseconds).unwrap();
            assert!((0.8..1.7).contains(&(found / expected)), "{milliseconds:?}: {found}");
        }
        assert_eq!((ratio(&[]), ratio(&[1, 100])), (None, None));
        assert!(ratio(&[0, 0, 0]).is_some_and(f64::is_finite));
    }
}

//! The number of retries that an upstream gets: a share of its calls of the last ten seconds, and a few in any case.
//!
//! In: calls and retries, one by one. Out: whether a retry may be made. A call is counted by one atomic; only a retry takes
//! a lock. The budget outlives a reload. Which calls may be retried at all is decided elsewhere (`retry`).

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::telemetry::LogThrottle;

/// Seconds that count.
const WINDOW: u64 = 10;
/// The same, as an array has it.
const SLOTS: usize = 10;
/// Retries in that time that are always allowed, so that an upstream with few calls has any.
const ALWAYS: u64 = 10;

/// The calls and retries of an upstream's last ten seconds, by second.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    clock: Stopwatch,
    /// Each has its second in the upper half, and the count of that second in the lower half.
    calls: [AtomicU64; SLOTS],
    retries: Mutex<[Retries; SLOTS]>,
    /// For log lines that say it is exhausted.
    pub(crate) throttle: LogThrottle,
}

/// The retries of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Retries {
    second: u64,
    count: u64,
}

impl RetryBudget {
    /// The current second, from 1, so that an empty slot is of no second.
    fn second(&self) -> u64 {
        self.clock.elapsed().as_secs() + 1
    }

    /// Counts a call, not its retries.
    pub(crate) fn count_call(&self) {
        let second = self.second();
        let Some(slot) = self.calls.get(slot_of(second)) else { return };
        let held = slot.load(Ordering::Relaxed);
        if held >> 32 == second {
            slot.fetch_add(1, Ordering::Relaxed);
        } else if slot
            .compare_exchange(held, (second << 32) | 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            // Another call was the second's first.
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many retries may be made now, of at most `percent` for every hundred calls.
    pub(crate) fn left(&self, percent: u64) -> u64 {
        self.left_of(percent, self.second(), &*self.retries.lock())
    }

    fn left_of(&self, percent: u64, second: u64, retries: &[Retries]) -> u64 {
        let counts = |of: u64| of + WINDOW > second;
        let held = self.calls.iter().map(|slot| slot.load(Ordering::Relaxed));
        let calls: u64 = held.filter(|held| counts(held >> 32)).map(|held| held & u64::from(u32::MAX)).sum();
        let made: u64 = retries.iter().filter(|made| counts(made.second)).map(|made| made.count).sum();
        (ALWAYS + calls * percent / 100).saturating_sub(made)
    }

    /// Takes one retry. There are at most `percent` for every hundred calls.
    pub(crate) fn take(&self, percent: u64) -> bool {
        let second = self.second();
        let mut retries = self.retries.lock();
        if self.left_of(percent, second, &*retries) == 0 {
            return false;
        }
        if let Some(made) = retries.get_mut(slot_of(second)) {
            let before = if made.second == second { made.count } else { 0 };
            *made = Retries { second, count: before + 1 };
        }
        true
    }
}

fn slot_of(second: u64) -> usize {
    usize::try_from(second % WINDOW).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn taken(budget: &RetryBudget, percent: u64, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.take(percent)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_upstream_has_a_few_retries_and_then_none() {
        let budget = RetryBudget::default();
        assert_eq!(budget.left(20), 10);
        assert_eq!(taken(&budget, 20, 7), 7);
        assert_eq!(budget.left(20), 3);
        assert_eq!(taken(&budget, 20, 100), 3);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(taken(&budget, 20, 100), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&budget, 20, 100), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_the_last_ten_seconds_bring_retries() {
        let budget = RetryBudget::default();
        for _ in 0..5 {
            (0..20).for_each(|_| budget.count_call());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(taken(&budget, 20, 100), 30);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(
            taken(&budget, 20, 100),
            0,
            "the calls of the first seconds are forgotten, the retries are not"
        );
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(taken(&budget, 20, 100), 10);
    }

    #[test]
    fn side_by_side_no_more_are_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let budget = RetryBudget::default();
        let taken: usize = std::thread::scope(|scope| {
            let work = || {
                (0..250).for_each(|_| budget.count_call());
                taken(&budget, 20, 1000)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((10..=210).contains(&taken), "{taken}");
    }

    proptest! {
        #[test]
        fn retries_never_go_over_the_budget(
            steps in prop::collection::vec((0_u64..4, 0_usize..50, 0_usize..50), 1..40),
            percent in 0_u64..=100,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let budget = RetryBudget::default();
                let (mut second, mut history) = (0, Vec::new());
                for (pause, calls, wanted) in steps {
                    tokio::time::advance(Duration::from_secs(pause)).await;
                    second += pause;
                    (0..calls).for_each(|_| budget.count_call());
                    history.push((second, calls as u64, taken(&budget, percent, wanted) as u64));
                    let recent = history.iter().filter(|(of, _, _)| of + WINDOW > second);
                    let (calls, retries) = recent.fold((0, 0), |(all, made), (_, calls, retries)| (all + calls, made + retries));
                    // Calls that went out of the window may have paid for retries that are still in it.
                    let paid: u64 = history.iter().filter(|(of, _, _)| of + 2 * WINDOW > second).map(|(_, calls, _)| calls).sum();
                    prop_assert!(retries <= ALWAYS + paid * percent / 100, "{retries} of {calls}");
                }
                Ok(())
            })?;
        }
    }
}

//! The token buckets of one rate limit, at most a fixed number of them. governor does the arithmetic. The buckets are
//! kept here, because governor's own stores grow without a bound.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use lru::LruCache;
use parking_lot::Mutex;
use prometheus::IntCounter;

use crate::telemetry::LogThrottle;

/// Identifies a bucket. It is a hash, so that text that a client sends takes no memory.
pub(super) type Key = u64;

/// What was taken from a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many may pass.
    pub(super) admitted: u32,
    /// How many tokens are left.
    pub(super) remaining: u32,
    /// How long until there is room for those that may not pass, or for a full burst of them; `None` if all may pass.
    pub(super) wait: Option<Duration>,
}

/// The buckets of one rate limit.
pub(super) struct Buckets<C: Clock = MonotonicClock> {
    limiter: RateLimiter<Key, Recent, C, StateInformationMiddleware>,
    burst: NonZeroU32,
    period: Duration,
}

/// The buckets that were used most recently. They share one lock, which is held for a look-up and a little arithmetic,
/// once per request, batch, or line of a stream.
struct Recent {
    states: Mutex<LruCache<Key, Nanos>>,
    max_buckets: NonZeroUsize,
    forgotten: Forgotten,
}

/// Reports buckets that are dropped to make room for others.
pub(super) struct Forgotten {
    pub(super) limit: Arc<str>,
    pub(super) count: IntCounter,
    pub(super) throttle: LogThrottle,
}

impl Forgotten {
    fn report(&self) {
        self.count.inc();
        if self.throttle.may_log() {
            let (limit, so_far) = (format!("rate_limits.{}.max_clients", self.limit), self.count.get());
            tracing::warn!(kind = "rate_limit", limit, so_far, "a client's share was forgotten");
        }
    }
}

impl StateStore for Recent {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // A bucket is one number, which a panic can't leave half written.
        let mut states = self.states.lock();
        let (result, state) = measure(states.get(key).copied())?;
        states.put(*key, state);
        if states.len() > self.max_buckets.get() && states.pop_lru().is_some() {
            self.forgotten.report();
        }
        Ok(result)
    }
}

impl<C: Clock> Buckets<C> {
    /// Buckets of `burst` tokens that regain one token every `period`. At most `max_buckets` are kept.
    pub(super) fn new(
        burst: NonZeroU32,
        period: Duration,
        max_buckets: NonZeroUsize,
        forgotten: Forgotten,
        clock: C,
    ) -> Self {
        // The configuration can't hold a period of zero.
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst);
        let recent = Recent { states: Mutex::new(LruCache::unbounded()), max_buckets, forgotten };
        Self { limiter: RateLimiter::new(quota, recent, clock), burst, period }
    }

    /// Takes all of `wanted`, or nothing. More than the burst can never be taken.
    pub(super) fn take_all(&self, key: Key, wanted: NonZeroU32) -> Taken {
        match self.check(key, wanted.min(self.burst)) {
            Ok(remaining) => Taken { admitted: wanted.get(), remaining, wait: None },
            Err(wait) => {
                let remaining = self.possible(wanted.min(self.burst), wait);
                Taken { admitted: 0, remaining, wait: Some(wait) }
            }
        }
    }

    /// Takes as many of `wanted` as there are.
    pub(super) fn take_some(&self, key: Key, wanted: NonZeroU32) -> Taken {
        let mut taken = Taken { admitted: 0, remaining: 0, wait: None };
        while let Some(missing) = NonZeroU32::new(wanted.get() - taken.admitted) {
            let asked = missing.min(self.burst);
            let possible = match self.check(key, asked) {
                Ok(remaining) => {
                    taken = Taken { admitted: taken.admitted + asked.get(), remaining, wait: None };
                    continue;
                }
                Err(wait) => {
                    taken = Taken { remaining: 0, wait: Some(wait), ..taken };
                    self.possible(asked, wait)
                }
            };
            // Others may have taken tokens meanwhile; the next round finds out.
            let Some(possible) = NonZeroU32::new(possible) else { break };
            if self.check(key, possible).is_ok() {
                taken.admitted += possible.get();
            }
        }
        taken
    }

    /// Takes `wanted` tokens. Returns how many are left, or how long until there are enough.
    fn check(&self, key: Key, wanted: NonZeroU32) -> Result<u32, Duration> {
        match self.limiter.check_key_n(&key, wanted) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.limiter.clock().now())),
            // Can't happen: no caller asks for more than the burst.
            Err(_) => Err(self.period),
        }
    }

    /// How many of `asked` tokens are there now, if all of them will be there after `wait`.
    fn possible(&self, asked: NonZeroU32, wait: Duration) -> u32 {
        let missing = wait.as_nanos().div_ceil(self.period.as_nanos().max(1)).max(1);
        asked.get().saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// Buckets of 5 tokens that regain one token every 100 ms.
    fn buckets(max_buckets: usize) -> (Buckets<FakeRelativeClock>, FakeRelativeClock, IntCounter) {
        let clock = FakeRelativeClock::default();
        let forgotten = IntCounter::new("forgotten", "x").unwrap();
        let max_buckets = NonZeroUsize::new(max_buckets).unwrap();
        let (limit, throttle) = ("all".into(), LogThrottle::default());
        let reporter = Forgotten { limit, count: forgotten.clone(), throttle };
        let buckets =
            Buckets::new(number(5), Duration::from_millis(100), max_buckets, reporter, clock.clone());
        (buckets, clock, forgotten)
    }

    fn taken(admitted: u32, remaining: u32, wait: Option<u64>) -> Taken {
        Taken { admitted, remaining, wait: wait.map(Duration::from_millis) }
    }

    #[test]
    fn at_most_the_available_tokens_are_taken() {
        let (buckets, clock, _) = buckets(9);
        assert_eq!(buckets.take_some(1, number(3)), taken(3, 2, None));
        assert_eq!(buckets.take_some(1, number(3)), taken(2, 0, Some(100)));
        assert_eq!(buckets.take_some(1, number(3)), taken(0, 0, Some(300)));
        clock.advance(Duration::from_millis(250));
        assert_eq!(buckets.take_some(1, number(3)), taken(2, 0, Some(50)));
        assert_eq!(buckets.take_some(2, number(1)), taken(1, 4, None), "another one's bucket");
    }

    #[test]
    fn more_than_the_burst_waits_for_a_burst() {
        let (buckets, clock, _) = buckets(9);
        assert_eq!(buckets.take_some(1, number(12)), taken(5, 0, Some(500)));
        clock.advance(Duration::from_millis(500));
        assert_eq!(buckets.take_some(1, number(7)), taken(5, 0, Some(200)));
    }

    #[test]
    fn all_are_taken_or_none() {
        let (buckets, clock, _) = buckets(9);
        assert_eq!(buckets.take_all(1, number(3)), taken(3, 2, None));
        assert_eq!(buckets.take_all(1, number(4)), taken(0, 2, Some(200)));
        assert_eq!(buckets.take_all(1, number(2)), taken(2, 0, None), "nothing was spent in vain");
        clock.advance(Duration::from_millis(400));
        assert_eq!(buckets.take_all(1, number(4)), taken(4, 0, None));
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_is_forgotten() {
        let (buckets, _, forgotten) = buckets(2);
        for key in [1, 2, 1, 3] {
            buckets.take_some(key, number(5));
        }
        assert_eq!(forgotten.get(), 1);
        assert_eq!(buckets.take_some(1, number(1)).admitted, 0);
        assert_eq!(buckets.take_some(2, number(1)).admitted, 1, "it was forgotten, so it starts full");
    }
}

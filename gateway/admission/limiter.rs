//! One rate limit: its buckets, to whom each belongs, and what replies say about it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::MonotonicClock;
use http::header::HeaderMap;
use prometheus::IntCounter;

use crate::batch::AdmissionRefusal;
use crate::config::{RateLimit, Share};
use crate::header::retry_after::whole_seconds;
use crate::limiter::Client;
use crate::telemetry::{LogThrottle, Metrics};

use super::buckets::{Buckets, Forgotten, Key, Taken};
use super::caller::Caller;

/// A rate limit in use.
pub(crate) struct Limiter {
    pub(crate) settings: RateLimit,
    pub(super) buckets: Buckets,
    /// Counts items and requests that exceeded the limit.
    pub(super) held_back: IntCounter,
    hasher: RandomState,
}

impl Limiter {
    /// Puts the rate limits of a configuration to work. Limits that are unchanged since `before` keep their buckets.
    pub(crate) fn all(limits: &[RateLimit], metrics: &Metrics, before: &[Arc<Self>]) -> Vec<Arc<Self>> {
        let kept = |limit: &RateLimit| before.iter().find(|before| before.settings == *limit).map(Arc::clone);
        let new = |limit| Arc::new(Self::new(limit, metrics));
        limits.iter().map(|limit| kept(limit).unwrap_or_else(|| new(limit))).collect()
    }

    fn new(limit: &RateLimit, metrics: &Metrics) -> Self {
        let count = metrics.limit_clients_forgotten.with_label_values(&[&limit.name]);
        let forgotten = Forgotten { limit: Arc::clone(&limit.name), count, throttle: LogThrottle::default() };
        Self {
            buckets: Buckets::new(limit.burst, limit.period, limit.max_clients, forgotten, MonotonicClock),
            held_back: metrics.rate_limited.with_label_values(&[&limit.name]),
            hasher: RandomState::new(),
            settings: limit.clone(),
        }
    }

    /// The bucket from which a request takes. That of `Share::Route` follows from the route alone.
    pub(super) fn key(&self, caller: &Caller, headers: &HeaderMap) -> Key {
        match &self.settings.per {
            Share::Client => self.hasher.hash_one(caller.client()),
            Share::Address => self.hasher.hash_one(Client::at(caller.address)),
            Share::Header(name) => {
                let values: Vec<_> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
                self.hasher.hash_one(values)
            }
            Share::Route | Share::All => 0,
        }
    }

    /// The refusal of something for which there is room after `wait`.
    pub(super) fn refusal(&self, wait: Duration) -> AdmissionRefusal {
        let retry_after = Duration::from_secs(whole_seconds(wait).max(1));
        AdmissionRefusal::RateLimited { limit: Arc::clone(&self.settings.name), retry_after }
    }

    /// The quota policy of a `RateLimit-Policy` field: `"clients";q=1000;w=10`.
    pub(super) fn policy(&self) -> String {
        let RateLimit { name, burst, period, .. } = &self.settings;
        format!("\"{name}\";q={burst};w={}", whole_seconds(period.saturating_mul(burst.get())).max(1))
    }

    /// The service limit of a `RateLimit` field: `"clients";r=50;t=30`. `t` is the time until there is room: after a
    /// refusal for what was refused, otherwise for a full burst.
    pub(super) fn limit(&self, taken: Taken) -> String {
        let RateLimit { name, burst, period, .. } = &self.settings;
        let full = period.saturating_mul(burst.get().saturating_sub(taken.remaining));
        let reset = whole_seconds(taken.wait.unwrap_or(full));
        format!("\"{name}\";r={};t={reset}", taken.remaining)
    }
}

//! Asks the rate limits about one request, batch or stream, and remembers their answers for its reply.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

use crate::batch::{AdmissionRefusal, ItemRejection};
use crate::config::{LimitedBatch, Share};
use crate::plan::{PlannedItem, Step};
use crate::route::RouteIndex;

use super::buckets::{Key, Taken};
use super::caller::Caller;
use super::limiter::Limiter;

/// Fields of draft-ietf-httpapi-ratelimit-headers.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How items arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batching {
    /// All at once, so a limit may take all or none.
    Whole,
    /// One by one, as lines of a stream.
    Streamed,
}

/// Counts what one request, batch or stream takes from the rate limits.
#[derive(Default)]
pub(crate) struct Meter {
    readings: Vec<Reading>,
}

/// One limit, the bucket that is taken from, and the limit's last answer.
struct Reading {
    limiter: Arc<Limiter>,
    key: Key,
    last: Option<Taken>,
}

impl Meter {
    /// For this caller, with these fields in its request.
    pub(crate) fn new(limiters: &[Arc<Limiter>], caller: &Caller, headers: &HeaderMap) -> Self {
        let reading = |limiter: &Arc<Limiter>| Reading {
            limiter: Arc::clone(limiter),
            key: limiter.key(caller, headers),
            last: None,
        };
        Self { readings: limiters.iter().map(reading).collect() }
    }

    /// Counts a single request.
    ///
    /// # Errors
    /// This limit has no room for it.
    pub(crate) fn admit_request(&mut self, route: RouteIndex) -> Result<(), AdmissionRefusal> {
        for reading in self.readings.iter_mut().filter(|reading| reading.limiter.settings.counts(route)) {
            let taken = reading.take(route, NonZeroU32::MIN, Amount::UpTo);
            if let Some(wait) = taken.wait {
                reading.limiter.held_back.inc();
                return Err(reading.limiter.refusal(wait));
            }
        }
        Ok(())
    }

    /// Counts planned items. Those that exceed the limit become rejections.
    ///
    /// # Errors
    /// This limit takes all items or none, and has no room for all.
    pub(crate) fn admit_items(
        &mut self,
        items: &mut [PlannedItem],
        batching: Batching,
    ) -> Result<(), AdmissionRefusal> {
        for reading in &mut self.readings {
            for (route, members) in reading.members(items) {
                reading.admit(items, route, &members, batching)?;
            }
        }
        Ok(())
    }

    /// The `RateLimit` and `RateLimit-Policy` fields; none if no limit has counted anything.
    pub(crate) fn fields(&self) -> Vec<(HeaderName, String)> {
        let counted = || self.readings.iter().filter_map(|reading| Some((&reading.limiter, reading.last?)));
        let policies: Vec<_> = counted().map(|(limiter, _)| limiter.policy()).collect();
        if policies.is_empty() {
            return Vec::new();
        }
        let limits: Vec<_> = counted().map(|(limiter, taken)| limiter.limit(taken)).collect();
        vec![(RATELIMIT_POLICY, policies.join(", ")), (RATELIMIT, limits.join(", "))]
    }
}

/// How many of the wanted tokens may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    AllOrNone,
    UpTo,
}

impl Reading {
    fn take(&mut self, route: RouteIndex, wanted: NonZeroU32, amount: Amount) -> Taken {
        let key = if self.limiter.settings.per == Share::Route { route.0 as Key } else { self.key };
        let buckets = &self.limiter.buckets;
        let taken = match amount {
            Amount::AllOrNone => buckets.take_all(key, wanted),
            Amount::UpTo => buckets.take_some(key, wanted),
        };
        // Of the shares of several routes, the reply shows the one with the least left.
        let least = self.last.filter(|last| last.wait.is_some() && taken.wait.is_none());
        self.last = Some(least.unwrap_or(taken));
        taken
    }

    /// The items that the limit counts, by position: for each share, one of its routes and its items.
    fn members(&self, items: &[PlannedItem]) -> Vec<(RouteIndex, Vec<usize>)> {
        let settings = &self.limiter.settings;
        let mut shares: Vec<(RouteIndex, Vec<usize>)> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let Some(route) = item.route.filter(|route| settings.counts(*route)) else { continue };
            if matches!(item.step, Step::Rejected(_)) {
                continue;
            }
            let same =
                |(other, _): &&mut (RouteIndex, Vec<usize>)| *other == route || settings.per != Share::Route;
            match shares.iter_mut().find(same) {
                Some((_, places)) => places.push(place),
                None => shares.push((route, vec![place])),
            }
        }
        shares
    }

    fn admit(
        &mut self,
        items: &mut [PlannedItem],
        route: RouteIndex,
        members: &[usize],
        batching: Batching,
    ) -> Result<(), AdmissionRefusal> {
        let number = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let Some(wanted) = NonZeroU32::new(number) else { return Ok(()) };
        let settings = &self.limiter.settings;
        let is_complete = settings.batch == LimitedBatch::Whole && batching == Batching::Whole;
        let amount = if is_complete { Amount::AllOrNone } else { Amount::UpTo };
        if amount == Amount::AllOrNone && wanted > settings.burst {
            self.limiter.held_back.inc_by(number.into());
            let (limit, burst) = (Arc::clone(&settings.name), settings.burst.get());
            return Err(AdmissionRefusal::OverBurst { limit, burst });
        }
        let taken = self.take(route, wanted, amount);
        let Some(wait) = taken.wait else { return Ok(()) };
        self.limiter.held_back.inc_by(number.saturating_sub(taken.admitted).into());
        let refusal = self.limiter.refusal(wait);
        if amount == Amount::AllOrNone {
            return Err(refusal);
        }
        let admitted = usize::try_from(taken.admitted).unwrap_or(usize::MAX);
        for place in members.iter().skip(admitted) {
            if let Some(item) = items.get_mut(*place) {
                item.step = Step::Rejected(ItemRejection::NotAdmitted(refusal.clone()));
            }
        }
        Ok(())
    }
}

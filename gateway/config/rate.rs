//! `rate` of an upstream: how fast its calls start.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::yaml::quantity;
use super::yaml::schema::allow_short_form;
use crate::limiter::Rate;

/// How fast calls may start; without a burst, the limit alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_limit_alone)]
pub(in crate::config) struct RateDocument {
    /// Calls a second (`50/s`), a minute or an hour, one evenly after the other.
    #[schemars(example = &"50/s")]
    pub(in crate::config) limit: quantity::Rate,

    /// Calls that may start at once after a pause. Absent: what the limit lets through in 10 ms, at least
    /// 1.
    #[schemars(range(max = 65536))]
    pub(in crate::config) burst: Option<NonZeroUsize>,
}

/// How much time an unconfigured burst covers. A sleep takes at least a millisecond, so without bursts a high rate would
/// never be reached.
const SMALL_BURST: Duration = Duration::from_millis(10);

impl RateDocument {
    pub(super) fn in_use(&self) -> Rate {
        let interval = self.limit.period();
        let in_small_burst = SMALL_BURST.as_nanos() / interval.as_nanos().max(1);
        let small = usize::try_from(in_small_burst).ok().and_then(NonZeroUsize::new);
        Rate { interval, burst: self.burst.or(small).unwrap_or(NonZeroUsize::MIN) }
    }
}

fn with_limit_alone(schema: &mut Schema) {
    allow_short_form(schema, "limit");
}

//! How long is waited before something is sent once more.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::header::retry_after;

/// The pause before the first retry, of which a random part is left out, up to half; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The pause after so many attempts, of which a random part is left out.
pub(crate) fn pause_after(made: usize) -> Duration {
    let doubled = u32::try_from(made.saturating_sub(1)).unwrap_or(u32::MAX);
    let whole = PAUSE.saturating_mul(1_u32.checked_shl(doubled).unwrap_or(u32::MAX)).min(MAX_PAUSE);
    whole.mul_f64(rand::random_range(0.5..=1.0))
}

/// How often what an upstream did not process is sent again without being an attempt of its own.
const MAX_ASIDES: usize = 4;

/// The pause before something is sent again that the upstream did not process (RFC 9113 §8.7), after so many times:
/// none at first. `None`: it has been sent often enough, or there is no time `left`.
pub(crate) fn pause_aside(times: usize, left: Duration) -> Option<Duration> {
    let pause = if times == 0 { Duration::ZERO } else { pause_after(times) };
    (times < MAX_ASIDES && pause < left).then_some(pause)
}

/// How long a reply asks to wait, if it does.
pub(crate) fn wanted_pause(headers: &HeaderMap) -> Option<Duration> {
    retry_after::parse(headers.get(RETRY_AFTER)?)
}

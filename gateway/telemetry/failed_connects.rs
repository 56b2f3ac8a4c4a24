//! How the targets that a call could not be connected to are shown, to the log, `/batches` and traces.

use std::fmt::{self, Display, Formatter};

use crate::dispatch::{FailedConnect, FailedConnects, GIVEN_UP};
use crate::problem::failure_reason;

/// Why a connection was not opened: a reason as metrics have it, or that nobody waited for it any more.
#[must_use]
pub fn connect_reason(failed: &FailedConnect) -> &'static str {
    failed.failure.map_or(GIVEN_UP, failure_reason)
}

/// As the log has them: `10.0.0.1:80 connection_timeout 1000.3ms, 10.0.0.2:80 connection_refused 0.1ms`.
pub(super) struct Shown<'call>(pub(super) &'call FailedConnects);

impl<'call> Shown<'call> {
    /// `None`: every connection was opened.
    pub(super) fn if_any(failed: &'call FailedConnects) -> Option<Self> {
        failed.last().map(|_| Self(failed))
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (number, failed) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            let took = failed.end.since(failed.began).as_secs_f64() * 1e3;
            write!(formatter, "{comma}{} {} {took:.1}ms", failed.target, connect_reason(failed))?;
        }
        match self.0.omitted() {
            0 => Ok(()),
            more => write!(formatter, ", and {more} more"),
        }
    }
}

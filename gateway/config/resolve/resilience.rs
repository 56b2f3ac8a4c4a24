//! Retries that fit their time limits, circuits, health checks.

use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;

use super::{Resolved, Resolver};
use crate::config::document::{
    BreakerDocument, FailureDocument, HealthCheckDocument, RetryDocument, TimeoutDocument,
};
use crate::config::yaml::wrappers::At;
use crate::config::{Breaker, FailureKinds, HealthCheck, Retry};

impl Resolver<'_> {
    pub(super) fn retry(
        &mut self,
        document: &At<RetryDocument>,
        timeout: &TimeoutDocument,
    ) -> Resolved<Retry> {
        let RetryDocument { attempts, budget, on, status, timeout: own } = &document.value;
        let kinds = kinds(on.iter().map(|kind| kind.value));
        // Retries by default, where `retry` is not written, are no promise.
        if document.span.is_some() && attempts.value.get() > 1 {
            self.fits(document, kinds, timeout)?;
        }
        Ok(Retry {
            attempts: attempts.value,
            budget: budget.0,
            on: kinds,
            status: statuses(status),
            timeout: own.as_ref().map(|own| own.value.0),
        })
    }

    /// All attempts have to fit into `timeout.item`, or the last of them would never be made.
    fn fits(
        &mut self,
        document: &At<RetryDocument>,
        kinds: FailureKinds,
        timeout: &TimeoutDocument,
    ) -> Resolved<()> {
        let RetryDocument { attempts, on, timeout: own, .. } = &document.value;
        let item = timeout.item.value.0;
        if let (true, None) = (kinds.timeout, own) {
            let span = on.iter().find(|kind| kind.value == FailureDocument::Timeout);
            return self.refuse(
                span.and_then(|kind| kind.span),
                "a retry after a timeout has no time left: an attempt may take all of `timeout.item`",
                "say how long one attempt may take with `retry.timeout`",
            );
        }
        let (key, span, each) = match own {
            Some(own) => ("retry.timeout", own.span, own.value.0),
            None if kinds.connect => {
                ("timeout.connect", attempts.span.or(document.span), timeout.connect.value.0)
            }
            None => return Ok(()),
        };
        let count = u32::try_from(attempts.value.get()).unwrap_or(u32::MAX);
        if each.saturating_mul(count) <= item {
            return Ok(());
        }
        let message = format!(
            "{count} attempts of {} each (`{key}`) don't fit into {} (`timeout.item`)",
            written(each),
            written(item)
        );
        self.refuse(
            span,
            message,
            format!("make `{key}` shorter, `timeout.item` longer, or `attempts` fewer"),
        )
    }

    pub(super) fn breaker(&mut self, document: &BreakerDocument) -> Resolved<Breaker> {
        let BreakerDocument { failures, on, status, base, max, max_ejected } = document;
        if max.value.0 < base.0 {
            return self.refuse(
                max.span,
                "the longest ejection (`max`) is shorter than the first (`base`)",
                "write a `max` that is at least `base`",
            );
        }
        Ok(Breaker {
            failures: *failures,
            on: kinds(on.iter().copied()),
            status: statuses(status),
            base: base.0,
            max: max.value.0,
            max_ejected: max_ejected.0,
        })
    }

    pub(super) fn health_check(&mut self, document: &HealthCheckDocument) -> Resolved<HealthCheck> {
        let path = &document.path;
        let parsed = path.value.parse::<PathAndQuery>().ok().filter(|_| path.value.starts_with('/'));
        let Some(parsed) = parsed else {
            let message = format!("{} is not a path", path.shown());
            return self.refuse(path.span, message, "write a path such as `/health`");
        };
        Ok(HealthCheck {
            path: parsed,
            interval: document.interval.0,
            timeout: document.timeout.0,
            healthy: document.healthy,
            unhealthy: document.unhealthy,
            status: statuses(&document.status),
        })
    }
}

fn kinds(on: impl Iterator<Item = FailureDocument>) -> FailureKinds {
    on.fold(FailureKinds::default(), |kinds, kind| match kind {
        FailureDocument::Connect => FailureKinds { connect: true, ..kinds },
        FailureDocument::Lost => FailureKinds { lost: true, ..kinds },
        FailureDocument::Timeout => FailureKinds { timeout: true, ..kinds },
    })
}

/// The schema lets no number through that is no status.
fn statuses(numbers: &[u16]) -> Vec<StatusCode> {
    numbers.iter().filter_map(|number| StatusCode::from_u16(*number).ok()).collect()
}

fn written(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

//! `retry` of an upstream: when a call is made once more, and whether all attempts fit into its time.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::failure_kinds::FailureKinds;
use super::resolver::{Resolved, Resolver};
use super::status;
use super::timeout::UpstreamTimeouts;
use super::yaml::quantity::{OptionalTimeLimit, Percent};
use super::yaml::written::Written;

/// When a call is made once more. Only if no byte of it was sent, or its method is idempotent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts of one call in all; 1: no retries.
    #[schemars(range(max = 10))]
    pub attempts: NonZeroUsize,
    /// Retries to calls of the last 10 seconds, at most; 10 in that time are always allowed.
    #[serde(with = "Percent")]
    pub budget: u64,
    /// The failures after which there is a retry.
    pub on: FailureKinds,
    /// The statuses after which there is a retry.
    #[schemars(with = "Vec<u16>", inner(range(min = 400, max = 599)))]
    #[serde(with = "status")]
    pub status: Vec<StatusCode>,
    /// How long an attempt may take while another may follow; needed where `on` has `timeout`.
    #[serde(with = "OptionalTimeLimit", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: number::<2>(),
            budget: 20,
            on: FailureKinds { connect: true, lost: true, timeout: false },
            status: Vec::new(),
            timeout: None,
        }
    }
}

impl Resolver<'_> {
    pub(super) fn retry(
        &mut self,
        retry: &Retry,
        timeout: &UpstreamTimeouts,
        upstream: Written<'_>,
    ) -> Resolved<Retry> {
        let written = upstream.key("retry");
        // Retries by default, where `retry` is not set, are not a promise.
        if written.span().is_some() && retry.attempts.get() > 1 {
            self.fits(retry, timeout, written)?;
        }
        Ok(retry.clone())
    }

    /// All attempts have to fit into `timeout.item`, or the last of them would never be made.
    fn fits(&mut self, retry: &Retry, timeout: &UpstreamTimeouts, written: Written<'_>) -> Resolved<()> {
        let Retry { attempts, on, timeout: own, .. } = retry;
        if on.timeout && own.is_none() {
            return self.refuse(
                written.key("on").element_that_is("timeout").span(),
                "a retry after a timeout has no time left: an attempt may take all of `timeout.item`",
                "say how long one attempt may take with `retry.timeout`",
            );
        }
        let (key, span, each) = match own {
            Some(own) => ("retry.timeout", written.key("timeout").span(), *own),
            None if on.connect => {
                let span = written.key("attempts").span().or(written.span());
                ("timeout.connect", span, timeout.connect)
            }
            None => return Ok(()),
        };
        let count = u32::try_from(attempts.get()).unwrap_or(u32::MAX);
        if each.saturating_mul(count) <= timeout.item {
            return Ok(());
        }
        let message = format!(
            "{count} attempts of {} ms each (`{key}`) don't fit into {} ms (`timeout.item`)",
            each.as_millis(),
            timeout.item.as_millis()
        );
        let help = format!("make `{key}` shorter, `timeout.item` longer, or `attempts` fewer");
        self.refuse(span, message, help)
    }
}

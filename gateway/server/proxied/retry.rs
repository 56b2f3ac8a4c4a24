//! When a proxied request is sent once more: as a call of an item is (`engine/retry.rs`), as far as pingora's retries allow.
//! Nothing of a reply may have reached the client, the method has to be idempotent unless nothing was sent, and
//! what has come of the body has to be held still (pingora keeps 64 KiB of it).
//!
//! An answer that brings a retry is forgotten: unlike an item's, it can't stand in for what comes after it.
//! `retry.timeout` does not hold, because pingora knows no time of an attempt.

use std::time::Duration;

use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, RetryType};

use crate::dispatch::{CallFailure, FailureKind};
use crate::stitch::problem::is_idempotent;

use super::super::failure;
use super::super::gateway::Gateway;
use super::super::retry_pause::{pause_after, wanted_pause};
use super::super::snapshot::UpstreamState;
use super::{Context, Proxied};

/// Idle connections that may turn out to be gone, and targets that may refuse, for one attempt.
const MAX_SIDESTEPS: usize = 4;

/// What a request has come to at its upstream.
#[derive(Default)]
pub(super) struct Attempts {
    /// Attempts so far that count for `retry.attempts`.
    made: usize,
    /// Tries beside that.
    sidesteps: usize,
    /// Something of it may have reached a service.
    pub(super) was_sent: bool,
    /// Before the next one.
    pub(super) pause: Option<Duration>,
    /// The reply that has come asks for one more.
    is_asked_again: bool,
}

impl Proxied {
    /// Whether there may be one more attempt. If so, it goes to another target where there is one.
    fn grant(
        &mut self,
        gateway: &Gateway,
        upstream: &UpstreamState,
        (reason, wanted): (&'static str, Duration),
    ) -> bool {
        let UpstreamState { settings, retry_budget, .. } = upstream;
        let made = self.attempts.made + 1;
        let pause = pause_after(made).max(wanted);
        let in_time = pause < settings.timeout.item && self.ends.is_some_and(|ends| pause < ends.remaining());
        if made >= settings.retry.attempts.get() || !in_time {
            return false;
        }
        let name = settings.name.as_str();
        if !retry_budget.take(settings.retry.budget) {
            gateway.metrics.upstreams.retry_budget_exhausted.with_label_values(&[name]).inc();
            return false;
        }
        gateway.metrics.upstreams.retries.with_label_values(&[name, reason]).inc();
        if !upstream.targets.has_other(&self.tried) {
            self.tried.clear();
        }
        self.attempts.made = made;
        self.attempts.sidesteps = 0;
        self.attempts.pause = Some(pause);
        true
    }

    fn may_sidestep(&mut self) -> bool {
        self.attempts.sidesteps += 1;
        self.attempts.sidesteps < MAX_SIDESTEPS
    }
}

/// A connection could not be opened: the next target is tried, if there is one.
#[expect(clippy::unnecessary_box_returns, reason = "pingora's hook wants it so")]
pub(in super::super) fn connect_failed(
    gateway: &Gateway,
    context: &mut Context,
    mut error: Box<Error>,
) -> Box<Error> {
    let (Some(proxied), snapshot) = (&mut context.proxied, &context.snapshot) else { return error };
    let failure = failure::of_connect(&error);
    proxied.connect_failure = Some(failure);
    let Some(upstream) = snapshot.upstream(proxied.upstream) else { return error };
    gateway.count_connect_error(&upstream.settings.name, failure);
    if let Some(mut lease) = proxied.lease.take() {
        upstream.targets.failed(&mut lease, failure);
    }
    let is_next = upstream.targets.has_other(&proxied.tried) && proxied.may_sidestep();
    // What is not trusted now is not trusted later.
    let is_hopeful = failure != CallFailure::TlsHandshake && upstream.settings.retry.on.count(failure);
    error.set_retry(is_next || is_hopeful && proxied.grant(gateway, upstream, ("connect", Duration::ZERO)));
    error
}

/// The exchange on an open connection failed.
#[expect(clippy::unnecessary_box_returns, reason = "pingora's hook wants it so")]
pub(in super::super) fn exchange_failed(
    gateway: &Gateway,
    session: &mut Session,
    context: &mut Context,
    (mut error, is_reused): (Box<Error>, bool),
) -> Box<Error> {
    let is_safe = may_be_sent_again(session) && !context.is_over_time();
    let is_body_whole = session.as_downstream_mut().is_body_done();
    // pingora knows of an idle connection that was gone, and of a service that goes away before it looks at a request.
    let is_stale = match error.retry {
        RetryType::ReusedOnly => is_reused,
        RetryType::Decided(wanted) => wanted,
    };
    error.set_retry(false);
    let (Some(proxied), snapshot) = (&mut context.proxied, &context.snapshot) else { return error };
    let Some(upstream) = snapshot.upstream(proxied.upstream) else { return error };
    if std::mem::take(&mut proxied.attempts.is_asked_again) {
        error.set_retry(true);
        return error;
    }
    if *error.esource() != ErrorSource::Upstream {
        return error;
    }
    // RFC 9110 §9.2.2, RFC 9112 §9.3.1: that is no fault of the target, so it needs no budget.
    if is_stale && is_safe && proxied.may_sidestep() {
        gateway
            .metrics
            .upstreams
            .retries
            .with_label_values(&[upstream.settings.name.as_str(), "stale"])
            .inc();
        proxied.tried.clear();
        error.set_retry(true);
        return error;
    }
    proxied.attempts.was_sent = true;
    let failure = failure::of_exchange(&error);
    // A service that gives up while a client sends slowly is not at fault.
    if let Some(mut lease) = proxied.lease.take().filter(|_| is_body_whole) {
        upstream.targets.failed(&mut lease, failure);
    }
    let is_lost = failure.kind() == Some(FailureKind::Lost) && upstream.settings.retry.on.count(failure);
    error.set_retry(is_safe && is_lost && proxied.grant(gateway, upstream, ("lost", Duration::ZERO)));
    error
}

/// Looks at a reply's status before anything of it is handed on.
///
/// # Errors
/// The request is to be sent once more.
pub(in super::super) fn answered(
    gateway: &Gateway,
    session: &Session,
    response: &ResponseHeader,
    context: &mut Context,
) -> pingora::Result<()> {
    let is_safe = may_be_sent_again(session);
    let (Some(proxied), snapshot) = (&mut context.proxied, &context.snapshot) else { return Ok(()) };
    let Some(upstream) = snapshot.upstream(proxied.upstream) else { return Ok(()) };
    if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    if let Some(lease) = &mut proxied.lease {
        upstream.targets.answered(lease, response.status);
    }
    if !is_safe || !upstream.settings.retry.status.contains(&response.status) {
        return Ok(());
    }
    let wanted = wanted_pause(&response.headers).unwrap_or_default();
    if !proxied.grant(gateway, upstream, ("status", wanted)) {
        return Ok(());
    }
    proxied.attempts.is_asked_again = true;
    proxied.attempts.was_sent = true;
    proxied.lease = None;
    Error::e_explain(ErrorType::InternalError, "a status that is asked again")
}

/// Whether it does no harm if the service gets the request twice, and whether that can be done at all.
fn may_be_sent_again(session: &Session) -> bool {
    let downstream = session.as_downstream();
    let is_answered = session.response_written().is_some_and(|written| super::is_final(written.status));
    is_idempotent(&session.req_header().method) && !is_answered && !downstream.retry_buffer_truncated()
}

//! Makes results of outcomes.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};

use super::reply::{self, StitchContext};
use crate::batch::{ItemResult, MultiStatus, OutcomeKind, ResultBody, Subject};
use crate::dispatch::{DispatchedItem, Outcome, Sent, Timeline, Undone};
use crate::header::PROXY_STATUS;
use crate::header::field::Fields;
use crate::header::retry_after;
use crate::header::spelling::Spellings;
use crate::problem::{self, ErrorReply, Limit};
use crate::route::{Respond, RouteIndex, UpstreamIndex, method_label};

/// One item for metrics and logs.
#[derive(Clone, Debug)]
pub struct ItemReport {
    /// The route it matched, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it was for, if any.
    pub upstream: Option<UpstreamIndex>,
    /// Its method's label.
    pub method: &'static str,
    /// Its final status.
    pub status: StatusCode,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// When it was queued, started, sent and answered.
    pub timeline: Timeline,
    /// Why, if the gateway made the status: a word of a closed set.
    pub reason: Option<&'static str>,
    /// Whether it shared the call of another item.
    pub coalesced: bool,
    /// The limit that was exceeded, if it was one.
    pub limit: Option<Limit>,
    /// How undoing it ended, if its group failed after it may have changed something.
    pub undone: Option<Undone>,
}

/// Stitches results of a batch. N items in, N results and N reports out, in order. `budget` is what their bodies may cost; it
/// goes on to the items after them.
#[must_use]
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub fn stitch(
    items: Vec<DispatchedItem>,
    context: &StitchContext<'_>,
    budget: &mut reply::BodyBudget,
) -> (MultiStatus, Vec<ItemReport>) {
    let mut results = Vec::with_capacity(items.len());
    let mut reports = Vec::with_capacity(items.len());
    for item in items {
        let (result, report) = stitch_item(item, context, budget);
        results.push(result);
        reports.push(report);
    }
    (MultiStatus { results }, reports)
}

fn stitch_item(
    item: DispatchedItem,
    context: &StitchContext<'_>,
    budget: &mut reply::BodyBudget,
) -> (ItemResult, ItemReport) {
    let DispatchedItem { subject, route, upstream, outcome, timeline, coalesced, undone } = item;
    let method = subject.method.clone();
    let (mut result, cause) = match outcome {
        Outcome::Answered(reply) => {
            let origin = reply::Origin { route, upstream, context };
            match reply::readable(reply, &method, &origin, budget) {
                Ok(reply) => (answered(subject, reply), Cause::default()),
                Err(failure) => gateway_made(subject, problem::of_failure(failure, Sent::Maybe, &method)),
            }
        }
        Outcome::Responded(respond) => match problem::of_fixed_answer(&respond) {
            Some(error_reply) => gateway_made(subject, error_reply),
            None => (responded(subject, &respond), Cause::default()),
        },
        Outcome::Rejected(rejection) => gateway_made(subject, problem::of_rejection(&rejection)),
        Outcome::Skipped(reason) => gateway_made(subject, problem::of_skip(reason, context.decider)),
        Outcome::Undone { undone, on } => gateway_made(subject, problem::of_undone(undone, &on)),
        Outcome::Failed { failure, sent } => {
            gateway_made(subject, problem::of_failure(failure, sent, &method))
        }
    };
    context.change_fields(&mut result, route);
    if context.minimal && !result.is_failed() {
        result.headers.clear();
        result.body = ResultBody::Absent;
    }
    let report = ItemReport {
        route,
        upstream,
        method: method_label(&method),
        status: result.status,
        outcome: result.gateway.map_or(OutcomeKind::Answered, |made| made.outcome),
        timeline,
        reason: cause.reason,
        limit: cause.limit,
        coalesced,
        undone,
    };
    (result, report)
}

/// The Retry-After that the result of an item with this outcome will count with, if it may be sent again.
#[must_use]
pub fn retry_after_of(outcome: &Outcome, method: &Method) -> Option<Duration> {
    let error_reply = match outcome {
        Outcome::Answered(reply) => {
            return asked_to_wait(reply.status, reply.headers.get(header::RETRY_AFTER));
        }
        Outcome::Responded(respond) => match problem::of_fixed_answer(respond) {
            Some(error_reply) => error_reply,
            None => return asked_to_wait(respond.status, respond.header(&header::RETRY_AFTER)),
        },
        Outcome::Rejected(rejection) => problem::of_rejection(rejection),
        Outcome::Failed { failure, sent } => problem::of_failure(*failure, *sent, method),
        // These never say when.
        Outcome::Skipped(_) | Outcome::Undone { .. } => return None,
    };
    error_reply.retry_after.filter(|_| error_reply.retryable)
}

fn asked_to_wait(status: StatusCode, retry_after: Option<&HeaderValue>) -> Option<Duration> {
    retry_after.filter(|_| is_busy(status)).and_then(retry_after::parse)
}

/// Whether the status asks the client to come back later (RFC 6585 §4, RFC 9110 §15.6.4).
fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn answered(subject: Subject, reply: reply::Readable) -> ItemResult {
    let retry_after = reply.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER);
    let retry_after = asked_to_wait(reply.status, retry_after.map(|(_, value)| value));
    ItemResult {
        subject,
        status: reply.status,
        headers: reply.headers,
        spellings: reply.spellings,
        body: reply.body,
        gateway: None,
        retryable: is_busy(reply.status),
        retry_after,
    }
}

fn responded(subject: Subject, respond: &Respond) -> ItemResult {
    let body = if subject.method == Method::HEAD || respond.body.is_empty() {
        ResultBody::Absent
    } else {
        ResultBody::Bytes(respond.body.clone())
    };
    let has_body = matches!(body, ResultBody::Bytes(_));
    let headers = respond.fields().filter(|(name, _)| has_body || *name != header::CONTENT_TYPE).collect();
    let retryable = is_busy(respond.status);
    let retry_after = asked_to_wait(respond.status, respond.header(&header::RETRY_AFTER));
    ItemResult {
        subject,
        status: respond.status,
        headers,
        spellings: Spellings::default(),
        body,
        gateway: None,
        retryable,
        retry_after,
    }
}

/// Why the gateway made an item's status; empty if it did not.
#[derive(Default)]
struct Cause {
    reason: Option<&'static str>,
    limit: Option<Limit>,
}

fn gateway_made(subject: Subject, error_reply: ErrorReply) -> (ItemResult, Cause) {
    let proxy_status = error_reply.proxy_status();
    let ErrorReply { problem, made, retryable, retry_after, allow, fields, reason, limit, .. } = error_reply;
    let mut headers = Fields::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.push((name, value));
        }
    };
    add(PROXY_STATUS, Some(proxy_status));
    add(header::ALLOW, allow);
    add(header::RETRY_AFTER, retry_after.map(retry_after::write));
    headers.extend(fields);
    let status = problem.status;
    let body = if subject.method == Method::HEAD {
        ResultBody::Absent
    } else {
        ResultBody::Problem(Box::new(problem))
    };
    let spellings = Spellings::default();
    let gateway = Some(made);
    let result = ItemResult { subject, status, headers, spellings, body, gateway, retryable, retry_after };
    (result, Cause { reason: Some(reason), limit })
}

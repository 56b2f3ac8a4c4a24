//! The values of a line's fields, by the kind of the line. The documentation is made of the same tables.

use std::borrow::Cow;

use http::request::Parts as Head;
use http::{HeaderMap, Version, header};

use crate::config::AccessField as Field;
use crate::dispatch::Timeline;
use crate::route::method_label;
use crate::telemetry::failed_connects::Shown;
use crate::telemetry::item_record::{ItemRecord, MAX_PATH, cut_bytes, path_of};
use crate::telemetry::names::Names;
use crate::telemetry::record::{BatchRecord, RequestRecord, Sender};
use crate::telemetry::trace::{RequestId, TraceContext};
use crate::telemetry::{GrpcStatus, LongLivedEnd};

use super::line::Line;

/// Characters of a User-Agent.
const MAX_AGENT: usize = 256;

/// A request that is not a batch.
pub(super) struct RequestLine<'line> {
    pub(super) sender: &'line Sender<'line>,
    pub(super) request: &'line RequestRecord,
    pub(super) names: Names<'line>,
}

/// A batch.
pub(super) struct BatchLine<'line> {
    pub(super) sender: &'line Sender<'line>,
    pub(super) batch: &'line BatchRecord,
}

/// An item of a batch.
pub(super) struct ItemLine<'line> {
    pub(super) request_id: &'line RequestId,
    pub(super) trace: TraceContext,
    pub(super) item: &'line ItemRecord,
}

/// Writes the value of a field; without a value, nothing.
pub(super) type Put<T> = fn(&T, &mut Line);
pub(super) type OfSender = for<'line> fn(&Sender<'line>, &mut Line);
pub(super) type OfRequest = for<'line> fn(&RequestLine<'line>, &mut Line);
pub(super) type OfBatch = for<'line> fn(&BatchLine<'line>, &mut Line);
pub(super) type OfItem = for<'line> fn(&ItemLine<'line>, &mut Line);

/// What lines of requests have, in addition to [`TIMES`] and [`SENDER`].
pub(super) const REQUEST: &[(Field, OfRequest)] = &[
    (Field::Kind, |_, line| line.text("request")),
    (Field::Route, |of, line| line.text(of.names.route(of.request.route))),
    (Field::Upstream, |of, line| line.text(of.names.upstream(of.request.upstream))),
    (Field::Target, |of, line| line.text(of.request.timeline.as_ref().map_or("", Timeline::target))),
    (Field::Reason, |of, line| line.text(of.request.reason.unwrap_or_default())),
    (Field::Limit, |of, line| line.shown(of.request.limit.as_ref())),
    (Field::Status, |of, line| line.number(of.request.status.map_or(0, |status| status.as_u16()).into())),
    (Field::GrpcStatus, |of, line| line.optional_text(of.request.grpc_status.map(GrpcStatus::as_str))),
    (Field::Ended, |of, line| line.optional_text(of.request.lasted.map(LongLivedEnd::as_str))),
    (Field::BytesIn, |of, line| line.number(of.request.bytes_in)),
    (Field::BytesOut, |of, line| line.number(of.request.bytes_out)),
    (Field::DurationMs, |of, line| line.milliseconds(of.request.elapsed)),
];

/// What lines of batches have, in addition to [`SENDER`].
pub(super) const BATCH: &[(Field, OfBatch)] = &[
    (Field::Kind, |_, line| line.text("batch")),
    (Field::Endpoint, |of, line| line.text(&of.batch.endpoint)),
    (Field::Format, |of, line| line.text(of.batch.format)),
    (Field::Outcome, |of, line| line.text(of.batch.end.as_str())),
    (Field::Reason, |of, line| line.text(of.batch.end.reason().unwrap_or_default())),
    (Field::Limit, |of, line| line.shown(of.batch.limit.as_ref())),
    (Field::Status, |of, line| line.number(of.batch.status.as_u16().into())),
    (Field::Items, |of, line| line.count(of.batch.summary.items)),
    (Field::Failed, |of, line| line.count(of.batch.summary.failed)),
    (Field::Slow, |of, line| line.count_if_any(of.batch.kept.slow)),
    (Field::Coalesced, |of, line| line.count_if_any(of.batch.coalesced)),
    (Field::Independent, |of, line| line.count_if_any(of.batch.independent)),
    (Field::Undone, |of, line| line.count_if_any(of.batch.undone)),
    (Field::UndoFailed, |of, line| line.count_if_any(of.batch.left_over.len())),
    (Field::Omitted, |of, line| line.count_if_any(of.batch.kept.omitted)),
    (Field::BytesIn, |of, line| line.count(of.batch.bytes_in)),
    (Field::BytesOut, |of, line| line.number(of.batch.bytes_out)),
    (Field::DurationMs, |of, line| line.milliseconds(of.batch.phases.total())),
];

/// What lines of items have, in addition to [`TIMES`].
pub(super) const ITEM: &[(Field, OfItem)] = &[
    (Field::Timestamp, |_, line| line.time()),
    (Field::Level, |_, line| line.text("INFO")),
    (Field::Kind, |_, line| line.text("item")),
    (Field::RequestId, |of, line| line.text(of.request_id.as_str())),
    (Field::TraceId, |of, line| line.optional_text(of.trace.trace_id().as_deref())),
    (Field::SpanId, |of, line| {
        let last = of.item.report.timeline.attempts.last();
        line.shown(last.and_then(|attempt| attempt.span).as_ref());
    }),
    (Field::Method, |of, line| line.text(of.item.report.method)),
    (Field::Path, |of, line| line.text(&of.item.path)),
    (Field::Position, |of, line| line.count(of.item.position)),
    (Field::Id, |of, line| line.text(&of.item.id)),
    (Field::Route, |of, line| line.text(&of.item.route)),
    (Field::Upstream, |of, line| line.text(&of.item.upstream)),
    (Field::Target, |of, line| line.text(of.item.report.timeline.target())),
    (Field::Outcome, |of, line| line.text(of.item.report.outcome.as_str())),
    (Field::Reason, |of, line| line.text(of.item.report.reason.unwrap_or_default())),
    (Field::Limit, |of, line| line.shown(of.item.report.limit.as_ref())),
    (Field::Status, |of, line| line.number(of.item.report.status.as_u16().into())),
    (Field::DurationMs, |of, line| {
        line.milliseconds(of.item.report.timeline.elapsed().unwrap_or_default());
    }),
];

/// How often something was sent, and where its time went.
pub(super) const TIMES: &[(Field, Put<Timeline>)] = &[
    (Field::Attempts, |of, line| line.count(of.attempts.count())),
    (Field::NotConnected, |of, line| line.shown(Shown::if_any(&of.attempts.failed_connects).as_ref())),
    (Field::QueuedMs, |of, line| line.optional_milliseconds(of.queue_time())),
    (Field::ConnectMs, |of, line| line.optional_milliseconds(of.connect_time())),
    (Field::FirstByteMs, |of, line| line.optional_milliseconds(of.first_byte_time())),
];

/// Who sent a request or a batch, and how.
pub(super) const SENDER: &[(Field, OfSender)] = &[
    (Field::Timestamp, |_, line| line.time()),
    (Field::Level, |_, line| line.text("INFO")),
    (Field::RequestId, |of, line| line.text(of.request_id.as_str())),
    (Field::TraceId, |of, line| line.optional_text(of.trace.trace_id().as_deref())),
    (Field::SpanId, |of, line| line.optional_text(of.trace.span_id().as_deref())),
    (Field::Client, |of, line| line.text(of.client)),
    (Field::ClientName, |of, line| line.optional_text(of.client_name)),
    (Field::Protocol, |of, line| line.text(protocol(of.head.version))),
    (Field::Host, |of, line| line.text(of.host)),
    (Field::Method, |of, line| line.text(method_label(&of.head.method))),
    (Field::Path, |of, line| line.text(&path(of.head))),
    (Field::Agent, |of, line| line.optional_text(agent(&of.head.headers).as_deref())),
    (Field::Referer, |of, line| line.optional_text(referer(&of.head.headers).as_deref())),
];

/// The path, which has neither a query nor a user.
pub(super) fn path(head: &Head) -> Cow<'_, str> {
    path_of(head.uri.path())
}

fn agent(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    Some(cut_bytes(headers.get(header::USER_AGENT)?.as_bytes(), MAX_AGENT))
}

/// The User-Agent, as it was sent.
pub(super) fn agent_as_sent(headers: &HeaderMap) -> Option<&[u8]> {
    let agent = headers.get(header::USER_AGENT)?.as_bytes();
    Some(agent.get(..MAX_AGENT).unwrap_or(agent))
}

fn referer(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    referer_as_sent(headers).map(|referer| cut_bytes(referer, MAX_PATH))
}

/// The Referer without its query and user, as it was sent.
pub(super) fn referer_as_sent(headers: &HeaderMap) -> Option<&[u8]> {
    let referer = headers.get(header::REFERER)?.as_bytes();
    let referer = referer.split(|byte| matches!(byte, b'?' | b'#')).next()?;
    (!referer.contains(&b'@')).then(|| referer.get(..MAX_PATH).unwrap_or(referer))
}

pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

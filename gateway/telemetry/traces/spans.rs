//! What a finished request or batch becomes as spans.
//!
//! In: the record of a request, or of a batch with the records of some of its items. Out: the spans, the SERVER span first.
//! Times come from the records; the one clock that is read says what time it is now.

use std::borrow::Cow;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};

use super::attributes::Attributes;
use super::server::{Served, error_status, host_and_port};
use crate::clock::{Calendar, Stopwatch};
use crate::dispatch::{AttemptTimes, Attempts, FailedConnects, SpanId, Timeline, UndoTimes};
use crate::route::{Route, RouteAction, RouteIndex, UpstreamIndex, method_label};
use crate::telemetry::failed_connects::connect_reason;
use crate::telemetry::item_record::{ItemRecord, path_of};
use crate::telemetry::names::Names;
use crate::telemetry::record::{BatchEnd, BatchRecord, RequestRecord, Sender};
use crate::telemetry::trace::{Place, random_span};

/// The spans of a request that is not a batch. None if its trace has no place.
pub(in crate::telemetry) fn of_request(
    sender: &Sender<'_>,
    request: &RequestRecord,
    names: Names<'_>,
) -> Vec<Span> {
    let Some(mut tree) = Tree::new(sender, names) else { return Vec::new() };
    let route = request.route.and_then(|index| names.0.routes.get(index));
    let served = Served {
        route: route.map_or("", |route| route.path.as_str()),
        status: request.status,
        reason: request.reason,
        took: request.elapsed,
        bytes_in: request.bytes_in,
        bytes_out: request.bytes_out,
    };
    let attributes = Attributes::default()
        .text("batchgate.route", names.route(request.route))
        .text("batchgate.upstream", names.upstream(request.upstream));
    tree.add_server(&served, attributes);
    if let Some(timeline) = &request.timeline {
        let called = Called {
            parent: tree.place.span,
            method: method_label(&sender.head.method),
            path: Path::AtGateway(path_of(sender.head.uri.path()), request.route),
            upstream: request.upstream,
            reason: request.reason,
        };
        tree.add_attempts(&called, &timeline.attempts);
    }
    tree.spans
}

/// The spans of a batch and of its items that were kept for them. None if its trace has no place.
pub(in crate::telemetry) fn of_batch(
    sender: &Sender<'_>,
    batch: &mut BatchRecord,
    names: Names<'_>,
) -> Vec<Span> {
    let (Some(mut tree), Some(items)) = (Tree::new(sender, names), batch.traced.take()) else {
        return Vec::new();
    };
    let is_gone = batch.end == BatchEnd::ClientGone;
    let served = Served {
        route: &batch.endpoint,
        status: Some(batch.status).filter(|_| !is_gone),
        reason: batch.end.reason().or_else(|| is_gone.then(|| batch.end.as_str())),
        took: tree.calendar.since(batch.began),
        bytes_in: batch.bytes_in as u64,
        bytes_out: batch.bytes_out,
    };
    let attributes = Attributes::default()
        .text("batchgate.batch.format", batch.format)
        .text("batchgate.batch.outcome", batch.end.as_str())
        .number("batchgate.batch.items", batch.summary.items)
        .number("batchgate.batch.failed_items", batch.summary.failed)
        .count("batchgate.batch.coalesced_items", batch.coalesced)
        .count("batchgate.batch.items_without_span", items.omitted());
    tree.add_server(&served, attributes);
    for item in items.into_records() {
        tree.add_item(&item);
    }
    tree.spans
}

/// The spans of one request, as they are made.
struct Tree<'tree> {
    sender: &'tree Sender<'tree>,
    names: Names<'tree>,
    place: Place,
    /// The client's `tracestate`.
    state: String,
    calendar: Calendar,
    spans: Vec<Span>,
}

/// A call, as its attempts see it.
struct Called<'call> {
    /// The span that its attempts belong to.
    parent: SpanId,
    method: &'static str,
    path: Path<'call>,
    upstream: Option<UpstreamIndex>,
    /// Why the gateway made its result, if it did.
    reason: Option<&'static str>,
}

/// The path of a call.
#[derive(Clone)]
enum Path<'call> {
    /// As the gateway's client has it, and its route.
    AtGateway(Cow<'call, str>, Option<RouteIndex>),
    /// As the upstream has it.
    AtUpstream(Cow<'call, str>),
}

impl<'call> Path<'call> {
    /// That of a target as the upstream has it.
    fn of_target(target: &'call str) -> Self {
        Self::AtUpstream(path_of(target))
    }
}

/// What a trace flag says of a span's parent (OTLP, `SpanFlags`): whether it is remote is known; it is.
const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

impl<'tree> Tree<'tree> {
    fn new(sender: &'tree Sender<'tree>, names: Names<'tree>) -> Option<Self> {
        let place = *sender.trace.place()?;
        let state = sender.trace.state(&sender.head.headers);
        let state = state.and_then(|state| state.to_str().ok().map(str::to_owned)).unwrap_or_default();
        Some(Self { sender, names, place, state, calendar: Calendar::read(), spans: Vec::new() })
    }

    /// A span at this place in the trace, with nothing else in it.
    fn placed(&self, id: SpanId, parent: Option<SpanId>) -> Span {
        Span {
            trace_id: self.place.trace.to_be_bytes().to_vec(),
            span_id: bytes_of(id),
            parent_span_id: parent.map(bytes_of).unwrap_or_default(),
            trace_state: self.state.clone(),
            flags: u32::from(self.place.flags) | PARENT_IS_KNOWN,
            ..Span::default()
        }
    }

    fn add_server(&mut self, served: &Served<'_>, attributes: Attributes) {
        let mut placed = self.placed(self.place.span, self.place.parent);
        if self.place.parent.is_some() {
            placed.flags |= PARENT_IS_REMOTE;
        }
        placed.start_time_unix_nano = nanos(self.calendar.now().saturating_sub(served.took));
        placed.end_time_unix_nano = nanos(self.calendar.now());
        self.spans.push(served.span(self.sender, attributes, placed));
        self.add_asked();
    }

    /// An item, and the attempts of its call. One that shared the call of another has links to those attempts in their place.
    fn add_item(&mut self, item: &ItemRecord) {
        let (report, timeline) = (&item.report, &item.report.timeline);
        let id = random_span();
        let status = report.status.as_u16();
        let error = (status >= 400).then(|| report.reason.map_or_else(|| status.to_string(), str::to_owned));
        let attributes = Attributes::default()
            .number("batchgate.item.position", item.position)
            .text("batchgate.item.id", &item.id)
            .text("batchgate.item.outcome", report.outcome.as_str())
            .optional_fraction("batchgate.item.queued_ms", timeline.queue_time().map(milliseconds))
            .text("batchgate.route", &item.route)
            .text("batchgate.upstream", &item.upstream)
            .text("http.request.method", report.method)
            .text("url.path", &item.path)
            .number("http.response.status_code", status)
            .optional_text("error.type", error.as_deref());
        let links = if report.coalesced { self.links(timeline) } else { Vec::new() };
        let span = Span {
            name: format!("item {} {}", report.method, item.route).trim_end().to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.nanos_at(timeline.queued),
            end_time_unix_nano: self.nanos_at(timeline.end.unwrap_or(timeline.queued)),
            attributes: attributes.into(),
            status: error.map(|_| error_status()),
            links,
            ..self.placed(id, Some(self.place.span))
        };
        self.spans.push(span);
        if !report.coalesced {
            let path = Path::AtGateway((&*item.path).into(), report.route);
            let (upstream, reason) = (report.upstream, report.reason);
            let called = Called { parent: id, method: report.method, path, upstream, reason };
            self.add_attempts(&called, &timeline.attempts);
        }
        if let Some(undo) = &timeline.undo {
            self.add_undo(id, undo);
        }
    }

    /// The call that undid an item, below the item's span, which has ended long before.
    fn add_undo(&mut self, item: SpanId, undo: &UndoTimes) {
        let id = random_span();
        let method = method_label(&undo.method);
        let is_error =
            undo.attempts.last().is_none_or(|last| last.status.is_none_or(|status| status.as_u16() >= 400));
        self.spans.push(Span {
            name: format!("undo {method}"),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.nanos_at(undo.began),
            end_time_unix_nano: self.nanos_at(undo.end),
            status: is_error.then(error_status),
            ..self.placed(id, Some(item))
        });
        let called = Called {
            parent: id,
            method,
            path: Path::of_target(&undo.target),
            upstream: Some(undo.upstream),
            reason: None,
        };
        self.add_attempts(&called, &undo.attempts);
    }

    /// The call to the service that was asked who the client is.
    fn add_asked(&mut self) {
        let Some(asked) = self.sender.asked else { return };
        let id = random_span();
        self.spans.push(Span {
            name: "authenticate".to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.nanos_at(asked.timeline.queued),
            end_time_unix_nano: self.nanos_at(asked.timeline.end.unwrap_or(asked.timeline.queued)),
            ..self.placed(id, Some(self.place.span))
        });
        let called = Called {
            parent: id,
            method: "GET",
            path: Path::of_target(&asked.target),
            upstream: Some(asked.upstream),
            reason: None,
        };
        self.add_attempts(&called, &asked.timeline.attempts);
    }

    fn links(&self, timeline: &Timeline) -> Vec<Link> {
        let ids = timeline.attempts.iter().filter_map(|attempt| attempt.span);
        let link = |id| Link {
            trace_id: self.place.trace.to_be_bytes().to_vec(),
            span_id: bytes_of(id),
            trace_state: self.state.clone(),
            flags: u32::from(self.place.flags) | PARENT_IS_KNOWN,
            ..Link::default()
        };
        ids.map(link).collect()
    }

    /// The attempts of a call, for the spans that their services know as parents.
    fn add_attempts(&mut self, called: &Called<'_>, attempts: &Attempts) {
        self.add_failed_connects(called, &attempts.failed_connects);
        let last = attempts.count();
        for (number, attempt) in attempts.iter().enumerate() {
            let Some(id) = attempt.span else { continue };
            let error = error_of(attempt, called.reason.filter(|_| number + 1 == last));
            let attributes = self
                .target(called, &attempt.target)
                .text("http.request.method", called.method)
                .count("http.request.resend_count", number)
                .optional_number("http.response.status_code", attempt.status.map(|status| status.as_u16()))
                .optional_fraction("batchgate.first_byte_ms", first_byte(attempt))
                .text("batchgate.upstream", self.names.upstream(called.upstream))
                .optional_text("error.type", error.as_deref());
            self.spans.push(Span {
                name: called.method.to_owned(),
                kind: SpanKind::Client.into(),
                start_time_unix_nano: self.nanos_at(attempt.sent),
                end_time_unix_nano: self.nanos_at(attempt.end),
                attributes: attributes.into(),
                status: error.map(|_| error_status()),
                ..self.placed(id, Some(called.parent))
            });
        }
    }

    /// The connections that could not be opened for a call. No service knows these spans.
    fn add_failed_connects(&mut self, called: &Called<'_>, failed: &FailedConnects) {
        for failed in failed.iter() {
            let attributes = self
                .target(called, &failed.target)
                .text("http.request.method", called.method)
                .text("batchgate.upstream", self.names.upstream(called.upstream))
                .text("error.type", connect_reason(failed));
            self.spans.push(Span {
                name: called.method.to_owned(),
                kind: SpanKind::Client.into(),
                start_time_unix_nano: self.nanos_at(failed.began),
                end_time_unix_nano: self.nanos_at(failed.end),
                attributes: attributes.into(),
                status: Some(error_status()),
                ..self.placed(random_span(), Some(called.parent))
            });
        }
    }

    /// Where a call went: the address of its target, and the url there.
    fn target(&self, called: &Called<'_>, name: &str) -> Attributes {
        let upstream = called.upstream.and_then(|index| self.names.0.upstream(index));
        let target =
            upstream.and_then(|upstream| upstream.targets.iter().find(|target| target.name() == name));
        let socket = name.strip_prefix("unix:");
        let (host, port) = socket.map_or_else(|| host_and_port(name), |path| (path, None));
        let Some(target) = target else { return Attributes::default().text("server.address", host) };
        let port = port.unwrap_or_else(|| target.scheme.default_port());
        let scheme = if target.scheme.is_tls() { "https" } else { "http" };
        let path = match &called.path {
            Path::AtGateway(path, route) => {
                let route = route.and_then(|index| self.names.0.routes.get(index));
                route.and_then(|route| path_at_upstream(route, path))
            }
            Path::AtUpstream(path) => Some(Cow::Borrowed(&**path)),
        };
        let url = path.map(|path| format!("{scheme}://{}{path}", target.authority()));
        Attributes::default()
            .text("server.address", host)
            .optional_number("server.port", Some(port).filter(|_| socket.is_none()))
            .optional_text("url.full", url.as_deref())
    }

    fn nanos_at(&self, at: Stopwatch) -> u64 {
        nanos(self.calendar.time_of(at))
    }
}

/// The path of a call as its service has it. `None` for a path that is not known: that of an item with references, or one that
/// is relative.
fn path_at_upstream<'path>(route: &Route, path: &'path str) -> Option<Cow<'path, str>> {
    let RouteAction::Forward { mapping, .. } = &route.action else { return None };
    (path.starts_with('/') && !path.contains('{')).then(|| mapping.to_upstream(path))
}

/// What went wrong with an attempt: its status, or why the gateway gave up with it.
fn error_of(attempt: &AttemptTimes, reason: Option<&'static str>) -> Option<String> {
    match attempt.status {
        Some(status) if status.as_u16() < 400 => None,
        Some(status) => Some(status.as_str().to_owned()),
        None => Some(reason.unwrap_or("_OTHER").to_owned()),
    }
}

fn first_byte(attempt: &AttemptTimes) -> Option<f64> {
    attempt.first_byte.map(|first_byte| milliseconds(first_byte.since(attempt.sent)))
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn bytes_of(id: SpanId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn nanos(since_epoch: std::time::Duration) -> u64 {
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

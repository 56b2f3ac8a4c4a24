//! Sends spans to their receiver: OTLP over HTTP, in binary protobuf.
//!
//! In: the spans of one request after the other, from every thread. Out: requests to the receiver, from one task, of at most
//! `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` spans, or what there is `OTEL_BSP_SCHEDULE_DELAY` after the first. What the receiver could not take is
//! sent again (OTLP specification, "Retryable response codes"), for `OTEL_BSP_EXPORT_TIMEOUT` at most. Meanwhile spans wait, up to
//! `OTEL_BSP_MAX_QUEUE_SIZE`; those of further requests are dropped. Every span is counted once, by what became of it.
//!
//! A new configuration with other settings begins a new task; the old one sends what it has, and ends.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus::IntCounterVec;
use prost::Message;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot, watch};

use super::attributes::Attributes;
use crate::clock::Deadline;
use crate::config::{TraceCompression, Tracing};
use crate::format::gzip;
use crate::header::retry_after;
use crate::http_client::{ClientError, HttpClient, Server};
use crate::telemetry::log_throttle::LogThrottle;
use crate::words::words;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("batchgate/", env!("CARGO_PKG_VERSION")));

/// Bytes of a receiver's reply.
const MAX_REPLY: usize = 1 << 20;

/// The pause before the first of several tries; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

words! {
    /// What became of a span.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SpanResult {
        /// Its receiver took it.
        Sent = "sent",
        /// Too many others waited to be sent.
        Dropped = "dropped",
        /// Its receiver could not be reached, or did not take the request.
        Failed = "failed",
        /// Its receiver took the request, but not all of the spans.
        Rejected = "rejected",
    }
}

/// Where the gateway's spans go.
#[derive(Debug)]
pub struct Traces {
    exporter: ArcSwapOption<Exporter>,
    counts: IntCounterVec,
}

impl Traces {
    /// Nowhere yet; `counts` is by [`SpanResult`].
    #[must_use]
    pub fn new(counts: IntCounterVec) -> Self {
        Self { exporter: ArcSwapOption::empty(), counts }
    }

    /// From now on they go there. Has to be called in the runtime that lasts as long as the gateway.
    pub fn configure(&self, tracing: Option<&Tracing>) {
        let now = self.exporter.load();
        if now.as_ref().map(|exporter| &exporter.tracing) != tracing {
            self.exporter.store(tracing.map(|tracing| Arc::new(Exporter::start(tracing, &self.counts))));
        }
    }

    /// Hands spans over to be sent. Never waits.
    pub(in crate::telemetry) fn send(&self, spans: Vec<Span>) {
        let Some(exporter) = &*self.exporter.load() else { return };
        let count = spans.len();
        if !exporter.take(spans) {
            count_spans(&self.counts, SpanResult::Dropped, count);
        }
    }

    /// How many spans were not sent yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.exporter.load().as_ref().map_or(0, |exporter| exporter.waiting())
    }

    /// Returns once everything that waits now was sent, or given up. The gateway ends, so that from now on nothing is tried again.
    pub async fn send_the_last(&self) {
        let Some(exporter) = self.exporter.load_full() else { return };
        let (done, is_done) = oneshot::channel();
        exporter.is_ending.send_replace(true);
        if exporter.queue.send(Queued::Flush(done)).is_ok() {
            // An error says that the task has ended.
            let _ = is_done.await;
        }
    }
}

fn count_spans(counts: &IntCounterVec, result: SpanResult, count: usize) {
    counts.with_label_values(&[result.as_str()]).inc_by(count as u64);
}

/// What waits for the task.
enum Queued {
    Spans(Vec<Span>),
    /// Everything before it is wanted now.
    Flush(oneshot::Sender<()>),
}

/// The task that sends spans, and what waits for it.
#[derive(Debug)]
struct Exporter {
    tracing: Tracing,
    queue: UnboundedSender<Queued>,
    /// How many more spans may wait.
    room: Arc<Semaphore>,
    /// Whether nothing is to be tried again.
    is_ending: watch::Sender<bool>,
}

impl Exporter {
    fn start(tracing: &Tracing, counts: &IntCounterVec) -> Self {
        let (queue, queued) = unbounded_channel();
        let room = Arc::new(Semaphore::new(tracing.queue.size));
        let (is_ending, ending) = watch::channel(false);
        let task = Task {
            client: client(tracing),
            tracing: tracing.clone(),
            queued,
            waiting: Vec::new(),
            flushes: Vec::new(),
            room: Arc::clone(&room),
            ending,
            counts: counts.clone(),
            throttle: LogThrottle::default(),
        };
        tokio::spawn(task.run());
        Self { tracing: tracing.clone(), queue, room, is_ending }
    }

    fn waiting(&self) -> usize {
        self.tracing.queue.size.saturating_sub(self.room.available_permits())
    }

    /// Whether the spans wait to be sent now.
    fn take(&self, spans: Vec<Span>) -> bool {
        let Some(permits) =
            u32::try_from(spans.len()).ok().and_then(|count| self.room.try_acquire_many(count).ok())
        else {
            return false;
        };
        // The task gives them back.
        permits.forget();
        self.queue.send(Queued::Spans(spans)).is_ok()
    }
}

/// A client for the receiver, and who that is. An error says why there is none.
fn client(tracing: &Tracing) -> Result<(HttpClient, Server), String> {
    let receiver = &tracing.receiver;
    let (client, server) = HttpClient::for_url(&receiver.url, receiver.ca.as_deref())?;
    Ok((HttpClient { timeout: receiver.timeout, max_reply: MAX_REPLY, ..client }, server))
}

/// The body of a request to a receiver.
struct Body {
    bytes: Bytes,
    /// It is compressed with gzip.
    is_coded: bool,
}

/// What a receiver has made of spans.
enum Received {
    /// It took all but so many, perhaps for this reason.
    Taken { rejected: usize, reason: String },
    /// It could not take them now; it may have said for how long.
    Later { after: Option<Duration>, reason: String },
    /// It will not take them.
    Refused { reason: String },
}

struct Task {
    client: Result<(HttpClient, Server), String>,
    tracing: Tracing,
    queued: UnboundedReceiver<Queued>,
    waiting: Vec<Span>,
    flushes: Vec<oneshot::Sender<()>>,
    room: Arc<Semaphore>,
    /// Whether nothing is to be tried again.
    ending: watch::Receiver<bool>,
    counts: IntCounterVec,
    throttle: LogThrottle,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.queued.recv().await {
            self.take(first);
            self.collect().await;
            self.send_all().await;
            for flush in self.flushes.drain(..) {
                // Nobody may wait any more.
                let _ = flush.send(());
            }
        }
    }

    fn take(&mut self, queued: Queued) {
        match queued {
            Queued::Spans(spans) => self.waiting.extend(spans),
            Queued::Flush(done) => self.flushes.push(done),
        }
    }

    /// Waits until there is enough for a request, or for long enough.
    async fn collect(&mut self) {
        let deadline = Deadline::after(self.tracing.queue.delay);
        while self.flushes.is_empty() && self.waiting.len() < self.tracing.queue.batch {
            match deadline.race(self.queued.recv()).await {
                Some(Some(next)) => self.take(next),
                Some(None) | None => return,
            }
        }
    }

    async fn send_all(&mut self) {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(self.tracing.queue.batch);
            let spans: Vec<_> = self.waiting.drain(..count).collect();
            self.send(spans).await;
            self.room.add_permits(count);
        }
    }

    /// Sends spans, more than once if need be, and counts them.
    async fn send(&self, spans: Vec<Span>) {
        let count = spans.len();
        let body = self.body(spans);
        let patience = Deadline::after(self.tracing.queue.patience);
        let (rejected, reason) = match self.try_until(patience, &body).await {
            Ok(Received::Taken { rejected, reason }) => (rejected.min(count), reason),
            Ok(Received::Later { reason, .. } | Received::Refused { reason }) | Err(reason) => {
                self.warn("traces could not be sent", &reason);
                return count_spans(&self.counts, SpanResult::Failed, count);
            }
        };
        if rejected > 0 {
            self.warn("the receiver did not take all spans", &reason);
        }
        count_spans(&self.counts, SpanResult::Rejected, rejected);
        count_spans(&self.counts, SpanResult::Sent, count - rejected);
    }

    /// A request's body. One that can't be compressed goes out as it is, and does not say that it is.
    fn body(&self, spans: Vec<Span>) -> Body {
        let plain = self.message(spans).encode_to_vec();
        let coded = match self.tracing.receiver.compression {
            TraceCompression::None => None,
            TraceCompression::Gzip => gzip(&plain).ok(),
        };
        let is_coded = coded.is_some();
        Body { bytes: coded.unwrap_or_else(|| plain.into()), is_coded }
    }

    fn warn(&self, what: &str, reason: &str) {
        if self.throttle.may_log() {
            let receiver = self.tracing.receiver.url.authority().map_or("", |authority| authority.as_str());
            tracing::warn!(kind = "traces", receiver, reason, "{what}");
        }
    }

    fn message(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let mut attributes = Attributes::default().text("service.version", version);
        for given in &self.tracing.resource {
            attributes = attributes.text(&given.key, &given.value);
        }
        let resource = Resource { attributes: attributes.into(), ..Resource::default() };
        let scope = InstrumentationScope {
            name: name.to_owned(),
            version: version.to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let spans =
            ResourceSpans { resource: Some(resource), scope_spans: vec![spans], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![spans] }
    }

    /// What the receiver says to the message in the end.
    ///
    /// # Errors
    /// There is no client.
    async fn try_until(&self, patience: Deadline, body: &Body) -> Result<Received, String> {
        let (client, server) = self.client.as_ref().map_err(Clone::clone)?;
        let mut pause = FIRST_PAUSE;
        let mut ending = self.ending.clone();
        loop {
            let is_last = *ending.borrow();
            let said = received(client.send(server, self.request(body)).await);
            let Received::Later { after, .. } = &said else { return Ok(said) };
            // Gateways that failed together must not come back together.
            let wait = after.unwrap_or_else(|| pause.mul_f64(rand::random_range(0.5..1.5)));
            if is_last || wait >= patience.remaining() {
                return Ok(said);
            }
            // When the gateway ends, there is one more try, at once. An error says that this exporter has been replaced.
            let ends = Deadline::after(wait).race(ending.wait_for(|is_ending| *is_ending)).await;
            let is_replaced = matches!(ends, Some(Err(_)));
            drop(ends);
            if is_replaced {
                tokio::time::sleep(wait).await;
            }
            pause *= 2;
        }
    }

    fn request(&self, body: &Body) -> Request<Bytes> {
        let receiver = &self.tracing.receiver;
        let mut request = Request::new(body.bytes.clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = receiver.url.path().parse().unwrap_or_default();
        *request.headers_mut() = receiver.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, PROTOBUF);
        if body.is_coded {
            request.headers_mut().insert(CONTENT_ENCODING, GZIP);
        }
        request.headers_mut().entry(USER_AGENT).or_insert(AGENT);
        request
    }
}

fn received(reply: Result<Response<Bytes>, ClientError>) -> Received {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Received::Later { after: None, reason: error.to_string() },
    };
    let reason = || format!("it answered {}", reply.status().as_u16());
    match reply.status().as_u16() {
        200..300 => {
            // A reply that can't be read says nothing against the spans.
            let said = ExportTraceServiceResponse::decode(reply.body().clone()).unwrap_or_default();
            let partial = said.partial_success.unwrap_or_default();
            let rejected = usize::try_from(partial.rejected_spans).unwrap_or_default();
            Received::Taken { rejected, reason: crate::telemetry::only_words(&partial.error_message) }
        }
        429 | 502 | 503 | 504 => {
            let after = reply.headers().get(RETRY_AFTER).and_then(retry_after::parse);
            Received::Later { after, reason: reason() }
        }
        _ => Received::Refused { reason: reason() },
    }
}

//! A receiver of traces: what it was sent, decoded.

use std::io::Read as _;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use crate::harness::gateway::Setup;
use crate::harness::upstream::Recorded;
use crate::harness::wait::until;
use crate::harness::{Answer, Config, Upstream};

/// A receiver of traces.
pub(crate) struct Receiver(pub(crate) Upstream);

impl Receiver {
    /// One that takes all.
    pub(crate) fn start() -> Self {
        Self(Upstream::answering(|_| Answer::text(200, "")))
    }

    /// A configuration with this receiver, and no waiting for more spans.
    pub(crate) fn setup(&self, config: &Config, members: &str) -> Setup {
        let tracing = format!("tracing: {{ otlp: \"{}\"{members} }}", self.0.url());
        config.clone().raw(tracing).setup().with_variable("OTEL_BSP_SCHEDULE_DELAY", "20")
    }

    /// The messages that came so far.
    pub(crate) fn messages(&self) -> Vec<ExportTraceServiceRequest> {
        self.0.requests().iter().map(message).collect()
    }

    /// The spans that came so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.messages().into_iter().flat_map(|message| message.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The spans, once this many came.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Span> {
        until("spans", || Some(self.spans()).filter(|spans| spans.len() >= count))
    }

    /// The only SERVER span, once it came; and all spans.
    pub(crate) fn served(&self) -> (Span, Vec<Span>) {
        let spans = self.wait_for(1);
        (only(&spans, SpanKind::Server), spans)
    }
}

fn message(request: &Recorded) -> ExportTraceServiceRequest {
    assert_eq!((&*request.method, &*request.target), ("POST", "/v1/traces"));
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    let body = match request.header("content-encoding") {
        None => request.body.clone(),
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&*request.body).read_to_end(&mut plain).unwrap();
            plain
        }
        Some(other) => panic!("{other}"),
    };
    ExportTraceServiceRequest::decode(&*body).unwrap()
}

/// The spans of a kind.
pub(crate) fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<Span> {
    spans.iter().filter(|span| span.kind() == kind).cloned().collect()
}

/// The only span of a kind.
pub(crate) fn only(spans: &[Span], kind: SpanKind) -> Span {
    let [span] = &of_kind(spans, kind)[..] else { panic!("not one {kind:?} in {spans:#?}") };
    span.clone()
}

/// The value of an attribute, as text; nothing if it is not there.
pub(crate) fn value(attributes: &[KeyValue], key: &str) -> String {
    let of_key = attributes.iter().find(|attribute| attribute.key == key);
    match of_key.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => panic!("{other:?}"),
        None => String::new(),
    }
}

/// The values of attributes of a span.
pub(crate) fn values<const COUNT: usize>(span: &Span, keys: [&str; COUNT]) -> [String; COUNT] {
    keys.map(|key| value(&span.attributes, key))
}

/// Lower hex, as in `traceparent`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The trace and the span that a service was told of.
pub(crate) fn told(request: &Recorded) -> [String; 2] {
    let parent = request.header("traceparent").unwrap();
    let parts: Vec<_> = parent.split('-').collect();
    [parts[1].to_owned(), parts[2].to_owned()]
}

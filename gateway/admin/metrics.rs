//! `/metrics`: the format and the coding that the reader asks for.
//!
//! In: Accept and Accept-Encoding. Out: Prometheus' text format, or OpenMetrics for those who want it more, which Prometheus does;
//! as gzip, if that is taken.

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};

use super::targets;
use crate::format::{Accept, gzip, names_gzip};
use crate::memory::MemoryUse;
use crate::state::gateway::Gateway;
use crate::telemetry::{Exposition, MemoryPurpose};

/// The answer to a request with these fields.
pub(super) fn answer(gateway: &Gateway, headers: &HeaderMap) -> Response<Bytes> {
    targets::measure(&gateway.snapshot(), &gateway.metrics);
    measure_memory(gateway);
    let format = format(headers);
    let text = gateway.metrics.exposition(format);
    let coded = if names_gzip(headers) { gzip(&text).ok() } else { None };
    let coding = coded.as_ref().map(|_| HeaderValue::from_static("gzip"));
    let mut answer = Response::new(coded.unwrap_or_else(|| text.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    answer.headers_mut().extend(coding.map(|coding| (CONTENT_ENCODING, coding)));
    answer
}

fn measure_memory(gateway: &Gateway) {
    gateway.metrics.set_buffers(gateway.memory.held(), gateway.memory.limit());
    let MemoryUse { bodies, replies, kept } = gateway.memory.uses();
    for (purpose, bytes) in [
        (MemoryPurpose::Bodies, bodies),
        (MemoryPurpose::Replies, replies),
        (MemoryPurpose::StreamWindow, kept),
        (MemoryPurpose::Encoders, gateway.encoders.used()),
        (MemoryPurpose::Decoders, gateway.decoders.used()),
    ] {
        gateway.metrics.set_memory(purpose, bytes);
    }
}

/// The format that is wanted most; of two that are wanted alike, the older one.
fn format(headers: &HeaderMap) -> Exposition {
    let is_wanted = Accept::from_headers(headers).prefers("application/openmetrics-text", "text/plain");
    if is_wanted { Exposition::OpenMetrics } else { Exposition::Text }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

    use super::*;

    fn fields(name: HeaderName, value: &'static str) -> HeaderMap {
        let value = (!value.is_empty()).then(|| (name, HeaderValue::from_static(value)));
        value.into_iter().collect()
    }

    #[test]
    fn open_metrics_is_for_those_who_want_it_more() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/plain", Exposition::Text),
            ("text/html, */*;q=0.8", Exposition::Text),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.4", Exposition::Text),
            ("application/openmetrics-text; version=1.0.0", Exposition::OpenMetrics),
            (of_prometheus, Exposition::OpenMetrics),
        ] {
            assert_eq!(format(&fields(ACCEPT, accept)), expected, "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accepted, expected) in [
            ("", false),
            ("*", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("br", false),
        ] {
            assert_eq!(names_gzip(&fields(ACCEPT_ENCODING, accepted)), expected, "{accepted}");
        }
    }
}

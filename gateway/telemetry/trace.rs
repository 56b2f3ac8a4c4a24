//! How a request is found later: its request id, and its place in a trace (W3C Trace Context). Each call to an upstream
//! gets a span id of its own.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::config::Sampler;
use crate::dispatch::SpanId;
use crate::header::X_REQUEST_ID;

/// An X-Request-Id: the client's if it is short and plain, otherwise a new one. Empty by default, for a request whose
/// fields have not been read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId(String);

/// The maximum length of a request id from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

impl RequestId {
    /// The request's id.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match given {
            Some(id) if is_plain(id) => Self(id.to_owned()),
            Some(_) | None => Self(format!("{:032x}", rand::random::<u128>())),
        }
    }

    /// Its text: visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
    };
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// A place in a trace: the client's trace or a new one, and the span of the gateway's own work. None by default, for a
/// request whose fields have not been read yet, and for every request whose client began no trace, unless the gateway
/// records one: a trace that nobody records would only make the services' samplers stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext(Option<Place>);

/// Where a request is in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) trace: u128,
    /// The client's span; `None` where the trace begins here.
    pub(super) parent: Option<SpanId>,
    /// The gateway's own.
    pub(super) span: SpanId,
    pub(super) flags: u8,
}

/// The span of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSpan {
    /// Its id.
    pub id: SpanId,
    /// The `traceparent` that the service gets.
    pub traceparent: HeaderValue,
}

/// Where a call is in its trace (W3C Trace Context §3.2).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the systems on the way say about it (W3C Trace Context §3.3).
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

impl TraceContext {
    /// The gateway's span in the request's trace, if there is exactly one valid `traceparent` (W3C Trace Context
    /// §3.2, §4.3). With a sampler, it decides whether that trace is recorded, and begins one where there is none.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, sampler: Option<&Sampler>) -> Self {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let parent = match (given.next(), given.next()) {
            (Some(only), None) => only.to_str().ok().and_then(parse),
            _ => None,
        };
        let place = match (parent, sampler) {
            (Some(parent), None) => Some(parent.child(parent.flags)),
            (Some(parent), Some(sampler)) => {
                let is_sampled = parent.flags & SAMPLED != 0;
                let flag = if sampler.goes_on(parent.trace, || is_sampled) { SAMPLED } else { 0 };
                Some(parent.child(parent.flags & !SAMPLED | flag))
            }
            (None, None) => None,
            (None, Some(sampler)) => {
                let trace = non_zero(rand::random);
                let place = Place { trace, parent: None, span: random_span(), flags: SAMPLED };
                sampler.takes(trace).then_some(place)
            }
        };
        Self(place)
    }

    /// Whether its spans are recorded by those who have a receiver for them.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.is_some_and(|place| place.flags & SAMPLED != 0)
    }

    /// Where the request is in a trace.
    pub(super) const fn place(&self) -> Option<&Place> {
        self.0.as_ref()
    }

    /// The span of one call, for items and single requests alike: the same trace, the same flags, a new span.
    /// `None` if the client began no trace; then the call has neither a `traceparent` nor a `tracestate`.
    #[must_use]
    pub fn of_call(&self) -> Option<CallSpan> {
        let Place { trace, flags, .. } = self.0?;
        let id = random_span();
        let text = format!("00-{trace:032x}-{id}-{flags:02x}");
        Some(CallSpan { id, traceparent: HeaderValue::from_str(&text).ok()? })
    }

    /// The `tracestate` of a call for a request with these fields: the client's, whose lines form one list (W3C Trace
    /// Context §3.3.1). `None` without a valid `traceparent`.
    #[must_use]
    pub fn state(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.0?;
        let lines: Vec<_> = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes).collect();
        if lines.is_empty() { None } else { HeaderValue::from_bytes(&lines.join(b",".as_slice())).ok() }
    }

    /// The trace's id, for logs.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        self.0.map(|place| format!("{:032x}", place.trace))
    }

    /// The gateway's own span id, for logs.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        self.0.map(|place| place.span.to_string())
    }
}

impl Parent {
    /// The gateway's place below it.
    fn child(&self, flags: u8) -> Place {
        Place { trace: self.trace, parent: Some(self.span), span: random_span(), flags }
    }
}

/// A new span's id.
pub(super) fn random_span() -> SpanId {
    SpanId(non_zero(rand::random))
}

fn non_zero<T: Default + PartialEq>(random: impl Fn() -> T) -> T {
    loop {
        let number = random();
        if number != T::default() {
            return number;
        }
    }
}

/// The flag that says that the caller records the trace.
const SAMPLED: u8 = 1;

/// What a `traceparent` says.
struct Parent {
    trace: u128,
    span: SpanId,
    flags: u8,
}

fn parse(text: &str) -> Option<Parent> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let whole = version != "00" || parts.next().is_none();
    if !(whole && version != "ff" && lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(span, 16)) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0).map(SpanId)?;
    let flags = if lower_hex(flags, 2) { u8::from_str_radix(flags, 16).ok()? } else { return None };
    // The meaning of bits of later versions is unknown (§3.2.2.5, §4.3).
    Some(Parent { trace, span, flags: if version == "00" { flags } else { flags & SAMPLED } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn fields(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn of(traceparent: &str) -> TraceContext {
        TraceContext::from_headers(&fields(&[("traceparent", traceparent)]), None)
    }

    #[test]
    fn calls_stay_in_the_trace_with_spans_of_their_own() {
        for (given, flags) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "01"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", "03"),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what-comes", "01"),
        ] {
            let context = of(given);
            let call = || context.of_call().unwrap().traceparent.to_str().unwrap().to_owned();
            let (first, second) = (call(), call());
            assert!(first.starts_with(&format!("00-{TRACE}-")) && first.ends_with(&format!("-{flags}")));
            assert!(first != second && !first.contains("b7ad6b7169203331") && first.len() == 55, "{first}");
            assert_eq!(context.trace_id().as_deref(), Some(TRACE));
        }
    }

    #[test]
    fn where_the_client_began_no_valid_trace_there_is_none() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let two = fields(&[("traceparent", valid), ("traceparent", valid), ("tracestate", "a=1")]);
        let none = fields(&[("tracestate", "a=1")]);
        for headers in [&two, &none, &HeaderMap::new()] {
            let context = TraceContext::from_headers(headers, None);
            assert_eq!((context.of_call(), context.state(headers)), (None, None), "{headers:?}");
            assert_eq!((context.trace_id(), context.span_id()), (None, None));
        }
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(of(bad), TraceContext::default(), "{bad}");
        }
    }

    #[test]
    fn a_sampler_decides_and_begins_traces() {
        use crate::config::Parent::{Heeded, Ignored};
        let traced =
            |flags: &str| fields(&[("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-{flags}"))]);
        for (share, parent, none, unsampled, sampled) in [
            (1.0, Heeded, Some(true), false, true),
            (0.0, Heeded, None, false, true),
            (1.0, Ignored, Some(true), true, true),
            (0.0, Ignored, None, false, false),
        ] {
            let sampler = Sampler { share, parent };
            let of = |headers: &HeaderMap| TraceContext::from_headers(headers, Some(&sampler));
            let begun = of(&HeaderMap::new());
            assert_eq!(begun.place().map(|_| begun.is_sampled()), none, "{sampler:?}");
            assert_eq!(begun.place().and_then(|place| place.parent), None);
            for (flags, expected) in [("00", unsampled), ("01", sampled)] {
                let context = of(&traced(flags));
                assert_eq!(context.is_sampled(), expected, "{sampler:?}, {flags}");
                assert_eq!(context.trace_id().as_deref(), Some(TRACE));
                assert_eq!(context.place().unwrap().parent, Some(SpanId(0xb7ad_6b71_6920_3331)));
            }
        }
    }

    #[test]
    fn the_lines_of_a_tracestate_are_one_list() {
        let traced = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        for (lines, joined) in
            [(&[][..], None), (&["a=1"], Some("a=1")), (&["a=1,b=2", "c=3"], Some("a=1,b=2,c=3"))]
        {
            let lines = lines.iter().map(|line| ("tracestate", *line)).chain([traced]);
            let headers = fields(&lines.collect::<Vec<_>>());
            let state = TraceContext::from_headers(&headers, None).state(&headers);
            assert_eq!(state.as_ref().map(|value| value.to_str().unwrap()), joined);
        }
    }

    #[test]
    fn request_ids_are_plain() {
        let of = |id: &str| {
            RequestId::from_headers(
                &[("x-request-id".parse().unwrap(), id.parse().unwrap())].into_iter().collect(),
            )
        };
        assert_eq!(of("abc-1").as_str(), "abc-1");
        assert_ne!(of("a b").as_str(), "a b");
        assert_eq!(of(&"x".repeat(200)).as_str().len(), 32);
    }
}

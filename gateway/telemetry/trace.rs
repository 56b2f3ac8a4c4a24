//! Who a request is, for people who look for it later: its request id, and its place in a trace
//! (W3C Trace Context). Each call upstream gets a span id of its own.

use http::header::HeaderMap;

/// An X-Request-Id: the client's, where it is short and plain, or a new one. Empty by default, for a
/// request whose fields were not looked at yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestId(String);

/// Bytes of a request id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;

impl RequestId {
    /// The request's id.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
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

/// A place in a trace: which trace, and which span the gateway's own work is. In none by default, for a
/// request whose fields were not looked at yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
    continued: bool,
}

impl TraceContext {
    /// The gateway's span of the request's trace; a new trace where `traceparent` is not there or
    /// not valid (W3C Trace Context §3.2).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(parse);
        let (trace, flags) = given.unwrap_or_else(|| (non_zero(rand::random), 0));
        Self { trace, span: non_zero(rand::random), flags, continued: given.is_some() }
    }

    /// The `traceparent` of one call: the same trace, a new span.
    #[must_use]
    pub fn of_call(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, non_zero(rand::random::<u64>), self.flags)
    }

    /// Whether the client began the trace: only then its `tracestate` means something (W3C Trace
    /// Context §3.3).
    #[must_use]
    pub const fn is_continued(&self) -> bool {
        self.continued
    }

    /// The trace's id, as logs say it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The gateway's own span id, as logs say it.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }
}

fn non_zero<T: Default + PartialEq>(random: impl Fn() -> T) -> T {
    loop {
        let number = random();
        if number != T::default() {
            return number;
        }
    }
}

fn parse(text: &str) -> Option<(u128, u8)> {
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
    u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    let flags = if lower_hex(flags, 2) { u8::from_str_radix(flags, 16).ok()? } else { return None };
    Some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(traceparent: &str) -> TraceContext {
        let headers = [("traceparent".parse().unwrap(), traceparent.parse().unwrap())].into_iter().collect();
        TraceContext::of(&headers)
    }

    #[test]
    fn calls_stay_in_the_trace_with_spans_of_their_own() {
        let context = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let (first, second) = (context.of_call(), context.of_call());
        assert!(
            first.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && first.ends_with("-01"),
            "{first}"
        );
        assert_ne!(first, second);
        assert!(!first.contains("b7ad6b7169203331"));
    }

    #[test]
    fn what_is_not_valid_starts_a_new_trace() {
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_ne!(of(bad).trace_id(), "0af7651916cd43dd8448eb211c80319c", "{bad}");
        }
    }

    #[test]
    fn request_ids_are_plain() {
        let of = |id: &str| {
            RequestId::of(&[("x-request-id".parse().unwrap(), id.parse().unwrap())].into_iter().collect())
        };
        assert_eq!(of("abc-1").as_str(), "abc-1");
        assert_ne!(of("a b").as_str(), "a b");
        assert_eq!(of(&"x".repeat(200)).as_str().len(), 32);
    }
}

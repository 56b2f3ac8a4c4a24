//! Field names in the case that people write them in.
//!
//! HTTP does not care (RFC 9110 §5.1), but clients do: they look up `Content-Type` in the headers of a JSON result, which are
//! an object there, and `x-ms-error-code` because their service writes it so. So a name stays as it was spelt
//! ([`Spellings`](super::spelling::Spellings)). Its canonical case is for names that nobody spelt, such as those of HTTP/2,
//! where all are in lower case.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName};

/// The names in IANA's registry of HTTP fields, sorted without regard to case. In JSON results they are always written so.
const REGISTERED: [&str; 253] = [
    "A-IM",
    "Accept",
    "Accept-Additions",
    "Accept-CH",
    "Accept-Charset",
    "Accept-Datetime",
    "Accept-Encoding",
    "Accept-Features",
    "Accept-Language",
    "Accept-Patch",
    "Accept-Post",
    "Accept-Query",
    "Accept-Ranges",
    "Accept-Signature",
    "Access-Control",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Activate-Storage-Access",
    "Age",
    "Allow",
    "ALPN",
    "Alt-Svc",
    "Alt-Used",
    "Alternates",
    "AMP-Cache-Transform",
    "Apply-To-Redirect-Ref",
    "Authentication-Control",
    "Authentication-Info",
    "Authorization",
    "Available-Dictionary",
    "C-Ext",
    "C-Man",
    "C-Opt",
    "C-PEP",
    "C-PEP-Info",
    "Cache-Control",
    "Cache-Group-Invalidation",
    "Cache-Groups",
    "Cache-Status",
    "Cal-Managed-ID",
    "CalDAV-Timezones",
    "Capsule-Protocol",
    "CDN-Cache-Control",
    "CDN-Loop",
    "Cert-Not-After",
    "Cert-Not-Before",
    "Clear-Site-Data",
    "Client-Cert",
    "Client-Cert-Chain",
    "Close",
    "CMCD-Object",
    "CMCD-Request",
    "CMCD-Session",
    "CMCD-Status",
    "CMSD-Dynamic",
    "CMSD-Static",
    "Concealed-Auth-Export",
    "Configuration-Context",
    "Connection",
    "Content-Base",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-ID",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Content-Script-Type",
    "Content-Security-Policy",
    "Content-Security-Policy-Report-Only",
    "Content-Style-Type",
    "Content-Type",
    "Content-Version",
    "Cookie",
    "Cookie2",
    "Cross-Origin-Embedder-Policy",
    "Cross-Origin-Embedder-Policy-Report-Only",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Opener-Policy-Report-Only",
    "Cross-Origin-Resource-Policy",
    "CTA-Common-Access-Token",
    "DASL",
    "Date",
    "DAV",
    "Default-Style",
    "Delta-Base",
    "Deprecation",
    "Depth",
    "Derived-From",
    "Destination",
    "Dictionary-ID",
    "Differential-ID",
    "Digest",
    "DNT",
    "DPoP",
    "DPoP-Nonce",
    "Early-Data",
    "EDIINT-Features",
    "ETag",
    "Expect",
    "Expect-CT",
    "Expires",
    "Ext",
    "Forwarded",
    "From",
    "GetProfile",
    "Hobareg",
    "Host",
    "HTTP2-Settings",
    "If",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Schedule-Tag-Match",
    "If-Unmodified-Since",
    "IM",
    "Include-Referred-Token-Binding-ID",
    "Incremental",
    "Isolation",
    "Keep-Alive",
    "Label",
    "Last-Event-ID",
    "Last-Modified",
    "Link",
    "Link-Template",
    "Location",
    "Lock-Token",
    "Man",
    "Max-Forwards",
    "Memento-Datetime",
    "Meter",
    "Method-Check",
    "Method-Check-Expires",
    "MIME-Version",
    "Negotiate",
    "NEL",
    "OData-EntityId",
    "OData-Isolation",
    "OData-MaxVersion",
    "OData-Version",
    "Opt",
    "Optional-WWW-Authenticate",
    "Ordering-Type",
    "Origin",
    "Origin-Agent-Cluster",
    "OSCORE",
    "OSLC-Core-Version",
    "Overwrite",
    "P3P",
    "PEP",
    "PEP-Info",
    "Permissions-Policy",
    "PICS-Label",
    "Ping-From",
    "Ping-To",
    "Position",
    "Pragma",
    "Prefer",
    "Preference-Applied",
    "Priority",
    "ProfileObject",
    "Protocol",
    "Protocol-Info",
    "Protocol-Query",
    "Protocol-Request",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Features",
    "Proxy-Instruction",
    "Proxy-Status",
    "Public",
    "Public-Key-Pins",
    "Public-Key-Pins-Report-Only",
    "Range",
    "RateLimit",
    "RateLimit-Policy",
    "Redirect-Ref",
    "Referer",
    "Referer-Root",
    "Referrer-Policy",
    "Refresh",
    "Repeatability-Client-ID",
    "Repeatability-First-Sent",
    "Repeatability-Request-ID",
    "Repeatability-Result",
    "Replay-Nonce",
    "Reporting-Endpoints",
    "Repr-Digest",
    "Retry-After",
    "Safe",
    "Schedule-Reply",
    "Schedule-Tag",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-Storage-Access",
    "Sec-Fetch-User",
    "Sec-GPC",
    "Sec-Purpose",
    "Sec-Token-Binding",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Security-Scheme",
    "Server",
    "Server-Timing",
    "Set-Cookie",
    "Set-Cookie2",
    "SetProfile",
    "Signature",
    "Signature-Input",
    "SLUG",
    "SoapAction",
    "Status-URI",
    "Strict-Transport-Security",
    "Sunset",
    "Surrogate-Capability",
    "Surrogate-Control",
    "TCN",
    "TE",
    "Timeout",
    "Timing-Allow-Origin",
    "Topic",
    "Trailer",
    "Transfer-Encoding",
    "TTL",
    "Upgrade",
    "Urgency",
    "URI",
    "Use-As-Dictionary",
    "User-Agent",
    "Variant-Vary",
    "Vary",
    "Via",
    "Want-Content-Digest",
    "Want-Digest",
    "Want-Repr-Digest",
    "Warning",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Frame-Options",
];

/// Other names that are not simply capitalised after each hyphen, or are too common to be composed each time. Sorted.
const OTHERS: [&str; 30] = [
    "baggage",
    "Content-DPR",
    "DataServiceVersion",
    "ECT",
    "Idempotency-Key",
    "MaxDataServiceVersion",
    "MS-Author-Via",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RTT",
    "SourceMap",
    "traceparent",
    "tracestate",
    "X-Correlation-ID",
    "X-DNS-Prefetch-Control",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "X-Trace-ID",
    "X-UA-Compatible",
    "X-WebKit-CSP",
    "X-XSS-Protection",
];

/// All of them by their name. A call looks up each name of its reply, so a look-up has to be cheap: a `HeaderMap` hashes
/// common names as a number, and others without a key, which nobody can abuse as no name is ever added.
static BY_NAME: LazyLock<HeaderMap<Known>> = LazyLock::new(|| {
    let all = [(REGISTERED.as_slice(), Registry::Iana), (OTHERS.as_slice(), Registry::None)];
    let each = |(names, registry): (&'static [&'static str], Registry)| {
        let known = move |name: &'static str| Some((name.parse().ok()?, Known { name, registry }));
        names.iter().copied().filter_map(known)
    };
    all.into_iter().flat_map(each).collect()
});

/// A name whose canonical case is in one of the lists.
#[derive(Clone, Copy, Debug)]
struct Known {
    name: &'static str,
    registry: Registry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registry {
    Iana,
    None,
}

/// The canonical case of a registered name.
pub(crate) fn registered(name: &HeaderName) -> Option<&'static str> {
    BY_NAME.get(name).filter(|known| known.registry == Registry::Iana).map(|known| known.name)
}

/// The canonical case of a name, if it is a known one.
pub(crate) fn known(name: &HeaderName) -> Option<&'static str> {
    BY_NAME.get(name).map(|known| known.name)
}

/// Passes a name in its canonical case to `put`, in one piece or several.
pub(crate) fn write(name: &HeaderName, mut put: impl FnMut(&[u8])) {
    if let Some(canonical) = known(name) {
        put(canonical.as_bytes());
        return;
    }
    let mut start_of_word = true;
    // Names are short; those longer than the buffer go in pieces.
    for piece in name.as_str().as_bytes().chunks(64) {
        let mut buffer = [0; 64];
        for (to, byte) in buffer.iter_mut().zip(piece) {
            *to = if start_of_word { byte.to_ascii_uppercase() } else { *byte };
            start_of_word = *byte == b'-';
        }
        put(buffer.get(..piece.len()).unwrap_or_default());
    }
}

/// Whether a name is written in its canonical case.
pub(crate) fn is_canonical(name: &HeaderName, written: &[u8]) -> bool {
    let mut rest = Some(written);
    write(name, |piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
    rest.is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(written: &str) -> HeaderName {
        written.parse().unwrap()
    }

    fn canonical(written: &str) -> String {
        let mut output = Vec::new();
        write(&name(written), |piece| output.extend_from_slice(piece));
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn words_are_capitalised() {
        for text in ["Content-Type", "Location", "X-Ms-Error-Code", "X-A", "Lock-Token", "X--Y", "-A", "1a-B"]
        {
            assert_eq!(canonical(text), text);
            assert!(is_canonical(&name(text), text.as_bytes()));
        }
        let long = format!("X{}-Y{}", "x".repeat(100), "y".repeat(100));
        assert_eq!(canonical(&long), long);
        for written in ["content-type", "Content-TYPE", "Content-Typ", "Content-Type-"] {
            assert!(!is_canonical(&name("content-type"), written.as_bytes()), "{written}");
        }
    }

    #[test]
    fn every_known_name_is_found() {
        for names in [&REGISTERED[..], &OTHERS[..]] {
            assert!(names.is_sorted_by_key(|name| name.to_ascii_lowercase()), "for those who read it");
            for text in names {
                assert_eq!(known(&name(text)), Some(*text));
                assert_eq!(canonical(text), *text);
            }
        }
        for (lower, text) in [("etag", "ETag"), ("www-authenticate", "WWW-Authenticate"), ("dav", "DAV")] {
            assert_eq!(registered(&name(lower)), Some(text));
        }
        assert_eq!((registered(&name("x-ms-error-code")), registered(&name("x-request-id"))), (None, None));
        assert_eq!(known(&name("x-request-id")), Some("X-Request-ID"));
    }
}

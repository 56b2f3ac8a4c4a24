//! What may differ between the gateway and nginx, each with its reason.

/// Fields of a hop (RFC 9110 §7.6.1) and framing: each proxy has its own. Date is written by the one
/// that has none.
pub(super) const HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
    "content-length",
    "date",
    "host",
];

/// Fields that one of both adds to requests or takes away: name, who, why.
const IN_REQUESTS: [(&str, &str, &str); 7] = [
    ("x-forwarded-for", "gateway", "nginx adds it only if told to"),
    ("x-forwarded-proto", "gateway", "nginx adds it only if told to"),
    ("x-forwarded-host", "gateway", "nginx adds it only if told to"),
    ("via", "gateway", "RFC 9110 §7.6.3 demands it; nginx leaves it out"),
    ("x-request-id", "gateway", "the id of the request in log lines"),
    ("traceparent", "gateway", "the trace that the request belongs to"),
    ("x-forwarded-prefix", "gateway", "where a route's prefix was stripped"),
];

/// The same for replies.
const IN_REPLIES: [(&str, &str, &str); 2] = [
    ("x-request-id", "gateway", "the id of the request in log lines"),
    ("via", "gateway", "RFC 9110 §7.6.3 allows it"),
];

/// Whether a field may be in the requests of one of both, and not in the other's.
pub(super) fn in_requests(name: &str, side: &str) -> bool {
    is_listed(&IN_REQUESTS, name, side)
}

/// Whether a field may be in the replies of one of both, and not in the other's.
pub(super) fn in_replies(name: &str, side: &str) -> bool {
    is_listed(&IN_REPLIES, name, side)
}

fn is_listed(list: &[(&str, &str, &str)], name: &str, side: &str) -> bool {
    list.iter().any(|(listed, by, _)| *listed == name && *by == side)
}

/// Whether the gateway refuses a target that nginx takes: a path that servers read in two ways (a
/// segment `.` or `..`, plain or encoded, with or without parameters).
pub(super) fn refused_by_us(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let plain = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    let mut segments = plain.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    segments.any(|segment| matches!(segment, "." | ".."))
}

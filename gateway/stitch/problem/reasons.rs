//! The words by which metrics tell refusals apart.

/// The reasons of all refusals, so that their counters start at zero.
pub const REFUSAL_REASONS: [&str; 29] = [
    "malformed",
    "not_a_batch",
    "duplicate_member",
    "forbidden_xml",
    "duplicate_id",
    "bad_group",
    "unknown_dependency",
    "forward_dependency",
    "self_dependency",
    "bad_content_encoding",
    "body_unreadable",
    "too_deep",
    "too_many_items",
    "body_too_large",
    "unsupported_content_encoding",
    "unsupported_media_type",
    "not_acceptable",
    "odata_version",
    "no_isolation",
    "cross_site",
    "rate_limited",
    "unauthenticated",
    "client_forbidden",
    "authentication_unavailable",
    "loop_detected",
    "method_not_allowed",
    "body_timeout",
    "memory_budget",
    "internal",
];

/// The reasons of items and single requests for which a limit is at fault, so that their counters start at zero
/// and an alert sees the first one.
pub const LIMIT_REASONS: [&str; 15] = [
    "rate_limited",
    "item_over_limit",
    "queue_full",
    "queue_timeout",
    "circuit_open",
    "connection_timeout",
    "timeout_before_sending",
    "reply_timeout",
    "request_timeout",
    "loop_detected",
    "deadline_before_call",
    "deadline_during_call",
    "reply_too_large",
    "replies_too_large",
    "memory_budget",
];

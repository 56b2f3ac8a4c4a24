//! The table of everything that can go wrong, and the only place that picks status codes.
//!
//! A row is a status, a word, the error of Proxy-Status (RFC 9209 §2.3), a title, and the limit that was exceeded, if it
//! was one. The word is the last part of the problem type (RFC 9457 §3.1.1) and the reason in metrics and logs. Clients
//! and alerts rely on words and statuses, so neither changes. Titles are for people, and fit an item as well as a
//! single request.

use http::StatusCode;

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    pub(super) error: &'static str,
    /// The key of the limit that was exceeded.
    pub(super) limit: Option<&'static str>,
}

/// Defines the rows of a section, and the list of them.
macro_rules! rows {
    (
        [$section:tt]
        $($name:ident = $status:ident $reason:literal $error:literal $title:literal $($limit:literal)?;)*
    ) => {
        $(pub(super) const $name: Row = Row {
            status: StatusCode::$status,
            reason: $reason,
            kind: concat!("urn:batchgate:problem:", $reason),
            title: $title,
            error: $error,
            limit: rows!(@limit $($limit)?),
        };)*
        const $section: &[Row] = &[$($name),*];
    };
    (@limit $limit:literal) => { Some($limit) };
    (@limit) => { None };
}

rows! {
    // Name = status, word, error of Proxy-Status, title, limit.

    // Access: the same for batches, items and single requests.
    [ACCESS]
    RATE_LIMITED = TOO_MANY_REQUESTS "rate_limited" "http_request_denied" "Rate limit exceeded";
    WRONG_PASSWORDS = TOO_MANY_REQUESTS "wrong_passwords" "http_request_denied" "Too many wrong passwords";
    UNAUTHENTICATED = UNAUTHORIZED "unauthenticated" "http_request_denied" "Not authenticated";
    CLIENT_FORBIDDEN = FORBIDDEN "client_forbidden" "http_request_denied" "Access denied";
    AUTHENTICATION_UNAVAILABLE = SERVICE_UNAVAILABLE "authentication_unavailable" "destination_unavailable" "Authentication is unavailable";
    // RFC 9209 §2.3.32. Not the 502 that it recommends: 502 is retried (`retry.status`), in each round of the loop.
    LOOP_DETECTED = LOOP_DETECTED "loop_detected" "proxy_loop_detected" "Request loop detected" "limits.hops";
    OVER_BURST = PAYLOAD_TOO_LARGE "too_many_items" "http_request_denied" "Too many items in the batch";
}

rows! {
    // Requests that break HTTP.
    [REQUESTS]
    TARGET_TOO_LONG = URI_TOO_LONG "target_too_long" "http_request_error" "Request target too long";
    HEADER_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE "header_too_large" "http_request_error" "Request header section too large";
    NOT_IMPLEMENTED = NOT_IMPLEMENTED "not_implemented" "http_request_error" "Not supported by the gateway";
    VERSION_NOT_SUPPORTED = HTTP_VERSION_NOT_SUPPORTED "version_not_supported" "http_request_error" "Unsupported HTTP version";
    REQUEST_TOO_LARGE = PAYLOAD_TOO_LARGE "body_too_large" "http_request_error" "The request's body is too large" "routes.max_body";
    MISDIRECTED = MISDIRECTED_REQUEST "misdirected" "http_request_error" "The connection is for another host";
    MALFORMED_REQUEST = BAD_REQUEST "malformed_request" "http_request_error" "Malformed request";
}

rows! {
    [BATCHES]
    MALFORMED = BAD_REQUEST "malformed" "http_request_error" "Malformed batch";
    NOT_A_BATCH = BAD_REQUEST "not_a_batch" "http_request_error" "Not a batch";
    DUPLICATE_MEMBER = BAD_REQUEST "duplicate_member" "http_request_error" "Duplicate member";
    FORBIDDEN_XML = BAD_REQUEST "forbidden_xml" "http_request_error" "XML not allowed in a batch";
    DUPLICATE_ID = BAD_REQUEST "duplicate_id" "http_request_error" "Duplicate item id";
    BAD_GROUP = BAD_REQUEST "bad_group" "http_request_error" "Invalid group";
    UNKNOWN_DEPENDENCY = BAD_REQUEST "unknown_dependency" "http_request_error" "Unknown dependency";
    FORWARD_DEPENDENCY = BAD_REQUEST "forward_dependency" "http_request_error" "An item depends on a later one";
    SELF_DEPENDENCY = BAD_REQUEST "self_dependency" "http_request_error" "An item depends on itself";
    BAD_CONTENT_ENCODING = BAD_REQUEST "bad_content_encoding" "http_request_error" "The body does not match its Content-Encoding";
    BODY_UNREADABLE = BAD_REQUEST "body_unreadable" "http_request_error" "The request body could not be read";
    TOO_DEEP = BAD_REQUEST "too_deep" "http_request_error" "The batch is nested too deeply" "max_depth";
    TOO_MANY_ITEMS = PAYLOAD_TOO_LARGE "too_many_items" "http_request_error" "Too many items in the batch" "max_items";
    STREAM_TOO_LONG = PAYLOAD_TOO_LARGE "too_many_items" "http_request_error" "Too many items in the batch" "max_stream_items";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body_too_large" "http_request_error" "The batch is too large" "max_body";
    UNSUPPORTED_CONTENT_ENCODING = UNSUPPORTED_MEDIA_TYPE "unsupported_content_encoding" "http_request_error" "Unsupported Content-Encoding";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "http_request_error" "Unsupported Content-Type";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE "not_acceptable" "http_request_error" "No acceptable format";
    ODATA_VERSION = BAD_REQUEST "odata_version" "http_request_error" "Unsupported OData version";
    NO_ISOLATION = PRECONDITION_FAILED "no_isolation" "http_request_error" "Snapshot isolation is not supported";
    CROSS_SITE = FORBIDDEN "cross_site" "http_request_denied" "Cross-site batches are not allowed";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed" "http_request_error" "Method not allowed";
    BODY_TIMEOUT = REQUEST_TIMEOUT "body_timeout" "http_request_error" "The request body did not arrive in time" "limits.body_timeout";
    MEMORY_BUDGET = SERVICE_UNAVAILABLE "memory_budget" "proxy_internal_error" "The gateway's memory budget is used up" "limits.memory";
    INTERNAL = INTERNAL_SERVER_ERROR "internal" "proxy_internal_error" "Internal gateway error";
}

rows! {
    // Items.
    [_]
    BAD_LINE = BAD_REQUEST "bad_line" "http_request_error" "Malformed line";
    BAD_ITEM = BAD_REQUEST "bad_item" "http_request_error" "Malformed item";
    BAD_HEADER = BAD_REQUEST "bad_header" "http_request_error" "Invalid header";
    BAD_BODY = BAD_REQUEST "bad_body" "http_request_error" "Invalid body";
    ITEM_OVER_LIMIT = PAYLOAD_TOO_LARGE "item_over_limit" "http_request_error" "Limit exceeded";
    FORBIDDEN_URL = BAD_REQUEST "forbidden_url" "http_request_error" "URL not allowed";
    BAD_REFERENCE = BAD_REQUEST "bad_reference" "http_request_error" "Invalid reference";
    BAD_CONDITION = BAD_REQUEST "bad_condition" "http_request_error" "Invalid condition";
    // OData JSON Format 4.01 §19.1 has this status for a dependency that is not supported.
    CONDITION_NOT_SUPPORTED = FAILED_DEPENDENCY "condition_not_supported" "http_request_error" "Unsupported condition";
    FORBIDDEN_REFERENCE = FORBIDDEN "forbidden_reference" "http_request_denied" "Header url not allowed";
    OTHER_ROUTE = FORBIDDEN "other_route" "http_request_denied" "The record leads to another route";
    NESTED_BATCH = FORBIDDEN "nested_batch" "http_request_denied" "A batch can't contain a batch";
    NOT_BATCHABLE = FORBIDDEN "not_batchable" "http_request_denied" "The route does not accept batches";
    NO_ROUTE = NOT_FOUND "no_route" "destination_not_found" "No route for this path";
    ITEM_METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed" "http_request_denied" "Method not allowed";

    // Items that were not started.
    BATCH_STOPPED = FAILED_DEPENDENCY "batch_stopped" "http_request_denied" "The batch stopped before this item";
    DEPENDENCY_FAILED = FAILED_DEPENDENCY "dependency_failed" "http_request_denied" "A dependency failed";
    CONDITION_NOT_MET = FAILED_DEPENDENCY "condition_not_met" "http_request_denied" "The condition was not met";
    NOT_IN_WINDOW = FAILED_DEPENDENCY "out_of_window" "http_request_denied" "The stream does not remember that line" "stream_window.items";
    RESULT_NOT_KEPT = FAILED_DEPENDENCY "out_of_window" "http_request_denied" "The stream does not remember that line" "stream_window.bytes";
    NO_MEMORY_FOR_RESULTS = FAILED_DEPENDENCY "out_of_window" "http_request_denied" "The stream does not remember that line" "limits.memory";
    REFERENCE_UNRESOLVED = FAILED_DEPENDENCY "reference_unresolved" "http_request_denied" "Unresolved reference";

    // Members of groups that failed.
    NEVER_RAN = FAILED_DEPENDENCY "never_ran" "http_request_denied" "The group failed before this item";
    COMPENSATED = FAILED_DEPENDENCY "compensated" "http_request_denied" "Undone, because the group failed";
    UNDO_FAILED = FAILED_DEPENDENCY "undo_failed" "http_request_denied" "The group failed, and this item could not be undone";
}

rows! {
    // Calls without a reply.
    [CALLS]
    NO_TARGET = SERVICE_UNAVAILABLE "no_target" "destination_unavailable" "The upstream is unavailable";
    // RFC 9209 §2.3.12.
    QUEUE_FULL = SERVICE_UNAVAILABLE "queue_full" "connection_limit_reached" "Too many calls are waiting" "queue";
    QUEUE_TIMEOUT = SERVICE_UNAVAILABLE "queue_timeout" "connection_limit_reached" "The upstream is busy" "timeout.item";
    CIRCUIT_OPEN = SERVICE_UNAVAILABLE "circuit_open" "destination_unavailable" "The upstream keeps failing" "breaker";
    CONNECTION_REFUSED = BAD_GATEWAY "connection_refused" "connection_refused" "The upstream refused the connection";
    CONNECTION_TIMEOUT = GATEWAY_TIMEOUT "connection_timeout" "connection_timeout" "Connecting to the upstream timed out" "timeout.connect";
    CONNECTION_FAILED = BAD_GATEWAY "connection_failed" "destination_ip_unroutable" "Could not connect to the upstream";
    TLS_HANDSHAKE = BAD_GATEWAY "tls_handshake" "tls_protocol_error" "TLS handshake with the upstream failed";
    NOT_PROCESSED = SERVICE_UNAVAILABLE "not_processed" "destination_unavailable" "The upstream did not process the request";
    DEADLINE_BEFORE_CALL = GATEWAY_TIMEOUT "deadline_before_call" "http_response_timeout" "Batch deadline exceeded" "deadline";
    TIMEOUT_BEFORE_SENDING = GATEWAY_TIMEOUT "timeout_before_sending" "connection_timeout" "Timed out before sending" "timeout.item";
    CONNECTION_LOST = BAD_GATEWAY "connection_lost" "connection_terminated" "Connection to the upstream was lost";
    REPLY_TIMEOUT = GATEWAY_TIMEOUT "reply_timeout" "connection_read_timeout" "The upstream did not reply in time" "timeout.item";
    // RFC 9209 §2.3.26.
    REQUEST_TIMEOUT = GATEWAY_TIMEOUT "request_timeout" "http_response_timeout" "The request took too long" "timeout.request";
    IDLE_TIMEOUT = GATEWAY_TIMEOUT "idle_timeout" "http_response_timeout" "The stream was idle for too long" "timeout.idle";
    DEADLINE_DURING_CALL = GATEWAY_TIMEOUT "deadline_during_call" "http_response_timeout" "Batch deadline exceeded" "deadline";
    REPLY_MALFORMED = BAD_GATEWAY "reply_malformed" "http_protocol_error" "The upstream sent an invalid reply";
    REPLY_TOO_LARGE = BAD_GATEWAY "reply_too_large" "http_response_body_size" "The upstream's reply is too large" "max_item_reply";
    MAPPED_BODY_TOO_LARGE = BAD_GATEWAY "reply_too_large" "http_response_body_size" "The upstream's reply is too large" "mapped_body";
    REPLIES_TOO_LARGE = BAD_GATEWAY "replies_too_large" "http_response_body_size" "The batch's replies are too large" "max_reply";
    NO_SNAPSHOT = BAD_GATEWAY "no_snapshot" "http_request_denied" "What is there before the change could not be read";
    REPLY_CODING = BAD_GATEWAY "reply_coding" "http_response_content_coding" "The upstream's reply can't be decoded";
    CLIENT_GONE = BAD_GATEWAY "client_gone" "connection_terminated" "The client disconnected";
    CALL_INTERNAL = BAD_GATEWAY "internal" "proxy_internal_error" "Internal gateway error";

    // A client's share of an upstream (`client_share`), and long-lived exchanges (`upgraded`).
    CLIENT_SHARE_FULL = SERVICE_UNAVAILABLE "client_share_full" "connection_limit_reached" "Too many calls of this client are waiting" "client_share";
    CLIENT_SHARE_TIMEOUT = SERVICE_UNAVAILABLE "client_share_timeout" "connection_limit_reached" "The client's share is used up" "client_share";
    CLIENT_SHARE_DEADLINE = GATEWAY_TIMEOUT "client_share_deadline" "http_response_timeout" "The client's share is used up" "client_share";
    LONG_LIVED_FULL = SERVICE_UNAVAILABLE "upgraded_full" "connection_limit_reached" "Too many long-lived exchanges" "upgraded";
    CLIENT_LONG_LIVED_FULL = SERVICE_UNAVAILABLE "client_upgraded_full" "connection_limit_reached" "Too many long-lived exchanges of this client" "client_share";
}

/// The reasons of all refused batches, so that their counters start at zero.
pub fn refusal_reasons() -> impl Iterator<Item = &'static str> {
    ACCESS.iter().chain(BATCHES).map(|row| row.reason)
}

/// All that a request to a batch endpoint or a bulk route can be refused for: the status, the reason, and the title.
pub fn refusals() -> impl Iterator<Item = (StatusCode, &'static str, &'static str)> {
    REQUESTS.iter().chain(ACCESS).chain(BATCHES).map(|row| (row.status, row.reason, row.title))
}

/// The reasons of items and single requests that exceeded a limit, so that their counters start at zero and an alert
/// sees the first increase.
pub fn limit_reasons() -> impl Iterator<Item = &'static str> {
    let others = [RATE_LIMITED, ITEM_OVER_LIMIT, NOT_IN_WINDOW, LOOP_DETECTED, BODY_TIMEOUT, MEMORY_BUDGET];
    let of_calls = CALLS.iter().filter(|row| row.limit.is_some());
    of_calls.copied().chain(others).map(|row| row.reason)
}

//! The outcome of a gRPC call. Its HTTP status is almost always 200; the outcome is in `grpc-status`, in the trailers or,
//! if the reply has no body, in the header. Metrics and the log show it in addition to the HTTP status.
//!
//! In: the fields of a reply. Out: a [`GrpcStatus`], from a closed set, so that services can't add series to metrics.

use http::{HeaderMap, StatusCode};

/// A gRPC status ("Status codes and their use").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcStatus(u8);

/// The names by number, each with the equivalent HTTP status (google.rpc.Code).
const CODES: [(&str, StatusCode); 17] = [
    ("OK", StatusCode::OK),
    ("CANCELLED", CLIENT_CLOSED),
    ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
    ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST),
    ("DEADLINE_EXCEEDED", StatusCode::GATEWAY_TIMEOUT),
    ("NOT_FOUND", StatusCode::NOT_FOUND),
    ("ALREADY_EXISTS", StatusCode::CONFLICT),
    ("PERMISSION_DENIED", StatusCode::FORBIDDEN),
    ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS),
    ("FAILED_PRECONDITION", StatusCode::BAD_REQUEST),
    ("ABORTED", StatusCode::CONFLICT),
    ("OUT_OF_RANGE", StatusCode::BAD_REQUEST),
    ("UNIMPLEMENTED", StatusCode::NOT_IMPLEMENTED),
    ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
    ("DATA_LOSS", StatusCode::INTERNAL_SERVER_ERROR),
    ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
];

/// HTTP has no registered status for CANCELLED.
const CLIENT_CLOSED: StatusCode = StatusCode::REQUEST_TIMEOUT;

impl GrpcStatus {
    /// The status is missing or unknown.
    pub const UNKNOWN: Self = Self(2);
    /// The deadline has passed.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// A limit was exceeded.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// The call is not supported.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// The trailers or the header are incomplete.
    pub const INTERNAL: Self = Self(13);
    /// The service is unavailable.
    pub const UNAVAILABLE: Self = Self(14);

    /// The status in the trailers or in the header; `None` if there is none. A value that is not a known number is
    /// UNKNOWN.
    #[must_use]
    pub fn in_fields(fields: &HeaderMap) -> Option<Self> {
        let value = fields.get("grpc-status")?;
        let number = value.to_str().ok().and_then(|text| text.trim().parse::<u8>().ok());
        let known = number.filter(|number| usize::from(*number) < CODES.len());
        Some(known.map_or(Self::UNKNOWN, Self))
    }

    /// The status of a complete reply: from its trailers, otherwise from its header, otherwise from its HTTP status
    /// (gRPC's "HTTP to gRPC Status Code Mapping").
    #[must_use]
    pub fn of_reply(status: StatusCode, header: &HeaderMap, trailers: Option<&HeaderMap>) -> Self {
        let said = trailers.and_then(Self::in_fields).or_else(|| Self::in_fields(header));
        said.unwrap_or_else(|| Self::of_http(status))
    }

    /// The status of a reply without a gRPC status, such as the gateway's own, as a client sees it.
    #[must_use]
    pub fn of_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 431 => Self::INTERNAL,
            401 => Self(16),
            403 => Self(7),
            404 => Self(12),
            429 | 502..=504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        CODES.get(usize::from(self.0)).map_or("UNKNOWN", |(name, _)| name)
    }

    /// The equivalent HTTP status, for rules that look at HTTP statuses, such as the circuit breaker.
    #[must_use]
    pub fn as_http(self) -> StatusCode {
        CODES.get(usize::from(self.0)).map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(status: Option<&'static str>) -> HeaderMap {
        status
            .map(|status| (http::HeaderName::from_static("grpc-status"), status.parse().unwrap()))
            .into_iter()
            .collect()
    }

    #[test]
    fn a_status_is_known_by_number_name_and_equivalent() {
        for (text, code, name, http) in [
            ("0", 0, "OK", 200),
            ("1", 1, "CANCELLED", 408),
            (" 14 ", 14, "UNAVAILABLE", 503),
            ("4", 4, "DEADLINE_EXCEEDED", 504),
            ("8", 8, "RESOURCE_EXHAUSTED", 429),
            ("16", 16, "UNAUTHENTICATED", 401),
            ("7", 7, "PERMISSION_DENIED", 403),
            ("5", 5, "NOT_FOUND", 404),
            ("12", 12, "UNIMPLEMENTED", 501),
            ("13", 13, "INTERNAL", 500),
            ("17", 2, "UNKNOWN", 500),
            ("999", 2, "UNKNOWN", 500),
            ("-1", 2, "UNKNOWN", 500),
            ("x", 2, "UNKNOWN", 500),
        ] {
            let status = GrpcStatus::in_fields(&fields(Some(text))).unwrap();
            assert_eq!(
                (status.code(), status.as_str(), status.as_http().as_u16()),
                (code, name, http),
                "{text}"
            );
        }
        assert_eq!(GrpcStatus::in_fields(&fields(None)), None);
    }

    #[test]
    fn the_trailers_have_the_last_word() {
        for (http, header, trailers, name) in [
            (200, None, Some("14"), "UNAVAILABLE"),
            (200, Some("0"), Some("5"), "NOT_FOUND"),
            (200, Some("7"), None, "PERMISSION_DENIED"),
            (200, None, None, "UNKNOWN"),
            (502, None, None, "UNAVAILABLE"),
            (401, None, None, "UNAUTHENTICATED"),
            (404, None, None, "UNIMPLEMENTED"),
            (400, None, None, "INTERNAL"),
        ] {
            let trailers = trailers.map(|status| fields(Some(status)));
            let status = StatusCode::from_u16(http).unwrap();
            assert_eq!(GrpcStatus::of_reply(status, &fields(header), trailers.as_ref()).as_str(), name);
        }
    }
}

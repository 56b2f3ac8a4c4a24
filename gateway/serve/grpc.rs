//! gRPC: how a call is recognized, and how its client learns that something went wrong at the gateway. It gets a gRPC status
//! in place of HTTP's, in the head of a reply without a body, or in the trailers of one that breaks off (gRPC over
//! HTTP/2, "Responses").

use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::telemetry::GrpcStatus;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether the request is a call of gRPC, which needs HTTP/2 and may stay open for hours. One of gRPC-Web is not: it is
/// an ordinary request. Every call is a POST, so a WebSocket never is one.
pub(crate) fn is_grpc(request: &Parts) -> bool {
    request.method == Method::POST && has_type_of_grpc(&request.headers)
}

fn has_type_of_grpc(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    value.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
        && value.get(TYPE.len()).is_none_or(|next| matches!(next, b'+' | b';' | b' '))
}

/// The fields of a refusal.
pub(crate) fn refusal(status: StatusCode, message: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let message = HeaderValue::from_str(&encoded(message)).ok();
    let status = (STATUS, HeaderValue::from(u16::from(status_of(status).code())));
    std::iter::once(status).chain(message.map(|message| (MESSAGE, message)))
}

/// The same as trailers.
pub(crate) fn trailers(status: StatusCode, message: &str) -> HeaderMap {
    refusal(status, message).collect()
}

/// gRPC's status for a refusal of ours. Clients try UNAVAILABLE again, so a refusal for lack of time or because of a limit
/// has a status of its own.
pub(crate) fn status_of(status: StatusCode) -> GrpcStatus {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => GrpcStatus::DEADLINE_EXCEEDED,
        StatusCode::TOO_MANY_REQUESTS => GrpcStatus::RESOURCE_EXHAUSTED,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => GrpcStatus::UNIMPLEMENTED,
        _ => GrpcStatus::of_http(status),
    }
}

/// Percent-encodes bytes that `grpc-message` can't hold.
fn encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_status_of_grpc() {
        for (status, code) in [
            (401, "16"),
            (403, "7"),
            (404, "12"),
            (429, "8"),
            (502, "14"),
            (503, "14"),
            (504, "4"),
            (418, "2"),
        ] {
            let fields = trailers(StatusCode::from_u16(status).unwrap(), "50 % of ü");
            assert_eq!(fields[STATUS], code, "{status}");
            assert_eq!(fields[MESSAGE], "50 %25 of %C3%BC");
        }
    }

    #[test]
    fn grpc_calls_are_recognized_by_their_type() {
        let with_type =
            |value| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
        for yes in ["application/grpc", "application/grpc+proto", "Application/GRPC; x=y"] {
            assert!(has_type_of_grpc(&with_type(yes)), "{yes}");
        }
        // gRPC-Web is made for HTTP/1.1: its trailers are in the body.
        for no in [
            "",
            "application/json",
            "application/grpcx",
            "text/plain; a=application/grpc",
            "application/grpc-web",
        ] {
            assert!(!has_type_of_grpc(&with_type(no)), "{no}");
        }
    }
}

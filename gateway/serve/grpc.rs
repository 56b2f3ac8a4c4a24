//! What a gRPC client is told of what went wrong at the gateway: a status of gRPC in place of HTTP's, in the head of a
//! reply without a body, or in the trailers of one that breaks off (gRPC over HTTP/2, "Responses").

use std::fmt::Write as _;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::GrpcStatus;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The fields that say it.
pub(crate) fn refusal(status: StatusCode, message: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let message = HeaderValue::from_str(&encoded(message)).ok();
    let status = (STATUS, HeaderValue::from(u16::from(status_of(status).code())));
    std::iter::once(status).chain(message.map(|message| (MESSAGE, message)))
}

/// The same as trailers.
pub(crate) fn trailers(status: StatusCode, message: &str) -> HeaderMap {
    refusal(status, message).collect()
}

/// gRPC's status for a refusal of ours. A client tries UNAVAILABLE again, so what ran out of time, or over a limit, is
/// said as such.
pub(crate) fn status_of(status: StatusCode) -> GrpcStatus {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => GrpcStatus::DEADLINE_EXCEEDED,
        StatusCode::TOO_MANY_REQUESTS => GrpcStatus::RESOURCE_EXHAUSTED,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => GrpcStatus::UNIMPLEMENTED,
        _ => GrpcStatus::of_http(status),
    }
}

/// Percent-encodes what `grpc-message` can't hold as it is.
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
}

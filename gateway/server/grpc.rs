//! What a gRPC client is told of what went wrong at the gateway: a status of gRPC in place of HTTP's, in the head of a
//! reply without a body, or in the trailers of one that breaks off (gRPC over HTTP/2, "Responses").

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The fields that say it.
pub(super) fn refusal(status: StatusCode, message: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let message = HeaderValue::from_str(&encoded(message)).ok();
    let status = (STATUS, HeaderValue::from_static(code_of(status)));
    std::iter::once(status).chain(message.map(|message| (MESSAGE, message)))
}

/// The same as trailers.
pub(super) fn trailers(status: StatusCode, message: &str) -> HeaderMap {
    refusal(status, message).collect()
}

/// gRPC's code for a status of HTTP. A client tries UNAVAILABLE again, so what was refused for good is none.
fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 | 414 | 431 => "13", // INTERNAL
        401 => "16",                   // UNAUTHENTICATED
        403 => "7",                    // PERMISSION_DENIED
        404 | 405 | 501 => "12",       // UNIMPLEMENTED
        408 | 504 => "4",              // DEADLINE_EXCEEDED
        429 => "8",                    // RESOURCE_EXHAUSTED
        502 | 503 => "14",             // UNAVAILABLE
        _ => "2",                      // UNKNOWN
    }
}

/// Percent-encodes what `grpc-message` can't hold as it is.
fn encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
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

//! What a stream of HTTP/2 carries: a request and its reply, or a WebSocket (RFC 8441).
//!
//! A client asks for a WebSocket by an extended CONNECT. Everything behind the session sees the GET that the same client
//! would have sent over HTTP/1.1, so that routes, access and limits are the same for both.

use h2::ext::Protocol;
use http::Method;
use http::request::Parts;

/// What a client's stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// A request and its reply.
    Exchange,
    /// The bytes of a WebSocket, once its service has agreed.
    WebSocket,
    /// Bytes of another protocol, which the gateway does not carry.
    Unknown,
}

impl StreamKind {
    /// Takes the `:protocol` out of a request's head. That of a WebSocket becomes a GET.
    pub(super) fn take(head: &mut Parts) -> Self {
        let Some(protocol) = head.extensions.remove::<Protocol>() else { return Self::Exchange };
        if !protocol.as_str().eq_ignore_ascii_case("websocket") {
            return Self::Unknown;
        }
        head.method = Method::GET;
        Self::WebSocket
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn an_extended_connect_says_what_its_stream_carries() {
        for (protocol, kind, method) in [
            (None, StreamKind::Exchange, "CONNECT"),
            (Some("websocket"), StreamKind::WebSocket, "GET"),
            (Some("WebSocket"), StreamKind::WebSocket, "GET"),
            (Some("connect-udp"), StreamKind::Unknown, "CONNECT"),
            (Some("websocket2"), StreamKind::Unknown, "CONNECT"),
        ] {
            let request =
                Request::builder().method("CONNECT").uri("https://example.org/chat").body(()).unwrap();
            let (mut head, ()) = request.into_parts();
            if let Some(protocol) = protocol {
                head.extensions.insert(Protocol::from(protocol));
            }
            assert_eq!(StreamKind::take(&mut head), kind, "{protocol:?}");
            assert_eq!((head.method.as_str(), head.uri.path()), (method, "/chat"), "{protocol:?}");
        }
    }
}

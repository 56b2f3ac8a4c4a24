//! The opening handshake of a WebSocket with its service (RFC 6455 §4), for a client that has none: over HTTP/2 a WebSocket is
//! opened without a key (RFC 8441 §5), so the gateway makes one, and checks what the service makes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// RFC 6455 §1.3.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    key: String,
}

impl Handshake {
    /// One with a key of its own.
    pub(super) fn new() -> Self {
        Self { key: STANDARD.encode(rand::random::<[u8; 16]>()) }
    }

    /// The `Sec-WebSocket-Key` of the request.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the head of a reply shows that its service has read the key, so that it really speaks WebSocket.
    pub(super) fn is_answered_by(&self, reply: &HeaderMap) -> bool {
        let mut answers = reply.get_all(header::SEC_WEBSOCKET_ACCEPT).iter().map(HeaderValue::as_bytes);
        answers.next() == Some(self.answer().as_bytes()) && answers.next().is_none()
    }

    fn answer(&self) -> String {
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{}{SUFFIX}", self.key).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_answers_with_a_digest_of_the_key() {
        // RFC 6455 §1.3.
        let handshake = Handshake { key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned() };
        for (answers, expected) in [
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="][..], true),
            (&["S3PPLMBITXAQ9KYGZZHZRBK+XOO="], false),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "x"], false),
            (&[], false),
        ] {
            let mut reply = HeaderMap::new();
            for answer in answers {
                reply.append(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(answer));
            }
            assert_eq!(handshake.is_answered_by(&reply), expected, "{answers:?}");
        }
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let (one, other) = (Handshake::new(), Handshake::new());
        assert_ne!(one.key(), other.key());
        assert_eq!(one.key().len(), 24);
    }
}

//! The upgrades that are passed on (RFC 9110 §7.8): all that the client names, except those to HTTP itself. An upgrade to
//! HTTP/2 would bypass everything that the gateway checks.

use http::header::{self, HeaderValue};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::header::hop::connection_options;

/// What a client with HTTP/2 wants to switch to; it has no other way to say so (RFC 8441).
pub(super) const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// The protocols that the client wants to switch to, as an upstream may be asked for them.
pub(crate) fn wanted_upgrade(request: &RequestHeader) -> Option<HeaderValue> {
    let is_upgrade = |option: &[u8]| option.eq_ignore_ascii_case(b"upgrade");
    if request.version != Version::HTTP_11 || !connection_options(&request.headers).any(is_upgrade) {
        return None;
    }
    let wanted = request.headers.get_all(header::UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let wanted: Vec<_> =
        wanted.flat_map(|value| value.split(',')).map(str::trim).filter(|name| is_passed_on(name)).collect();
    HeaderValue::from_str(&wanted.join(", ")).ok().filter(|value| !value.is_empty())
}

fn is_passed_on(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    !name.is_empty() && ["h2c", "h2", "http", "tls"].iter().all(|refused| !name.eq_ignore_ascii_case(refused))
}

/// Whether the upstream has switched to a protocol that the client asked for.
pub(super) fn is_switch(asked: Option<&HeaderValue>, reply: &ResponseHeader) -> bool {
    let Some(asked) = asked.and_then(|asked| asked.to_str().ok()) else { return false };
    let Some(chosen) = reply.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()) else {
        // Some servers leave it out. A client that asked for one protocol knows which it is.
        return reply.status == StatusCode::SWITCHING_PROTOCOLS && !asked.contains(',');
    };
    reply.status == StatusCode::SWITCHING_PROTOCOLS
        && chosen
            .split(',')
            .all(|chosen| asked.split(',').any(|asked| asked.trim().eq_ignore_ascii_case(chosen.trim())))
}

/// Whether the protocol is WebSocket (RFC 6455).
pub(super) fn is_websocket(asked: &HeaderValue) -> bool {
    asked.as_bytes().eq_ignore_ascii_case(b"websocket")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(version: Version, fields: &[(&'static str, &'static str)]) -> Option<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_version(version);
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        wanted_upgrade(&request).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_upgrade_is_passed_on_unless_it_is_to_http() {
        for (upgrade, connection, expected) in [
            ("websocket", "Upgrade", Some("websocket")),
            ("WebSocket", "keep-alive, upgrade", Some("WebSocket")),
            ("tcp", "Upgrade", Some("tcp")),
            ("SPDY/3.1", "Upgrade", Some("SPDY/3.1")),
            ("h2c", "Upgrade, HTTP2-Settings", None),
            ("H2C, websocket", "Upgrade", Some("websocket")),
            ("HTTP/2.0", "Upgrade", None),
            ("TLS/1.0", "Upgrade", None),
            ("websocket", "keep-alive", None),
            (" , ", "Upgrade", None),
        ] {
            let fields = [("Upgrade", upgrade), ("Connection", connection)];
            assert_eq!(wanted(Version::HTTP_11, &fields).as_deref(), expected, "{upgrade} {connection}");
            assert_eq!(wanted(Version::HTTP_10, &fields), None);
        }
    }

    #[test]
    fn a_switch_is_to_what_was_asked_for() {
        for (asked, status, chosen, expected) in [
            (Some("websocket"), 101, Some("websocket"), true),
            (Some("tcp, SPDY/3.1"), 101, Some("spdy/3.1"), true),
            (Some("websocket"), 101, None, true),
            (Some("websocket"), 101, Some("h2c"), false),
            (Some("websocket"), 200, Some("websocket"), false),
            (None, 101, Some("websocket"), false),
        ] {
            let mut reply = ResponseHeader::build(status, None).unwrap();
            if let Some(chosen) = chosen {
                reply.insert_header("Upgrade", chosen).unwrap();
            }
            let asked_for = asked.map(HeaderValue::from_static);
            assert_eq!(is_switch(asked_for.as_ref(), &reply), expected, "{asked:?} {status} {chosen:?}");
        }
    }
}

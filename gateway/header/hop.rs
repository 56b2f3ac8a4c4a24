//! The fields that describe one connection and end at every hop (RFC 9110 §7.6.1). One rule for requests and replies, for
//! items, single requests and interim replies.
//!
//! In: the fields of a message as it was received, and whether its trailer section goes on ([`Kept`]). Out: the names of
//! the fields that must not go on. Connection may name more such fields. Fields that frame or address the message are
//! never among them, because without them it would be another message.
//!
//! Everything else that holds for one hop is here too: whether a sender takes trailers, how often a request may still be
//! forwarded, and which replies are followed by another one on the same hop.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

use super::field::is_hop_by_hop;

/// Which of a hop's own fields goes on to the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None.
    Nothing,
    /// `Trailer`: the trailer section goes on as well (RFC 9110 §6.6.2).
    Trailer,
}

/// The fields of a message that must not go on, each once.
#[must_use]
pub fn hop_by_hop_fields(fields: &HeaderMap, kept: Kept) -> Vec<HeaderName> {
    let named = named_by_connection(fields);
    let is_kept = |name: &HeaderName| match kept {
        Kept::Nothing => false,
        Kept::Trailer => *name == header::TRAILER,
    };
    let ends = |name: &&HeaderName| (is_hop_by_hop(name) || named.contains(name)) && !is_kept(name);
    let mut ending: Vec<_> = fields.keys().filter(ends).cloned().collect();
    // A map fills the gap with its last field. In this order most replies keep the order of their fields.
    ending.sort_by_key(|name| {
        let is_framing = *name == header::CONNECTION || *name == header::TRANSFER_ENCODING;
        (!named.contains(name), !is_framing)
    });
    ending
}

/// The options of Connection, which are names of fields or words such as `close`.
pub fn connection_options(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    list(fields, header::CONNECTION).filter(|option| !option.is_empty())
}

/// Whether a reply leaves its connection open for the next request (RFC 9112 §9.3).
#[must_use]
pub fn keeps_connection(fields: &HeaderMap, version: Version) -> bool {
    let says =
        |word: &str| connection_options(fields).any(|option| option.eq_ignore_ascii_case(word.as_bytes()));
    !says("close") && (version != Version::HTTP_10 || says("keep-alive"))
}

/// The fields that Connection names.
#[must_use]
pub fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    let names = connection_options(fields).filter_map(|option| HeaderName::from_bytes(option).ok());
    names
        .filter(|name| !matches!(name.as_str(), "close" | "keep-alive") && !belongs_to_the_message(name))
        .collect()
}

fn belongs_to_the_message(name: &HeaderName) -> bool {
    [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING].contains(name)
}

/// The members of a comma-separated field.
fn list(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = fields.get_all(name).into_iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether TE says that the sender takes trailers (RFC 9110 §10.1.4). A parameter behind the word changes nothing.
#[must_use]
pub fn takes_trailers(fields: &HeaderMap) -> bool {
    let without_parameters = |coding: &[u8]| {
        let word = coding.split(|byte| *byte == b';').next().unwrap_or_default();
        word.trim_ascii().eq_ignore_ascii_case(b"trailers")
    };
    list(fields, header::TE).any(without_parameters)
}

/// Returns how often a TRACE or OPTIONS request may still be forwarded, if it has a limit (RFC 9110 §7.6.2).
#[must_use]
pub fn max_forwards(method: &Method, fields: &HeaderMap) -> Option<u64> {
    let has_limit = matches!(*method, Method::TRACE | Method::OPTIONS);
    fields.get(header::MAX_FORWARDS).filter(|_| has_limit)?.to_str().ok()?.trim().parse().ok()
}

/// Whether another reply follows this one (RFC 9110 §15.2). After 101 another protocol follows.
#[must_use]
pub fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with every hop-by-hop field, and the fields that remain.
    #[test]
    fn a_hops_own_fields_leave() {
        let hop = [
            ("Connection", "X-Hop, close, keep-alive, Content-Length"),
            ("connection", "x-other ,, a b"),
            ("X-Hop", "1"),
            ("X-Other", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authenticate", "Basic"),
            ("Proxy-Authorization", "Basic x"),
            ("Proxy-Authentication-Info", "x=y"),
            ("TE", "trailers"),
            ("Trailer", "X-Sum"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("HTTP2-Settings", "AAA"),
        ];
        let end = [("Content-Length", "3"), ("Content-Type", "a/b"), ("X-A", "1"), ("X-A", "2")];
        for (kept, left) in [(Kept::Nothing, &[][..]), (Kept::Trailer, &["trailer"])] {
            let fields = hop
                .iter()
                .chain(&end)
                .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_static(value)));
            let mut fields: HeaderMap = fields.collect();
            for name in hop_by_hop_fields(&fields, kept) {
                fields.remove(name);
            }
            let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            let mut expected = [&["content-length", "content-type", "x-a"], left].concat();
            expected.sort_unstable();
            assert_eq!(names, expected, "{kept:?}");
            assert_eq!(fields.get_all("x-a").iter().count(), 2);
        }
    }

    fn fields(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        of.iter().map(field).collect()
    }

    #[test]
    fn te_says_whether_trailers_are_taken() {
        for (values, expected) in [
            (&[][..], false),
            (&["trailers"], true),
            (&["gzip, Trailers"], true),
            (&["deflate;q=0.5", " trailers ;q=1"], true),
            (&["trailers2", "x-trailers"], false),
            (&[""], false),
        ] {
            let te: Vec<_> = values.iter().map(|value| ("te", *value)).collect();
            assert_eq!(takes_trailers(&fields(&te)), expected, "{values:?}");
        }
    }

    #[test]
    fn only_trace_and_options_count_their_forwards() {
        for (method, value, expected) in [
            (Method::TRACE, "0", Some(0)),
            (Method::OPTIONS, " 7 ", Some(7)),
            (Method::GET, "7", None),
            (Method::TRACE, "-1", None),
            (Method::TRACE, "x", None),
        ] {
            assert_eq!(
                max_forwards(&method, &fields(&[("max-forwards", value)])),
                expected,
                "{method} {value}"
            );
        }
        assert_eq!(max_forwards(&Method::TRACE, &HeaderMap::new()), None);
    }

    #[test]
    fn a_switch_of_protocols_is_final() {
        for (status, expected) in [(100, true), (103, true), (199, true), (101, false), (200, false)] {
            assert_eq!(is_interim(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}

//! Fields that describe one connection, and leave a message at every hop (RFC 9110 §7.6.1). One rule for requests and
//! replies, for items, single requests and interim replies.
//!
//! In: the fields of a message as it came, and what of the connection the next one shares ([`Kept`]). Out: the names of
//! what must not go on. Connection may name fields of its own; those that frame or address the message can't be among
//! them, because a message without them would be another message.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::field::is_hop_by_hop;

/// What of a hop's own fields goes on to the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
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
    let leaves = |name: &&HeaderName| (is_hop_by_hop(name) || named.contains(name)) && !is_kept(name);
    let mut leaving: Vec<_> = fields.keys().filter(leaves).cloned().collect();
    // A map fills the gap with its last field; in this order replies mostly keep theirs.
    leaving.sort_by_key(|name| {
        let is_framing = *name == header::CONNECTION || *name == header::TRANSFER_ENCODING;
        (!named.contains(name), !is_framing)
    });
    leaving
}

/// Removes them.
pub fn strip_hop_by_hop(fields: &mut HeaderMap, kept: Kept) {
    for name in hop_by_hop_fields(fields, kept) {
        fields.remove(name);
    }
}

/// The fields that Connection names, beside the options that are no fields.
#[must_use]
pub fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    let values = fields.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
    let options = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let names = options.filter_map(|option| HeaderName::from_bytes(option).ok());
    names
        .filter(|name| !matches!(name.as_str(), "close" | "keep-alive") && !belongs_to_the_message(name))
        .collect()
}

fn belongs_to_the_message(name: &HeaderName) -> bool {
    [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with every field of a hop, and what is left of it.
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
            strip_hop_by_hop(&mut fields, kept);
            let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            let mut expected = [&["content-length", "content-type", "x-a"], left].concat();
            expected.sort_unstable();
            assert_eq!(names, expected, "{kept:?}");
            assert_eq!(fields.get_all("x-a").iter().count(), 2);
        }
    }
}

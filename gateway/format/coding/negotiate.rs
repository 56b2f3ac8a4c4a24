//! Whether a reply is compressed, and how: the one rule for all replies where `compress` is on.
//!
//! In: the request's fields, the reply's head. Out: a [`Compression`], from which the head is written anew. Pure.
//!
//! A reply is left alone if it has no body or a part of one, if it is coded already, if its length is known and small, if a
//! digest of it is in its head, if its media type does not compress, or if someone has said `no-transform`. What a cache must know is
//! said in any case: another client could have got the reply in another coding.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{Method, StatusCode, Version};

use super::encode::ReplyCoding;
use crate::format::accept::parse_weight;
use crate::format::media::compresses;
use crate::header::lists;

/// A body of fewer bytes fits in a packet as it is.
const LEAST: u64 = 1024;

/// Digests of the bytes of a body as it is sent (RFC 9530; RFC 3230 and RFC 2616 before it).
pub(crate) const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// The request's part in the decision.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'request> {
    pub(crate) method: &'request Method,
    pub(crate) version: Version,
    pub(crate) headers: &'request HeaderMap,
}

/// What becomes of a reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compression {
    /// The coding that its body gets, or that the body would get of which a reply to HEAD is the head.
    pub(crate) coding: Option<ReplyCoding>,
    /// The new value of its `ETag`, if that changes.
    pub(crate) etag: Option<HeaderValue>,
    /// Whether `Vary: Accept-Encoding` has to be added.
    pub(crate) varies: bool,
}

impl Compression {
    /// Decides about the reply with this head.
    pub(crate) fn decide(asked: Asked<'_>, status: StatusCode, reply: &HeaderMap) -> Self {
        let varies = !lists(reply, &VARY, "*") && !lists(reply, &VARY, ACCEPT_ENCODING.as_str());
        if status == StatusCode::NOT_MODIFIED {
            return Self { coding: None, etag: weak_as_asked(asked.headers, reply), varies };
        }
        if !is_compressible(status, reply) || lists(asked.headers, &CACHE_CONTROL, "no-transform") {
            return Self::default();
        }
        // A client of HTTP/1.0 would take a body without a length for complete when it breaks off.
        let coding = wanted(asked.headers).filter(|_| asked.version != Version::HTTP_10);
        let etag = coding.and_then(|_| weakened(reply.get(ETAG)?));
        Self { coding, etag, varies }
    }

    /// The same for a reply that is not coded after all.
    pub(crate) fn plain(self) -> Self {
        let etag = self.etag.filter(|_| self.coding.is_none());
        Self { coding: None, etag, ..self }
    }
}

fn is_compressible(status: StatusCode, reply: &HeaderMap) -> bool {
    let has_whole_body = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
        );
    let is_small = length(reply).is_some_and(|length| length < LEAST);
    let media_type = reply.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    has_whole_body
        && !is_small
        && !reply.contains_key(CONTENT_ENCODING)
        && !reply.contains_key(CONTENT_RANGE)
        && !DIGESTS.iter().any(|name| reply.contains_key(*name))
        && !lists(reply, &CACHE_CONTROL, "no-transform")
        && media_type.is_some_and(compresses)
}

fn length(reply: &HeaderMap) -> Option<u64> {
    reply.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a client names gzip with a weight above zero.
pub(crate) fn names_gzip(request: &HeaderMap) -> bool {
    said_in(request).any(|(name, weight)| name.eq_ignore_ascii_case("gzip") && weight > 0)
}

/// The members of Accept-Encoding that can be read.
fn said_in(request: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(weighted)
}

/// The coding with the highest weight; of several, the first of [`ReplyCoding::ALL`], which is the fastest. `None`: the client
/// wants the body as it is.
fn wanted(request: &HeaderMap) -> Option<ReplyCoding> {
    let said: Vec<_> = said_in(request).collect();
    let said_of = |wanted: &str| {
        said.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, weight)| *weight)
    };
    let weight_of = |coding: ReplyCoding| {
        let by_old_name = || said_of("x-gzip").filter(|_| coding == ReplyCoding::Gzip);
        said_of(coding.as_str()).or_else(by_old_name).or_else(|| said_of("*")).unwrap_or(0)
    };
    let most = ReplyCoding::ALL.into_iter().rev().max_by_key(|coding| weight_of(*coding))?;
    let weight = weight_of(most);
    (weight > 0 && weight >= said_of("identity").unwrap_or(0)).then_some(most)
}

/// A member of Accept-Encoding: the coding, and its weight in thousandths.
fn weighted(member: &str) -> Option<(&str, u16)> {
    let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
    let weight = match parameters.trim().split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => parse_weight(value.trim())?,
        Some(_) | None => 1000,
    };
    Some((name.trim(), weight))
}

/// RFC 9110 §8.8.1: the bytes are others than those that a strong validator stands for.
fn weakened(etag: &HeaderValue) -> Option<HeaderValue> {
    if !etag.as_bytes().starts_with(b"\"") {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()).ok()
}

/// A client that has the reply in a coding knows its weak tag. That of a 304 has to be the same, or a cache would not find what
/// it stored (RFC 9111 §4.3.4).
fn weak_as_asked(request: &HeaderMap, reply: &HeaderMap) -> Option<HeaderValue> {
    let weak = weakened(reply.get(ETAG)?)?;
    lists(request, &IF_NONE_MATCH, weak.to_str().ok()?).then_some(weak)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn fields(written: &[(&str, &str)]) -> HeaderMap {
        let each = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        written.iter().map(each).collect()
    }

    fn coding(accept: &str) -> Option<ReplyCoding> {
        wanted(&fields(&[("accept-encoding", accept)]))
    }

    #[test]
    fn the_coding_with_the_highest_weight_wins() {
        use ReplyCoding::{Brotli, Gzip, Zstd};
        for (accept, expected) in [
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("br;q=0.2, gzip ; Q=0.8", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*;q=0.1, gzip", Some(Gzip)),
            ("zstd;q=0, *", Some(Brotli)),
            ("identity, gzip;q=0.5", None),
            ("identity, gzip", Some(Gzip)),
            ("identity;q=0", None),
            ("gzip;q=0", None),
            ("gzip;q=x", None),
            ("deflate, compress", None),
            ("identity", None),
            ("", None),
        ] {
            assert_eq!(coding(accept), expected, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
        assert_eq!(wanted(&fields(&[("accept-encoding", "br"), ("accept-encoding", "zstd")])), Some(Zstd));
    }

    /// A reply: what is special about it, its status and fields, and whether it is compressed.
    type Case<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], bool);

    #[test]
    fn what_gains_nothing_or_must_not_change_is_left_alone() {
        let (large, text) = (("content-length", "4000"), ("content-type", "text/plain"));
        let all: [Case<'_>; 21] = [
            ("text", 200, &[text, large], true),
            ("without a length", 207, &[("content-type", "multipart/mixed; boundary=b")], true),
            ("an error", 500, &[("content-type", "application/problem+json"), large], true),
            ("just large enough", 200, &[text, ("content-length", "1024")], true),
            ("small", 200, &[text, ("content-length", "1023")], false),
            ("no type", 200, &[large], false),
            ("an image", 200, &[("content-type", "image/png"), large], false),
            ("a drawing", 200, &[("content-type", "image/svg+xml"), large], true),
            ("grpc", 200, &[("content-type", "application/grpc+json"), large], false),
            ("coded", 200, &[text, large, ("content-encoding", "gzip")], false),
            ("said to be plain", 200, &[text, large, ("content-encoding", "identity")], false),
            ("part", 206, &[text, large], false),
            ("a range", 200, &[text, large, ("content-range", "bytes 0-9/10")], false),
            ("no-transform", 200, &[text, large, ("cache-control", "private, No-Transform")], false),
            ("quoted", 200, &[text, large, ("cache-control", "a=\"b, no-transform\"")], true),
            ("a digest", 200, &[text, large, ("content-digest", "sha-256=:x:")], false),
            ("an old digest", 200, &[text, large, ("content-md5", "x")], false),
            ("no content", 204, &[text], false),
            ("reset", 205, &[text], false),
            ("unchanged", 304, &[text], false),
            ("events", 200, &[("content-type", "text/event-stream")], true),
        ];
        let asked = fields(&[("accept-encoding", "gzip")]);
        let asked = Asked { method: &Method::GET, version: Version::HTTP_11, headers: &asked };
        for (about, status, reply, expected) in all {
            let status = StatusCode::from_u16(status).unwrap();
            let decided = Compression::decide(asked, status, &fields(reply));
            assert_eq!(decided.coding.is_some(), expected, "{about}");
            assert_eq!(decided.varies, expected || status == 304, "{about}");
        }
        let text = fields(&[text, large]);
        let decide = |asked| Compression::decide(asked, StatusCode::OK, &text);
        assert_eq!(decide(Asked { method: &Method::HEAD, ..asked }), decide(asked));
        let old = decide(Asked { version: Version::HTTP_10, ..asked });
        assert_eq!(old, Compression { coding: None, etag: None, varies: true });
        let headers = &fields(&[("accept-encoding", "gzip"), ("cache-control", "no-transform")]);
        assert_eq!(decide(Asked { headers, ..asked }), Compression::default());
    }

    #[test]
    fn vary_is_said_once() {
        let asked = HeaderMap::new();
        let asked = Asked { method: &Method::GET, version: Version::HTTP_2, headers: &asked };
        for (said, varies) in [
            ("Origin", true),
            ("Accept-Encoding", false),
            ("origin,accept-encoding", false),
            ("*", false),
            ("X-Accept-Encoding", true),
        ] {
            let reply = fields(&[("content-type", "text/html"), ("vary", said)]);
            assert_eq!(Compression::decide(asked, StatusCode::OK, &reply).varies, varies, "{said}");
        }
    }

    #[test]
    fn a_coded_reply_has_a_weak_etag_and_a_304_has_the_clients() {
        let decide = |status: u16, asked: &[(&str, &str)], etag: &str| {
            let headers = &fields(&[asked, &[("accept-encoding", "br")]].concat());
            let asked = Asked { method: &Method::GET, version: Version::HTTP_11, headers };
            let reply = fields(&[("content-type", "text/html"), ("etag", etag)]);
            let decided = Compression::decide(asked, StatusCode::from_u16(status).unwrap(), &reply);
            decided.etag.map(|etag| etag.to_str().unwrap().to_owned())
        };
        let weak = Some("W/\"a\"".to_owned());
        assert_eq!(decide(200, &[], "\"a\""), weak);
        assert_eq!(decide(200, &[], "W/\"a\""), None);
        assert_eq!(decide(304, &[("if-none-match", "\"b\", W/\"a\"")], "\"a\""), weak);
        assert_eq!(decide(304, &[("if-none-match", "\"a\"")], "\"a\""), None);
        assert_eq!(decide(304, &[("if-none-match", "*")], "\"a\""), None);
    }
}

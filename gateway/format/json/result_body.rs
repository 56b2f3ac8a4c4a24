//! How an upstream's body is written as a JSON member: as JSON, as text, or in base64.
//!
//! In: the body and the media type that its service gave it. Out: its form, and the media type that its result must say
//! instead. Clients of other services know the form by the media type alone: a string under a JSON type is JSON's own, and
//! without a type they guess. So where the form is not what the type calls for, the result says another type. The gateway's
//! own dialect keeps the service's type, because it has the member `encoding`.

use std::borrow::Cow;

use bytes::Bytes;

use super::lexer::is_exchangeable;
use crate::format::charset;
use crate::format::media::{MediaKind, MediaType, TextTypes};

/// Deepest JSON body that is embedded as JSON. Readers have limits, too, and one body over them
/// would make the client lose the complete reply; deeper ones are not embedded.
pub(super) const MAX_EMBEDDED_DEPTH: usize = 96;

const TEXT: &str = "text/plain";
const BINARY: &str = "application/octet-stream";

/// What tells a client how a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToldBy {
    /// The member `encoding`; the service's own media type stays.
    Encoding,
    /// The media type.
    MediaType,
}

/// How a body is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyForm<'a> {
    /// As if there were none.
    Absent,
    /// As it is.
    Json(Bytes),
    /// As a string.
    Text(Cow<'a, str>),
    /// As a string in base64.
    Base64(&'a [u8]),
}

/// A body's form, and the media type that its result says instead of the service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenBody<'a> {
    pub(super) form: BodyForm<'a>,
    pub(super) media_type: Option<&'static str>,
}

impl<'a> WrittenBody<'a> {
    /// How a body of this type is written.
    pub(super) fn new(bytes: &'a Bytes, media: Option<MediaType<'_>>, told_by: ToldBy) -> Self {
        let form = BodyForm::of_type(bytes, media);
        let kind = media.map(|media| media.kind);
        let fits = match (&form, kind) {
            (BodyForm::Base64(_), Some(kind)) => kind != MediaKind::Json && !kind.is_text(TextTypes::All),
            (BodyForm::Base64(_), None) => false,
            (BodyForm::Absent | BodyForm::Json(_) | BodyForm::Text(_), _) => true,
        };
        if fits || told_by == ToldBy::Encoding {
            return Self { form, media_type: None };
        }
        let is_text_of_no_charset = kind.is_some_and(|kind| kind.is_text(TextTypes::All));
        match std::str::from_utf8(bytes) {
            Ok("") => Self { form: BodyForm::Absent, media_type: None },
            Ok(text) if !is_text_of_no_charset => {
                Self { form: BodyForm::Text(text.into()), media_type: Some(TEXT) }
            }
            Ok(_) | Err(_) => Self { form, media_type: Some(BINARY) },
        }
    }
}

impl<'a> BodyForm<'a> {
    /// The form that the media type calls for; base64 if the body is not what it says.
    fn of_type(bytes: &'a Bytes, media: Option<MediaType<'_>>) -> Self {
        let Some(media) = media else { return Self::Base64(bytes) };
        if media.kind == MediaKind::Json {
            let value = without_byte_order_mark(bytes);
            let is_embedded = is_exchangeable(value, MAX_EMBEDDED_DEPTH);
            return if is_embedded { Self::Json(bytes.slice_ref(value)) } else { Self::Base64(value) };
        }
        let text =
            if media.kind.is_text(TextTypes::All) { charset::decode(media.charset, bytes) } else { None };
        text.map_or(Self::Base64(bytes), Self::Text)
    }
}

/// Some servers send a byte order mark before their JSON, which RFC 8259 §8.1 lets readers ignore; in the
/// middle of a document it would be an error.
fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(media_type: &str, body: &'a Bytes, told_by: ToldBy) -> WrittenBody<'a> {
        let fields = vec![(http::header::CONTENT_TYPE, http::HeaderValue::from_str(media_type).unwrap())];
        let media = if media_type.is_empty() { None } else { MediaType::from_fields(&fields) };
        WrittenBody::new(body, media, told_by)
    }

    type Told = (BodyForm<'static>, Option<&'static str>);

    #[test]
    fn what_says_json_and_is_not_is_told_truthfully() {
        let text = |text: &'static str| (BodyForm::Text(text.into()), Some(TEXT));
        let binary = |bytes: &'static [u8]| (BodyForm::Base64(bytes), Some(BINARY));
        let cases: [(&str, &'static [u8], Told); 11] = [
            ("application/json", b"oops", text("oops")),
            ("application/problem+json", b"<html>", text("<html>")),
            ("application/json", b"[\"\\ud800\"]", text("[\"\\ud800\"]")),
            ("application/json", b"\"\xff\"", binary(b"\"\xff\"")),
            ("application/json", b"", (BodyForm::Absent, None)),
            ("", b"hello", text("hello")),
            ("", b"{\"a\":1}", text("{\"a\":1}")),
            ("", b"\x89PNG\xff", binary(b"\x89PNG\xff")),
            ("", b"", (BodyForm::Absent, None)),
            ("text/plain", b"\xe9", binary(b"\xe9")),
            ("text/plain; charset=klingon", b"a", binary(b"a")),
        ];
        for (media_type, body, (form, says)) in cases {
            let bytes = Bytes::from_static(body);
            let expected = WrittenBody { form, media_type: says };
            assert_eq!(told(media_type, &bytes, ToldBy::MediaType), expected, "{media_type} {body:?}");
            let own = told(media_type, &bytes, ToldBy::Encoding);
            assert!(matches!(own, WrittenBody { form: BodyForm::Base64(_), media_type: None }), "{own:?}");
        }
    }

    #[test]
    fn what_is_what_it_says_keeps_its_type() {
        for told_by in [ToldBy::Encoding, ToldBy::MediaType] {
            for (media_type, body, form) in [
                ("application/json", &b"\xef\xbb\xbf{}"[..], BodyForm::Json(Bytes::from_static(b"{}"))),
                ("text/html", b"<p>", BodyForm::Text("<p>".into())),
                ("text/plain", b"", BodyForm::Text("".into())),
                ("image/png", b"\x89PNG", BodyForm::Base64(b"\x89PNG")),
                ("image/png", b"text", BodyForm::Base64(b"text")),
            ] {
                let bytes = Bytes::copy_from_slice(body);
                let expected = WrittenBody { form, media_type: None };
                assert_eq!(told(media_type, &bytes, told_by), expected, "{media_type} {body:?}");
            }
        }
    }
}

//! The body of a JSON item: what the member's value means under the item's media type (protocol
//! §2.1, OData JSON §19.2). A JSON body is passed on byte for byte, as a slice of the batch.

use std::borrow::Cow;

use bytes::Bytes;

use super::error::JsonError;
use super::lexer::Lexer;
use super::strings::RawString;
use crate::batch::ItemRejection;
use crate::format::item_builder::ItemBuilder;
use crate::format::media::{MediaKind, TextTypes};
use crate::format::{base64, charset};

/// The member `body` as the client wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawBody<'a> {
    /// Absent, or `null`: OData has no other way to send no body.
    Absent,
    /// A string.
    String {
        /// Its content.
        content: RawString<'a>,
        /// The string with its quotes.
        json: &'a str,
    },
    /// Any other value.
    Other(&'a str),
}

impl<'a> RawBody<'a> {
    /// Reads the member's value.
    pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<Self, JsonError> {
        if lexer.peek() == Some(b'"') {
            let (content, json) = lexer.string_and_source()?;
            return Ok(Self::String { content, json });
        }
        Ok(match lexer.value()? {
            "null" => Self::Absent,
            json => Self::Other(json),
        })
    }

    /// The bytes to send. `whole` is the batch that the body is a slice of.
    pub(super) fn prepare(
        self,
        builder: &mut ItemBuilder<'_>,
        whole: &Bytes,
        text_types: TextTypes,
    ) -> Result<Option<Bytes>, JsonError> {
        let kind = builder.media_type().map_or(MediaKind::Json, |media| media.kind);
        let (content, json) = match self {
            Self::Absent => return Ok(None),
            Self::String { content, json } => (Some(content), json),
            Self::Other(json) => (None, json),
        };
        if kind == MediaKind::Json {
            builder.default_media_type("application/json");
            return Ok(Some(whole.slice_ref(json.as_bytes())));
        }
        let Some(content) = content else {
            builder.reject(ItemRejection::BadBody { problem: not_a_string(kind, text_types) });
            return Ok(None);
        };
        let text = content.decode()?;
        if builder.is_rejected() {
            return Ok(None);
        }
        let bytes = if kind.is_text(text_types) {
            let charset = builder.media_type().and_then(|media| media.charset);
            charset::encode(charset, &text).map_err(charset::problem).map(|bytes| match bytes {
                // Without escapes, the text in the batch already has the bytes to send.
                Cow::Borrowed(bytes) if !content.escaped => whole.slice_ref(bytes),
                Cow::Borrowed(_) | Cow::Owned(_) => Bytes::from(bytes.into_owned()),
            })
        } else {
            base64::decode(&text)
                .map(Bytes::from)
                .ok_or("is not base64, which the item's Content-Type calls for")
        };
        match bytes {
            Ok(bytes) => Ok(Some(bytes)),
            Err(problem) => {
                builder.reject(ItemRejection::BadBody { problem });
                Ok(None)
            }
        }
    }
}

const fn not_a_string(kind: MediaKind, text_types: TextTypes) -> &'static str {
    if kind.is_text(text_types) {
        "is not a string, which the item's Content-Type (text, a form or XML) calls for"
    } else {
        "is not a base64 string, which the item's Content-Type calls for"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, BatchLimits, BatchRefusal, Item};
    use crate::format::json::conventions::JsonInput;
    use crate::format::json::reader::read as read_with;

    fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
        read_with(body, limits, JsonInput::default())
    }

    fn read_item(media_type: Option<&str>, body: &str) -> Result<Item, ItemRejection> {
        let headers = media_type
            .map_or_else(String::new, |value| format!(r#","headers":{{"content-type":"{value}"}}"#));
        // The body comes first: its type may still be unknown when it is read.
        let batch = format!(r#"{{"requests":[{{"body":{body},"method":"PUT","url":"/a"{headers}}}]}}"#);
        read(&Bytes::from(batch), &BatchLimits::default()).unwrap().items.remove(0).content
    }

    fn sent(media_type: &str, body: &str) -> Option<Vec<u8>> {
        read_item(Some(media_type), body).unwrap().body.map(Vec::from)
    }

    #[test]
    fn json_is_passed_on_unchanged() {
        let json = r#"{ "a" : [1e999, 1.0 ,"\u00e9\ud800"], "a":  2 }"#;
        let item = read_item(None, json).unwrap();
        assert_eq!(item.body.as_deref(), Some(json.as_bytes()));
        assert_eq!(
            item.headers,
            [(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"))]
        );
        for body in ["1", "false", "\"x\\n\"", "[]", "{}"] {
            assert_eq!(sent("application/merge-patch+json", body).as_deref(), Some(body.as_bytes()));
        }
    }

    #[test]
    fn json_is_a_slice_of_the_batch() {
        let batch = Bytes::from_static(br#"{"requests":[{"method":"PUT","url":"/a","body":[1,2]}]}"#);
        let item = read(&batch, &BatchLimits::default()).unwrap().items.remove(0).content.unwrap();
        assert_eq!(item.body.unwrap().as_ptr(), batch[47..].as_ptr());
    }

    #[test]
    fn null_means_no_body() {
        for media_type in [None, Some("application/json"), Some("text/plain"), Some("image/png")] {
            assert_eq!(read_item(media_type, "null").unwrap().body, None);
        }
        assert!(read_item(None, "null").unwrap().headers.is_empty());
    }

    #[test]
    fn text_is_a_string_in_its_charset() {
        assert_eq!(sent("text/plain", r#""a\né""#).unwrap(), "a\né".as_bytes());
        assert_eq!(sent("text/plain", r#""plain é""#).unwrap(), "plain é".as_bytes());
        assert_eq!(sent("text/plain; charset=iso-8859-1", "\"é\"").unwrap(), [0xe9]);
        assert_eq!(sent("application/soap+xml", r#""<a b=\"\"/>""#).unwrap(), br#"<a b=""/>"#);
        assert_eq!(sent("text/csv", "\"\"").unwrap(), b"");
    }

    #[test]
    fn the_rest_is_base64() {
        assert_eq!(sent("image/png", "\"_-8\"").unwrap(), [0xff, 0xef]);
        assert_eq!(sent("image/png", r#""\/+8=""#).unwrap(), [0xff, 0xef]);
        assert_eq!(sent("application/x-protobuf", "\"YT1i\"").unwrap(), b"a=b");
    }

    #[test]
    fn forms_and_what_else_is_text_are_text() {
        for media_type in [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "application/graphql",
            "application/sql",
            "application/javascript",
            "application/yaml",
            "application/x-ndjson",
        ] {
            // The second would be base64, too.
            for text in ["a=1&b=2", "abcd", ""] {
                assert_eq!(
                    sent(media_type, &format!("\"{text}\"")).unwrap(),
                    text.as_bytes(),
                    "{media_type}"
                );
            }
            assert!(matches!(read_item(Some(media_type), "{}"), Err(ItemRejection::BadBody { .. })));
        }
    }

    #[test]
    fn dialects_have_base64_where_their_standard_has_it() {
        let form = |text_types| {
            let batch = Bytes::from_static(
                br#"{"requests":[{"method":"PUT","url":"/a","headers":{"content-type":"application/x-www-form-urlencoded"},"body":"YT1i"}]}"#,
            );
            let conventions = JsonInput { text_types, ..JsonInput::default() };
            read_with(&batch, &BatchLimits::default(), conventions).unwrap().items.remove(0).content
        };
        assert_eq!(form(TextTypes::ByName).unwrap().body.unwrap(), "a=b");
        assert_eq!(form(TextTypes::None).unwrap().body.unwrap(), "a=b");
    }

    #[test]
    fn bodies_that_do_not_fit_their_type_reject_the_item() {
        let bad = [
            ("text/plain", "{}"),
            ("text/plain", "1"),
            ("application/xml", "[]"),
            ("image/png", "1"),
            ("image/png", "\"a=b\""),
            ("image/png", r#""YQ==\n""#),
            ("text/plain; charset=us-ascii", "\"é\""),
            ("text/plain; charset=klingon", "\"a\""),
        ];
        for (media_type, body) in bad {
            let rejected = read_item(Some(media_type), body);
            assert!(matches!(rejected, Err(ItemRejection::BadBody { .. })), "{media_type}: {body}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_not_text() {
        let batch = r#"{"requests":[{"method":"PUT","url":"/a","headers":{"content-type":"text/plain"},"body":"\udead"}]}"#;
        let refused = read(&Bytes::from(batch), &BatchLimits::default());
        assert!(matches!(refused, Err(BatchRefusal::Malformed { .. })));
    }
}

//! The body of a JSON item: what the member's value means under the item's media type (protocol
//! §2.1, OData JSON §19.2). A JSON body is passed on byte for byte, as a slice of the batch.

use std::borrow::Cow;

use bytes::Bytes;

use super::lexer::{Fault, Lexer, RawString};
use crate::format::draft::Draft;
use crate::format::media::MediaKind;
use crate::format::{ItemRejection, base64, charset};

/// The member `body` as it stands in the batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawBody<'a> {
    /// None, or `null`: OData has no other body that is nothing.
    Absent,
    /// A string.
    String {
        /// Its content.
        content: RawString<'a>,
        /// The same with its quotes.
        json: &'a str,
    },
    /// Any other value.
    Other(&'a str),
}

impl<'a> RawBody<'a> {
    /// Reads the member's value.
    pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        if lexer.peek() == Some(b'"') {
            let (content, json) = lexer.string_and_source()?;
            return Ok(Self::String { content, json });
        }
        Ok(match lexer.value()? {
            "null" => Self::Absent,
            json => Self::Other(json),
        })
    }

    /// The bytes to send, `whole` being the batch that this is a part of.
    pub(super) fn prepare(self, draft: &mut Draft<'_>, whole: &Bytes) -> Result<Option<Bytes>, Fault> {
        let kind = draft.media_type().map_or(MediaKind::Json, |media| media.kind);
        let (content, json) = match self {
            Self::Absent => return Ok(None),
            Self::String { content, json } => (Some(content), json),
            Self::Other(json) => (None, json),
        };
        if kind == MediaKind::Json {
            draft.default_media_type("application/json");
            return Ok(Some(whole.slice_ref(json.as_bytes())));
        }
        let Some(content) = content else {
            draft.reject(ItemRejection::BadBody { problem: not_a_string(kind) });
            return Ok(None);
        };
        let text = content.decode()?;
        if draft.is_rejected() {
            return Ok(None);
        }
        let bytes = match kind {
            MediaKind::Json | MediaKind::Xml | MediaKind::Text => {
                let charset = draft.media_type().and_then(|media| media.charset);
                charset::encode(charset, &text).map_err(charset::problem).map(|bytes| match bytes {
                    // Without escapes, UTF-8 text stands in the batch as it is sent.
                    Cow::Borrowed(bytes) if !content.escaped => whole.slice_ref(bytes),
                    Cow::Borrowed(_) | Cow::Owned(_) => Bytes::from(bytes.into_owned()),
                })
            }
            MediaKind::TextInReplies | MediaKind::Binary => base64::decode(&text)
                .map(Bytes::from)
                .ok_or("is no base64, which the item's Content-Type calls for"),
        };
        match bytes {
            Ok(bytes) => Ok(Some(bytes)),
            Err(problem) => {
                draft.reject(ItemRejection::BadBody { problem });
                Ok(None)
            }
        }
    }
}

fn not_a_string(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Json | MediaKind::Xml | MediaKind::Text => {
            "is no string, which the item's Content-Type (text or XML) calls for"
        }
        MediaKind::TextInReplies | MediaKind::Binary => {
            "is no base64 string, which the item's Content-Type calls for"
        }
    }
}

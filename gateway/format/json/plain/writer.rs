//! Writes what dialects of plain items share in one result: its body.

use std::borrow::Cow;

use bytes::Bytes;

use crate::batch::{ItemResult, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::error_form::ErrorForm;
use crate::format::json::strings::write as write_string;
use crate::format::media::{MediaType, TextTypes};
use crate::format::{base64, charset};

/// Writes the body as a string. A body that is not text is base64, which a member of its own says.
pub(crate) fn write_body(output: &mut ChunkWriter, result: ItemResult, error: ErrorForm) {
    let bytes = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            (error.write)(&mut document, &problem);
            let document = document.finish().concat();
            return write_string(output, &String::from_utf8_lossy(&document));
        }
    };
    if let Some(text) = text(&bytes, MediaType::from_fields(&result.headers)) {
        return write_string(output, &text);
    }
    output.put(b"\"");
    base64::write(output, &bytes);
    output.put(b"\",\"encoding\":\"base64\"");
}

/// The body as text: in its charset if it has one, else in UTF-8.
fn text<'a>(bytes: &'a Bytes, media: Option<MediaType<'_>>) -> Option<Cow<'a, str>> {
    match media.filter(|media| media.kind.is_text(TextTypes::All)) {
        Some(media) => charset::decode(media.charset, bytes),
        None => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

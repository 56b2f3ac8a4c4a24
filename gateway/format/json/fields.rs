//! Writes the fields of a result as the members of `headers`.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, HeaderName, SET_COOKIE};

use super::strings::write_content;
use crate::batch::ItemResult;
use crate::format::chunk_writer::ChunkWriter;
use crate::header::field::value_text;

/// Which fields are lists. The values of other fields are joined (RFC 9110 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Several Set-Cookie, whose values have commas in them.
    OfCookies,
    /// Every field with several values.
    OfSeveral,
    /// Every field.
    Always,
}

/// Writes the members. A `media_type` replaces what the fields say.
pub(crate) fn write_fields(
    output: &mut ChunkWriter,
    result: &ItemResult,
    media_type: Option<&str>,
    lists: Lists,
) {
    let mut separator: &[u8] = b"\"";
    if let Some(media_type) = media_type {
        output.put(b"\"Content-Type\":");
        write_values(output, &CONTENT_TYPE, std::iter::once(Cow::Borrowed(media_type)), lists);
        separator = b",\"";
    }
    let fields = &result.headers;
    for (index, (name, _)) in fields.iter().enumerate() {
        let written_before = fields.iter().take(index).any(|(earlier, _)| earlier == name);
        if written_before || (media_type.is_some() && name == CONTENT_TYPE) {
            continue;
        }
        output.put(separator);
        separator = b",\"";
        result.spellings.write_in_json(name, |piece| output.put(piece));
        output.put(b"\":");
        let values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value_text(value));
        write_values(output, name, values, lists);
    }
}

fn write_values<'a>(
    output: &mut ChunkWriter,
    name: &HeaderName,
    values: impl Iterator<Item = Cow<'a, str>> + Clone,
    lists: Lists,
) {
    let as_list = match lists {
        Lists::OfCookies => name == SET_COOKIE && values.clone().count() > 1,
        Lists::OfSeveral => values.clone().count() > 1,
        Lists::Always => true,
    };
    output.put(if as_list { b"[\"" } else { b"\"" });
    for (index, value) in values.enumerate() {
        if index > 0 {
            output.put(if as_list { b"\",\"" } else { b", " });
        }
        write_content(output, &value);
    }
    output.put(if as_list { b"\"]" } else { b"\"" });
}

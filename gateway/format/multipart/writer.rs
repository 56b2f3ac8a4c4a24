//! Writes the results of a batch as multipart/mixed (protocol §4.3), as its least tolerant reader needs
//! it: CRLF, a reason phrase, at least one field, a boundary that is bare and has no `=` in it.
//!
//! The boundary is random, 128 bits, and no upstream gets to know it: none can have written it
//! into a body, and a match by chance is out of reach. So bodies are not searched for
//! it, and large ones are not even read. Every part also states its body's length.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};

use super::conventions::{ContentIds, MultipartOutput, Sets};
use crate::batch::{Changesets, Groups, IdForm, ItemResult, ResultBody, SetAnswer, Subject};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::reason::phrase;
use crate::format::result_writer::{ReplyEnd, ResultWriter, expected_length};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;

/// Bytes of a part in addition to its field values and body, roughly.
const PART_OVERHEAD: usize = 224;

/// The start of the boundaries, before the random part. Neither boundary contains the other.
const BATCH_PREFIX: &str = "batchresponse_";
const SET_PREFIX: &str = "changesetresponse_";

/// What the endpoint says about the reply to change sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetReply {
    /// What becomes of sets of several.
    pub groups: Groups,
    /// How sets are written.
    pub changesets: Changesets,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As a part of the reply.
    Own,
    /// In the set with this first item.
    In(u32),
    /// As the one part that answers its set, which was refused or undone.
    ForSet,
    /// Not at all: another item of its set is the answer to all.
    Nowhere,
}

/// Writes a reply in multipart.
#[derive(Debug)]
pub(crate) struct MultipartWriter {
    output: ChunkWriter,
    /// The random part of the boundaries.
    random: String,
    conventions: MultipartOutput,
    sets: SetReply,
    /// The set that is being written.
    open: Option<u32>,
}

impl MultipartWriter {
    /// An empty reply, with boundaries that are still secret.
    pub(crate) fn new(conventions: MultipartOutput, sets: SetReply) -> Self {
        let random = format!("{:032x}", rand::random::<u128>());
        Self { output: ChunkWriter::new(0), random, conventions, sets, open: None }
    }

    fn place(&self, result: &ItemResult) -> Place {
        let Some(set) = result.subject.form.set else { return Place::Own };
        match (self.sets.changesets, set.answer) {
            (Changesets::Flat, _) => Place::Own,
            (Changesets::Nested, SetAnswer::ByOther) => Place::Nowhere,
            (Changesets::Nested, SetAnswer::ByThis) => Place::ForSet,
            (Changesets::Nested, SetAnswer::Each) => {
                let is_error_alone = !set.is_several() && result.is_failed();
                let is_set = self.conventions.sets == Sets::All || !is_error_alone;
                if is_set { Place::In(set.first) } else { Place::Own }
            }
        }
    }

    /// Ends the set that is open, unless it is this one, and begins this one.
    fn go_to(&mut self, set: Option<u32>) {
        if self.open == set {
            return;
        }
        let (output, random) = (&mut self.output, self.random.as_str());
        if self.open.is_some() {
            put_delimiter(output, SET_PREFIX, random, "--\r\n");
        }
        if set.is_some() {
            put_delimiter(output, BATCH_PREFIX, random, "\r\n");
            put_all(output, &["Content-Type: multipart/mixed; boundary=", SET_PREFIX, random, "\r\n\r\n"]);
        }
        self.open = set;
    }
}

impl ResultWriter for MultipartWriter {
    fn content_type(&self) -> Cow<'static, str> {
        format!("multipart/mixed; boundary={BATCH_PREFIX}{}", self.random).into()
    }

    fn expected_length(&self, result: &ItemResult) -> usize {
        let set = if result.subject.form.set.is_some() { PART_OVERHEAD } else { 0 };
        set + expected_length(result, PART_OVERHEAD, 4)
    }

    fn begin(&mut self, expected: usize) {
        self.output = ChunkWriter::new(expected);
    }

    fn put(&mut self, mut result: ItemResult) {
        let set = match self.place(&result) {
            Place::Nowhere => return,
            Place::ForSet => {
                // The id is that of one request of the set.
                result.subject.form.id = IdForm::Position;
                None
            }
            Place::Own => None,
            Place::In(first) => Some(first),
        };
        self.go_to(set);
        let prefix = if set.is_some() { SET_PREFIX } else { BATCH_PREFIX };
        put_delimiter(&mut self.output, prefix, &self.random, "\r\n");
        write_part(&mut self.output, result, self.conventions);
    }

    fn end(&mut self, _end: &ReplyEnd<'_>) {
        self.go_to(None);
        put_delimiter(&mut self.output, BATCH_PREFIX, &self.random, "--\r\n");
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}

fn put_all(output: &mut ChunkWriter, texts: &[&str]) {
    for text in texts {
        output.put(text.as_bytes());
    }
}

fn put_delimiter(output: &mut ChunkWriter, prefix: &str, random: &str, end: &str) {
    put_all(output, &["--", prefix, random, end]);
}

/// The part's own fields, and the response message in it. Ends with a line break.
fn write_part(output: &mut ChunkWriter, mut result: ItemResult, conventions: MultipartOutput) {
    output.put(b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    write_id(output, &result.subject, conventions.ids);
    output.put(b"\r\nHTTP/1.1 ");
    output.put_number(result.status.as_u16());
    put_all(output, &[" ", phrase(result.status), "\r\n"]);
    let length = length_elsewhere(&result);
    let body = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            result.headers.retain(|(name, _)| name != CONTENT_TYPE);
            let error = conventions.error;
            put_all(output, &["Content-Type: ", error.media_type, "\r\n"]);
            if let Some(name) = error.code_field {
                put_all(output, &[name, ": ", problem.word(), "\r\n"]);
            }
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            (error.write)(&mut document, &problem);
            document.finish().concat().into()
        }
    };
    write_fields(output, &result.headers, &result.spellings);
    output.put(b"Content-Length: ");
    output.put_number(length.unwrap_or(body.len() as u64));
    output.put(b"\r\n\r\n");
    output.put_shared(body);
    output.put(b"\r\n");
}

/// The item's id, as clients of the dialect expect it back.
fn write_id(output: &mut ChunkWriter, subject: &Subject, ids: ContentIds) {
    let id = subject.id.as_str();
    match (subject.form.id, ids) {
        (IdForm::Position, _) => {}
        (IdForm::Plain | IdForm::Number, ContentIds::Repeated) => {
            put_all(output, &["Content-ID: ", id, "\r\n"]);
        }
        (IdForm::Plain | IdForm::Number, ContentIds::Prefixed) => {
            put_all(output, &["Content-ID: response-", id, "\r\n"]);
        }
        (IdForm::Bracketed, _) => put_all(output, &["Content-ID: <response-", id, ">\r\n"]),
    }
}

/// The length of a body that is not sent here: what a GET would have had (RFC 9110 §8.6).
fn length_elsewhere(result: &ItemResult) -> Option<u64> {
    let tells = result.subject.method == Method::HEAD || result.status == StatusCode::NOT_MODIFIED;
    let is_absent = matches!(result.body, ResultBody::Absent);
    let (_, value) = result.headers.iter().find(|(name, _)| name == CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok().filter(|_| tells && is_absent)
}

fn write_fields(output: &mut ChunkWriter, fields: &Fields, spellings: &Spellings) {
    for (name, value) in fields {
        if name == CONTENT_LENGTH {
            continue;
        }
        spellings.write(name, |piece| output.put(piece));
        output.put(b": ");
        output.put(value.as_bytes());
        output.put(b"\r\n");
    }
}

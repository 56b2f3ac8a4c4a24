//! How an error is written: as a problem detail, or as the error of another service.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::problem;
use crate::batch::{ItemResult, Problem, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::encoded_body::EncodedBody;
use crate::header::field::Fields;

/// A form of errors.
#[derive(Clone, Copy, Debug)]
pub struct ErrorForm {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Writes an error as a JSON object, or what else the media type says.
    pub(crate) write: fn(&mut ChunkWriter, &Problem),
    /// The name of a field that repeats the problem's word, for clients that look for errors there.
    pub(crate) code_field: Option<&'static str>,
    /// The JSON Schema of what `write` writes, as OpenAPI extends it.
    pub(crate) schema: fn() -> Value,
}

impl ErrorForm {
    /// A problem detail (RFC 9457).
    pub(crate) const PROBLEM: Self =
        Self { media_type: "application/problem+json", ..Self::json(problem::write, problem::schema) };

    /// An error as JSON.
    pub(crate) const fn json(write: fn(&mut ChunkWriter, &Problem), schema: fn() -> Value) -> Self {
        Self { media_type: "application/json", write, code_field: None, schema }
    }

    /// The fields of a reply that is an error: its media type apart.
    #[must_use]
    pub fn fields(&self, problem: &Problem) -> Fields {
        let code = |name| (HeaderName::from_static(name), HeaderValue::from_static(problem.word()));
        self.code_field.map(code).into_iter().collect()
    }

    /// Its media type, without parameters, and the JSON Schema of its body.
    #[must_use]
    pub fn described(&self) -> (&'static str, Value) {
        (self.media_type.split(';').next().unwrap_or_default(), (self.schema)())
    }

    /// The media type of a result's body, if that is an error.
    pub(crate) fn media_type_of(self, result: &ItemResult) -> Option<&'static str> {
        matches!(result.body, ResultBody::Problem(_)).then_some(self.media_type)
    }

    /// An error as a body of its own.
    pub(crate) fn encode(self, problem: &Problem) -> EncodedBody {
        let mut output = ChunkWriter::new(256 + problem.detail.len());
        (self.write)(&mut output, problem);
        EncodedBody { content_type: self.media_type.into(), chunks: output.finish() }
    }
}

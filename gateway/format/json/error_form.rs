//! How a refusal is written as JSON: as a problem detail, or as the error of another service.

use super::problem;
use crate::batch::{ItemResult, Problem, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::encoded_body::EncodedBody;

/// A form of errors.
#[derive(Clone, Copy, Debug)]
pub struct ErrorForm {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Writes an error as a JSON object.
    pub(crate) write: fn(&mut ChunkWriter, &Problem),
}

impl ErrorForm {
    /// A problem detail (RFC 9457).
    pub(crate) const PROBLEM: Self = Self { media_type: "application/problem+json", write: problem::write };

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

//! Writes results and problems in any format.

use std::borrow::Cow;

use bytes::Bytes;

use super::chunk_writer::ChunkWriter;
use super::encoded_body::EncodedBody;
use super::kind::Format;
use super::{json, multipart, ndjson, xml};
use crate::batch::{Dialect, MultiStatus, Problem};

impl Format {
    /// Writes the results of a batch as the dialect has them.
    #[must_use]
    pub fn write(self, results: MultiStatus, dialect: Dialect) -> EncodedBody {
        match self {
            Self::Json => written("application/json", json_results(results, dialect)),
            Self::Xml => written("application/xml; charset=utf-8", xml::write(results)),
            Self::Ndjson => written(Self::Ndjson.media_type(), ndjson::write(results)),
            Self::Multipart => multipart::write(results, dialect),
        }
    }

    /// Writes a problem detail (RFC 9457), or what the dialect has in its place, for a batch refused whole.
    #[must_use]
    pub fn write_problem(self, problem: &Problem, dialect: Dialect) -> EncodedBody {
        let mut output = ChunkWriter::new(256 + problem.detail.len());
        let content_type = match self {
            _ if dialect != Dialect::Batchgate => {
                json::write_error(&mut output, problem, dialect);
                "application/json"
            }
            // In a batch refused whole there are no parts to answer, and a problem is no stream.
            Self::Json | Self::Multipart | Self::Ndjson => {
                json::write_problem(&mut output, problem);
                "application/problem+json"
            }
            Self::Xml => {
                xml::write_problem(&mut output, problem);
                "application/problem+xml"
            }
        };
        written(content_type, output.finish())
    }
}

fn json_results(results: MultiStatus, dialect: Dialect) -> Vec<Bytes> {
    match dialect {
        Dialect::Batchgate | Dialect::Odata | Dialect::Graph => json::write(results, dialect),
        Dialect::Apisix | Dialect::Tyk => json::plain::write(results, dialect),
    }
}

fn written(content_type: &'static str, chunks: Vec<Bytes>) -> EncodedBody {
    EncodedBody { content_type: Cow::Borrowed(content_type), chunks }
}

//! Tyk's batch endpoint: `{"requests":[{"method","headers","body","relative_url"}],"suppress_parallel_execution"}`.
//! A `relative_url` is relative to the API's listen path, which is the part before `/tyk/batch/` in the
//! endpoint's path.

use bytes::Bytes;
use http::HeaderName;
use serde_json::{Value, json};

use super::rules::Rules;
use super::shapes::{self, Shapes};
use crate::batch::{Batch, BatchItem, BatchRefusal, ItemIndex, ItemResult, Problem};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::format::json::plain::{self, Plain, PlainItem, scalar, write_body};
use crate::format::json::{ErrorForm, JsonError, JsonWriter, Lexer, Lists, write_fields, write_string};
use crate::format::multipart::SetReply;
use crate::format::{Format, ReadContext, ResultWriter};

/// `{"error":…}`
const ERROR: ErrorForm = ErrorForm::json(write_error, schema_of_error);

/// Tyk. Its clients write into each item all that it needs, so that items inherit nothing.
pub(super) struct Tyk;

impl Rules for Tyk {
    fn name(&self) -> &'static str {
        "tyk"
    }

    fn summary(&self) -> &'static str {
        "Tyk's batch endpoint: `requests` with `relative_url`, answered by an array."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Json]
    }

    fn inherit(&self) -> Option<Vec<HeaderName>> {
        Some(Vec::new())
    }

    fn has_plain_items(&self) -> bool {
        true
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn shapes(&self) -> Shapes {
        let headers = json!({
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string" } },
        });
        Shapes {
            list: "requests",
            shared: json!({ "suppress_parallel_execution": { "type": "boolean" } }),
            item: shapes::plain_item("relative_url", json!({ "relative_url": { "type": "string" } })),
            reply: shapes::array_of(&json!({
                "type": "object",
                "required": ["relative_url", "code", "headers", "body"],
                "properties": {
                    "relative_url": { "type": "string" },
                    "code": shapes::status(),
                    "headers": headers,
                    "body": { "type": "string" },
                    "encoding": { "const": "base64" },
                },
            })),
        }
    }

    fn read(&self, _: Format, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        plain::read(body, context, Requests::default())
    }

    fn result_writer(&self, _: Format, _: SetReply) -> Box<dyn ResultWriter> {
        Box::new(JsonWriter::of_array(write_result))
    }
}

fn schema_of_error() -> Value {
    json!({ "type": "object", "required": ["error"], "properties": { "error": { "type": "string" } } })
}

fn write_error(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"error\":");
    write_string(output, &problem.detail);
    output.put(b"}");
}

/// `{"relative_url","code","headers":{"Name":["value"]},"body"}`
fn write_result(output: &mut ChunkWriter, result: ItemResult) {
    output.put(b"{\"relative_url\":");
    let subject = &result.subject;
    write_string(output, subject.written_url());
    output.put(b",\"code\":");
    output.put_number(result.status.as_u16());
    output.put(b",\"headers\":{");
    write_fields(output, &result, ERROR.media_type_of(&result), Lists::Always);
    output.put(b"},\"body\":");
    write_body(output, result, ERROR);
    output.put(b"}");
}

/// The members that an item can have.
const KNOWN: [&str; 5] = ["method", "headers", "body", "encoding", "relative_url"];

const NAMES: MemberNames = MemberNames { url: "relative_url" };

/// The members that hold for all items.
#[derive(Debug, Default)]
struct Requests {
    one_by_one: bool,
}

impl<'a> Plain<'a> for Requests {
    const ITEMS: &'static str = "requests";
    const KNOWN: &'static [&'static str] = &["requests", "suppress_parallel_execution"];
    const MISSING: &'static str = "expected an object with the member `requests`";
    const NO_LIST: &'static str = "the member `requests` is not an array";

    fn read_shared(
        &mut self,
        lexer: &mut Lexer<'a>,
        name: &str,
        _: &ReadContext<'_>,
    ) -> Result<(), JsonError> {
        let value = lexer.value()?;
        if name == "suppress_parallel_execution" {
            self.one_by_one = value == "true";
        }
        Ok(())
    }

    fn read_item(
        &self,
        lexer: &mut Lexer<'a>,
        index: ItemIndex,
        context: &ReadContext<'_>,
    ) -> Result<BatchItem, JsonError> {
        let mut item = PlainItem::new(ItemBuilder::new(context.limits, NAMES));
        item.read(lexer, |builder, lexer, name| {
            if name != "relative_url" {
                lexer.value()?;
                builder.meet_unknown(name, &KNOWN);
                return Ok(());
            }
            match scalar(lexer)? {
                Some(url) => {
                    builder.set_url(&in_listen_path(&url, context.endpoint));
                    builder.set_written_url(&url);
                }
                None => builder.reject_member("relative_url", "is not a string"),
            }
            Ok(())
        })?;
        Ok(item.finish(index))
    }

    fn sequential(&self) -> bool {
        self.one_by_one
    }
}

/// The url below the listen path, with one slash between them.
fn in_listen_path(url: &str, endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let listen_path = endpoint.strip_suffix("/tyk/batch");
    let listen_path =
        listen_path.or_else(|| endpoint.rsplit_once('/').map(|(folder, _)| folder)).unwrap_or_default();
    format!("{listen_path}/{}", url.strip_prefix('/').unwrap_or(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_path_is_the_part_before_the_batch() {
        for (endpoint, expected) in [
            ("/api/tyk/batch/", "/api/x"),
            ("/api/tyk/batch", "/api/x"),
            ("/tyk/batch/", "/x"),
            ("/a/b", "/a/x"),
            ("/b", "/x"),
        ] {
            assert_eq!(in_listen_path("x", endpoint), expected, "{endpoint}");
            assert_eq!(in_listen_path("/x", endpoint), expected, "{endpoint}");
        }
        assert_eq!(in_listen_path("//x", "/tyk/batch/"), "//x");
    }
}

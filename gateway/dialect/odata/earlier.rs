//! OData 1.0 to 3.0: its batches are those of OData 4 in multipart, but its services go on after an error (the batch
//! processing of OData 1 to 3 knows no preference), and its clients read another shape of errors.
//!
//! A client says that it is one of these by `DataServiceVersion` or `MaxDataServiceVersion`, so that an endpoint with
//! `dialect: odata` serves old and new clients side by side.

use http::header::HeaderMap;
use serde_json::{Value, json};

use super::current::Odata;
use super::version;
use crate::batch::{BatchRefusal, Problem};
use crate::dialect::rules::{ExecutionPolicy, Rules};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{ErrorForm, JsonInput, JsonOutput, write_string};
use crate::format::multipart::MultipartOutput;
use crate::format::{Accept, Format};
use crate::header::field::Fields;

/// OData 1.0 to 3.0.
pub(in crate::dialect) struct Odata3;

impl Rules for Odata3 {
    fn name(&self) -> &'static str {
        version::EARLIER
    }

    fn summary(&self) -> &'static str {
        "OData 1.0 to 3.0: like odata, goes on after errors. Requests that say DataServiceVersion get it from odata, too."
    }

    fn formats(&self) -> &'static [Format] {
        Odata.formats()
    }

    fn execution(&self, format: Format) -> ExecutionPolicy {
        ExecutionPolicy { stop_on_error: false, ..Odata.execution(format) }
    }

    fn handed_down(&self, outer: &HeaderMap) -> Fields {
        Odata.handed_down(outer)
    }

    fn reply_fields(&self, request: &HeaderMap) -> Fields {
        let version = version::data_service_version(request);
        version.map(|version| (version::DATA_SERVICE_VERSION, version)).into_iter().collect()
    }

    fn json_input<'a>(&self, endpoint: &'a str) -> JsonInput<'a> {
        Odata.json_input(endpoint)
    }

    fn json_output(&self) -> JsonOutput {
        JsonOutput { error: ERROR, ..Odata.json_output() }
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn multipart_output(&self) -> MultipartOutput {
        MultipartOutput { error: ERROR, ..Odata.multipart_output() }
    }

    fn reply_format(&self, accept: &Accept<'_>, request: Format) -> Result<Format, BatchRefusal> {
        Odata.reply_format(accept, request)
    }
}

/// `{"error":{"code","message":{"lang","value"}},"odata.error":…}`: clients of verbose JSON read the first member, those of
/// JSON light the second.
const ERROR: ErrorForm = ErrorForm::json(write, schema);

fn schema() -> Value {
    let text = json!({ "type": "string" });
    let message = json!({ "type": "object", "required": ["lang", "value"], "properties": { "lang": text, "value": text } });
    let error = json!({ "type": "object", "required": ["code", "message"], "properties": { "code": text, "message": message } });
    json!({
        "type": "object",
        "required": ["error", "odata.error"],
        "properties": { "error": error, "odata.error": error },
    })
}

fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"error\":");
    write_error(output, problem);
    output.put(b",\"odata.error\":");
    write_error(output, problem);
    output.put(b"}");
}

fn write_error(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"code\":");
    write_string(output, problem.word());
    output.put(b",\"message\":{\"lang\":\"en\",\"value\":");
    write_string(output, &problem.detail);
    output.put(b"}}");
}

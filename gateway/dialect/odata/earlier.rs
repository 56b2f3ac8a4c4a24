//! OData 1.0 to 3.0: its batches are those of OData 4 in multipart, but its services go on after an error (the batch
//! processing of OData 1 to 3 knows no preference), and its clients read another shape of errors.
//!
//! A client says that it is one of these by `DataServiceVersion` or `MaxDataServiceVersion`, so that an endpoint with
//! `dialect: odata` serves old and new clients side by side.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::inherited;
use crate::batch::{BatchRefusal, Problem};
use crate::dialect::rules::{ExecutionPolicy, Rules};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{Base64Alphabet, ErrorForm, JsonInput, JsonOutput, write_string};
use crate::format::multipart::MultipartOutput;
use crate::format::{Accept, Format};
use crate::header::field::Fields;

const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");
const MAX_DATA_SERVICE_VERSION: &str = "maxdataserviceversion";

/// OData 1.0 to 3.0.
pub(in crate::dialect) struct Odata3;

impl Rules for Odata3 {
    fn name(&self) -> &'static str {
        "odata-3"
    }

    fn summary(&self) -> &'static str {
        "OData 1.0 to 3.0: like odata, goes on after errors. Requests that say DataServiceVersion get it from odata, too."
    }

    fn formats(&self) -> &'static [Format] {
        super::Odata.formats()
    }

    fn execution(&self, format: Format) -> ExecutionPolicy {
        ExecutionPolicy { stop_on_error: false, ..super::Odata.execution(format) }
    }

    fn handed_down(&self, outer: &HeaderMap) -> Fields {
        inherited::odata_fields(outer).collect()
    }

    fn reply_fields(&self, request: &HeaderMap) -> Fields {
        version(request).map(|version| (DATA_SERVICE_VERSION, version)).into_iter().collect()
    }

    fn json_input<'a>(&self, endpoint: &'a str) -> JsonInput<'a> {
        super::Odata.json_input(endpoint)
    }

    fn json_output(&self) -> JsonOutput {
        JsonOutput { echoes_group: true, base64: Base64Alphabet::UrlSafe, ..JsonOutput::interoperable(ERROR) }
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn multipart_output(&self) -> MultipartOutput {
        MultipartOutput { error: ERROR, ..super::Odata.multipart_output() }
    }

    fn reply_format(&self, accept: &Accept<'_>, request: Format) -> Result<Format, BatchRefusal> {
        super::Odata.reply_format(accept, request)
    }
}

/// The version of OData 1 to 3 that the reply to a request with these fields has: the highest that the client takes, or
/// else its own. `None` if it is not in one of them.
pub(super) fn version(request: &HeaderMap) -> Option<HeaderValue> {
    if request.contains_key(super::ODATA_VERSION) {
        return None;
    }
    let of = |name: &str| request.get(name).and_then(|value| number(value.to_str().ok()?));
    of(MAX_DATA_SERVICE_VERSION).or_else(|| of(DATA_SERVICE_VERSION.as_str())).map(HeaderValue::from_static)
}

/// The number in a value such as `3.0;NetFx`.
fn number(value: &str) -> Option<&'static str> {
    let number = value.split(';').next().unwrap_or_default().trim();
    ["3.0", "2.0", "1.0"].into_iter().find(|known| *known == number)
}

/// `{"error":{"code","message":{"lang","value"}},"odata.error":…}`: clients of verbose JSON read the first member, those of
/// JSON light the second.
const ERROR: ErrorForm = ErrorForm::json(write);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_that_it_is_in_an_earlier_version() {
        for (fields, expected) in [
            (&[][..], None),
            (&[("dataserviceversion", "2.0")][..], Some("2.0")),
            (&[("dataserviceversion", "1.0;"), ("maxdataserviceversion", "3.0;NetFx")], Some("3.0")),
            (&[("maxdataserviceversion", "2.0")], Some("2.0")),
            (&[("dataserviceversion", "2.0"), ("odata-version", "4.0")], None),
            (&[("maxdataserviceversion", "3.0"), ("odata-version", "4.0")], None),
            (&[("dataserviceversion", "4.0")], None),
            (&[("dataserviceversion", "x")], None),
        ] {
            let map = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(version(&map), expected.map(HeaderValue::from_static), "{fields:?}");
        }
    }
}

//! OData 4.01: JSON batches (JSON Format §19) and multipart ones (Protocol §11.7).
//!
//! Multipart runs in order and stops at the first error unless the client prefers otherwise (§11.7.2, §8.2.8.3), and is
//! answered in multipart, because its clients send an Accept that is meant for the parts. Items that did not start have no
//! result. A change set that failed is answered by its error alone (§11.7.7.5).

use http::header::{HeaderMap, HeaderValue};

use super::error::ERROR;
use super::{inherited, version};
use crate::batch::BatchRefusal;
use crate::dialect::rules::{ExecutionPolicy, Rules};
use crate::format::json::{Base64Alphabet, ErrorForm, JsonInput, JsonOutput};
use crate::format::multipart::{MultipartOutput, Sets};
use crate::format::{Accept, Format, TextTypes, UrlBase, reply_format};
use crate::header::field::Fields;

/// OData 4.01.
pub(in crate::dialect) struct Odata;

impl Rules for Odata {
    fn name(&self) -> &'static str {
        "odata"
    }

    fn summary(&self) -> &'static str {
        "OData 4.01: JSON and multipart, status 200, multipart in order and up to the first error. Requests with \
         DataServiceVersion below 4 are in odata-3."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Json, Format::Multipart]
    }

    fn execution(&self, format: Format) -> ExecutionPolicy {
        let in_order = format == Format::Multipart;
        ExecutionPolicy {
            sequential: in_order,
            stop_on_error: in_order,
            leaves_out_unstarted: true,
            ..ExecutionPolicy::default()
        }
    }

    fn handed_down(&self, outer: &HeaderMap) -> Fields {
        inherited::odata_fields(outer).collect()
    }

    fn variant(&self, request: &HeaderMap) -> Option<&'static str> {
        version::data_service_version(request).map(|_| version::EARLIER)
    }

    fn check(&self, request: &HeaderMap) -> Result<(), BatchRefusal> {
        version::odata_version(request).map(|_| ())
    }

    fn reply_fields(&self, request: &HeaderMap) -> Fields {
        let version = version::odata_version(request).unwrap_or(version::USUAL_ODATA_VERSION);
        vec![(version::ODATA_VERSION, HeaderValue::from_static(version))]
    }

    fn json_input<'a>(&self, endpoint: &'a str) -> JsonInput<'a> {
        JsonInput {
            url_base: UrlBase::Folder(endpoint),
            strict_groups: true,
            text_types: TextTypes::ByName,
            ids_are_strings: true,
            ..JsonInput::default()
        }
    }

    fn json_output(&self) -> JsonOutput {
        JsonOutput { echoes_group: true, base64: Base64Alphabet::UrlSafe, ..JsonOutput::interoperable(ERROR) }
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn multipart_output(&self) -> MultipartOutput {
        MultipartOutput { sets: Sets::Succeeded, ..MultipartOutput::new(self.error_form()) }
    }

    fn reply_format(&self, accept: &Accept<'_>, request: Format) -> Result<Format, BatchRefusal> {
        match request {
            Format::Multipart => Ok(Format::Multipart),
            Format::Json | Format::Xml | Format::Ndjson => reply_format(accept, request, self.formats()),
        }
    }
}

//! Microsoft Graph's JSON batching: OData's, with a few differences of its own.
//!
//! Graph's clients compare ids without regard to case, write every body that is not JSON in base64, and read the member
//! `body` of every result. One of them (msgraph-core) sends `depends_on`.

use super::odata::ERROR;
use super::rules::Rules;
use crate::batch::IdCase;
use crate::format::json::{ErrorForm, JsonInput, JsonOutput};
use crate::format::{Format, TextTypes, UrlBase};

/// Microsoft Graph.
pub(super) struct Graph;

impl Rules for Graph {
    fn name(&self) -> &'static str {
        "graph"
    }

    fn summary(&self) -> &'static str {
        "Microsoft Graph: JSON, status 200."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Json]
    }

    fn json_input<'a>(&self, endpoint: &'a str) -> JsonInput<'a> {
        JsonInput {
            url_base: UrlBase::FolderWithSlash(endpoint),
            strict_groups: true,
            text_types: TextTypes::None,
            id_case: IdCase::Ignored,
            other_depends_on: Some("depends_on"),
            ..JsonInput::default()
        }
    }

    fn json_output(&self) -> JsonOutput {
        JsonOutput { absent_body: b",\"body\":null", ..JsonOutput::interoperable(ERROR) }
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }
}

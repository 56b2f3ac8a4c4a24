//! The gateway's own dialect: every format, and results that say all there is to say (protocol §1 to §4).

use http::StatusCode;

use super::rules::Rules;
use crate::batch::Problem;
use crate::format::json::{ErrorForm, JsonOutput};
use crate::format::{Accept, EncodedBody, Format, write_problem};

/// The gateway's own dialect.
pub(super) struct Batchgate;

impl Rules for Batchgate {
    fn name(&self) -> &'static str {
        "batchgate"
    }

    fn summary(&self) -> &'static str {
        "The gateway's own: every format, status 207."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Json, Format::Xml, Format::Ndjson, Format::Multipart]
    }

    fn reply_status(&self) -> StatusCode {
        StatusCode::MULTI_STATUS
    }

    fn json_output(&self) -> JsonOutput {
        JsonOutput::default()
    }

    fn error_form(&self) -> ErrorForm {
        ErrorForm::PROBLEM
    }

    fn write_problem(
        &self,
        accept: &Accept<'_>,
        content_type: Option<&str>,
        problem: &Problem,
    ) -> EncodedBody {
        write_problem(accept, content_type, problem)
    }
}

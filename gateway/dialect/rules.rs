//! What a dialect decides: the one trait behind every batch endpoint.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use super::shapes::Shapes;
use crate::batch::{Batch, BatchRefusal, Problem};
use crate::format::json::{self, ErrorForm, JsonInput, JsonOutput};
use crate::format::multipart::{self, MultipartInput, MultipartOutput, SetReply};
use crate::format::{
    Accept, EncodedBody, Format, ReadContext, ResultWriter, ndjson, read, reply_format, xml,
};
use crate::header::field::Fields;

/// How a batch runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutionPolicy {
    /// Items run one by one, in the order of the request.
    pub sequential: bool,
    /// After the first status of 400 or above, no further item starts.
    pub stop_on_error: bool,
    /// Who decided that.
    pub decider: Decider,
    /// The reply has no results for items that did not start because of that.
    pub leaves_out_unstarted: bool,
}

/// Who decides whether a batch goes on after an item failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decider {
    /// The dialect, by what its own service does.
    #[default]
    Dialect,
    /// The endpoint's `on_error`.
    Endpoint,
    /// The client's preference `continue-on-error`.
    Client,
}

/// The rules of one dialect.
///
/// Every method has a default, which is how most dialects of JSON batches do it; a dialect overrides what it does
/// differently. Where an item's url is relative to (the url base), whether ids may be numbers and what a result repeats
/// of its item are data, not methods: [`JsonInput`] and [`JsonOutput`]. References between items have the same syntax in
/// every dialect that has them; dialects of plain items read them as data ([`Self::read`]).
pub trait Rules: Sync {
    /// The dialect's name in the configuration.
    fn name(&self) -> &'static str;

    /// One sentence for the configuration's schema.
    fn summary(&self) -> &'static str;

    /// The formats of its batches and replies, in the order that messages list them.
    fn formats(&self) -> &'static [Format];

    /// The reply's status for an accepted batch, if the configuration sets none.
    fn reply_status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// Whether its items are plain data: without ids, groups and dependencies.
    fn has_plain_items(&self) -> bool {
        false
    }

    /// Whether Accept is about the reply. Otherwise it is meant for the items, and the reply has the format of the batch.
    fn heeds_accept(&self) -> bool {
        true
    }

    /// How a batch in this format runs, if neither the endpoint nor the client says anything.
    fn execution(&self, _format: Format) -> ExecutionPolicy {
        ExecutionPolicy::default()
    }

    /// The only outer fields that items inherit, if the configuration lists none. `None`: all fields but those about the
    /// batch itself.
    fn inherit(&self) -> Option<Vec<HeaderName>> {
        None
    }

    /// Outer fields that items inherit in addition to those of every dialect.
    fn handed_down(&self, _outer: &HeaderMap) -> Fields {
        Vec::new()
    }

    /// The name of the dialect that a request with these fields is in, if it is a variant of this one.
    fn variant(&self, _request: &HeaderMap) -> Option<&'static str> {
        None
    }

    /// Whether the query of a batch's own url belongs to every item.
    fn hands_down_query(&self) -> bool {
        false
    }

    /// Checks the fields of a request before its body is read.
    ///
    /// # Errors
    /// Refuses what the dialect's fields ask for and the gateway can't do.
    fn check(&self, _request: &HeaderMap) -> Result<(), BatchRefusal> {
        Ok(())
    }

    /// The dialect's own fields in the reply to a request with these fields, also in a refusal.
    fn reply_fields(&self, _request: &HeaderMap) -> Fields {
        Vec::new()
    }

    /// How JSON items are read, at an endpoint with this path.
    fn json_input<'a>(&self, _endpoint: &'a str) -> JsonInput<'a> {
        JsonInput::default()
    }

    /// How results are written as JSON.
    fn json_output(&self) -> JsonOutput {
        JsonOutput::interoperable(self.error_form())
    }

    /// How an error is written as JSON.
    fn error_form(&self) -> ErrorForm;

    /// The JSON Schemas of its batches and replies, if they can be JSON.
    fn shapes(&self) -> Shapes {
        Shapes::of_documents(&self.json_input(""), &self.json_output())
    }

    /// How items of multipart are read.
    fn multipart_input<'a>(&self, _context: &ReadContext<'a>) -> MultipartInput<'a> {
        MultipartInput::default()
    }

    /// How results are written in multipart.
    fn multipart_output(&self) -> MultipartOutput {
        MultipartOutput::new(self.error_form())
    }

    /// Reads a batch in one of the dialect's formats. An item that is wrong is rejected alone.
    ///
    /// # Errors
    /// The reason why the batch is refused, and the place.
    fn read(&self, format: Format, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        read(format, body, context, self.json_input(context.endpoint), self.multipart_input(context))
    }

    /// The format of the reply to a batch that came in `request`.
    ///
    /// # Errors
    /// Refuses the batch if the client accepts none of the dialect's formats.
    fn reply_format(&self, accept: &Accept<'_>, request: Format) -> Result<Format, BatchRefusal> {
        if self.heeds_accept() { reply_format(accept, request, self.formats()) } else { Ok(request) }
    }

    /// A writer of results in this format. `sets` is what the endpoint says about change sets.
    fn result_writer(&self, format: Format, sets: SetReply) -> Box<dyn ResultWriter> {
        match format {
            Format::Json => Box::new(json::JsonWriter::new(self.json_output())),
            Format::Xml => Box::<xml::XmlWriter>::default(),
            Format::Ndjson => Box::<ndjson::LineWriter>::default(),
            Format::Multipart => Box::new(multipart::MultipartWriter::new(self.multipart_output(), sets)),
        }
    }

    /// Writes what the client gets for a refused batch. `content_type` is that of its request.
    fn write_problem(
        &self,
        _accept: &Accept<'_>,
        _content_type: Option<&str>,
        problem: &Problem,
    ) -> EncodedBody {
        self.error_form().encode(problem)
    }
}

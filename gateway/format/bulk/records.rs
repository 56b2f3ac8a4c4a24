//! What a bulk is: the form of its records, the template of their urls, and the request that they came in.

use http::Method;

use crate::format::Format;
use crate::route::UrlTemplate;

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum RecordForm {
    /// A JSON array; each element is a record.
    Json,
    /// An XML document; each child of the root is a record.
    Xml,
    /// A JSON value a line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
    /// A query parameter, repeated or with commas.
    Query,
}

/// What all items of a bulk have in common.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'request> {
    /// The url of each record.
    pub each: &'request UrlTemplate,
    /// The method of the request and of every item.
    pub method: &'request Method,
    /// The request's query, without `?`.
    pub query: &'request str,
}

impl RecordForm {
    /// All forms.
    pub const ALL: [Self; 5] = [Self::Json, Self::Xml, Self::Ndjson, Self::Csv, Self::Query];

    /// The form's name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Query => "query",
        }
    }

    /// The format of the reply, where Accept names none.
    #[must_use]
    pub const fn usual_reply(self) -> Format {
        match self {
            Self::Xml => Format::Xml,
            Self::Json | Self::Ndjson | Self::Csv | Self::Query => Format::Json,
        }
    }
}

/// Whether requests with this method carry their records in the query: they have no body.
#[must_use]
pub fn takes_query(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE)
}

impl Bulk<'_> {
    /// The query parameter that names records. The configuration ensures that there is one variable.
    pub(super) fn parameter(&self) -> &str {
        self.each.variables().first().map_or("", AsRef::as_ref)
    }
}

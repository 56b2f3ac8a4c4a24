//! The records of a bulk (protocol §2.5): a collection of data in one of five forms, each record of
//! which becomes an item. Its url is the template filled with the record's own values, its id the
//! record's position, its body the record.
//!
//! JSON and XML are read by the readers beside those of batches (`json/records.rs`,
//! `xml/records.rs`); the forms that only bulks have are here.

mod collector;
mod csv;
mod lines;
mod quoting;
mod query;

use bytes::Bytes;
use http::Method;

use super::charset::is_utf_8;
use super::media::MediaType;
use super::{Batch, BatchLimits, BatchRefusal, Format, is_ndjson, json, xml};
use crate::route::UrlTemplate;

pub(crate) use collector::{Collector, Record, Value};

/// A form in which records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// What a bulk's items have in common.
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

/// Whether the records of a method come in the query: such a request has no body to read them from.
#[must_use]
pub fn takes_query(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE)
}

impl Bulk<'_> {
    /// Whether the request is a bulk at all: a GET or DELETE without the parameter is an ordinary one.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        !takes_query(self.method) || query::has_parameter(self.query, self.parameter())
    }

    /// The form of the request's records.
    ///
    /// # Errors
    /// Refuses what is in none of the forms, and what is not in UTF-8.
    pub fn form(&self, content_type: Option<&str>, body: &[u8]) -> Result<RecordForm, BatchRefusal> {
        if takes_query(self.method) { Ok(RecordForm::Query) } else { form_of_body(content_type, body) }
    }

    /// Reads the records in this form.
    ///
    /// # Errors
    /// Says why the bulk is refused whole, and where it is wrong.
    pub fn read(&self, form: RecordForm, body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
        let mut collector = Collector::new(*self, limits);
        match form {
            RecordForm::Json => json::read_records(body, &mut collector)?,
            RecordForm::Xml => xml::read_records(body, &mut collector)?,
            RecordForm::Ndjson => lines::read(body, &mut collector)?,
            RecordForm::Csv => csv::read(body, &mut collector)?,
            RecordForm::Query => query::read(self.parameter(), body, &mut collector)?,
        }
        Ok(collector.finish())
    }

    /// The query parameter that names records; the configuration sees to it that there is one variable.
    fn parameter(&self) -> &str {
        self.each.variables().first().map_or("", AsRef::as_ref)
    }
}

/// Content-Type decides, and where it says nothing, the first byte.
fn form_of_body(content_type: Option<&str>, body: &[u8]) -> Result<RecordForm, BatchRefusal> {
    let media = MediaType::parse(content_type.unwrap_or_default());
    let is = |names: &[&str]| names.iter().any(|name| media.essence.eq_ignore_ascii_case(name));
    let form = if is(&["application/json"]) {
        RecordForm::Json
    } else if is_ndjson(content_type) {
        RecordForm::Ndjson
    } else if is(&["text/csv", "application/csv"]) {
        RecordForm::Csv
    } else if is(&["application/xml", "text/xml"]) {
        RecordForm::Xml
    } else if is(&["", "application/x-www-form-urlencoded", "text/plain"]) {
        sniffed(body).ok_or(BatchRefusal::NoRecords)?
    } else {
        return Err(BatchRefusal::NoRecords);
    };
    // RFC 8259 §11: a charset means nothing for JSON, whatever clients write.
    let is_foreign = media.charset.is_some_and(|charset| !is_utf_8(charset));
    match form {
        RecordForm::Xml | RecordForm::Csv if is_foreign => Err(BatchRefusal::NoRecords),
        RecordForm::Xml | RecordForm::Csv | RecordForm::Json | RecordForm::Ndjson | RecordForm::Query => {
            Ok(form)
        }
    }
}

/// An array is JSON; an object is the first of the lines. CSV begins with nothing to know it by.
fn sniffed(body: &[u8]) -> Option<RecordForm> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'<' => Some(RecordForm::Xml),
        b'[' => Some(RecordForm::Json),
        b'{' => Some(RecordForm::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

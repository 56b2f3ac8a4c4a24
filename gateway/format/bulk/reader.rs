//! Recognises the form of a bulk's records, and reads them in that form.

use bytes::Bytes;

use super::collector::Collector;
use super::records::{Bulk, RecordForm, takes_query};
use super::{csv, lines, query};
use crate::batch::{Batch, BatchLimits, BatchRefusal};
use crate::format::charset::is_utf_8;
use crate::format::media::MediaType;
use crate::format::{is_ndjson, json, xml};

impl Bulk<'_> {
    /// Whether the request is a bulk at all: a GET or DELETE without the parameter is an ordinary request.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        !takes_query(self.method) || query::has_parameter(self.query, self.parameter())
    }

    /// The form of the request's records.
    ///
    /// # Errors
    /// Refuses a body that is in none of the forms, or not in UTF-8.
    pub fn form(&self, content_type: Option<&str>, body: &[u8]) -> Result<RecordForm, BatchRefusal> {
        if takes_query(self.method) { Ok(RecordForm::Query) } else { form_of_body(content_type, body) }
    }

    /// Reads the records in this form.
    ///
    /// # Errors
    /// The reason why the bulk is refused, and the place.
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
}

/// Content-Type decides. If it says nothing, the first byte does.
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

/// An array is JSON; an object is the first line of NDJSON. CSV can't be recognized.
fn sniffed(body: &[u8]) -> Option<RecordForm> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'<' => Some(RecordForm::Xml),
        b'[' => Some(RecordForm::Json),
        b'{' => Some(RecordForm::Ndjson),
        _ => None,
    }
}

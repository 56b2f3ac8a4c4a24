//! Records of a bulk in all forms: each becomes one item, below the template, with the record's own
//! data.

use batchgate::batch::Batch;
use batchgate::dialect::{InputFormat, ItemSource};
use batchgate::format::{Bulk, Format, ReadContext};
use batchgate::route::{RouteIndex, UrlTemplate};
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value};

use super::batches::{checked, limits};
use super::csv_rows::rows;
use super::first_line;

/// The first line is the Content-Type, or a query with its question mark.
pub(crate) fn bulk(input: &[u8]) {
    let Some((head, body)) = first_line(input) else { return };
    match head.strip_prefix('?') {
        Some(query) if query.bytes().all(|byte| byte.is_ascii_graphic()) => {
            read(&Method::DELETE, query, None, body);
        }
        Some(_) => {}
        None => drop(read(&Method::PATCH, "", Some(head), body)),
    }
}

pub(crate) fn bulk_csv(input: &[u8]) {
    let Some(batch) = read(&Method::PATCH, "a=b", Some("text/csv"), input) else { return };
    let text = std::str::from_utf8(input).expect("what was read is UTF-8");
    let mut rows = rows(text.strip_prefix('\u{feff}').unwrap_or(text)).into_iter();
    let header = rows.next().expect("what was read has a header");
    assert_eq!(rows.len(), batch.items.len(), "rows, and items");
    for (row, item) in rows.zip(&batch.items) {
        let Ok(content) = &item.content else { continue };
        let body = content.body.as_ref().expect("a row is a body");
        let pairs = header.iter().cloned().zip(row.iter().cloned().map(Value::from));
        let expected = Value::Object(pairs.collect::<Map<_, _>>());
        assert_eq!(serde_json::from_slice::<Value>(body).ok(), Some(expected));
        assert_eq!(row.len(), header.len(), "a row of another length is rejected");
    }
}

fn read(method: &Method, query: &str, content_type: Option<&str>, body: &[u8]) -> Option<Batch> {
    let each = UrlTemplate::parse("/up/records/{id}").expect("a template");
    let source = ItemSource::Records(Bulk { each: &each, method, query });
    let (body, limits) = (Bytes::copy_from_slice(body), limits());
    let format = source.recognize(content_type, &body).ok()?;
    let context = ReadContext {
        limits: &limits,
        content_type,
        endpoint: "/up/records",
        query: "",
        own_authority: "gw",
        reply: Format::Json,
    };
    let batch = checked(source.read(format, &body, &context), &body, &limits, Some(RouteIndex(0)))?;
    assert!(matches!(format, InputFormat::Records(_)));
    for (index, item) in batch.items.iter().enumerate() {
        assert_eq!(item.subject.id.as_str(), (index + 1).to_string());
        assert_eq!(item.subject.method, *method);
        if item.content.is_ok() {
            let rest = item.subject.href.strip_prefix("/up/records/").expect("below the template");
            let id = rest.split('?').next().unwrap_or_default();
            assert!(!id.is_empty() && !id.contains('/'), "{rest}");
        }
    }
    Some(batch)
}

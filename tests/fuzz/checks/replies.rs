//! Replies in all formats: what is written, parsers that know nothing of the gateway read back to the
//! same ids, statuses, fields and bytes.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use batchgate::batch::{
    ChangeSet, IdForm, ItemForm, ItemIndex, ItemResult, MultiStatus, ResultBody, Subject,
};
use batchgate::dialect::Dialect;
use batchgate::format::Format;
use batchgate::format::multipart::SetReply;
use batchgate::header::spelling::Spellings;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use serde_json::value::RawValue;

use super::xml_events::well_formed;

const TYPES: [&str; 10] = [
    "application/json",
    "application/problem+json",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/html; charset=iso-8859-1",
    "text/xml",
    "application/xml; charset=utf-8",
    "image/png",
    "application/x-www-form-urlencoded",
    "multipart/mixed; boundary=b",
];

const NAMES: [&str; 5] = ["location", "etag", "set-cookie", "content-length", "retry-after"];

const HREFS: [&str; 5] = ["/a", "/a/", "/b?c&d", "", "no url <at> all"];

pub(crate) fn writers(input: &[u8]) {
    let results = results(input);
    in_dialects(&results);
    for format in Format::ALL {
        let written =
            Dialect::default().write(format, SetReply::default(), MultiStatus { results: results.clone() });
        assert!(written.chunks.iter().all(|chunk| !chunk.is_empty()));
        let document = written.chunks.concat();
        match format {
            Format::Json => json(&results, &document),
            Format::Ndjson => lines(&results, &document),
            Format::Xml => xml(&results, &document),
            Format::Multipart => multipart(&results, &document, &written.content_type),
        }
    }
}

/// In every other dialect the document is JSON too, and no chunk is empty.
fn in_dialects(results: &[ItemResult]) {
    for dialect in Dialect::all() {
        let written =
            dialect.write(Format::Json, SetReply::default(), MultiStatus { results: results.to_vec() });
        assert!(written.chunks.iter().all(|chunk| !chunk.is_empty()));
        // Huge numbers are JSON by its grammar, and no `Value`.
        let document = written.chunks.concat();
        let document: &RawValue = serde_json::from_slice(&document).expect("a reply is JSON");
        let members: Option<HashMap<String, &RawValue>> = serde_json::from_str(document.get()).ok();
        let responses = members.and_then(|members| members.get("responses").copied()).unwrap_or(document);
        let responses: Vec<&RawValue> = serde_json::from_str(responses.get()).expect("results are a list");
        assert_eq!(responses.len(), results.len(), "{dialect:?}");
    }
}

/// The input's bytes, taken in pieces that say how long they are.
struct Pieces<'a>(&'a [u8]);

impl<'a> Pieces<'a> {
    fn byte(&mut self) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first)
    }

    fn piece(&mut self, longest: usize) -> &'a [u8] {
        let length = (self.byte() % (longest + 1)).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.byte() % choices.len()]
    }
}

fn results(input: &[u8]) -> Vec<ItemResult> {
    let mut pieces = Pieces(input);
    let mut results: Vec<ItemResult> = Vec::new();
    while !pieces.0.is_empty() && results.len() < 6 {
        results.push(result(&mut pieces, results.len()));
    }
    results
}

fn result(pieces: &mut Pieces<'_>, index: usize) -> ItemResult {
    let text = String::from_utf8_lossy(pieces.piece(8)).into_owned();
    let is_fit = |character: &char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    let id: String = text.chars().filter(is_fit).collect();
    let kind = pieces.byte();
    let mut headers = Vec::new();
    if kind & 1 == 1 {
        headers.push((http::header::CONTENT_TYPE, HeaderValue::from_static(pieces.one_of(&TYPES))));
    }
    if kind & 2 == 2 {
        let name = HeaderName::from_static(pieces.one_of(&NAMES));
        headers.extend(HeaderValue::from_bytes(pieces.piece(20)).map(|value| (name, value)));
    }
    let value = HeaderValue::from_bytes(pieces.piece(20)).unwrap_or(HeaderValue::from_static("x"));
    headers.push((HeaderName::from_static("x-a"), value));
    let statuses = [200, 201, 204, 207, 304, 404, 500, 599, 999];
    ItemResult {
        subject: Subject {
            id: format!("{index}{id}").into(),
            method: pieces.one_of(&[Method::GET, Method::POST, Method::HEAD].each_ref()).clone(),
            href: pieces.one_of(&HREFS).into(),
            form: ItemForm {
                id: pieces.one_of(&[IdForm::Plain, IdForm::Bracketed]),
                set: (kind & 4 == 4).then(|| ChangeSet::new(ItemIndex(index), 1)),
                ..ItemForm::default()
            },
        },
        status: StatusCode::from_u16(pieces.one_of(&statuses)).expect("a status"),
        headers,
        spellings: Spellings::default(),
        body: if kind & 8 == 8 {
            ResultBody::Bytes(Bytes::copy_from_slice(pieces.piece(255)))
        } else {
            ResultBody::Absent
        },
        gateway: None,
        retryable: kind & 16 == 16,
        retry_after: None,
    }
}

fn bytes_of(result: &ItemResult) -> Option<&[u8]> {
    match &result.body {
        ResultBody::Bytes(bytes) => Some(bytes),
        ResultBody::Absent | ResultBody::Problem(_) => None,
    }
}

/// A field's value as text: what is no UTF-8 is ISO-8859-1.
fn own_field(result: &ItemResult) -> String {
    let value = result.headers.last().expect("each has one").1.as_bytes();
    std::str::from_utf8(value).map_or_else(|_| value.iter().copied().map(char::from).collect(), str::to_owned)
}

fn content_type(result: &ItemResult) -> &str {
    let found = result.headers.iter().find(|(name, _)| name == http::header::CONTENT_TYPE);
    found.and_then(|(_, value)| value.to_str().ok()).unwrap_or_default()
}

fn json(results: &[ItemResult], document: &[u8]) {
    let whole: &RawValue = serde_json::from_slice(document).expect("a reply is JSON");
    // A lone surrogate or a huge number in an upstream's JSON is JSON by the grammar, and no `Value`.
    let Ok(value) = serde_json::from_str::<Value>(whole.get()) else { return };
    let items = value["responses"].as_array().expect("results");
    assert_eq!(items.len(), results.len());
    results.iter().zip(items).for_each(|(result, item)| json_item(result, item));
}

fn lines(results: &[ItemResult], document: &[u8]) {
    assert!(document.ends_with(b"}\n"));
    let text = std::str::from_utf8(document).expect("a reply is UTF-8");
    // Line breaks within an upstream's JSON would be line breaks of the stream.
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    assert_eq!(lines.len(), results.len() + 1, "a line for each result, and one for all");
    for (line, result) in lines.iter().zip(results) {
        let raw: &RawValue = serde_json::from_str(line).expect("a line is JSON");
        if let Ok(item) = serde_json::from_str(raw.get()) {
            json_item(result, &item);
        }
    }
}

fn json_item(result: &ItemResult, item: &Value) {
    assert_eq!(
        (&item["id"], &item["status"]),
        (&result.subject.id.as_str().into(), &result.status.as_u16().into())
    );
    assert_eq!(item["headers"]["X-A"], own_field(result));
    let Some(bytes) = bytes_of(result) else {
        assert!(item.get("body").is_none());
        return;
    };
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if item.get("encoding").is_some() {
        let decoded = STANDARD.decode(item["body"].as_str().expect("text")).expect("base64");
        assert!(decoded == bytes || decoded == plain);
    } else if content_type(result).contains("json") {
        assert_eq!(item["body"], serde_json::from_slice::<Value>(plain).expect("JSON"));
    } else if !content_type(result).contains("8859") {
        assert_eq!(item["body"].as_str().expect("text").as_bytes(), bytes);
    }
}

/// An item's id and status, and its body: whether it is encoded, and its text.
type XmlItem = (String, String, Option<(bool, String)>);

fn xml(results: &[ItemResult], document: &[u8]) {
    well_formed(document).expect("a reply is XML");
    let mut found = Vec::new();
    let mut reader = Reader::from_reader(document);
    // The item that is open, and its body.
    let mut item: Option<XmlItem> = None;
    let mut in_body = false;
    loop {
        match reader.read_event().expect("a reply is XML") {
            Event::Start(tag) if tag.name().as_ref() == "b:item" => {
                item = Some((attribute(&tag, "id"), attribute(&tag, "status"), None));
            }
            Event::Start(tag) if tag.name().as_ref() == "b:body" => {
                in_body = true;
                let (_, _, body) = item.as_mut().expect("a body is in an item");
                *body = Some((!attribute(&tag, "encoding").is_empty(), String::new()));
            }
            Event::End(tag) if tag.name().as_ref() == "b:body" => in_body = false,
            Event::End(tag) if tag.name().as_ref() == "b:item" => found.extend(item.take()),
            Event::Text(text) if in_body => append(&mut item, &text.xml10_content()),
            Event::GeneralRef(name) if in_body => {
                append(&mut item, &format!("&{};", &*name));
            }
            Event::Eof => break,
            // Servers' own elements stand beside the items, as they came.
            Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::GeneralRef(_)
            | Event::CData(_)
            | Event::PI(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::DocType(_) => {}
        }
    }
    assert_eq!(found.len(), results.len(), "each result stands once");
    for result in results {
        let same = |item: &&XmlItem| item.0 == result.subject.id.as_str();
        let (_, status, body) = found.iter().find(same).expect("each result stands there");
        assert_eq!(status, result.status.as_str());
        assert_eq!(body.is_some(), bytes_of(result).is_some());
        let (Some((encoded, text)), Some(bytes)) = (body, bytes_of(result)) else { continue };
        let text = unescape(text).expect("only XML's own entities");
        if *encoded {
            assert_eq!(STANDARD.decode(text.as_bytes()).expect("base64"), bytes);
        } else if !content_type(result).contains("8859") {
            assert_eq!(text.as_bytes(), bytes);
        }
    }
}

fn append(item: &mut Option<XmlItem>, text: &str) {
    if let Some((_, _, Some((_, body)))) = item {
        body.push_str(text);
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> String {
    let found = tag.try_get_attribute(name).expect("attributes");
    let value = found.map(|found| found.value.into_owned());
    value.map(|value| unescape(&value).expect("own entities").into_owned()).unwrap_or_default()
}

fn multipart(results: &[ItemResult], document: &[u8], content_type: &str) {
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=").expect("a bare boundary");
    let parts = split(document, boundary);
    assert_eq!(parts.len(), results.len());
    for (part, result) in parts.into_iter().zip(results) {
        if result.subject.form.set.is_some() {
            let (head, set) = head_and_rest(part);
            let boundary = head.strip_prefix("Content-Type: multipart/mixed; boundary=").expect("a set");
            let set = split(set, boundary);
            assert_eq!(set.len(), 1);
            message(set[0], result);
        } else {
            message(part, result);
        }
    }
}

/// The parts between delimiters, which stand on lines of their own.
fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let find = |text: &[u8], what: &str| text.windows(what.len()).position(|found| found == what.as_bytes());
    let mut rest = body;
    let mut parts = Vec::new();
    if body.starts_with(format!("--{boundary}--\r\n").as_bytes()) {
        return parts;
    }
    rest = rest.strip_prefix(format!("--{boundary}\r\n").as_bytes()).expect("a first delimiter");
    let delimiter = format!("\r\n--{boundary}");
    loop {
        let end = find(rest, &delimiter).expect("a next delimiter");
        parts.push(&rest[..end]);
        rest = &rest[end + delimiter.len()..];
        if matches!(rest, b"--" | b"--\r\n") {
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a whole line");
    }
}

fn head_and_rest(part: &[u8]) -> (&str, &[u8]) {
    let end = part.windows(4).position(|found| found == b"\r\n\r\n").expect("a head ends");
    // Field values may be no UTF-8; those that are looked at are.
    let head = part[..end].utf8_chunks().next().map_or("", |chunk| chunk.valid());
    (head, &part[end + 4..])
}

fn message(part: &[u8], result: &ItemResult) {
    let (head, message) = head_and_rest(part);
    let id = result.subject.id.as_str();
    let id = match result.subject.form.id {
        IdForm::Bracketed => format!("<response-{id}>"),
        IdForm::Plain | IdForm::Number | IdForm::Position => id.to_owned(),
    };
    assert!(head.lines().any(|line| line == format!("Content-ID: {id}")), "{head:?} has no {id:?}");
    let end = message.windows(4).position(|found| found == b"\r\n\r\n").expect("a head ends");
    let (head, body) = (&message[..end], &message[end + 4..]);
    assert!(head.starts_with(format!("HTTP/1.1 {} ", result.status.as_u16()).as_bytes()));
    let mut field = b"\r\nX-A: ".to_vec();
    field.extend(result.headers.last().expect("each has one").1.as_bytes());
    field.extend(b"\r\n");
    assert!(head.windows(field.len()).any(|found| found == field), "the field is lost");
    let line = String::from_utf8_lossy(head);
    let length = line.lines().rev().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: u64 = length.and_then(|length| length.parse().ok()).expect("a length");
    assert_eq!(body, bytes_of(result).unwrap_or_default());
    assert!(body.is_empty() || length == body.len() as u64);
}

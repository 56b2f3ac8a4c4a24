//! Properties of the formats: whatever goes in, readers end in a batch or a refusal; whatever
//! results are written, independent parsers find all of them again, to the byte.

use std::collections::HashSet;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::xml::read_back::Element;
use super::*;
use crate::batch::{BatchLimits, BatchRefusal, ItemForm, ItemResult, MultiStatus, ResultBody, Subject};
use crate::dialect::Dialect;
use crate::format::multipart::SetReply;
use crate::header::spelling::Spellings;

const MEDIA_TYPES: [&str; 7] = [
    "application/json",
    "application/problem+json",
    "text/plain",
    "application/xml",
    "image/png",
    "application/x-www-form-urlencoded",
    "text/plain; charset=utf-8",
];

fn any_body() -> impl Strategy<Value = Option<Vec<u8>>> {
    let json = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::collection::vec(any::<String>(), 0..3)
            .prop_map(|list| serde_json::to_string_pretty(&list).unwrap()),
    ];
    prop_oneof![
        Just(None),
        json.prop_map(|text| Some(text.into_bytes())),
        any::<String>().prop_map(|text| Some(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        (16_000_usize..17_000).prop_map(|length| Some(format!("\"{}\"", "x".repeat(length)).into_bytes())),
    ]
}

fn any_result() -> impl Strategy<Value = ItemResult> {
    let media_type = prop::option::of(prop::sample::select(&MEDIA_TYPES[..]));
    (200_u16..600, media_type, any_body(), "[ -~\u{e9}]{0,10}", any::<bool>(), "/[a-c]/?").prop_map(
        |(status, media_type, body, value, retryable, href)| {
            let media_type =
                media_type.map(|value| (http::header::CONTENT_TYPE, HeaderValue::from_static(value)));
            let field = (HeaderName::from_static("x-a"), HeaderValue::from_bytes(value.as_bytes()).unwrap());
            ItemResult {
                subject: Subject {
                    id: "".into(),
                    method: Method::GET,
                    href: href.into(),
                    form: ItemForm::default(),
                },
                status: StatusCode::from_u16(status).unwrap(),
                headers: media_type.into_iter().chain([field]).collect(),
                body: body.map_or(ResultBody::Absent, |body| ResultBody::Bytes(body.into())),
                spellings: Spellings::default(),
                gateway: None,
                retryable,
                retry_after: None,
            }
        },
    )
}

/// Results with ids of their own, whatever characters are in them.
fn any_results() -> impl Strategy<Value = Vec<ItemResult>> {
    prop::collection::vec((any_result(), "[^\\p{Cc}\u{fffe}\u{ffff}]{0,6}"), 0..8).prop_map(|results| {
        let with_id = |(index, (mut result, id)): (usize, (ItemResult, String))| {
            result.subject.id = format!("{index}{id}").into();
            result
        };
        results.into_iter().enumerate().map(with_id).collect()
    })
}

fn bytes_of(body: &ResultBody) -> Option<&[u8]> {
    match body {
        ResultBody::Absent => None,
        ResultBody::Bytes(bytes) => Some(bytes),
        ResultBody::Problem(_) => panic!("no problems here"),
    }
}

fn check_json_item(result: &ItemResult, item: &Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(&item["id"], result.subject.id.as_str());
    prop_assert_eq!(&item["status"], result.status.as_u16());
    prop_assert_eq!(item.get("retryable"), result.retryable.then_some(&json!(true)));
    let value = result.headers.last().unwrap().1.as_bytes();
    prop_assert_eq!(item["headers"]["X-A"].as_str().unwrap().as_bytes(), value);
    let Some(bytes) = bytes_of(&result.body) else {
        prop_assert!(item.get("body").is_none());
        return Ok(());
    };
    let is_json = media::MediaType::from_fields(&result.headers)
        .is_some_and(|media| media.kind == media::MediaKind::Json);
    if item.get("encoding").is_some() {
        prop_assert_eq!(STANDARD.decode(item["body"].as_str().unwrap()).unwrap(), bytes);
    } else if is_json {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        prop_assert_eq!(&item["body"], &serde_json::from_slice::<Value>(bytes).unwrap());
    } else {
        prop_assert_eq!(item["body"].as_str().unwrap().as_bytes(), bytes);
    }
    Ok(())
}

fn check_xml_item(result: &ItemResult, item: &Element) -> Result<(), TestCaseError> {
    prop_assert_eq!(item.attribute("id"), Some(result.subject.id.as_str()));
    prop_assert_eq!(item.attribute("status"), Some(result.status.as_str()));
    prop_assert_eq!(item.attribute("retryable"), result.retryable.then_some("true"));
    let header = item.all("{urn:batchgate:batch}header").into_iter().next_back().unwrap();
    prop_assert_eq!(header.text.as_bytes(), result.headers.last().unwrap().1.as_bytes());
    let body = item.all("{urn:batchgate:batch}body");
    let Some(bytes) = bytes_of(&result.body) else {
        prop_assert!(body.is_empty());
        return Ok(());
    };
    if body[0].attribute("encoding").is_some() {
        prop_assert_eq!(STANDARD.decode(&body[0].text).unwrap(), bytes);
    } else {
        prop_assert_eq!(body[0].text.as_bytes(), bytes);
    }
    Ok(())
}

const JSON_BATCH: &str = r#"{"requests":[{"id":"a","method":"PATCH","url":"/a?b=c","headers":{"X":"é","Y":["1","2"]},
"body":{"a":[1,-2.5e3,"\u00e9\ud83d\ude00",null,true]},"timeout":100},{"method":"get","url":"/b","dependsOn":["a"]},
{"id":"c","method":"PUT","url":"/c","headers":{"content-type":"image/png"},"body":"AAEC_-8="},null],"x":[[]]}"#;

const XML_BATCH: &str = "<?xml version='1.0' encoding='utf-8'?><!-- c --><b:batch xmlns:b='urn:batchgate:batch' xmlns:o='u:o'>\
    <b:request id='a' method='PUT' href='/a?b&amp;c'><b:header name='X'>é</b:header><b:body><o:a p='1'><![CDATA[<]]></o:a>\
    </b:body></b:request><b:request method='PUT' href='/b' timeout='5'><b:body type='text/plain'>a&#65;&lt;</b:body>\
    </b:request><b:request method='PUT' href='/c'><b:body encoding='base64'>AAEC</b:body></b:request></b:batch>";

/// Two requests, a change set of one, and one of two, with bare line breaks here and there.
const MULTIPART_BATCH: &str = "preamble\r\n--b\r\nContent-Type: application/http\r\nContent-ID: <a>\r\n\r\n\
    PATCH /a?b=c HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\nX: y\r\n\r\nx\r\n\r\n--b\nContent-Type:application/http\n\n\
    GET rel\n\n\n--b\r\nContent-Type: multipart/mixed; boundary=\"c =\"\r\n\r\n--c =\r\nContent-ID: 1\r\n\
    Content-Type: application/http;\r\n msgtype=request\r\n\r\nPUT /c HTTP/1.1\r\n\r\n\r\nx\r\n--c =--\r\n--b\n\
    Content-Type: multipart/mixed; boundary=d\n\n--d\nContent-Type: application/http\n\nGET /a\n\n--d\n\
    Content-Type: application/http\n\nGET /b\n--d--\n--b--";

/// What the readers get in addition to the body.
fn context(limits: &BatchLimits) -> ReadContext<'_> {
    let content_type = Some("multipart/mixed; boundary=b");
    ReadContext {
        limits,
        content_type,
        endpoint: "/svc/batch",
        query: "",
        own_authority: "gw",
        reply: Format::Json,
    }
}

fn small_limits() -> BatchLimits {
    BatchLimits {
        max_items: 5,
        max_depth: 8,
        max_url: 100,
        max_header_bytes: 100,
        max_headers: 4,
        ..BatchLimits::default()
    }
}

/// Reads; what comes out keeps the limits, and a place lies within the body.
fn check_reading(format: Format, body: Vec<u8>) -> Result<(), TestCaseError> {
    let (body, limits) = (Bytes::from(body), small_limits());
    match Dialect::default().read(format, &body, &context(&limits)) {
        Ok(batch) => {
            prop_assert!(batch.items.len() <= limits.max_items);
            let ids: HashSet<_> = batch.items.iter().map(|item| item.subject.id.as_str()).collect();
            prop_assert_eq!(ids.len(), batch.items.len());
            for item in batch.items {
                prop_assert!(item.subject.id.as_str().len() <= limits.max_id);
                prop_assert!(item.subject.href.len() <= limits.max_url);
                prop_assert!(item.content.is_err() || !item.subject.href.is_empty());
            }
        }
        Err(
            BatchRefusal::Malformed { place, .. }
            | BatchRefusal::NotABatch { place, .. }
            | BatchRefusal::TooDeep { place, .. }
            | BatchRefusal::ForbiddenXml { place, .. }
            | BatchRefusal::DuplicateMember { place, .. },
        ) => {
            prop_assert!(place.offset <= body.len());
            prop_assert!(place.item.is_none_or(|item| item.0 < limits.max_items));
        }
        Err(refusal) => {
            let is_known =
                matches!(refusal, BatchRefusal::DuplicateId { .. } | BatchRefusal::TooManyItems { .. });
            prop_assert!(is_known, "{:?}", refusal);
        }
    }
    Ok(())
}

fn damaged(valid: &str, damages: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut body = valid.as_bytes().to_vec();
    for (at, kind, byte) in damages {
        let at = at.index(body.len());
        match kind % 4 {
            0 => body[at] = *byte,
            1 => body.insert(at, *byte),
            2 => drop(body.remove(at)),
            _ => {
                // Doubles a piece: duplicate members, ids, elements.
                let piece = body[at..(at + usize::from(*byte)).min(body.len())].to_vec();
                body.splice(at..at, piece);
            }
        }
        if body.is_empty() {
            break;
        }
    }
    body
}

proptest! {
    #[test]
    fn json_results_come_back(results in any_results()) {
        let written = Dialect::default().write(Format::Json, SetReply::default(), MultiStatus { results: results.clone() });
        prop_assert!(written.chunks.iter().all(|chunk| !chunk.is_empty()));
        let document: Value = serde_json::from_slice(&written.chunks.concat()).unwrap();
        let items = document["responses"].as_array().unwrap();
        prop_assert_eq!(items.len(), results.len());
        for (result, item) in results.iter().zip(items) {
            check_json_item(result, item)?;
        }
        let failed = results.iter().filter(|result| result.status.as_u16() >= 400).count();
        prop_assert_eq!(&document["summary"], &json!({"items": results.len(), "failed": failed}));
    }

    #[test]
    fn xml_results_come_back(results in any_results()) {
        let written = Dialect::default().write(Format::Xml, SetReply::default(), MultiStatus { results: results.clone() });
        prop_assert!(written.chunks.iter().all(|chunk| !chunk.is_empty()));
        let document = Element::parse(&written.chunks.concat());
        let mut hrefs: Vec<_> = Vec::new();
        let mut found = 0;
        for response in document.all("{DAV:}response") {
            hrefs.push(response.text_of("{DAV:}href").unwrap().trim_end_matches('/').to_owned());
            for item in response.all("{urn:batchgate:batch}item") {
                let id = item.attribute("id").unwrap();
                let result = results.iter().find(|result| result.subject.id.as_str() == id).unwrap();
                check_xml_item(result, item)?;
                found += 1;
            }
        }
        prop_assert_eq!(found, results.len());
        hrefs.sort();
        let all = hrefs.len();
        hrefs.dedup();
        prop_assert_eq!(hrefs.len(), all, "duplicate href");
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL {
            check_reading(format, body.clone())?;
        }
    }

    #[test]
    fn damaged_batches_are_read_or_refused(damages in prop::collection::vec(any::<(Index, u8, u8)>(), 1..6)) {
        check_reading(Format::Json, damaged(JSON_BATCH, &damages))?;
        check_reading(Format::Xml, damaged(XML_BATCH, &damages))?;
        check_reading(Format::Multipart, damaged(MULTIPART_BATCH, &damages))?;
    }

    #[test]
    fn a_cut_batch_is_refused(at in any::<Index>()) {
        let batches =
            [(Format::Json, JSON_BATCH), (Format::Xml, XML_BATCH), (Format::Multipart, MULTIPART_BATCH)];
        for (format, body) in batches {
            let cut = Bytes::copy_from_slice(&body.as_bytes()[..at.index(body.len())]);
            prop_assert!(Dialect::default().read(format, &cut, &context(&BatchLimits::default())).is_err());
        }
    }

    #[test]
    fn json_items_are_read_as_serde_json_wrote_them(
        items in prop::collection::vec(("[^\\p{Cc}\u{fffe}\u{ffff}]{0,8}", "/[^\\p{Cc}\u{fffe}\u{ffff}]{0,8}", any::<String>()), 0..5)
    ) {
        let written: Vec<_> = items.iter().enumerate().map(|(index, (id, url, body))| json!({
            "id": format!("{index}{id}"), "method": "PUT", "url": url, "body": body,
        })).collect();
        let batch = Bytes::from(json!({"requests": written}).to_string());
        let batch = Dialect::default().read(Format::Json, &batch, &context(&BatchLimits::default())).unwrap();
        prop_assert_eq!(batch.items.len(), items.len());
        for (index, (item, (id, url, body))) in batch.items.into_iter().zip(items).enumerate() {
            prop_assert_eq!(item.subject.id.as_str(), format!("{index}{id}"));
            prop_assert_eq!(&*item.subject.href, url);
            let sent = item.content.unwrap().body.unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&sent).unwrap(), body);
        }
    }

    #[test]
    fn hrefs_are_mapped_or_left_whatever_the_bytes(damages in prop::collection::vec(any::<(Index, u8, u8)>(), 0..5)) {
        let valid = "<?xml version='1.0'?><D:multistatus xmlns:D='DAV:'><D:response><D:href>/a</D:href>\
            <D:status>HTTP/1.1 200 OK</D:status></D:response></D:multistatus>";
        let body = damaged(valid, &damages);
        let same = xml::dav::map_hrefs(&body, &|href| href.into());
        prop_assert!(same.as_ref().is_none_or(|mapped| *mapped == body));
        let mapped = xml::dav::map_hrefs(&body, &|_| "<&>".into());
        prop_assert!(mapped.is_some() || !xml::dav::is_multistatus(Some("text/xml"), &body) || same.is_none());
    }
}

//! What the reader makes of what real clients write, and that what the writer writes comes back.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

mod sets;

use super::*;
use crate::batch::{
    Batch, BatchItem, BatchLimits, BatchRefusal, ChangeSet, IdForm, ItemForm, ItemIndex, ItemRejection,
    ItemResult, MultiStatus, Problem, ResultBody, Subject,
};
use crate::format::json::ErrorForm;
use crate::format::{EncodedBody, Format, ReadContext, write_all};
use crate::header::field::FieldError;
use crate::header::spelling::Spellings;

fn read_as(content_type: &str, body: &[u8]) -> Result<Batch, BatchRefusal> {
    let limits =
        BatchLimits { max_items: 3, max_header_bytes: 400, max_headers: 8, ..BatchLimits::default() };
    let context = ReadContext {
        limits: &limits,
        content_type: Some(content_type),
        endpoint: "/svc/$batch",
        query: "",
        own_authority: "gw:8080",
        reply: Format::Multipart,
    };
    read(&Bytes::copy_from_slice(body), &context, MultipartInput::default())
}

fn batch(body: &str) -> Result<Batch, BatchRefusal> {
    read_as("multipart/mixed; boundary=b", body.as_bytes())
}

/// The only item of a batch whose only part has this in it.
fn item(part: &str) -> BatchItem {
    let mut items = batch(&format!("--b\r\n{part}\r\n--b--\r\n")).unwrap().items;
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn message(text: &str) -> BatchItem {
    item(&format!("Content-Type: application/http\r\n\r\n{text}"))
}

fn rejection(item: BatchItem) -> ItemRejection {
    item.content.expect_err("the item is refused")
}

fn body(item: &BatchItem) -> Option<&[u8]> {
    item.content.as_ref().unwrap().body.as_deref()
}

const GOOGLE: &str = "--===============7330845974216740156==\nContent-Type: application/http\nMIME-Version: 1.0\n\
    Content-Transfer-Encoding: binary\nContent-ID: <b29c5de2-0db4-490b-b421-6a51b598bd22\n + a%20b>\n\nPUT /up/1?alt=json HTTP/1.1\n\
    Content-Type: application/json\nMIME-Version: 1.0\ncontent-length: 9\nHost: GW:8080\naccept: application/json\n\n{\"a\": 1}\n\n\
    --===============7330845974216740156==--\n";

#[test]
fn googles_client_is_read() {
    let boundary = "multipart/mixed; boundary=\"===============7330845974216740156==\"";
    let items = read_as(boundary, GOOGLE.as_bytes()).unwrap().items;
    let subject = &items[0].subject;
    assert_eq!(subject.id.as_str(), "b29c5de2-0db4-490b-b421-6a51b598bd22 + a%20b");
    assert_eq!((subject.form.id, subject.form.set), (IdForm::Bracketed, None));
    assert_eq!((subject.method.as_str(), &*subject.href), ("PUT", "/up/1?alt=json"));
    let content = items[0].content.as_ref().unwrap();
    let names: Vec<_> = content.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "accept"]);
    assert_eq!(body(&items[0]), Some(b"{\"a\": 1}\n".as_slice()));
}

#[test]
fn odatas_clients_are_read() {
    let text = "\r\n--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding:binary\r\n\r\nGET Orders%281%29 HTTP/1.1\r\n\r\n\
        \r\n--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 7\r\n\r\n\
        PATCH Orders(2) HTTP/1.1\r\nContent-Type: application/json\r\n\r\n\r\n{\"a\":1}\r\n\r\n--c--\r\n\r\n--b--";
    let items = batch(text).unwrap().items;
    assert_eq!((items[0].subject.id.as_str(), &*items[0].subject.href), ("1", "/svc/Orders%281%29"));
    let relative = ItemForm { added_to_url: "/svc/".len(), ..ItemForm::default() };
    assert_eq!(items[0].subject.form, relative);
    assert_eq!(items[0].subject.written_url(), "Orders%281%29");
    assert_eq!(body(&items[0]), None);
    assert_eq!((items[1].subject.id.as_str(), &*items[1].subject.href), ("7", "/svc/Orders(2)"));
    let in_set = ItemForm { id: IdForm::Plain, set: Some(set_of(1, 1)), ..relative };
    assert_eq!(items[1].subject.form, in_set);
    assert_eq!(body(&items[1]), Some(b"{\"a\":1}".as_slice()));
}

#[test]
fn bodies_are_slices_of_the_batch() {
    let text =
        "--b\nContent-Type: application/http\n\nPUT /a HTTP/1.1\nContent-Length: 5\n\n\0\r\n\n\u{7f}\n--b--";
    let all = Bytes::copy_from_slice(text.as_bytes());
    let limits = BatchLimits::default();
    let context = ReadContext {
        limits: &limits,
        content_type: Some("multipart/mixed; boundary=b"),
        endpoint: "/b",
        query: "",
        own_authority: "",
        reply: Format::Multipart,
    };
    let items = read(&all, &context, MultipartInput::default()).unwrap().items;
    let found = items[0].content.as_ref().unwrap().body.clone().unwrap();
    assert_eq!(found, b"\0\r\n\n\x7f".as_slice());
    assert!(all.as_ptr_range().contains(&found.as_ptr()));
}

#[test]
fn heads_may_be_short_of_their_blank_line_or_version() {
    for text in ["GET /a", "GET /a HTTP/1.0", "\r\n\nGET  /a  HTTP/1.1\nHost: gw:8080", "get /a \r\n\r\n\r\n"]
    {
        let item = message(text);
        assert_eq!((item.subject.method.as_str(), &*item.subject.href), ("GET", "/a"), "{text}");
        assert_eq!(body(&item), None);
    }
}

#[test]
fn fields_of_the_connection_are_checked_and_dropped() {
    let fine = message(
        "GET /a HTTP/1.1\r\nhost:gw:8080\r\nMIME-Version: 1.0\r\nConnection: Keep-Alive\r\nAuthorization: x\r\nContent-Length: 0",
    );
    assert_eq!(fine.content.unwrap().headers, [(http::header::AUTHORIZATION, HeaderValue::from_static("x"))]);
    let header = |field: &str| {
        let refused = rejection(message(&format!("PUT /a HTTP/1.1\r\n{field}\r\n\r\nab")));
        let ItemRejection::BadHeader { error, .. } = refused else { panic!("{refused:?}") };
        error
    };
    assert_eq!(header("Host: evil"), FieldError::OtherHost);
    assert_eq!(header("Host: gw:8080\r\nHost: evil"), FieldError::OtherHost);
    assert_eq!(header("Content-Length: 3000"), FieldError::Length);
    assert_eq!(header("Content-Length: 1"), FieldError::Length);
    assert_eq!(header("Content-Length: 2\r\nContent-Length: 2"), FieldError::Once);
    assert_eq!(header("Content-Length: +2"), FieldError::NotANumber);
    assert_eq!(header("Connection: X-A"), FieldError::Forbidden);
    assert_eq!(header("Transfer-Encoding: chunked"), FieldError::Forbidden);
}

#[test]
fn encodings_that_would_have_to_be_undone_are_refused() {
    for (encoding, is_fine) in [
        ("binary", true),
        ("8BIT", true),
        ("7bit", true),
        ("base64", false),
        ("quoted-printable", false),
        ("x", false),
    ] {
        let outer = item(&format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nGET /a"
        ));
        let inner = message(&format!("GET /a HTTP/1.1\r\nContent-Transfer-Encoding: {encoding}"));
        assert_eq!((outer.content.is_ok(), inner.content.is_ok()), (is_fine, is_fine), "{encoding}");
    }
}

#[test]
fn a_part_holds_one_message() {
    for text in [
        "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        "PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.1",
    ] {
        assert!(message(text).content.is_err(), "{text}");
    }
    let text = "POST /a HTTP/1.1\r\nContent-Type: application/http\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    assert!(message(text).content.is_ok());
}

fn set_of(first: usize, members: usize) -> ChangeSet {
    ChangeSet::new(ItemIndex(first), members)
}

#[test]
fn each_request_of_a_set_is_an_item() {
    let request = |id: &str| {
        format!(
            "--c\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\nPUT /{id} HTTP/1.1\r\n\r\nx\r\n"
        )
    };
    let part = |content: &str| {
        format!("Content-Type: multipart/mixed; boundary=c\r\nContent-ID: s\r\n\r\n{content}--c--")
    };
    let set = |content: &str| item(&part(content));
    let several = part(&[request("1"), request("2"), request("3")].concat());
    let items = batch(&format!("--b\r\n{several}\r\n--b--")).unwrap().items;
    let found: Vec<_> = items.iter().map(|item| (item.subject.id.as_str(), &*item.subject.href)).collect();
    assert_eq!(found, [("1", "/1"), ("2", "/2"), ("3", "/3")]);
    assert!(items.iter().all(|item| item.subject.form.set == Some(set_of(0, 3))));
    assert!(items.iter().all(|item| body(item) == Some(b"x".as_slice())));
    let fourth = format!("--b\r\nContent-Type: application/http\r\n\r\nGET /0\r\n--b\r\n{several}\r\n--b--");
    assert_eq!(batch(&fourth), Err(BatchRefusal::TooManyItems { limit: 3 }));
    assert_eq!(set(&request("1")).subject.id.as_str(), "1");
    let nameless = request("1").replace("Content-ID: 1\r\n", "");
    assert_eq!(set(&nameless).subject.id.as_str(), "s");
    assert!(matches!(rejection(set("")), ItemRejection::WrongShape { .. }));
    let nested = "--c\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n--d--\r\n";
    assert!(matches!(rejection(set(nested)), ItemRejection::WrongShape { .. }));
    let mixed = format!("{}{nested}", request("1"));
    assert!(matches!(rejection(set(&mixed)), ItemRejection::WrongShape { .. }));
}

#[test]
fn an_id_may_be_a_field_of_the_message() {
    let id = |part: &str| {
        let head = format!("Content-Type: application/http\r\n{part}\r\n");
        let item = item(&format!("{head}PUT /a HTTP/1.1\r\nContent-ID: inner\r\nX-A: b\r\n\r\n"));
        assert_eq!(item.content.unwrap().headers.len(), 1, "it is not a field of the item");
        item.subject.id.as_str().to_owned()
    };
    assert_eq!((id(""), id("Content-ID: outer\r\n")), ("inner".to_owned(), "outer".to_owned()));
}

#[test]
fn framing_faults_tell_their_place() {
    let place = |text: &str| match batch(text) {
        Err(BatchRefusal::Malformed { place, .. }) => (place.offset, place.line, place.item),
        other => panic!("{other:?}"),
    };
    assert_eq!(place("no boundary"), (0, 1, None));
    let one = "--b\nContent-Type: application/http\n\nGET /a\n";
    assert_eq!(place(&format!("{one}--b\n")), (47, 6, Some(ItemIndex(1))));
    assert_eq!(place(one), (43, 5, Some(ItemIndex(0))));
    assert_eq!(batch(&format!("{}--b\n", one.repeat(3))), Err(BatchRefusal::TooManyItems { limit: 3 }));
    let set = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--b--";
    assert_eq!(place(set).2, Some(ItemIndex(0)));
    assert_eq!(batch("--b--").unwrap().items, []);
}

#[test]
fn heads_over_a_limit_cost_their_item() {
    let long = |text: String| matches!(rejection(item(&text)), ItemRejection::OverLimit { .. });
    assert!(long(format!("X: {}\r\n\r\n", "x".repeat(500))));
    assert!(long(format!("Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\nX: {}", "x".repeat(500))));
    assert!(long(format!(
        "Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\nX: {}",
        "x".repeat(50_000)
    )));
    assert!(long(format!(
        "Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n{}",
        "X: x\r\n".repeat(50)
    )));
}

fn result(status: u16, fields: &[(&'static str, &[u8])], body: ResultBody) -> ItemResult {
    let field = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    ItemResult {
        subject: Subject {
            id: "x".into(),
            method: Method::GET,
            href: "/a".into(),
            form: ItemForm::default(),
        },
        status: StatusCode::from_u16(status).unwrap(),
        headers: fields.iter().map(field).collect(),
        body,
        spellings: Spellings::default(),
        gateway: None,
        retryable: false,
        retry_after: None,
    }
}

fn write(results: Vec<ItemResult>) -> EncodedBody {
    write_with(MultipartOutput::new(ErrorForm::PROBLEM), SetReply::default(), results)
}

fn write_with(conventions: MultipartOutput, sets: SetReply, results: Vec<ItemResult>) -> EncodedBody {
    write_all(Box::new(MultipartWriter::new(conventions, sets)), MultiStatus { results })
}

/// The written reply without the random part of its boundaries.
fn written(results: Vec<ItemResult>) -> (String, String) {
    let written = write(results);
    let text = String::from_utf8(written.chunks.concat()).unwrap();
    let random = written.content_type.rsplit('_').next().unwrap().to_owned();
    assert_eq!(random.len(), 32);
    (written.content_type.replace(&random, ""), text.replace(&random, ""))
}

#[test]
fn the_document_is_that_of_the_protocol() {
    let mut first = result(201, &[("etag", b"\"1\"")], ResultBody::Bytes(Bytes::from_static(b"{}")));
    first.subject.form.id = IdForm::Bracketed;
    let mut second = result(299, &[], ResultBody::Absent);
    second.subject.form = ItemForm { id: IdForm::Plain, set: Some(set_of(1, 1)), ..ItemForm::default() };
    let (content_type, text) = written(vec![first, second]);
    assert_eq!(content_type, "multipart/mixed; boundary=batchresponse_");
    let expected = "--batchresponse_\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <response-x>\r\n\r\n\
        HTTP/1.1 201 Created\r\nETag: \"1\"\r\nContent-Length: 2\r\n\r\n{}\r\n\
        --batchresponse_\r\nContent-Type: multipart/mixed; boundary=changesetresponse_\r\n\r\n\
        --changesetresponse_\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: x\r\n\r\n\
        HTTP/1.1 299 Success\r\nContent-Length: 0\r\n\r\n\r\n--changesetresponse_--\r\n--batchresponse_--\r\n";
    assert_eq!(text, expected);
    assert_eq!(written(Vec::new()).1, "--batchresponse_--\r\n");
}

#[test]
fn the_query_of_the_batch_is_added_where_it_belongs_to_every_item() {
    let text = "--b\nContent-Type: application/http\n\nGET /a?x=1\n--b--";
    let limits = BatchLimits::default();
    let content_type = Some("multipart/mixed; boundary=b");
    let context = ReadContext {
        limits: &limits,
        content_type,
        endpoint: "/b",
        query: "key=K&x=2",
        own_authority: "",
        reply: Format::Multipart,
    };
    let url = |query| {
        let items =
            read(&Bytes::from_static(text.as_bytes()), &context, MultipartInput { query }).unwrap().items;
        items[0].subject.href.to_string()
    };
    assert_eq!(url(None), "/a?x=1");
    assert_eq!(url(Some(context.query)), "/a?x=1&key=K");
}

#[test]
fn a_problem_is_json_and_a_length_is_true() {
    let problem =
        Problem {
            kind: "urn:x", title: "T", status: StatusCode::NOT_FOUND, detail: "é".into(), place: None
        };
    let (_, text) =
        written(vec![result(404, &[("content-type", b"text/x")], ResultBody::Problem(Box::new(problem)))]);
    let body = r#"{"type":"urn:x","title":"T","status":404,"detail":"é","error":{"code":404,"message":"é"}}"#;
    assert!(text.contains(&format!("HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{body}\r\n", body.len())), "{text}");
    let wrong: [(&str, &[u8]); 1] = [("content-length", b"7")];
    let (_, text) = written(vec![result(204, &wrong, ResultBody::Absent)]);
    assert!(text.contains("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n\r\n"), "{text}");
    let mut head = result(200, &wrong, ResultBody::Absent);
    head.subject.method = Method::HEAD;
    assert!(written(vec![head]).1.contains("Content-Length: 7\r\n\r\n\r\n"));
}

#[test]
fn large_bodies_are_shared_with_the_upstream() {
    let large = Bytes::from(vec![b'x'; 100_000]);
    let written = write(vec![result(200, &[], ResultBody::Bytes(large.clone()))]);
    assert_eq!(written.chunks.len(), 3);
    assert_eq!(written.chunks[1].as_ptr(), large.as_ptr());
}

/// Status, the field `X-A`, body; read with std only.
type ReadBack = (u16, Vec<u8>, Vec<u8>);

fn find(text: &[u8], wanted: &[u8]) -> usize {
    text.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

/// The messages of a multipart body, by the lengths that they tell.
fn read_back(mut text: &[u8], boundary: &str) -> Vec<ReadBack> {
    let mut messages = Vec::new();
    loop {
        text = text.strip_prefix(format!("--{boundary}").as_bytes()).unwrap();
        if text == b"--\r\n" {
            return messages;
        }
        text = text.strip_prefix(b"\r\nContent-Type: application/http\r\n").unwrap();
        text = &text[find(text, b"\r\n\r\n") + 4..];
        let (head, rest) = text.split_at(find(text, b"\r\n\r\n") + 2);
        let field = |name: &str| {
            let value = &head[find(head, format!("\r\n{name}: ").as_bytes()) + name.len() + 4..];
            value[..find(value, b"\r\n")].to_vec()
        };
        let length: usize = String::from_utf8(field("Content-Length")).unwrap().parse().unwrap();
        let status = std::str::from_utf8(&head[9..12]).unwrap().parse().unwrap();
        messages.push((status, field("X-A"), rest[2..2 + length].to_vec()));
        text = rest[2 + length..].strip_prefix(b"\r\n").unwrap();
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let tricky = prop::sample::select(vec![
        "\r\n--batchresponse_",
        "--b--\r\n",
        "\r\n",
        "\n",
        "--",
        "\0",
        "HTTP/1.1 200 OK\r\n\r\n",
    ]);
    let tricky = prop::collection::vec(tricky, 0..6).prop_map(|pieces| pieces.concat().into_bytes());
    let large = (16_000_usize..17_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    prop_oneof![prop::collection::vec(any::<u8>(), 0..60), tricky, large]
}

proptest! {
    #[test]
    fn results_come_back(results in prop::collection::vec((200_u16..600, "[!-~\u{e9}]{0,10}", any_body()), 0..6)) {
        let to_result = |(status, value, body): &(u16, String, Vec<u8>)| {
            result(*status, &[("x-a", value.as_bytes())], ResultBody::Bytes(body.clone().into()))
        };
        let written = write(results.iter().map(to_result).collect());
        let boundary = written.content_type.split_once("boundary=").unwrap().1;
        let expected: Vec<ReadBack> = results.into_iter().map(|(status, value, body)| (status, value.into_bytes(), body)).collect();
        prop_assert_eq!(read_back(&written.chunks.concat(), boundary), expected);
    }

    #[test]
    fn bodies_are_read_to_the_byte(bodies in prop::collection::vec(any_body(), 1..4), line_break in prop::sample::select(vec!["\n", "\r\n"])) {
        let mut text = Vec::new();
        for body in &bodies {
            let head = ["--batch", "Content-Type:application/http", "", "PUT /a HTTP/1.1", &format!("Content-Length: {}", body.len()), "", ""];
            text.extend_from_slice(head.join(line_break).as_bytes());
            text.extend_from_slice(body);
            text.extend_from_slice(line_break.as_bytes());
        }
        text.extend_from_slice(b"--batch--");
        let items = read_as("multipart/mixed; boundary=batch", &text).unwrap().items;
        let found: Vec<_> = items.iter().map(|item| body(item).unwrap_or_default()).collect();
        prop_assert_eq!(found, bodies);
    }
}

//! What the dialects do differently: their formats, their errors, and the batches and results of plain items.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::Dialect;
use crate::batch::{
    Batch, BatchItem, BatchLimits, BatchRefusal, GatewayMade, ItemForm, ItemIndex, ItemRejection, ItemResult,
    MultiStatus, OutcomeKind, Place, Problem, ProxyError, ResultBody, Subject,
};
use crate::format::multipart::SetReply;
use crate::format::{Accept, Format, ReadContext, request_format};
use crate::header::spelling::Spellings;

mod pieces;

fn dialect(name: &str) -> Dialect {
    Dialect::named(name).unwrap()
}

fn read_as(name: &str, endpoint: &str, body: &str) -> Result<Batch, BatchRefusal> {
    let limits = BatchLimits { max_items: 3, max_headers: 4, max_url: 100, ..BatchLimits::default() };
    let context = ReadContext {
        limits: &limits,
        content_type: None,
        endpoint,
        query: "",
        own_authority: "gw",
        reply: Format::Json,
    };
    dialect(name).read(Format::Json, &Bytes::copy_from_slice(body.as_bytes()), &context)
}

fn pipeline(body: &str) -> Result<Batch, BatchRefusal> {
    read_as("apisix", "/apisix/batch-requests", body)
}

fn requests(body: &str) -> Result<Batch, BatchRefusal> {
    read_as("tyk", "/api/tyk/batch/", body)
}

fn fields(item: &BatchItem) -> Vec<(&str, &str)> {
    let headers = &item.content.as_ref().unwrap().headers;
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[test]
fn a_pipeline_shares_its_query_its_fields_and_its_timeout() {
    let batch = pipeline(
        r#"{"pipeline":[
            {"path":"/b","query":{"x":"own","n":1,"l":["p","q"]},"headers":{"X-Id":"7"},"version":1.1},
            {"method":"post","path":"/c?z","body":"a=\u0062"}],
        "query":{"x":"all","y":true},"headers":{"X-Id":"0","X-N":5},"timeout":500,"more":[]}"#,
    )
    .unwrap();
    let [first, second] = batch.items.as_slice() else { panic!("{batch:?}") };
    assert_eq!((first.subject.method.as_str(), &*first.subject.href), ("GET", "/b?y=true&x=own&n=1&l=p&l=q"));
    assert_eq!(fields(first), [("x-id", "7"), ("x-n", "5")]);
    assert_eq!((second.subject.method.as_str(), &*second.subject.href), ("POST", "/c?z&x=all&y=true"));
    assert_eq!(fields(second), [("x-id", "0"), ("x-n", "5")]);
    let content = second.content.as_ref().unwrap();
    assert_eq!(content.body.as_deref(), Some(b"a=b".as_slice()));
    assert_eq!(content.timeout, Some(std::time::Duration::from_millis(500)));
    assert!(!batch.sequential);
}

#[test]
fn requests_are_relative_to_the_listen_path() {
    let batch = requests(
        r#"{"suppress_parallel_execution":true,"requests":[
            {"method":"GET","headers":{"x-tyk-test":"1"},"body":"","relative_url":"get/?p=1"},
            {"method":"PUT","body":"_w","encoding":"base64","relative_url":"/put"}]}"#,
    )
    .unwrap();
    let [first, second] = batch.items.as_slice() else { panic!("{batch:?}") };
    assert_eq!(&*first.subject.href, "/api/get/?p=1");
    assert_eq!(first.subject.form.written_url.as_deref(), Some("get/?p=1"));
    assert_eq!(first.content.as_ref().unwrap().body, None);
    assert_eq!(&*second.subject.href, "/api/put");
    assert_eq!(second.content.as_ref().unwrap().body.as_deref(), Some([0xff].as_slice()));
    assert!(batch.sequential);
}

#[test]
fn nothing_in_them_refers_to_other_items() {
    let text = r#"{"pipeline":[{"path":"/{$responses.a.status}","body":"[\"{$responses.a.status}\"]"}]}"#;
    let batch = pipeline(text).unwrap();
    assert_eq!(batch.items[0].content.as_ref().unwrap().template, None);
}

#[test]
fn an_invalid_item_is_rejected_alone() {
    let rejected = |item: &str| {
        let batch = pipeline(&format!(r#"{{"pipeline":[{item},{{"path":"/good"}}]}}"#)).unwrap();
        assert!(batch.items[1].content.is_ok(), "{item}");
        batch.items[0].content.clone().unwrap_err()
    };
    assert_eq!(rejected("{}"), ItemRejection::MissingMember { member: "path", instead: None });
    let instead = Some("uri".to_owned());
    assert_eq!(rejected(r#"{"uri":"/x"}"#), ItemRejection::MissingMember { member: "path", instead });
    assert!(matches!(rejected("7"), ItemRejection::WrongShape { .. }));
    for (item, member) in [
        (r#"{"path":"/","method":[]}"#, "method"),
        (r#"{"path":"/","method":"G T"}"#, "method"),
        (r#"{"path":"/","headers":[]}"#, "headers"),
        (r#"{"path":"/","query":"a=b"}"#, "query"),
        (r#"{"path":"/","query":{"a":{}}}"#, "query"),
        (r#"{"path":"/","encoding":"hex"}"#, "encoding"),
    ] {
        let found = rejected(item);
        assert!(
            matches!(found, ItemRejection::BadMember { member: other, .. } if other == member),
            "{found:?}"
        );
    }
    for item in [r#"{"path":"/","body":{}}"#, r#"{"path":"/","body":"a","encoding":"base64"}"#] {
        assert!(matches!(rejected(item), ItemRejection::BadBody { .. }), "{item}");
    }
    for header in [r#"{"Host":"x"}"#, r#"{"a":"b\r\nc: d"}"#, r#"{"a":{}}"#, r#"{"a":"1","A":"2"}"#] {
        let found = rejected(&format!(r#"{{"path":"/","headers":{header}}}"#));
        assert!(matches!(found, ItemRejection::BadHeader { .. }), "{header}");
    }
    let long = format!(r#"{{"path":"/","query":{{"a":"{}"}}}}"#, "x".repeat(200));
    assert!(matches!(rejected(&long), ItemRejection::BadMember { member: "query", .. }));
    let long = format!(r#"{{"path":"/{}","query":{{"a":"{}"}}}}"#, "x".repeat(60), "y".repeat(60));
    assert!(matches!(rejected(&long), ItemRejection::OverLimit { limit: 100, .. }));
}

#[test]
fn a_body_that_is_not_a_batch_is_refused_with_its_place() {
    for text in ["[]", "{}", r#"{"requests":[]}"#, r#"{"pipeline":{}}"#, r#"{"pipeline":[],"query":[]}"#] {
        assert!(matches!(pipeline(text), Err(BatchRefusal::NotABatch { .. })), "{text}");
    }
    for text in [r#"{"pipeline":[],"headers":{"a":[{}]}}"#, r#"{"headers":{"a":[1,2,3,4,5]},"pipeline":[]}"#]
    {
        assert!(matches!(pipeline(text), Err(BatchRefusal::NotABatch { .. })), "{text}");
    }
    assert!(matches!(requests(r#"{"pipeline":[]}"#), Err(BatchRefusal::NotABatch { .. })));
    let twice = pipeline(r#"{"pipeline":[{"path":"/","path":"/b"}]}"#);
    assert!(matches!(twice, Err(BatchRefusal::DuplicateMember { .. })), "{twice:?}");
    let refused = pipeline("{\"pipeline\":[{\"path\":\"/\"},\n{x");
    assert!(matches!(refused, Err(BatchRefusal::Malformed { place, .. }) if place.line == 2), "{refused:?}");
    let many = requests(r#"{"requests":[1,2,3,4]}"#);
    assert_eq!(many, Err(BatchRefusal::TooManyItems { limit: 3 }));
}

fn result(written_url: &str, fields: &[(&'static str, &'static str)], body: ResultBody) -> ItemResult {
    let form = ItemForm { written_url: Some(written_url.into()), ..ItemForm::default() };
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    ItemResult {
        subject: Subject { id: "1".into(), method: Method::GET, href: "/api/x".into(), form },
        status: StatusCode::OK,
        headers: fields.iter().map(field).collect(),
        body,
        spellings: Spellings::default(),
        gateway: None,
        retryable: false,
        retry_after: None,
    }
}

fn results() -> Vec<ItemResult> {
    let json = ResultBody::Bytes(Bytes::from_static(b"{\"a\":\"\\u00e9\"}"));
    let binary = ResultBody::Bytes(Bytes::from_static(b"\xff\x00"));
    let problem = Problem {
        kind: "urn:x:late",
        title: "Too slow",
        status: StatusCode::GATEWAY_TIMEOUT,
        detail: "late".into(),
        place: None,
    };
    let mut late = result("c", &[("proxy-status", "x")], ResultBody::Problem(Box::new(problem)));
    late.status = StatusCode::GATEWAY_TIMEOUT;
    late.gateway = Some(GatewayMade { outcome: OutcomeKind::Unknown, error: ProxyError("x") });
    let cookies = [("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
    vec![result("a", &cookies, json), result("b", &[], binary), late, result("d", &[], ResultBody::Absent)]
}

fn written(name: &str) -> Value {
    let written = dialect(name).write(Format::Json, SetReply::default(), MultiStatus { results: results() });
    serde_json::from_slice(&written.chunks.concat()).unwrap()
}

#[test]
fn a_pipeline_is_answered_by_responses() {
    let error = r#"{"error_msg":"late"}"#;
    let headers = json!({"Content-Type": "application/json", "Proxy-Status": "x"});
    let expected = json!([
        {"status": 200, "reason": "OK", "body": "{\"a\":\"\\u00e9\"}",
         "headers": {"Content-Type": "application/json", "Set-Cookie": ["a=1", "b=2"]}},
        {"status": 200, "reason": "OK", "headers": {}, "body": "/wA=", "encoding": "base64"},
        {"status": 504, "reason": "upstream timeout", "headers": headers, "body": error},
        {"status": 200, "reason": "OK", "headers": {}, "body": ""},
    ]);
    assert_eq!(written("apisix"), expected);
}

#[test]
fn requests_are_answered_by_units() {
    let error = r#"{"error":"late"}"#;
    let expected = json!([
        {"relative_url": "a", "code": 200, "body": "{\"a\":\"\\u00e9\"}",
         "headers": {"Content-Type": ["application/json"], "Set-Cookie": ["a=1", "b=2"]}},
        {"relative_url": "b", "code": 200, "headers": {}, "body": "/wA=", "encoding": "base64"},
        {"relative_url": "c", "code": 504, "headers": {"Content-Type": ["application/json"], "Proxy-Status": ["x"]},
         "body": error},
        {"relative_url": "d", "code": 200, "headers": {}, "body": ""},
    ]);
    assert_eq!(written("tyk"), expected);
}

#[test]
fn a_dialect_has_its_own_formats() {
    let (odata, graph) = (dialect("odata"), dialect("graph"));
    let request =
        |content_type, dialect: Dialect| request_format(Some(content_type), b"<", dialect.formats());
    assert_eq!(request("multipart/mixed; boundary=b", odata), Ok(Format::Multipart));
    assert_eq!(request("application/json", graph), Ok(Format::Json));
    for (content_type, dialect, accepted) in [
        ("multipart/mixed", graph, "application/json"),
        ("text/xml", odata, "application/json or multipart/mixed"),
        ("text/plain", odata, "application/json or multipart/mixed"),
        ("application/jsonl", graph, "application/json"),
    ] {
        let refused = Err(BatchRefusal::UnsupportedMediaType(accepted.to_owned()));
        assert_eq!(request(content_type, dialect), refused, "{content_type}");
    }
    let reply = |accept: &str, request, dialect: Dialect| dialect.reply_format(&accept.into(), request);
    assert_eq!(reply("application/json", Format::Multipart, odata), Ok(Format::Multipart));
    assert_eq!(reply("multipart/mixed", Format::Json, odata), Ok(Format::Multipart));
    assert_eq!(reply("*/*", Format::Json, odata), Ok(Format::Json));
    let refused = Err(BatchRefusal::NotAcceptable("application/json".to_owned()));
    assert_eq!(reply("multipart/mixed", Format::Json, graph), refused);
    let own = request("text/html", Dialect::default()).unwrap_err().to_string();
    assert!(own.ends_with("application/json, application/xml, application/x-ndjson or multipart/mixed"));
}

#[test]
fn a_dialect_says_which_fields_about_a_batch_are_meant_for_its_items() {
    let mut outer = HeaderMap::new();
    for (name, value) in [
        ("accept", "multipart/mixed, text/plain"),
        ("content-language", "de"),
        ("content-type", "multipart/mixed"),
        ("if-match", "*"),
        ("prefer", "include-annotations=a, wait=3"),
    ] {
        outer.append(name, HeaderValue::from_static(value));
    }
    let odata = ["accept: text/plain", "content-language: de", "prefer: include-annotations=a"].as_slice();
    for (name, expected) in [
        ("batchgate", [].as_slice()),
        ("odata", odata),
        ("odata-3", odata),
        ("google", &["accept: text/plain", "if-match: *"]),
        ("azure", &["accept: text/plain"]),
        ("graph", &[]),
        ("apisix", &[]),
        ("tyk", &[]),
    ] {
        let fields = dialect(name).handed_down(&outer);
        let lines = fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{name}");
    }
    assert_eq!(Dialect::all().count(), 8, "a dialect has its line above");
}

#[test]
fn a_problem_is_told_in_each_dialect() {
    let place = Place { offset: 7, line: 2, column: 3, item: Some(ItemIndex(0)) };
    let problem = Problem {
        kind: "urn:x",
        title: "Broken",
        status: StatusCode::BAD_REQUEST,
        detail: "\u{1}".into(),
        place: Some(place),
    };
    let written = |name| -> (String, Value) {
        let written =
            dialect(name).write_problem(&Accept::from("text/xml, application/json;q=0.5"), None, &problem);
        (
            written.content_type.into_owned(),
            serde_json::from_slice(&written.chunks.concat()).unwrap_or_default(),
        )
    };
    let expected = json!({
        "type": "urn:x", "title": "Broken", "status": 400, "detail": "\u{1}",
        "offset": 7, "line": 2, "column": 3, "item": 1,
        "error": {"code": 400, "message": "\u{1}"},
    });
    let own = Dialect::default().write_problem(&Accept::default(), None, &problem);
    assert_eq!(serde_json::from_slice::<Value>(&own.chunks.concat()).unwrap(), expected);
    assert_eq!(written("batchgate"), ("application/problem+xml".to_owned(), Value::Null));
    let json = |error| ("application/json".to_owned(), error);
    let of_odata = json(json!({"error": {"code": "x", "message": "\u{1}"}}));
    assert_eq!((written("odata"), written("graph")), (of_odata.clone(), of_odata));
    let earlier = json!({"code": "x", "message": {"lang": "en", "value": "\u{1}"}});
    assert_eq!(written("odata-3"), json(json!({"error": earlier, "odata.error": earlier})));
    let detail = json!({"domain": "batchgate", "reason": "x", "message": "\u{1}"});
    let of_google = json!({
        "error": {"code": 400, "message": "\u{1}", "errors": [detail], "status": "INVALID_ARGUMENT"}
    });
    assert_eq!(written("google"), ("application/json; charset=UTF-8".to_owned(), of_google));
    assert_eq!(written("apisix"), json(json!({"error_msg": "\u{1}"})));
    assert_eq!(written("tyk"), json(json!({"error": "\u{1}"})));
}

#[test]
fn a_dialect_is_known_by_its_name() {
    for found in Dialect::all() {
        assert_eq!(Dialect::named(found.name()), Some(found));
        let name = serde_json::to_value(found).unwrap();
        assert_eq!(serde_json::from_value::<Dialect>(name).unwrap(), found);
    }
    assert_eq!(Dialect::default(), dialect("batchgate"));
    let unknown = serde_json::from_value::<Dialect>(json!("soap")).unwrap_err().to_string();
    assert_eq!(
        unknown,
        "unknown dialect `soap`, expected one of batchgate, odata, odata-3, graph, google, azure, apisix, tyk"
    );
}

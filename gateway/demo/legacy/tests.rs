//! The legacy API's answers, with one table for each resource. A line is a request and the expected response. Each line is
//! sent to an API that has just started.

use super::*;
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION};

/// `METHOD url`, fields `name: value` separated by `; `, body.
fn ask(api: &LegacyApi, line: &str, fields: &str, body: &str) -> Response<Bytes> {
    let (method, url) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in fields.split("; ").filter_map(|field| field.split_once(": ")) {
        request = request.header(name, value);
    }
    api.respond(&request.body(Bytes::from(body.to_owned())).unwrap())
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[track_caller]
fn check(line: &str, fields: &str, body: &str, status: u16, answer: &str) {
    let response = ask(&LegacyApi::new(), line, fields, body);
    assert_eq!((response.status().as_u16(), text(&response)), (status, answer), "{line}");
}

const ORDER_7: &str = r#"{"id":7,"customer":"Łukasz & Søn","article":"chair","quantity":3,"status":"open"}"#;
const ORDER_7_XML: &str = "<order id=\"7\"><customer>Łukasz &amp; Søn</customer><article>chair</article>\
     <quantity>3</quantity><status>open</status></order>";

#[test]
fn orders_are_read_in_both_media() {
    check("GET /orders/7", "", "", 200, ORDER_7);
    check("HEAD /orders/7", "", "", 200, ORDER_7);
    check("GET /legacy/orders/7", "", "", 200, ORDER_7_XML);
    check("GET /orders/7", "accept: text/html, application/xml;q=0.9", "", 200, ORDER_7_XML);
    check("GET /legacy/orders/7", "accept: application/json", "", 200, ORDER_7);
    check("GET /orders/99", "", "", 404, r#"{"error":"there is no order 99"}"#);
    check("GET /legacy/orders/99", "", "", 404, "<error>there is no order 99</error>");
    check("GET /orders/13", "", "", 500, r#"{"error":"the database of 1998 is locked"}"#);
    check("GET /orders/x", "", "", 404, r#"{"error":"there is nothing at /orders/x"}"#);
    check("GET /", "", "", 404, r#"{"error":"there is nothing at /"}"#);
}

#[test]
fn orders_change_in_both_media() {
    let json = "content-type: application/json";
    let paid = ORDER_7.replace("open", "paid");
    check("PATCH /orders/7", json, r#"{"status":"paid"}"#, 200, &paid);
    check("PATCH /orders/7", "", r#"{"status":"paid"}"#, 200, &paid);
    check(
        "PATCH /orders/7",
        "content-type: application/xml; charset=utf-8",
        "<?xml version='1.0'?><o:order xmlns:o='urn:o'><o:status>paid</o:status></o:order>",
        200,
        &paid,
    );
    check(
        "PATCH /legacy/orders/7",
        "",
        "<order><customer>A &amp; &#66;<![CDATA[ <C>]]></customer></order>",
        200,
        &ORDER_7_XML.replace("Łukasz &amp; Søn", "A &amp; B &lt;C&gt;"),
    );
    check(
        "PUT /orders/7",
        "",
        r#"{"article":"chair","customer":"Łukasz & Søn","quantity":8}"#,
        200,
        &ORDER_7.replace("\"quantity\":3", "\"quantity\":8"),
    );
}

#[test]
fn bodies_that_are_not_an_order_are_refused() {
    let status = |line, fields, body| ask(&LegacyApi::new(), line, fields, body).status().as_u16();
    assert_eq!(status("PATCH /orders/7", "", "{"), 400);
    assert_eq!(status("PATCH /orders/7", "", "[1]"), 422);
    assert_eq!(status("PATCH /orders/7", "", r#"{"colour":"red"}"#), 422);
    assert_eq!(status("PATCH /orders/7", "", r#"{"status":"eaten"}"#), 422);
    assert_eq!(status("PATCH /orders/7", "", r#"{"id":8}"#), 422);
    assert_eq!(status("PUT /orders/7", "", r#"{"customer":"Ada"}"#), 422);
    assert_eq!(status("PUT /orders/70", "", r#"{"customer":"Ada"}"#), 422);
    for malformed in
        ["", "<order>", "<order></o>", "<order><status>&e;</status></order>", "<!DOCTYPE o><order/>"]
    {
        assert_eq!(status("PATCH /legacy/orders/7", "", malformed), 400, "{malformed}");
    }
    for no_order in ["<a/>", "<order/><order/>", "<order><a><b/></a></order>", "<order><a/></order>"] {
        assert_eq!(status("PATCH /legacy/orders/7", "", no_order), 422, "{no_order}");
    }
    assert_eq!(status("PATCH /orders/7", "content-type: text/csv", "a,b"), 415);
}

#[test]
fn an_order_goes_only_forward() {
    let status = |line, body| ask(&LegacyApi::new(), line, "", body).status().as_u16();
    let conflict = r#"{"error":"order 4 is cancelled and can't be paid"}"#;
    check("PATCH /orders/4", "", r#"{"status":"paid"}"#, 409, conflict);
    assert_eq!(status("PATCH /orders/4", r#"{"status":"cancelled"}"#), 200);
    assert_eq!(status("PATCH /orders/2", r#"{"status":"shipped"}"#), 200);
    assert_eq!(status("PATCH /orders/2", r#"{"status":"open"}"#), 409);
    assert_eq!(status("PATCH /orders/1", r#"{"status":"shipped"}"#), 409);
    assert_eq!(status("DELETE /orders/5", ""), 409);
}

#[test]
fn orders_come_and_go() {
    let api = LegacyApi::new();
    let whole = r#"{"customer":"Ada","article":"lamp","quantity":1}"#;
    let new = ask(&api, "POST /orders", "", whole);
    assert_eq!(
        (new.status(), &new.headers()[LOCATION]),
        (StatusCode::CREATED, &"/orders/21".parse().unwrap())
    );
    let new = ask(&api, "PUT /legacy/orders/30", "content-type: application/json", whole);
    assert_eq!(new.status(), StatusCode::CREATED);
    assert_eq!(new.headers()[LOCATION], "/legacy/orders/30");
    assert_eq!(ask(&api, "DELETE /orders/21", "", "").status(), StatusCode::NO_CONTENT);
    assert_eq!(ask(&api, "DELETE /orders/21", "", "").status(), StatusCode::NOT_FOUND);
    assert_eq!(ask(&api, "PATCH /orders/21", "", "{}").status(), StatusCode::NOT_FOUND);
    let list = ask(&api, "GET /orders", "", "");
    assert!(text(&list).ends_with("18,19,20,30]}"), "{list:?}");
}

#[test]
fn preconditions_are_honoured() {
    let api = LegacyApi::new();
    let status = |line: &str, fields: &str, body: &str| ask(&api, line, fields, body).status().as_u16();
    let etag = ask(&api, "GET /orders/7", "", "").headers()[ETAG].to_str().unwrap().to_owned();
    assert_eq!(status("GET /orders/7", &format!("if-none-match: \"x\", {etag}"), ""), 304);
    assert_eq!(status("PATCH /orders/7", &format!("if-match: {etag}"), "{}"), 200);
    assert_eq!(status("PATCH /orders/7", &format!("if-match: {etag}"), "{}"), 412);
    assert_eq!(status("GET /orders/7", &format!("if-none-match: {etag}"), ""), 200);
    assert_eq!(status("PUT /orders/7", "if-none-match: *", "{}"), 412);
    assert_eq!(status("DELETE /orders/99", "if-match: *", ""), 412);
    assert_eq!(status("DELETE /orders/7", "if-match: *", ""), 204);
    assert_eq!(status("PUT /notes/1", "if-match: \"9\"; content-type: text/plain", "new"), 412);
}

#[test]
fn other_methods_are_405_with_allow() {
    for (line, allow) in [
        ("POST /orders/7", "GET, HEAD, PUT, PATCH, DELETE"),
        ("DELETE /orders", "GET, HEAD, POST"),
        ("PATCH /notes/1", "GET, HEAD, PUT, DELETE"),
    ] {
        let response = ask(&LegacyApi::new(), line, "", "");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{line}");
        assert_eq!(response.headers()[ALLOW], allow, "{line}");
    }
}

#[test]
fn notes_are_text_and_pictures_are_bytes() {
    let api = LegacyApi::new();
    let note = ask(&api, "GET /notes/1", "", "");
    assert_eq!(note.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    let picture = ask(&api, "GET /pictures/1", "", "");
    assert_eq!(picture.headers()[CONTENT_TYPE], "image/png");
    assert!(picture.body().starts_with(b"\x89PNG\r\n\x1a\n"));
    let new = ask(&api, "PUT /notes/2", "content-type: text/plain", "Hello");
    assert_eq!((new.status(), &new.headers()[LOCATION]), (StatusCode::CREATED, &"/notes/2".parse().unwrap()));
    assert_eq!(text(&ask(&api, "GET /notes/2", "", "")), "Hello");
    assert_eq!(ask(&api, "PUT /pictures/1", "content-type: text/plain", "Hello").status(), 415);
    assert_eq!(ask(&api, "DELETE /pictures/2", "", "").status(), StatusCode::NOT_FOUND);
}

#[test]
fn order_9_is_slow_and_others_are_not() {
    assert_eq!(delay("/orders/9"), SLOW);
    assert_eq!(delay("/legacy/orders/9"), SLOW);
    assert_eq!(delay("/orders/8"), Duration::ZERO);
    assert_eq!(delay("/notes/9"), Duration::ZERO);
}

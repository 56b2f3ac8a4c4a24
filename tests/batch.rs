//! A batch in, one result for each item out: items, fields, negotiation, refusals (protocol §1-§4).

use serde_json::{Value, json};

use crate::harness::multistatus::judge;
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

/// Fields that no item may set (protocol §1).
const NOT_FOR_ITEMS: [&str; 16] = [
    "Host",
    "Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "Content-Length",
    "Expect",
    "Upgrade",
    "TE",
    "Trailer",
    "Proxy-Connection",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Via",
    "X-Request-Id",
    "traceparent",
];

#[test]
fn a_mixed_batch_in_json_is_answered_in_order() {
    let upstream = Upstream::start();
    upstream.on("/orders/1", Answer::json(200, r#"{"id":1}"#)).on("/orders/2", Answer::empty(204));
    upstream.on("/orders", Answer::json(201, "{}").header("Location", "/orders/3"));
    upstream.on("/orders/9", Answer::text(404, "no such order"));
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "read", "method": "GET", "url": "/orders/1"},
        {"id": "change", "method": "PUT", "url": "/orders/2", "body": {"status": "paid"}},
        {"id": "new", "method": "POST", "url": "/orders", "body": {"total": 5}},
        {"id": "gone", "method": "DELETE", "url": "/orders/9"},
    ]}));
    assert_eq!(reply.statuses(), [200, 204, 201, 404]);
    let ids: Vec<_> = reply.results().iter().map(|result| result["id"].clone()).collect();
    assert_eq!(ids, ["read", "change", "new", "gone"]);
    assert_eq!(reply.results()[0]["body"], json!({"id": 1}));
    assert_eq!(reply.results()[3]["body"], "no such order");
    assert_eq!(reply.json()["summary"], json!({"items": 4, "failed": 1}));
    assert_eq!(upstream.requests_to("/orders/2")[0].text(), r#"{"status":"paid"}"#);
}

#[test]
fn a_mixed_batch_in_xml_is_answered_with_a_multistatus() {
    let upstream = Upstream::start();
    upstream.on("/orders/1", Answer::json(200, r#"{"id":1}"#));
    upstream.on("/orders/9", Answer::text(404, "no such order"));
    let reply = Gateway::before(&upstream).send(&Request::xml_batch(
        "<batch><request id='a' method='GET' href='/orders/1'/><request method='DELETE' href='/orders/9'/>\
         <request method='PUT' href='/orders/7'><body><order><status>paid</status></order></body></request></batch>",
    ));
    assert_eq!(reply.status, 207);
    assert!(reply.header("Content-Type").unwrap().starts_with("application/xml"));
    assert!(reply.text().contains("<D:responsedescription>2 of 3 succeeded</D:responsedescription>"));
    let judged = judge(&reply.body);
    assert_eq!(judged.hrefs(), ["/orders/1", "/orders/9", "/orders/7"]);
    assert_eq!(
        [judged.status("/orders/1"), judged.status("/orders/9"), judged.status("/orders/7")],
        [200, 404, 200]
    );
    assert_eq!(judged.item("a")["body"]["text"], r#"{"id":1}"#);
    assert_eq!(judged.item("2")["headers"]["Content-Type"], "text/plain");
    assert_eq!(judged.item("3")["status"], "200");
    assert_eq!(upstream.requests_to("/orders/7")[0].text(), "<order><status>paid</status></order>");
}

#[test]
fn an_item_without_an_id_has_its_position() {
    let upstream = Upstream::start();
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"method": "GET", "url": "/a"}, {"id": "mine", "method": "get", "url": "/b"}, {"method": "Get", "url": "/c"},
    ]}));
    let ids: Vec<_> = reply.results().iter().map(|result| result["id"].clone()).collect();
    assert_eq!(ids, ["1", "mine", "3"]);
    assert!(upstream.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn items_with_one_href_share_a_response_with_the_worst_status() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "x")).on("/a", Answer::text(409, "y"));
    let batch =
        "<batch><request id='x' method='PUT' href='/a'/><request id='y' method='PUT' href='/a'/></batch>";
    let request = Request::xml_batch(batch).header("Prefer", "order=sequential");
    let judged = judge(&Gateway::before(&upstream).send(&request).body);
    assert_eq!((judged.hrefs(), judged.status("/a")), (vec!["/a"], 409));
    assert_eq!((&judged.item("x")["status"], &judged.item("y")["status"]), (&json!("200"), &json!("409")));
}

#[test]
fn a_post_that_creates_has_the_new_resources_href() {
    let upstream = Upstream::start();
    upstream.on("/orders", Answer::text(201, "").header("Location", &format!("{}/orders/3", upstream.url())));
    let gateway = Gateway::before(&upstream);
    let reply =
        gateway.send(&Request::xml_batch("<batch><request id='p' method='POST' href='/orders'/></batch>"));
    let judged = judge(&reply.body);
    let href = judged.hrefs()[0].to_owned();
    assert!(href.ends_with("/orders/3"), "{href}");
    assert!(!href.contains(&upstream.address().to_string()), "{href} names the upstream");
    let location = judged.item("p")["headers"]["Location"].as_str().unwrap();
    assert!(!location.contains(&upstream.address().to_string()), "{location} names the upstream");
}

#[test]
fn the_reply_is_in_the_format_that_accept_prefers() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let json = json!({"requests": [{"method": "GET", "url": "/a"}]}).to_string();
    let xml = "<batch><request method='GET' href='/a'/></batch>".to_owned();
    for (content_type, body, accept, expected) in [
        ("application/json", &json, None, "application/json"),
        ("application/json", &json, Some("*/*"), "application/json"),
        ("application/json", &json, Some("application/xml"), "application/xml"),
        ("application/json", &json, Some("text/html, text/xml;q=0.5, application/json;q=0.1"), "text/xml"),
        ("application/xml", &xml, Some("application/json"), "application/json"),
        ("application/xml", &xml, Some("application/json;q=0, */*"), "application/xml"),
        ("text/xml; charset=utf-8", &xml, None, "xml"),
    ] {
        let request = Request::post("/batch", content_type, body);
        let reply = gateway.send(&accept.map_or(request.clone(), |accept| request.header("Accept", accept)));
        let got = reply.header("Content-Type").unwrap();
        assert!(
            reply.status == 207 && got.contains(expected),
            "{content_type} {accept:?}: {} {got}",
            reply.status
        );
    }
}

#[test]
fn an_accept_that_nothing_meets_is_refused_before_anything_is_sent() {
    let upstream = Upstream::start();
    let request = Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
    let reply = Gateway::before(&upstream).send(&request.header("Accept", "image/png"));
    assert_eq!((reply.status, upstream.requests().len()), (406, 0));
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json"));
}

#[test]
fn the_first_byte_decides_where_the_content_type_says_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let json = r#" {"requests": [{"method": "GET", "url": "/a"}]}"#;
    let xml = "\n<batch><request method='GET' href='/a'/></batch>";
    let form = "application/x-www-form-urlencoded";
    for (content_type, body) in [(form, json), (form, xml), ("text/plain", json), ("text/plain", xml)] {
        assert_eq!(
            gateway.send(&Request::post("/batch", content_type, body)).status,
            207,
            "{content_type} {body}"
        );
    }
    assert_eq!(gateway.send(&Request::new("POST", "/batch").body(json)).status, 207);
    assert_eq!(gateway.send(&Request::new("POST", "/batch").body(xml)).status, 207);
    assert_eq!(gateway.send(&Request::post("/batch", "text/csv", json)).status, 415);
    assert_eq!(upstream.requests().len(), 6);
}

#[test]
fn a_cross_site_page_can_not_post_a_form_like_batch() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "DELETE", "url": "/a"}]}).to_string();
    let post = |content_type: &str, name: &str, value: &str| {
        gateway.send(&Request::post("/batch", content_type, &batch).header(name, value)).status
    };
    assert_eq!(post("text/plain", "Sec-Fetch-Site", "cross-site"), 403);
    assert_eq!(post("application/x-www-form-urlencoded", "Origin", "https://evil.example"), 403);
    assert_eq!(post("text/plain", "Sec-Fetch-Site", "same-origin"), 207);
    assert_eq!(post("text/plain", "Sec-Fetch-Mode", "cors"), 207);
    assert_eq!(post("text/plain", "Origin", &gateway.url("")), 207);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn the_outer_fields_reach_every_item_but_those_about_the_outer_message() {
    let upstream = Upstream::start();
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    let mut request = Request::batch(&batch).header("Authorization", "Bearer t").header("X-Tenant", "blue");
    let outer =
        ["Accept", "Prefer", "If-Match", "Range", "Idempotency-Key", "Content-Language", "X-Named", "TE"];
    for name in outer {
        request = request.header(name, if name == "Accept" { "*/*" } else { "something" });
    }
    let request = request.header("Accept-Encoding", "br").header("Connection", "X-Named");
    assert_eq!(Gateway::before(&upstream).send(&request).statuses(), [200]);
    let sent = upstream.only_request();
    assert_eq!((sent.header("Authorization"), sent.header("X-Tenant")), (Some("Bearer t"), Some("blue")));
    for name in
        outer.into_iter().chain(["Content-Type", "Content-Length", "Transfer-Encoding", "Accept-Encoding"])
    {
        assert_eq!(sent.header(name), None, "{name} belongs to the outer message");
    }
    assert_eq!(sent.header("Host"), Some(upstream.address().to_string().as_str()));
}

#[test]
fn an_items_own_fields_override_what_is_handed_down() {
    let upstream = Upstream::start();
    let request = Request::batch(&json!({"requests": [
        {"id": "own", "method": "GET", "url": "/own", "headers": {"authorization": "Bearer own", "Accept": "text/plain"}},
        {"id": "outer", "method": "GET", "url": "/outer"},
    ]}));
    assert_eq!(
        Gateway::before(&upstream).send(&request.header("Authorization", "Bearer outer")).statuses(),
        [200, 200]
    );
    let own = &upstream.requests_to("/own")[0];
    assert_eq!(own.all("Authorization").collect::<Vec<_>>(), ["Bearer own"]);
    assert_eq!(own.header("Accept"), Some("text/plain"));
    assert_eq!(upstream.requests_to("/outer")[0].header("Authorization"), Some("Bearer outer"));
}

#[test]
fn an_endpoint_can_narrow_what_is_handed_down() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "inherit: [X-Tenant]").start();
    let request = Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
    let request =
        request.header("Authorization", "Bearer t").header("X-Tenant", "blue").header("Cookie", "a=1");
    assert_eq!(gateway.send(&request).statuses(), [200]);
    let sent = upstream.only_request();
    assert_eq!(
        (sent.header("X-Tenant"), sent.header("Authorization"), sent.header("Cookie")),
        (Some("blue"), None, None)
    );
}

#[test]
fn an_item_can_not_set_what_the_gateway_or_the_framing_owns() {
    let upstream = Upstream::start();
    let mut items: Vec<_> = NOT_FOR_ITEMS
        .iter()
        .map(|name| json!({"method": "GET", "url": "/a", "headers": {*name: "1"}}))
        .collect();
    items.push(json!({"method": "GET", "url": "/good"}));
    let results = Gateway::before(&upstream).batch(&json!({ "requests": items })).results();
    for (name, result) in NOT_FOR_ITEMS.iter().zip(&results) {
        assert_eq!(
            (&result["status"], &result["outcome"]),
            (&json!(400), &json!("rejected")),
            "{name}: {result}"
        );
        assert!(
            result["body"]["detail"].as_str().unwrap().to_lowercase().contains(&name.to_lowercase()),
            "{result}"
        );
    }
    assert_eq!(upstream.only_request().target, "/good");
}

#[test]
fn nothing_in_an_item_makes_a_second_request() {
    let upstream = Upstream::start();
    let smuggled = "\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let text = json!({"Content-Type": "text/plain"});
    Gateway::before(&upstream).batch(&json!({"requests": [
        {"method": "GET", "url": "/1", "body": smuggled, "headers": text}, {"method": "PUT", "url": "/2", "body": smuggled},
        {"method": "GET", "url": "/3", "headers": {"X": smuggled}}, {"method": "GET", "url": format!("/4{smuggled}")},
        {"method": format!("GET /smuggled HTTP/1.1{smuggled}"), "url": "/5"},
        {"method": "GET", "url": "/6", "headers": {format!("X: 1{smuggled}"): "1"}}, {"id": smuggled, "method": "GET", "url": "/7"},
    ]}));
    let mut targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    targets.sort();
    targets.retain(|target| target != "/7");
    assert_eq!(targets, ["/1", "/2"]);
    let bytes: usize =
        upstream.requests().iter().map(|request| request.head.len() + request.body.len()).sum();
    assert_eq!(upstream.received().len(), bytes, "bytes beyond the requests");
}

#[test]
fn a_bad_item_fails_alone_and_says_why() {
    let upstream = Upstream::start();
    let route = Config::new().upstream("legacy", upstream.url()).route("/orders/", "legacy");
    let gateway = route.with("methods: [GET, PUT]").batch("/batch").start();
    let results = gateway.batch(&json!({"requests": [
        {"method": "GET", "url": "/nowhere"}, {"method": "DELETE", "url": "/orders/1"},
        {"method": "GET", "url": "/orders/../secret"}, {"method": "GET", "url": "http://169.254.169.254/"},
        {"method": "POST", "url": "/batch", "body": {}}, {"method": "GET", "url": "/orders/1"},
    ]})).results();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!((statuses[0], statuses[1], statuses[5]), (404, 405, 200));
    assert!(statuses[2..5].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    let allow = results[1]["headers"]["Allow"].as_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("PUT") && !allow.contains("DELETE"), "{allow}");
    for result in &results[..5] {
        assert_rejected(result);
    }
    assert_eq!(upstream.only_request().target, "/orders/1");
}

/// Protocol §3: a problem detail, Proxy-Status, the outcome; nothing to be sent again.
fn assert_rejected(result: &Value) {
    assert_eq!(result["outcome"], "rejected", "{result}");
    assert_ne!(result["retryable"], true, "{result}");
    assert_eq!(result["headers"]["Content-Type"], "application/problem+json");
    assert_eq!(result["body"]["status"], result["status"]);
    let proxy_status = result["headers"]["Proxy-Status"].as_str().unwrap();
    assert!(proxy_status.contains("error=") && proxy_status.contains("outcome"), "{proxy_status}");
}

#[test]
fn fields_come_back_in_their_canonical_case_joined_and_cookies_as_a_list() {
    let upstream = Upstream::start();
    let answer = Answer::text(200, "x").header("etag", "\"1\"").header("www-authenticate", "Basic");
    let answer = answer
        .header("set-cookie", "a=1")
        .header("Set-Cookie", "b=2")
        .header("x-own", "1")
        .header("x-own", "2");
    upstream.on(
        "/a",
        answer.header("Connection", "X-Hop").header("X-Hop", "1").header("Keep-Alive", "timeout=5"),
    );
    let result = Gateway::before(&upstream).item(&json!({"method": "GET", "url": "/a"}));
    let headers = &result["headers"];
    assert_eq!((&headers["ETag"], &headers["WWW-Authenticate"]), (&json!("\"1\""), &json!("Basic")));
    assert_eq!(headers["Set-Cookie"], json!(["a=1", "b=2"]));
    assert_eq!(headers["x-own"], "1, 2");
    for name in ["Connection", "X-Hop", "Keep-Alive", "Transfer-Encoding"] {
        assert!(headers[name].is_null(), "{name} is of one hop: {headers}");
    }
}

#[test]
fn get_tells_the_limits_and_other_methods_are_not_allowed() {
    let gateway =
        Setup::tuned(&Upstream::start().url(), "concurrency: 8", "max_items: 77, deadline: 12s").start();
    let reply = gateway.send(&Request::get("/batch"));
    assert_eq!(reply.status, 200);
    let told = reply.json().to_string();
    assert!(told.contains("77") && told.contains("maxItems") && told.contains("application/xml"), "{told}");
    for method in ["PUT", "DELETE", "PATCH", "PROPFIND"] {
        let reply = gateway.send(&Request::new(method, "/batch"));
        assert_eq!(reply.status, 405, "{method}");
        let allow = reply.header("Allow").unwrap();
        assert!(allow.contains("POST") && allow.contains("GET"), "{allow}");
    }
}

#[test]
fn a_minimal_reply_leaves_out_what_went_well() {
    let upstream = Upstream::start();
    upstream.on("/bad", Answer::text(500, "why"));
    let request = Request::batch(&json!({"requests": [
        {"id": "good", "method": "GET", "url": "/good"}, {"id": "bad", "method": "GET", "url": "/bad"},
    ]}));
    let reply = Gateway::before(&upstream).send(&request.header("Prefer", "return=minimal"));
    assert_eq!(reply.header("Preference-Applied"), Some("return=minimal"));
    let results = reply.results();
    assert_eq!((&results[0]["id"], &results[0]["status"]), (&json!("good"), &json!(200)));
    assert!(results[0].get("body").is_none() && results[0]["headers"] == json!({}), "{}", results[0]);
    assert_eq!(results[1]["body"], "why");
}

#[test]
fn the_outer_reply_is_not_stored_and_its_status_can_be_set() {
    let upstream = Upstream::start();
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    let reply = Gateway::before(&upstream).batch(&batch);
    assert_eq!((reply.status, reply.header("Cache-Control")), (207, Some("no-store")));
    for status in [200, 202] {
        let gateway = Setup::tuned(&upstream.url(), "", &format!("reply_status: {status}")).start();
        assert_eq!(gateway.batch(&batch).status, status);
    }
}

#[test]
fn a_refused_batch_says_where_and_sends_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let broken = "{\"requests\": [\n {\"method\": \"GET\", \"url\": \"/a\"},\n }";
    let reply = gateway.send(&Request::post("/batch", "application/json", broken));
    assert_eq!((reply.status, reply.header("Content-Type")), (400, Some("application/problem+json")));
    let problem = reply.json();
    assert_eq!((&problem["status"], &problem["line"]), (&json!(400), &json!(3)), "{problem}");
    assert!(problem["offset"].is_u64() && problem["column"].is_u64(), "{problem}");
    let broken = "<batch><request method='GET' href='/a'></batch>";
    let reply = gateway.send(&Request::xml_batch(broken));
    assert_eq!((reply.status, reply.header("Content-Type")), (400, Some("application/problem+xml")));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_batch_over_a_limit_is_refused_whole() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "max_items: 2, max_body: 1KiB").start();
    let items = |count: usize| json!({"requests": vec![json!({"method": "GET", "url": "/a"}); count]});
    assert_eq!(gateway.batch(&items(3)).status, 413);
    let long = json!({"requests": [{"method": "GET", "url": "/a", "headers": {"X": "y".repeat(1100)}}]});
    assert_eq!(gateway.batch(&long).status, 413);
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(gateway.batch(&items(2)).statuses(), [200, 200]);
}

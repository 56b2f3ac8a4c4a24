//! Items that wait for each other, for a condition too, and items that use what others were answered
//! (protocol §5, §6).

use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

#[test]
fn an_item_starts_once_what_it_depends_on_has_ended() {
    let (gate, upstream) = (Gate::closed(), Upstream::start());
    upstream.on("/slow", Answer::text(200, "done").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let batch = json!({"requests": [
        {"id": "slow", "method": "GET", "url": "/slow"},
        {"id": "waits", "method": "GET", "url": "/waits", "dependsOn": ["slow"]},
        {"id": "free", "method": "GET", "url": "/free"},
    ]});
    client.write(&Request::batch(&batch).to_bytes(gateway.address()));
    until_true("the free item is through", || upstream.requests().len() == 2);
    assert!(upstream.requests_to("/waits").is_empty());
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200; 3]);
    assert_eq!(upstream.requests().last().unwrap().target, "/waits");
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_says_so() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(409, "no"));
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "a", "method": "PUT", "url": "/a"},
        {"id": "b", "method": "PUT", "url": "/b", "dependsOn": "a"},
        {"id": "c", "method": "PUT", "url": "/c", "dependsOn": ["b"]},
        {"id": "d", "method": "PUT", "url": "/d"},
    ]}));
    assert_eq!(reply.statuses(), [409, 424, 424, 200]);
    let skipped = &reply.results()[1];
    assert_eq!((&skipped["outcome"], &skipped["retryable"]), (&json!("skipped"), &Value::Null));
    assert!(skipped["body"]["detail"].as_str().unwrap().contains("`a`"), "{skipped}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn xml_items_depend_on_each_other_too() {
    let upstream = Upstream::start();
    upstream.on("/b", Answer::text(500, "no"));
    let reply = Gateway::before(&upstream).send(&Request::xml_batch(
        "<batch><request id='a' method='GET' href='/a'/><request id='b' method='GET' href='/b' depends-on='a'/>\
         <request id='c' method='GET' href='/c' depends-on='a, b'/></batch>",
    ));
    assert!(reply.text().contains("status=\"424\" outcome=\"skipped\""), "{}", reply.text());
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/a", "/b"]);
}

#[test]
fn a_sequential_batch_keeps_its_order() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let item =
        |id: &str, on: &[&str]| json!({"id": id, "method": "GET", "url": format!("/{id}"), "dependsOn": on});
    let items = [item("a", &[]), item("b", &["a"]), item("c", &[]), item("d", &["a", "c"])];
    assert_eq!(gateway.batch(&json!({ "requests": items })).statuses(), [200; 4]);
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(
        (targets, upstream.most_in_flight()),
        (["/a", "/b", "/c", "/d"].map(str::to_owned).to_vec(), 1)
    );
}

#[test]
fn results_go_into_urls_headers_and_bodies() {
    let upstream = Upstream::start();
    let created = Answer::json(201, r#"{"id":"n/7","total":1.50}"#).header("ETag", "\"1\"");
    upstream.on("/orders", created.header("Location", &format!("{}/orders/7", upstream.url())));
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "new", "method": "POST", "url": "/orders", "body": {}},
        {"id": "read", "method": "GET", "url": "/search?q={$responses.new.body#/id}"},
        {"id": "pay", "method": "PATCH", "url": "$new/payment", "headers": {"If-Match": "{$responses.new.header.ETag}"},
         "body": {"total": "{$responses.new.body#/total}", "note": "order {$responses.new.body#/id}"}},
    ]}));
    assert_eq!(reply.statuses(), [201, 200, 200]);
    assert_eq!(upstream.requests_to("/search?q=n%2F7").len(), 1);
    let paid = &upstream.requests_to("/orders/7/payment")[0];
    assert_eq!(paid.header("If-Match"), Some("\"1\""));
    assert_eq!(paid.text(), r#"{"note":"order n/7","total":1.50}"#);
}

#[test]
fn the_fragment_of_a_location_is_not_sent() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::json(201, "{}").header("Location", "/orders/7?x=1#top"));
    upstream.on("/b", Answer::json(201, "{}").header("Location", "7"));
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "a", "method": "POST", "url": "/a"},
        {"id": "b", "method": "POST", "url": "/b"},
        {"id": "c", "method": "GET", "url": "$a"},
        {"id": "d", "method": "GET", "url": "$b"},
    ]}));
    assert_eq!(reply.statuses(), [201, 201, 200, 424]);
    assert_eq!(upstream.requests_to("/orders/7?x=1").len(), 1);
    assert!(reply.results()[3]["body"]["detail"].as_str().unwrap().contains("is relative"));
}

#[test]
fn a_reference_that_leads_to_nothing_skips_its_item() {
    let upstream = Upstream::start();
    upstream.on("/json", Answer::json(200, r#"{"a":null}"#)).on("/text", Answer::text(200, "{}"));
    let url = |reference: &str| json!({"method": "GET", "url": format!("/x/{reference}")});
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "json", "method": "GET", "url": "/json"},
        {"id": "text", "method": "GET", "url": "/text"},
        url("{$responses.json.body#/b}"),
        url("{$responses.json.body#/a}"),
        url("{$responses.text.body#/a}"),
        url("{$responses.json.header.X-None}"),
        {"method": "GET", "url": "$json"},
    ]}));
    assert_eq!(reply.statuses(), [200, 200, 424, 424, 424, 424, 424]);
    let detail = reply.results()[2]["body"]["detail"].clone();
    assert!(detail.as_str().unwrap().contains("{$responses.json.body#/b}"), "{detail}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn no_answer_leads_a_later_item_elsewhere() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let upstreams = Config::new().upstream("up", upstream.url()).upstream("other", other.url());
    let gateway = upstreams.route("/up/", "up").route("/up/admin", "other").batch("/batch").start();
    for value in ["admin", "../admin", "..", "a/b", "%2e%2e", ""] {
        let answer = Answer::json(200, json!({ "id": value }).to_string());
        upstream.on("/up/a", answer.header("Location", &format!("/up/{value}/../admin")));
        let reply = gateway.batch(&json!({"requests": [
            {"id": "a", "method": "GET", "url": "/up/a"},
            {"id": "b", "method": "DELETE", "url": "/up/{$responses.a.body#/id}"},
            {"id": "c", "method": "DELETE", "url": "$a"},
        ]}));
        let refused = |status: &u64| matches!(status, 400 | 424);
        assert!(reply.statuses()[1..].iter().all(refused), "{value}: {}", reply.text());
    }
    assert!(other.requests().is_empty());
}

#[test]
fn a_condition_chooses_between_two_branches() {
    let upstream = Upstream::start();
    let order = |status| Answer::json(status, r#"{"state":"open"}"#);
    upstream.on("/order", order(200)).on("/order", order(404));
    let gateway = Gateway::before(&upstream);
    for expected in [[200, 200, 424, 200], [404, 424, 200, 200]] {
        let before = upstream.requests().len();
        let reply = gateway.batch(&json!({"requests": [
            {"id": "a", "method": "GET", "url": "/order"},
            {"id": "pay", "method": "POST", "url": "/pay", "if": "$a/$succeeded and $a/state eq 'open'"},
            {"id": "make", "method": "POST", "url": "/make", "dependsOn": ["a"], "if": "not $a/$succeeded"},
            {"id": "always", "method": "POST", "url": "/log/{$responses.a.body#/state}", "if": "true"},
        ]}));
        assert_eq!(reply.statuses(), expected, "{}", reply.text());
        assert_eq!(upstream.requests().len() - before, 3);
        let skipped = reply.results().into_iter().find(|result| result["status"] == 424).unwrap();
        assert_eq!(skipped["body"]["type"], "urn:batchgate:problem:condition_not_met", "{skipped}");
        assert!(skipped["body"]["detail"].as_str().unwrap().contains("$a/$succeeded"), "{skipped}");
    }
}

#[test]
fn what_depends_on_a_branch_not_taken_is_skipped_unless_it_has_a_condition() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::json(200, r#"{"total":9.50}"#));
    let reply = Gateway::before(&upstream).send(&Request::xml_batch(
        "<batch><request id='a' method='GET' href='/a'/>\
         <request id='b' method='GET' href='/b' if='$a/total gt 9.5'/>\
         <request id='c' method='GET' href='/c' depends-on='b'/>\
         <request id='d' method='GET' href='/d' depends-on='b' if='{$responses.a.status} eq 200'/></batch>",
    ));
    let text = reply.text();
    assert_eq!(text.matches("status=\"424\" outcome=\"skipped\"").count(), 2, "{text}");
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/a", "/d"]);
}

#[test]
fn a_condition_that_can_not_be_told_skips_its_item() {
    let upstream = Upstream::start();
    upstream.on("/html", Answer::of(200, "text/html", "<p>")).on("/gone", Answer::close());
    let item = |condition: &str| json!({"method": "DELETE", "url": "/x", "if": condition});
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"id": "html", "method": "GET", "url": "/html"},
        {"id": "gone", "method": "PUT", "url": "/gone"},
        item("$html/state ne 'paid'"),
        item("$gone/state ne 'paid'"),
        item("$html/state ne 'paid' or not $gone/$succeeded"),
    ]}));
    assert_eq!(reply.statuses(), [200, 502, 424, 424, 200], "{}", reply.text());
    let detail = reply.results()[2]["body"]["detail"].clone();
    assert!(detail.as_str().unwrap().contains("`$html/state`"), "{detail}");
    assert_eq!(upstream.requests_to("/x").len(), 1);
}

#[test]
fn an_id_stands_for_its_etag_where_entity_tags_are_compared() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::json(200, "{}").header("ETag", "\"7.3\"")).on("/none", Answer::text(200, ""));
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [
        {"id": "a", "method": "GET", "url": "/a"},
        {"id": "none", "method": "GET", "url": "/none"},
        {"id": "b", "method": "PATCH", "url": "/b", "headers": {"if-match": "$a"}, "body": {}},
        {"id": "c", "method": "PUT", "url": "/c", "headers": {"If-None-Match": "$none"}},
    ]});
    assert_eq!(gateway.batch(&batch).statuses(), [200, 200, 200, 424]);
    let xml = "<batch><request id='a' method='GET' href='/a'/><request method='PUT' href='/b'>\
               <header name='If-Match'>$a</header></request></batch>";
    assert!(gateway.send(&Request::xml_batch(xml)).text().contains("2 of 2 succeeded"));
    let part = |id: &str, message: &str| {
        format!("--b\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\n{message}\r\n\r\n")
    };
    let parts =
        [part("1", "GET /a HTTP/1.1"), part("2", "PUT /b HTTP/1.1\r\nIf-Match: $1\r\nContent-Length: 0")];
    let multipart = Request::post("/batch", "multipart/mixed; boundary=b", parts.concat() + "--b--\r\n");
    assert_eq!(gateway.send(&multipart).status, 207);
    let tags: Vec<_> = upstream
        .requests_to("/b")
        .iter()
        .map(|request| request.header("If-Match").map(str::to_owned))
        .collect();
    assert_eq!(tags, vec![Some("\"7.3\"".to_owned()); 3]);
    assert!(upstream.requests_to("/c").is_empty());
}

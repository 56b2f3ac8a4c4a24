//! The dialect of Google's batches, from raw requests.

use serde_json::{Value, json};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

const BATCH: &str = "/batch/zoo/v1";

fn gateway(members: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::answering(|request: &Recorded| {
        let status = if request.target.contains("missing") { 404 } else { 200 };
        Answer::json(status, "{}")
    });
    let members = format!("dialect: google{members}");
    let gateway = Config::new()
        .upstream("zoo", upstream.url())
        .route("/zoo/", "zoo")
        .batch(BATCH)
        .with(members)
        .start();
    (upstream, gateway)
}

fn part(id: &str, request: &str) -> String {
    format!("--b\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\n{request}\r\n\r\n")
}

fn batch(target: &str, parts: &[String]) -> Request {
    Request::post(target, "multipart/mixed; boundary=\"b\"", format!("{}--b--", parts.concat()))
}

/// Content-ID and status of each part.
fn outline(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let line = |line: &str| {
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.or(line.strip_prefix("Content-ID: ")).map(str::to_owned)
    };
    text.lines().filter_map(line).collect()
}

/// The error of the only part.
fn error(reply: &Reply) -> Value {
    let text = reply.text();
    let start = text.find("{\"error\"").unwrap_or_else(|| panic!("no error: {text}"));
    let end = text.rfind("}}").unwrap() + 2;
    serde_json::from_str(&text[start..end]).unwrap()
}

#[test]
fn parts_run_side_by_side_and_come_back_in_order_with_their_ids_prefixed() {
    let (_upstream, gateway) = gateway("");
    let parts = [
        part("<u + 1>", "GET /zoo/v1/animals/pony HTTP/1.1"),
        part("bare", "GET /zoo/v1/missing"),
        part("<u + 3>", "DELETE /zoo/v1/animals/cow HTTP/1.1"),
    ];
    let reply = gateway.send(&batch(BATCH, &parts).header("Accept", "application/json"));
    assert_eq!(
        outline(&reply),
        ["<response-u + 1>", "200", "response-bare", "404", "<response-u + 3>", "200"]
    );
    assert!(reply.header("Content-Type").unwrap().starts_with("multipart/mixed; boundary="));
}

#[test]
fn the_query_and_the_fields_of_the_batch_belong_to_every_part() {
    let (upstream, gateway) = gateway("");
    let parts = [
        part("1", "GET /zoo/v1/a HTTP/1.1"),
        part("2", "GET /zoo/v1/b?key=own&x=1 HTTP/1.1\r\nAuthorization: Bearer own"),
    ];
    let request = batch(&format!("{BATCH}?key=K&alt=json"), &parts);
    let request = request.header("Authorization", "Bearer outer").header("Content-Language", "de");
    let reply =
        gateway.send(&request.header("Accept", "multipart/mixed, application/json").header("If-Match", "e"));
    assert_eq!(outline(&reply), ["response-1", "200", "response-2", "200"]);
    let first = &upstream.requests_to("/zoo/v1/a?key=K&alt=json")[0];
    assert_eq!(first.header("Authorization"), Some("Bearer outer"));
    assert_eq!((first.header("Accept"), first.header("If-Match")), (Some("application/json"), Some("e")));
    assert_eq!(first.header("Content-Language"), None);
    let second = &upstream.requests_to("/zoo/v1/b?key=own&x=1&alt=json")[0];
    assert_eq!(second.header("Authorization"), Some("Bearer own"));
}

#[test]
fn errors_have_googles_shape_for_items_and_for_batches() {
    let (upstream, gateway) = gateway(", max_items: 1, max_id: 4B");
    let reply = gateway.send(&batch(BATCH, &[part("1", "GET /elsewhere")]));
    let expected = json!({"error": {
        "code": 404, "status": "NOT_FOUND", "message": "no route is configured for this path",
        "errors": [{
            "domain": "batchgate", "reason": "no_route", "message": "no route is configured for this path",
        }],
    }});
    assert_eq!(error(&reply), expected);
    assert!(reply.text().contains("Content-Type: application/json; charset=UTF-8\r\n"), "{}", reply.text());
    let long = error(&gateway.send(&batch(BATCH, &[part("12345", "GET /zoo/v1/a")])));
    assert!(long["error"]["message"].as_str().unwrap().contains("(max_id)"), "{long}");
    let many = gateway.send(&batch(BATCH, &[part("1", "GET /zoo/v1/a"), part("2", "GET /zoo/v1/a")]));
    assert_eq!((many.status, &many.json()["error"]["code"]), (413, &json!(413)));
    assert!(many.json()["error"]["message"].as_str().unwrap().contains("(max_items)"), "{}", many.text());
    let json = gateway.send(&Request::post(BATCH, "application/json", "{}"));
    assert_eq!(
        (json.status, &json.json()["error"]["errors"][0]["reason"]),
        (415, &json!("unsupported_media_type"))
    );
    let broken = gateway.send(&Request::post(BATCH, "multipart/mixed; boundary=b", "no boundary"));
    assert_eq!((broken.status, &broken.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert!(upstream.requests().is_empty());
}

#[test]
fn elsewhere_googles_clients_find_the_reason_too_and_the_query_stays_behind() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let refused = gateway.send(&batch("/batch", &[part("1", "GET http://elsewhere/")]));
    let text = refused.text();
    assert!(
        text.contains(r#""error":{"code":400,"message":"the item's url names a host other than"#),
        "{text}"
    );
    let request = batch("/batch?key=K", &[part("1", "GET /a")]);
    assert_eq!(gateway.send(&request).status, 207);
    assert_eq!(upstream.requests_to("/a").len(), 1);
    let explained = gateway.send(&request.header("Prefer", "handling=explain")).json();
    assert_eq!(explained["queryIsIgnored"], true);
    let explained = gateway.send(&batch("/batch", &[]).header("Prefer", "handling=explain")).json();
    assert_eq!(explained["queryIsIgnored"], Value::Null);
}

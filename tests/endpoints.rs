//! What a batch endpoint is set to: `on_error`, `reply_format`, and which requests at its path it takes; and the dialect of
//! OData 1 to 3, which follows from a request's fields.

use serde_json::{Value, json};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

const MULTIPART: &str = "multipart/mixed; boundary=b";

/// An upstream that answers `/…/404` with that status.
fn upstream() -> Upstream {
    Upstream::answering(|request: &Recorded| {
        let status = request.target.rsplit('/').next().and_then(|last| last.parse().ok());
        Answer::json(status.unwrap_or(200), "{}")
    })
}

fn gateway(upstream: &Upstream, path: &str, members: &str) -> Gateway {
    Config::all_to("legacy", upstream.url()).batch(path).with(members).start()
}

fn multipart(path: &str, requests: &[&str]) -> Request {
    let part = |request: &&str| {
        format!("--b\r\nContent-Type: application/http\r\n\r\n{request} HTTP/1.1\r\n\r\n\r\n")
    };
    let parts: String = requests.iter().map(part).collect();
    Request::post(path, MULTIPART, format!("{parts}--b--\r\n"))
}

fn statuses(reply: &Reply) -> Vec<String> {
    let text = reply.text();
    let line = |line: &str| line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map(str::to_owned);
    text.lines().filter_map(line).collect()
}

#[test]
fn an_endpoint_goes_on_or_stops_after_errors_unless_the_client_says() {
    let upstream = upstream();
    let batch = multipart("/batch", &["GET /a/404", "GET /b"]);
    let both = vec!["404", "200"];
    for (members, preference, expected) in [
        ("dialect: odata", "", vec!["404"]),
        ("dialect: odata, on_error: continue", "", both.clone()),
        ("dialect: odata, on_error: continue", "continue-on-error=false", vec!["404"]),
        ("order: sequential", "", both.clone()),
        ("order: sequential, on_error: stop", "", vec!["404", "424"]),
        ("order: sequential, on_error: stop", "continue-on-error", both),
    ] {
        let gateway = gateway(&upstream, "/batch", members);
        let reply = gateway.send(&batch.clone().header("Prefer", preference));
        assert_eq!(statuses(&reply), expected, "{members} {preference}");
        let says = gateway.send(&Request::get("/batch")).json();
        let part = if members.contains("odata") { says.get("multipart").unwrap_or(&says) } else { &says };
        let goes_on = members.contains("continue") || members == "order: sequential";
        assert_eq!(part["continueOnError"], goes_on, "{members}: {says}");
    }
}

#[test]
fn clients_of_odata_1_to_3_go_on_after_errors_and_read_their_own_errors() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "/svc/$batch", "dialect: odata, max_url: 20B");
    let batch = || multipart("/svc/$batch", &["GET a/404", "GET b", "GET /a/url/that/is/longer/than/that"]);
    for (field, value, version) in [
        ("DataServiceVersion", "2.0", "2.0"),
        ("MaxDataServiceVersion", "3.0;NetFx", "3.0"),
        ("DataServiceVersion", "1.0;", "1.0"),
    ] {
        let reply = gateway.send(&batch().header(field, value));
        assert_eq!(statuses(&reply), ["404", "200", "413"], "{field}: {value}");
        assert_eq!(
            (reply.header("DataServiceVersion"), reply.header("OData-Version")),
            (Some(version), None)
        );
        let error = r#"{"error":{"code":"item_over_limit","message":{"lang":"en","value":"the item's url is over the limit of"#;
        assert!(reply.text().contains(error), "{}", reply.text());
        let refused = gateway.send(&Request::post("/svc/$batch", MULTIPART, "x").header(field, value));
        assert_eq!((refused.status, refused.header("Content-Type")), (400, Some("application/json")));
        assert!(refused.json().pointer("/odata.error/message/value").is_some_and(Value::is_string));
    }
    let reply = gateway.send(&batch().header("OData-Version", "4.0").header("MaxDataServiceVersion", "3.0"));
    assert_eq!((statuses(&reply), reply.header("OData-Version")), (vec!["404".to_owned()], Some("4.0")));
    let refused = gateway.send(&Request::post("/svc/$batch", MULTIPART, "x"));
    assert!(refused.json().pointer("/error/message").is_some_and(Value::is_string), "{}", refused.text());
}

#[test]
fn a_reply_has_the_format_of_its_batch_whatever_accept_says() {
    let upstream = upstream();
    let same = gateway(&upstream, "/batch", "reply_format: same");
    let accept = |request: Request, accept: &str| same.send(&request.header("Accept", accept));
    let json = || Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
    for (reply, content_type) in [
        (accept(multipart("/batch", &["GET /a"]), "application/xml"), "multipart/mixed"),
        (accept(json(), "application/xml"), "application/json"),
        (accept(json(), "image/png"), "application/json"),
        (
            accept(Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n"), "application/json"),
            "application/x-ndjson",
        ),
    ] {
        assert_eq!(reply.status, 207, "{}", reply.text());
        assert!(reply.header("Content-Type").unwrap().starts_with(content_type), "{content_type}");
    }
    let refused = accept(multipart("/batch", &[]).body("x"), "application/xml");
    assert_eq!((refused.status, refused.header("Content-Type")), (400, Some("application/problem+json")));
    let negotiated = gateway(&upstream, "/batch", "");
    let reply = negotiated.send(&multipart("/batch", &["GET /a"]).header("Accept", "application/xml"));
    assert!(reply.header("Content-Type").unwrap().starts_with("application/xml"));
}

#[test]
fn only_requests_with_the_endpoints_query_are_batches() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "/", "query: { comp: batch }, reply_status: 202");
    for target in ["/?comp=batch", "/?timeout=30&comp=b%61tch"] {
        let reply =
            gateway.send(&multipart(target, &["GET /a", "PUT /?comp=properties", "POST /a?comp=batch"]));
        assert_eq!(
            (reply.status, statuses(&reply)),
            (202, ["200", "200", "403"].map(str::to_owned).to_vec())
        );
    }
    for (method, target) in [("GET", "/?comp=list"), ("PUT", "/?comp=batches"), ("POST", "/"), ("GET", "/")] {
        assert_eq!(gateway.send(&Request::new(method, target)).status, 200, "{method} {target}");
        assert_eq!(upstream.requests_to(target).last().unwrap().method, method);
    }
    let below = gateway.send(&multipart("/container?restype=container&comp=batch", &["DELETE /container/a"]));
    assert_eq!((below.status, statuses(&below)), (202, vec!["200".to_owned()]));
    assert_eq!(gateway.send(&Request::post("/container?comp=metadata", "text/plain", "x")).status, 200);
    assert_eq!(gateway.send(&Request::get("/?comp=batch")).json()["endpoint"], "/");
    assert_eq!(gateway.send(&Request::new("PUT", "/?comp=batch")).status, 405);
}

#[test]
fn requests_with_other_methods_go_to_the_route_if_the_endpoint_says_so() {
    let upstream = upstream();
    let config = Config::new().upstream("up", upstream.url()).route("/", "up").route("/items", "up");
    let gateway = config.batch("/items").with("other_methods: route").start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(gateway.send(&Request::new(method, "/items")).status, 200, "{method}");
        assert_eq!(upstream.requests_to("/items").last().unwrap().method, method);
    }
    let reply = gateway.send(&multipart("/items", &["GET /a"]));
    assert_eq!((reply.status, statuses(&reply)), (207, vec!["200".to_owned()]));
}

#[test]
fn every_error_in_azures_dialect_has_the_field_that_its_clients_look_for() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "/", "query: { comp: batch }, dialect: azure");
    let reply = gateway.send(
        &multipart("/?comp=batch", &["DELETE /a", "DELETE /a/../b"]).header("Accept", "application/xml"),
    );
    assert_eq!((reply.status, statuses(&reply)), (202, ["200", "400"].map(str::to_owned).to_vec()));
    let error = "x-ms-error-code: forbidden_url\r\n";
    assert_eq!(reply.text().matches(error).count(), 1, "{}", reply.text());
    assert!(
        reply.text().contains("<Error><Code>forbidden_url</Code><Message>the item's url has a dot segment")
    );
    let refused = gateway.send(&Request::post("/?comp=batch", MULTIPART, "x"));
    assert_eq!((refused.status, refused.header("x-ms-error-code")), (400, Some("malformed")));
    assert!(refused.text().contains("<Error><Code>malformed</Code>"), "{}", refused.text());
}

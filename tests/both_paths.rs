//! One rule, two paths: what holds for an item holds for a single request.

use serde_json::json;

use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

/// An upstream at `/api`, which it does not know of, and a batch endpoint.
fn stripping(targets: &[&Upstream], members: &str) -> Gateway {
    let targets: Vec<_> = targets.iter().map(|target| target.url()).collect();
    Gateway::start(format!(
        "upstreams: {{ legacy: {{ targets: [{}], {members} }} }}\nbatch: [{{ path: /batch }}]\n\
         routes: [{{ path: /api, upstream: legacy, strip_prefix: /api }}]",
        targets.join(", ")
    ))
}

#[test]
fn fields_of_the_upstreams_connection_stay_there() {
    let upstream = Upstream::start();
    let hop = [
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authentication-Info", "x"),
        ("Proxy-Authorization", "Basic x"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
    ];
    let answer = Answer::text(200, "a").header("X-Kept", "1");
    upstream.on("/a", hop.iter().fold(answer, |answer, (name, value)| answer.header(name, value)));
    let gateway = Gateway::before(&upstream);
    let (single, item) =
        (gateway.send(&Request::get("/a")), gateway.item(&json!({"method": "GET", "url": "/a"})));
    assert_eq!((single.header("X-Kept"), item["headers"]["X-Kept"].as_str()), (Some("1"), Some("1")));
    // Of the gateway's own connection there may be a field.
    for (name, _) in &hop[1..] {
        assert!(single.header(name).is_none(), "{name}: {:?}", single.headers);
        assert!(item["headers"].get(name).is_none(), "{name}: {item}");
    }
    assert_ne!(single.header("Connection"), Some("X-Hop"));
}

#[test]
fn urls_in_what_is_xml_are_mapped_back() {
    let body = "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a</D:href></D:response></D:multistatus>";
    for (content_type, is_xml) in [
        ("application/xml", true),
        ("Application/XML", true),
        ("text/xml; charset=\"utf-8\"", true),
        ("application/vnd.x+xml", true),
        ("application/json; v=xml", false),
        ("text/plain; profile=application/xml", false),
        ("application/xmlish", false),
    ] {
        let upstream = Upstream::start();
        upstream.on("/a", Answer::of(200, content_type, body));
        let gateway = stripping(&[&upstream], "");
        let mapped = |text: &str| text.contains("<D:href>/api/a</D:href>");
        let single = gateway.send(&Request::new("PROPFIND", "/api/a")).text();
        let item = gateway.item(&json!({"method": "PROPFIND", "url": "/api/a"}));
        let item = item["body"].as_str().unwrap_or_default();
        assert_eq!((mapped(&single), mapped(item)), (is_xml, is_xml), "{content_type}: {single} {item}");
    }
}

#[test]
fn the_same_path_meets_the_same_target() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let gateway = stripping(&[&one, &other], "balance: consistent_hash");
    for number in 0..12 {
        let url = format!("/api/{number}?q={number}");
        gateway.send(&Request::get(&url));
        gateway.send(&Request::get(&url.replace("/api", "/%61pi")));
        gateway.item(&json!({"method": "GET", "url": url}));
        let target = format!("/{number}?q={number}");
        let counts = [&one, &other]
            .map(|upstream| upstream.requests().iter().filter(|request| request.target == target).count());
        assert!(counts.contains(&3) && counts.contains(&0), "{target}: {counts:?}");
    }
    assert!(!one.requests().is_empty() && !other.requests().is_empty());
}

#[test]
fn what_the_gateway_refuses_has_a_proxy_status() {
    let upstream = Upstream::start();
    let keys = "limits: { hops: 1 }";
    let yaml = format!(
        "upstreams: {{ legacy: {{ targets: [{}] }} }}\nroutes: [{{ path: /, upstream: legacy }}]\n\
         batch: [{{ path: /batch, max_items: 1 }}]\n{keys}",
        upstream.url()
    );
    let gateway = Setup::of(yaml).start();
    for (request, error) in [
        (Request::post("/batch", "application/json", "{"), "http_request_error"),
        (Request::post("/batch", "text/plain", "x"), "http_request_error"),
        (Request::new("PUT", "/batch").body("{}"), "http_request_denied"),
        (Request::batch(&json!({"requests": [{}, {}]})), "http_request_error"),
        (Request::batch(&json!({"requests": []})).header("Via", "1.1 batchgate"), "proxy_internal_error"),
        (Request::get("/a/../b"), "http_request_error"),
    ] {
        let reply = gateway.send(&request);
        let status = reply.header("Proxy-Status").unwrap_or_default();
        let is_told = status.starts_with("batchgate; error=") && status.contains("; outcome=rejected");
        assert!(is_told && (400..600).contains(&reply.status), "{} {status} {error}", reply.status);
    }
}

#[test]
fn a_single_request_is_not_called_an_item() {
    let gateway = Gateway::before(&Upstream::start());
    for request in [
        Request::get("/a/../b"),
        Request::get("/%zz"),
        Request::new("COPY", "/a").header("Destination", "http://elsewhere/b"),
        Request::get("/a").header("Connection", "Host"),
    ] {
        let problem = gateway.send(&request).json();
        let words = format!("{} {}", problem["title"], problem["detail"]);
        assert!(!words.contains("item") && words.to_lowercase().contains("request"), "{words}");
    }
}

#[test]
fn every_reply_of_the_gateways_own_has_the_request_id() {
    const ID: &str = "id-of-the-client";
    let upstream = Upstream::start();
    let gateway = Config::all_to("legacy", upstream.url())
        .respond("/fixed", "status: 200, body: x")
        .bulk("/records", "PATCH")
        .raw("cors: { allow_origins: [\"https://app.example\"] }")
        .start();
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    for request in [
        Request::get("/batch"),
        Request::new("PUT", "/batch").body("{}"),
        Request::batch(&batch),
        Request::batch(&batch).header("Prefer", "handling=explain"),
        Request::post("/batch", "application/json", "{"),
        Request::post("/batch", "application/x-ndjson", "{\"method\": \"GET\", \"url\": \"/a\"}\n"),
        Request::post("/batch", "application/x-ndjson", "{\"requests\": []}\n"),
        Request::new("PATCH", "/records").header("Content-Type", "application/json").body("[{\"id\": 1}]"),
        Request::new("PATCH", "/records").header("Content-Type", "image/png").body("x"),
        Request::new("OPTIONS", "*"),
        Request::new("OPTIONS", "/batch")
            .header("Origin", "https://app.example")
            .header("Access-Control-Request-Method", "POST"),
        Request::get("/fixed"),
        Request::get("/a/../b"),
        Request::new("TRACE", "/a").header("Max-Forwards", "0"),
    ] {
        let reply = gateway.send(&request.header("X-Request-Id", ID));
        assert_eq!(reply.header("X-Request-Id"), Some(ID), "{} {:?}", reply.status, reply.headers);
    }
    for path in ["/", "/healthz", "/readyz", "/targets", "/nothing"] {
        let reply = Request::get(path).header("X-Request-Id", ID).send(gateway.admin());
        assert_eq!(reply.header("X-Request-Id"), Some(ID), "{path}");
    }
}

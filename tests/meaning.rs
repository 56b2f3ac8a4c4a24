//! Batches that mean what they say: names, ids and bodies that clients write a little differently from the protocol's
//! words, and answers that clients can rely on.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

#[test]
fn a_member_like_a_known_one_rejects_its_item_and_sends_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for (name, meant) in [
        ("depends_on", "dependsOn"),
        ("depends-on", "dependsOn"),
        ("dependson", "dependsOn"),
        ("header", "headers"),
        ("Body", "body"),
        ("URL", "url"),
        ("atomicity_group", "atomicityGroup"),
    ] {
        let item = json!({"id": "a", "method": "POST", "url": "/a", (name): null});
        let result = gateway.item(&item);
        let detail = result["body"]["detail"].as_str().unwrap();
        assert_eq!((&result["id"], &result["status"]), (&json!("a"), &json!(400)), "{result}");
        assert!(detail.contains(name) && detail.contains(&format!("`{meant}`")), "{detail}");
        let line = gateway.send(&Request::lines(item.to_string())).lines().remove(0);
        assert_eq!(line["body"]["detail"], detail);
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn other_members_are_ignored_and_explained() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"version": 2, "requests": [{"method": "GET", "url": "/a", "priority": 1}]});
    assert_eq!(gateway.batch(&batch).statuses(), [200]);
    let explained = gateway.send(&Request::batch(&batch).header("Prefer", "handling=explain")).json();
    assert_eq!(explained["ignoredMembers"], json!(["version"]));
    assert_eq!(explained["items"][0]["ignoredMembers"], json!(["priority"]));
}

#[test]
fn graphs_clients_may_write_depends_on() {
    let upstream = Upstream::start();
    upstream.on("/first", Answer::text(500, "no"));
    let gateway = Setup::tuned(&upstream.url(), "", "dialect: graph").start();
    let reply = gateway.batch(&json!({"requests": [
        {"id": 1, "method": "GET", "url": "/first"},
        {"id": 2, "method": "POST", "url": "/second", "depends_on": [1]},
    ]}));
    let results = reply.json()["responses"].clone();
    assert_eq!((&results[0]["id"], &results[1]["status"]), (&json!(1), &json!(424)), "{results}");
    assert_eq!(upstream.requests().len(), 1);
}

/// A service with names as Azure's, an odd one, and one of HTTP's own in lower case.
fn azure() -> Upstream {
    let head = "HTTP/1.1 404 Not Found\r\nx-ms-error-code: BlobNotFound\r\nX-MS-Foo: 1\r\netag: \"1\"\r\n";
    Upstream::answering(move |_| Answer::raw_kept(format!("{head}content-length: 0\r\n\r\n")))
}

#[test]
fn names_of_a_services_fields_stay_as_it_spelt_them() {
    let upstream = azure();
    let gateway = Gateway::before(&upstream);
    let item = json!({"method": "GET", "url": "/a"});
    let part = "--b\r\nContent-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n\r\n\r\n--b--\r\n";
    let json = ["\"x-ms-error-code\":", "\"X-MS-Foo\":", "\"ETag\":"];
    let xml = ["name=\"x-ms-error-code\"", "name=\"X-MS-Foo\"", "name=\"etag\""];
    for (request, names) in [
        (Request::batch(&json!({ "requests": [item] })), json),
        (Request::lines(format!("{item}\n")), json),
        (Request::xml_batch("<batch><request method='GET' href='/a'/></batch>"), xml),
        (
            Request::post("/batch", "multipart/mixed; boundary=b", part),
            ["\nx-ms-error-code: ", "\nX-MS-Foo: ", "\netag: "],
        ),
    ] {
        let text = gateway.send(&request).text();
        assert!(names.iter().all(|name| text.contains(name)), "{names:?} in {text}");
    }
}

#[test]
fn names_of_an_items_own_and_inherited_fields_stay_as_the_client_spelt_them() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let headers =
        json!({"x-ms-version": "1", "X-MS-Date": "2", "content-type": "text/plain", "X-Both": "own"});
    let item = json!({"method": "PUT", "url": "/a", "headers": headers, "body": "x"});
    let request = Request::batch(&json!({ "requests": [item] }));
    gateway.send(&request.header("x-both", "outer").header("x-outer", "3").header("X-Client", "4"));
    let head = String::from_utf8(upstream.only_request().head).unwrap();
    for field in ["x-ms-version: 1", "X-MS-Date: 2", "content-type: text/plain", "X-Both: own", "x-outer: 3"]
    {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field} in {head}");
    }
    for field in ["X-Client: 4", "Via: 1.1 batchgate", "Content-Length: 1", "X-Forwarded-For: 127.0.0.1"] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field} in {head}");
    }
}

#[test]
fn what_says_json_and_is_not_is_told_truthfully_in_dialects() {
    let typed = |media_type: &str, body: &[u8]| Answer::of(200, media_type, body);
    let untyped = |body: &str| {
        Answer::raw_kept(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    };
    let upstream = Upstream::start();
    upstream.on("/oops", typed("application/json", b"oops")).on("/none", untyped("{\"a\":1}"));
    upstream.on("/bytes", typed("application/json", b"\xff")).on("/empty", untyped(""));
    let config = Config::all_to("svc", upstream.url()).batch("/$batch").with("dialect: graph");
    let items: Vec<_> = ["oops", "none", "bytes", "empty"]
        .iter()
        .map(|name| json!({"id": name, "method": "GET", "url": format!("/{name}")}))
        .collect();
    let batch = json!({ "requests": items }).to_string();
    let reply = config.start().send(&Request::post("/$batch", "application/json", batch)).json();
    let results = reply["responses"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| (result["headers"]["Content-Type"].clone(), result["body"].clone()))
        .collect();
    let expected = [
        (json!("text/plain"), json!("oops")),
        (json!("text/plain"), json!("{\"a\":1}")),
        (json!("application/octet-stream"), json!("/w==")),
        (Value::Null, Value::Null),
    ];
    assert_eq!(told, expected);
}

#[test]
fn forms_are_text_both_ways() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let upstream = Upstream::answering(|_| Answer::text(200, "c=3&d").header("Content-Type", FORM));
    let gateway = Gateway::before(&upstream);
    for body in ["a=1&b=2", "abcd"] {
        let item = json!({"method": "POST", "url": "/a", "headers": {"Content-Type": FORM}, "body": body});
        let result = gateway.item(&item);
        assert_eq!((&result["status"], &result["body"]), (&json!(200), &json!("c=3&d")), "{result}");
        assert!(result.get("encoding").is_none(), "{result}");
        assert_eq!(upstream.requests().last().unwrap().body, body.as_bytes());
    }
}

#[test]
fn an_id_over_the_limit_comes_back_cut_in_every_format() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let id = format!("{} + {}", "u".repeat(36), "x".repeat(2000));
    let cut = &id[..1024];
    let item = json!({"id": id, "method": "GET", "url": "/a"});
    assert_eq!(gateway.item(&item)["id"], cut);
    assert_eq!(gateway.send(&Request::lines(item.to_string())).lines()[0]["id"], cut);
    let xml = format!("<batch><request id='{id}' method='GET' href='/a'/></batch>");
    assert!(gateway.send(&Request::xml_batch(&xml)).text().contains(&format!("id=\"{cut}\"")));
    let part = |id: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: <{id}>\r\n\r\nGET /a HTTP/1.1\r\n\r\n\r\n--b--\r\n"
        );
        gateway.send(&Request::post("/batch", "multipart/mixed; boundary=b", body)).text()
    };
    assert!(part(&id).contains(&format!("Content-ID: <response-{cut}>\r\n")));
    assert!(part(&id[..300]).contains(&format!("Content-ID: <response-{}>\r\n\r\nHTTP/1.1 200", &id[..300])));
}

#[test]
fn a_fixed_answer_without_a_body_is_the_gateways_own() {
    let gateway = Config::new()
        .respond("/closed", "status: 403")
        .respond("/empty", "status: 204")
        .respond("/words", "status: 404, body: gone")
        .start();
    let closed = gateway.item(&json!({"id": "1", "method": "GET", "url": "/closed"}));
    let single = gateway.send(&Request::get("/closed"));
    assert_eq!((&closed["status"], &closed["outcome"]), (&json!(403), &json!("rejected")), "{closed}");
    assert_eq!(closed["headers"]["Proxy-Status"], single.header("Proxy-Status").unwrap());
    assert_eq!(closed["body"], single.json());
    let empty = gateway.item(&json!({"id": "1", "method": "GET", "url": "/empty"}));
    assert_eq!(empty, json!({"id": "1", "status": 204, "headers": {}}));
    let words = gateway.item(&json!({"method": "GET", "url": "/words"}));
    assert_eq!((&words["body"], words.get("outcome")), (&json!("gone"), None::<&Value>));
    for path in ["/closed", "/empty", "/words"] {
        assert!(gateway.send(&Request::get(path)).header("x-request-id").is_some(), "{path}");
    }
}

#[test]
fn one_slash_at_the_end_is_the_same_endpoint() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "POST", "url": "/batch/"}]});
    for target in ["/batch", "/batch/", "/batch/?x=1"] {
        let reply = gateway.send(&Request::post(target, "application/json", batch.to_string()));
        assert_eq!((reply.status, reply.statuses()), (207, vec![200, 403]), "{target}");
    }
    assert_eq!(gateway.send(&Request::get("/batch/")).json()["limits"]["maxId"], 1024);
    assert_eq!(gateway.send(&Request::get("/batch/x")).status, 200);
}

#[test]
fn trace_goes_only_where_a_route_lists_it() {
    let upstream = Upstream::start();
    let routes = Config::all_to("svc", upstream.url()).route("/traced", "svc");
    let gateway = routes.with("methods: [GET, TRACE]").start();
    let item = |url| gateway.item(&json!({"method": "TRACE", "url": url}));
    let refused = gateway.send(&Request::new("TRACE", "/a"));
    assert_eq!((refused.status, &item("/a")["status"]), (405, &json!(405)));
    assert!(!refused.header("Allow").unwrap().contains("TRACE"));
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.send(&Request::new("TRACE", "/traced")).status, 200);
    assert_eq!(item("/traced")["status"], 200);
}

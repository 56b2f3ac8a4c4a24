//! Paths that services have elsewhere: stripped, added and rewritten, and base paths of targets. What goes out is mapped one way, and
//! what comes back the other way, for items and single requests alike. The rules alone are in `gateway/route/mapping.rs`.

use serde_json::{Value, json};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

/// A service that answers with the field that the request's `X-Say` has; `{host}` in it is the service's own.
fn service() -> Upstream {
    Upstream::answering(|request: &Recorded| {
        let said = request.header("X-Say").unwrap_or("X-None: 1");
        let (name, value) = said.split_once(": ").unwrap();
        let host = request.header("Host").unwrap_or_default();
        let body =
            format!("<D:multistatus xmlns:D=\"DAV:\"><D:href>{}</D:href></D:multistatus>", request.target);
        Answer::of(207, "application/xml", body).header(name, &value.replace("{host}", host))
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    Config::new()
        .upstream("plain", upstream.url())
        .upstream("base", format!("{}/app/rest/", upstream.url()))
        .route("/based/", "base")
        .with("strip_prefix: /based")
        .route("/kept/", "base")
        .route("/old/", "plain")
        .with("rewrite: { strip_prefix: /old, add_prefix: /v1 }")
        .route("/add", "plain")
        .with("rewrite: { add_prefix: /v2 }")
        .route("'/orders/{id}/lines'", "plain")
        .with("rewrite: { path: '/rest/{id}' }")
        .route("'/t/{a}/{b}/'", "base")
        .with("rewrite: { path: '/x/{b}/{a}' }")
        .route("'/all/{id}'", "plain")
        .with("rewrite: { path: /list }")
        .batch("/batch")
        .start()
}

/// A request, and a field of its reply.
struct Case {
    path: &'static str,
    /// The path that the service gets.
    target: &'static str,
    /// What the service says.
    says: &'static str,
    /// What the client gets of it.
    gets: &'static str,
}

const fn case(path: &'static str, target: &'static str, says: &'static str, gets: &'static str) -> Case {
    Case { path, target, says, gets }
}

const CASES: &[Case] = &[
    case("/old/7?x=1", "/v1/7?x=1", "Location: /v1/8?y", "/old/8?y"),
    case("/old/", "/v1/", "Location: http://{host}/v1/8", "http://gw.example/old/8"),
    case("/old/a%20b", "/v1/a%20b", "Location: /v10/8", "/v10/8"),
    case("/old/7", "/v1/7", "Location: /other", "/other"),
    case("/old/7", "/v1/7", "Location: 8", "8"),
    case("/old/7", "/v1/7", "Content-Location: /v1/7", "/old/7"),
    case(
        "/old/7",
        "/v1/7",
        "Link: </v1/2>; rel=\"next\", <http://{host}/v1>",
        "</old/2>; rel=\"next\", <http://gw.example/old>",
    ),
    case("/old/7", "/v1/7", "Set-Cookie: a=b; Path=/v1/x; HttpOnly", "a=b; Path=/old/x; HttpOnly"),
    case("/old/7", "/v1/7", "Set-Cookie: a=b; Path=/", "a=b; Path=/old"),
    case("/add/7", "/v2/add/7", "Location: /v2/add/8", "/add/8"),
    case("/add", "/v2/add", "Set-Cookie: a=b; Path=/v2", "a=b; Path=/"),
    case("/based/7", "/app/rest/7", "Location: /app/rest/8", "/based/8"),
    case("/based/7", "/app/rest/7", "Location: http://{host}/app/rest", "http://gw.example/based"),
    case("/based/7", "/app/rest/7", "Location: http://{host}/login", "http://{host}/login"),
    case("/based/7", "/app/rest/7", "Set-Cookie: a=b; Path=/app", "a=b; Path=/based"),
    case("/kept/7", "/app/rest/kept/7", "Location: /app/rest/kept/8", "/kept/8"),
    case("/orders/7/lines", "/rest/7", "Location: /rest/8", "/orders/8/lines"),
    case("/orders/7/lines/3?x", "/rest/7/3?x", "Location: /rest/7/4", "/orders/7/lines/4"),
    case("/orders/a%20b/lines/", "/rest/a%20b/", "Content-Location: /rest", "/rest"),
    case("/orders/7/lines", "/rest/7", "Set-Cookie: a=b; Path=/rest", "a=b; Path=/orders"),
    case("/t/1/2/x", "/app/rest/x/2/1/x", "Location: /app/rest/x/4/3/y", "/t/3/4/y"),
    // Without its variable the way back is not known.
    case("/all/7", "/list", "Location: /list/8", "/list/8"),
];

fn field_of(result: &Value, name: &str) -> String {
    let value = &result["headers"][name];
    value.as_str().or_else(|| value[0].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn urls_are_mapped_both_ways_for_items_and_single_requests() {
    let upstream = service();
    let gateway = gateway(&upstream);
    for Case { path, target, says, gets } in CASES {
        let gets = gets.replace("{host}", &upstream.address().to_string());
        let name = says.split(':').next().unwrap();
        let single = Request::get(path).header("Host", "gw.example").header("X-Say", says);
        assert_eq!(gateway.send(&single).header(name), Some(&*gets), "{path}, {says}");
        let item = json!({"method": "GET", "url": path, "headers": {"X-Say": says}});
        let batch = Request::batch(&json!({"requests": [item]})).header("Host", "gw.example");
        assert_eq!(field_of(&gateway.send(&batch).results()[0], name), gets, "{path}, {says} as an item");
        let targets: Vec<_> = upstream.take_requests().into_iter().map(|request| request.target).collect();
        assert_eq!(targets, [*target, *target], "{path}");
    }
}

#[test]
fn destinations_tagged_lists_and_hrefs_are_mapped_both_ways() {
    let upstream = service();
    let gateway = gateway(&upstream);
    let host = upstream.address();
    for (path, destination, target, expected) in [
        ("/based/a", "/based/b", "/app/rest/a", format!("http://{host}/app/rest/b")),
        ("/old/a", "http://gw.example/old/b", "/v1/a", format!("http://{host}/v1/b")),
        ("/orders/7/lines/a", "/orders/8/lines/b", "/rest/7/a", format!("http://{host}/rest/8/b")),
    ] {
        let list = format!("<{destination}> (<urn:uuid:1>)");
        let single = Request::new("MOVE", path).header("Host", "gw.example");
        let single = gateway.send(&single.header("Destination", destination).header("If", &list));
        let headers = json!({"Destination": destination, "If": list});
        let batch = json!({"requests": [{"method": "MOVE", "url": path, "headers": headers}]});
        let item = gateway.send(&Request::batch(&batch).header("Host", "gw.example")).results();
        for request in upstream.take_requests() {
            assert_eq!(request.target, target);
            assert_eq!(request.header("Destination"), Some(&*expected), "{path}");
            assert_eq!(request.header("If"), Some(&*format!("<{expected}> (<urn:uuid:1>)")), "{path}");
        }
        let href = format!("<D:href>{path}</D:href>");
        assert!(single.text().contains(&href), "{}", single.text());
        assert!(item[0]["body"].as_str().unwrap().contains(&href), "{}", item[0]);
    }
    let elsewhere = Request::new("MOVE", "/based/a").header("Destination", "/old/b");
    assert_eq!(gateway.send(&elsewhere).status, 403);
    assert!(upstream.take_requests().is_empty());
}

#[test]
fn services_learn_the_prefix_before_their_own_paths() {
    let upstream = service();
    let gateway = gateway(&upstream);
    for (path, prefix) in [
        ("/based/7", Some("/based")),
        ("/old/7", Some("/old")),
        ("/kept/7", None),
        ("/add/7", None),
        ("/orders/7/lines", None),
    ] {
        gateway.send(&Request::get(path));
        gateway.send(&Request::batch(&json!({"requests": [{"method": "GET", "url": path}]})));
        for request in upstream.take_requests() {
            assert_eq!(request.header("X-Forwarded-Prefix"), prefix, "{path}");
        }
    }
}

/// A Location that a later item follows is mapped, and so is the one that undoes a group.
#[test]
fn items_follow_locations_of_rewritten_routes() {
    let upstream = service();
    let gateway = gateway(&upstream);
    for (path, says, url, target) in [
        ("/based/a", "Location: /app/rest/b", "$1", "/app/rest/b"),
        ("/orders/7/lines", "Location: /rest/7/3", "$1/x", "/rest/7/3/x"),
    ] {
        let first = json!({"id": "1", "method": "GET", "url": path, "headers": {"X-Say": says}});
        let batch = json!({"requests": [first, {"id": "2", "method": "GET", "url": url}]});
        let results = gateway.send(&Request::batch(&batch)).results();
        assert_eq!(results[1]["status"], 207, "{}", results[1]);
        assert_eq!(upstream.take_requests()[1].target, target);
    }
}

//! Urls of items: what is encoded, what they are relative to, and encoded slashes. The rules alone are in
//! `gateway/plan/url.rs`; what is refused is in `tests/cases/item`.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

const GRAPH: &str = "/v1.0/$batch";

fn gateway(upstream: &Upstream) -> Gateway {
    let own = Config::all_to("svc", upstream.url()).batch("/batch");
    own.batch(GRAPH).with("dialect: graph").batch("/svc/$batch").with("dialect: odata").start()
}

fn send(gateway: &Gateway, endpoint: &str, urls: &[&str]) -> Reply {
    let item = |(number, url): (usize, &&str)| json!({"id": number.to_string(), "method": "GET", "url": url});
    let items: Vec<_> = urls.iter().enumerate().map(item).collect();
    gateway.send(&Request::post(endpoint, "application/json", json!({ "requests": items }).to_string()))
}

/// The results of an accepted batch, whatever its status.
fn results(reply: &Reply) -> Vec<Value> {
    reply.json()["responses"].as_array().unwrap().clone()
}

fn statuses(reply: &Reply) -> Vec<u64> {
    results(reply).iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

/// What the service was asked for, sorted.
fn targets(upstream: &Upstream) -> Vec<String> {
    let mut targets: Vec<_> = upstream.take_requests().into_iter().map(|request| request.target).collect();
    targets.sort();
    targets
}

#[test]
fn graphs_documented_example_works_to_the_byte() {
    let upstream = Upstream::start();
    let url = "users?$select=id,displayName&$filter=city eq null&$count=true";
    let reply = send(&gateway(&upstream), GRAPH, &[url]);
    assert_eq!(statuses(&reply), [200]);
    let request = upstream.only_request();
    let line = "GET /v1.0/users?$select=id,displayName&$filter=city%20eq%20null&$count=true HTTP/1.1\r\n";
    let head = String::from_utf8(request.head).unwrap();
    assert!(head.starts_with(line), "{head}");
}

#[test]
fn urls_of_graph_are_in_the_folder_with_or_without_a_slash() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let own = format!("http://{}/v1.0/a", gateway.address());
    let urls = ["/me/memberOf", "me/drive/root:/a b:/children", "/v1.0/users", "/v1.0?x", &own];
    assert_eq!(statuses(&send(&gateway, GRAPH, &urls)), [200; 5]);
    let expected =
        ["/v1.0/a", "/v1.0/me/drive/root:/a%20b:/children", "/v1.0/me/memberOf", "/v1.0/users", "/v1.0?x"];
    assert_eq!(targets(&upstream), expected);
    // In OData a slash in front is the root (RFC 3986).
    assert_eq!(statuses(&send(&gateway, "/svc/$batch", &["/a", "b"])), [200; 2]);
    assert_eq!(targets(&upstream), ["/a", "/svc/b"]);
}

#[test]
fn every_format_encodes_alike() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let url = "/Köln <1>?q=\"a\\b\" {c}|^`&d=100%";
    let escaped = url.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let part =
        format!("--b\r\nContent-Type: application/http\r\n\r\nGET {url} HTTP/1.1\r\n\r\n\r\n--b--\r\n");
    let item = json!({"method": "GET", "url": url});
    let requests = [
        Request::batch(&json!({ "requests": [item] })),
        Request::xml_batch(&format!("<batch><request method='GET' href=\"{escaped}\"/></batch>")),
        Request::lines(format!("{item}\n")),
        Request::post("/batch", "multipart/mixed; boundary=b", part),
    ];
    for request in requests {
        let reply = gateway.send(&request);
        let target = "/K%C3%B6ln%20%3C1%3E?q=%22a%5Cb%22%20%7Bc%7D%7C%5E%60&d=100%";
        assert_eq!(targets(&upstream), [target], "{}", reply.text());
    }
}

#[test]
fn what_is_refused_names_the_character_and_its_place() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = send(&gateway, GRAPH, &["users?$filter=a eq '#'", "/100%/a"]);
    let messages: Vec<_> =
        results(&reply).iter().map(|result| result["body"]["error"]["message"].to_string()).collect();
    assert!(messages[0].contains("`#` at character 21") && messages[0].contains("%23"), "{messages:?}");
    assert!(messages[1].contains("`%` at character 5") && messages[1].contains("%25"), "{messages:?}");
    let item = json!({"method": "GET", "url": "/é{$responses.1.body#/x}#b"});
    let first = json!({"id": "1", "method": "GET", "url": "/a"});
    let reply = gateway.batch(&json!({ "requests": [first, item] }));
    assert!(reply.text().contains("`#` at character 25"), "{}", reply.text());
    let slash = gateway.item(&json!({"method": "GET", "url": "/a/b%2fc"}));
    let detail = slash["body"]["detail"].to_string();
    assert!(detail.contains("`%2f` at character 5") && detail.contains("encoded_slashes"), "{detail}");
}

#[test]
fn references_and_characters_to_encode_go_together() {
    let upstream = Upstream::start();
    upstream.on("/first", Answer::json(200, r#"{"name": "A & Ö"}"#));
    let items = json!([
        {"id": "1", "method": "GET", "url": "/first"},
        {"id": "2", "method": "GET", "url": "/x y/{$responses.1.body#/name}?f=Name eq '{$responses.1.body#/name}'"},
    ]);
    assert_eq!(gateway(&upstream).batch(&json!({ "requests": items })).statuses(), [200, 200]);
    let target = "/x%20y/A%20%26%20%C3%96?f=Name%20eq%20'A%20%26%20%C3%96'";
    assert_eq!(targets(&upstream), ["/first", target]);
}

/// A route that takes encoded slashes, and one below it with rules of its own.
fn with_slashes(upstream: &Upstream) -> Gateway {
    let config = Config::new().upstream("svc", upstream.url()).route("/", "svc").route("/storage", "svc");
    let config = config.with("encoded_slashes: pass").route("/storage/private", "svc").with("methods: [PUT]");
    config.batch("/batch").bulk("/storage", "PUT").start()
}

#[test]
fn encoded_slashes_pass_where_the_route_says_so() {
    let upstream = Upstream::start();
    let gateway = with_slashes(&upstream);
    let urls = ["/storage/v1/b/bk/o/folder%2Ffile.txt", "/storage/a%5Cb%2f%2Fc", "/o/folder%2Ffile.txt"];
    assert_eq!(statuses(&send(&gateway, "/batch", &urls)), [200, 200, 400]);
    assert_eq!(targets(&upstream), ["/storage/a%5Cb%2f%2Fc", urls[0]]);
    for (url, status) in [
        ("/storage/%2e%2e%2fsecret", 400),
        ("/storage/..%5csecret", 400),
        ("/storage/a%252Fb", 400),
        ("/storage/private/x", 405),
        ("/storage%2Fprivate/x", 400),
        ("/storage/o%2F..%2F..%2Fprivate", 400),
        ("/storage/%2Fprivate/x", 400),
    ] {
        assert_eq!(gateway.item(&json!({"method": "GET", "url": url}))["status"], status, "{url}");
    }
    assert_eq!(targets(&upstream), [""; 0]);
    assert_eq!(gateway.send(&Request::get("/o/folder%2Ffile.txt")).status, 200, "a single request");
}

#[test]
fn a_destination_with_an_encoded_slash_passes_where_its_route_says_so() {
    let upstream = Upstream::start();
    let gateway = with_slashes(&upstream);
    for (destination, status) in [
        ("/storage/a%2Fb c", 200),
        ("/o/a%2Fb", 400),
        ("/o/a?b#c", 400),
        ("/storage/%2Fprivate", 403),
        ("/storage/private;x", 403),
    ] {
        let item = json!({"method": "COPY", "url": "/o/a", "headers": {"Destination": destination}});
        assert_eq!(gateway.item(&item)["status"], status, "{destination}");
    }
    let sent = upstream.take_requests();
    let expected = format!("{}/storage/a%2Fb%20c", upstream.url());
    assert_eq!(sent.iter().map(|call| call.header("Destination")).collect::<Vec<_>>(), [Some(&*expected)]);
}

/// Signatures cover the path as it was written.
#[test]
fn what_is_encoded_already_stays_as_it_is() {
    let upstream = Upstream::start();
    let config = Config::new().upstream("svc", upstream.url()).route("/", "svc").route("/k%C3%B6ln", "svc");
    let gateway = config.with("strip_prefix: /k%C3%B6ln").batch("/batch").start();
    let urls = ["/o/%7Ea%2Db", "/o/%e4%3d x", "/k%c3%b6ln/%7E", "/%6Böln/%61"];
    assert_eq!(statuses(&send(&gateway, "/batch", &urls)), [200; 4]);
    assert_eq!(targets(&upstream), ["/%61", "/%7E", "/o/%7Ea%2Db", "/o/%e4%3d%20x"]);
    for url in ["/o/%7Ea%2Db", "/k%c3%b6ln/%7E"] {
        assert_eq!(gateway.send(&Request::get(url)).status, 200);
    }
    assert_eq!(targets(&upstream), ["/%7E", "/o/%7Ea%2Db"], "single requests");
    let item = json!({"method": "COPY", "url": "/o/a", "headers": {"Destination": "/o/%7e%c3%a4"}});
    assert_eq!(gateway.item(&item)["status"], 200);
    let expected = format!("{}/o/%7e%c3%a4", upstream.url());
    assert_eq!(upstream.only_request().header("Destination"), Some(&*expected));
}

#[test]
fn records_with_a_slash_pass_where_the_route_says_so() {
    let upstream = Upstream::start();
    let records = json!([{"id": "folder/file.txt"}, {"id": "../x"}]).to_string();
    let request = Request::new("PUT", "/storage").header("Content-Type", "application/json").body(records);
    assert_eq!(with_slashes(&upstream).send(&request).statuses(), [200, 400]);
    assert_eq!(targets(&upstream), ["/storage/folder%2Ffile.txt"]);
}

#[test]
fn a_raw_backslash_leads_to_no_other_route() {
    let upstream = Upstream::start();
    let gateway = with_slashes(&upstream);
    let urls = ["/a\\b", "/storage\\private\\x", "/a\\..\\b", "\\a", "/storage/o\\private"];
    assert_eq!(statuses(&send(&gateway, "/batch", &urls)), [200, 400, 400, 400, 200]);
    assert_eq!(targets(&upstream), ["/a%5Cb", "/storage/o%5Cprivate"]);
    let nested: Value = gateway.item(&json!({"method": "POST", "url": "/\\batch"}));
    assert_eq!(nested["status"], 400);
}

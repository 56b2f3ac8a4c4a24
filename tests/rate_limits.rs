//! Rate limits: items cost what single requests cost, whatever they come in (protocol §3).

use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

/// A gateway before this upstream with these limits. Room comes back too slowly for a test to see.
fn limited(upstream: &Upstream, limits: &str) -> Gateway {
    Config::all_to("orders", upstream.url())
        .route("/login", "orders")
        .respond("/fixed", "status: 200")
        .bulk("/orders", "PATCH")
        .raw(format!("rate_limits: [{limits}]"))
        .start()
}

fn batch_of(urls: &[&str]) -> Value {
    let items: Vec<_> = urls.iter().map(|url| json!({"method": "GET", "url": url})).collect();
    json!({ "requests": items })
}

#[test]
fn a_batch_is_cut_to_what_there_is_room_for() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "{ name: everyone, per: address, rate: 2/m, burst: 3 }");
    let reply = gateway.batch(&batch_of(&["/a", "/b", "/c", "/d", "/e"]));
    assert_eq!(reply.statuses(), [200, 200, 200, 429, 429]);
    let held_back = &reply.results()[4];
    assert_eq!((&held_back["outcome"], &held_back["retryable"]), (&json!("not_sent"), &json!(true)));
    assert_eq!(held_back["body"]["type"], "urn:batchgate:problem:rate_limited");
    assert!(held_back["body"]["detail"].as_str().unwrap().contains("`everyone`"), "{held_back}");
    assert_eq!(held_back["headers"]["Retry-After"], "60", "two come back in a minute");
    assert_eq!(reply.header("Retry-After"), Some("60"));
    assert_eq!(reply.header("RateLimit-Policy"), Some("\"everyone\";q=3;w=90"));
    assert_eq!(reply.header("RateLimit"), Some("\"everyone\";r=0;t=60"));
    assert_eq!(upstream.requests().len(), 3);
    let metrics = gateway.metrics();
    assert_eq!(metrics.count("batchgate_rate_limited_total", &[("limit", "everyone")]), 2);
    assert_eq!(metrics.count("batchgate_item_failures_total", &[("reason", "rate_limited")]), 2);
    assert_eq!(metrics.count("batchgate_items_total", &[("code", "429"), ("outcome", "not_sent")]), 2);
}

#[test]
fn a_batch_runs_whole_or_not_at_all() {
    let upstream = Upstream::start();
    let limit = "{ name: whole, per: all, rate: 1/h, burst: 3, batch: whole }";
    let gateway = limited(&upstream, limit);
    assert_eq!(gateway.batch(&batch_of(&["/a", "/b"])).statuses(), [200, 200]);
    let refused = gateway.batch(&batch_of(&["/c", "/d"]));
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("3600")));
    assert_eq!(refused.header("RateLimit"), Some("\"whole\";r=1;t=3600"));
    assert_eq!(refused.json()["type"], "urn:batchgate:problem:rate_limited");
    assert_eq!(gateway.batch(&batch_of(&["/e"])).statuses(), [200], "the refused batch spent nothing");
    let never = gateway.batch(&batch_of(&["/", "/", "/", "/"]));
    assert_eq!((never.status, never.header("Retry-After")), (413, None));
    assert_eq!(upstream.requests().len(), 3);
    gateway.wait_for_metric("batchgate_rejections_total", &[("reason", "rate_limited")], 1.0);
}

#[test]
fn single_requests_and_items_take_from_the_same_share() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "{ name: all, per: address, rate: 1/h, burst: 4 }");
    let single = gateway.send(&Request::get("/a"));
    assert_eq!((single.status, single.header("RateLimit")), (200, Some("\"all\";r=3;t=3600")));
    assert_eq!(gateway.send(&Request::get("/fixed")).header("RateLimit"), Some("\"all\";r=2;t=7200"));
    assert_eq!(gateway.batch(&batch_of(&["/a", "/fixed", "/a"])).statuses(), [200, 200, 429]);
    let refused = gateway.send(&Request::get("/a"));
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("3600")));
    assert!(refused.header("Proxy-Status").unwrap().ends_with("outcome=not_sent; retryable"));
    gateway.log_line(&[("kind", "request"), ("reason", "rate_limited")]);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn streams_count_by_line_and_bulks_by_record() {
    let upstream = Upstream::start();
    let limit = "{ name: all, per: all, rate: 1/h, burst: 3, batch: whole }";
    let stream =
        limited(&upstream, limit).send(&Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n".repeat(5)));
    assert_eq!(stream.status, 207, "a stream is never refused whole");
    let mut statuses: Vec<_> = stream.lines().iter().filter_map(|line| line["status"].as_u64()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(stream.header("RateLimit-Policy"), Some("\"all\";q=3;w=10800"));
    let gateway = limited(&upstream, "{ name: all, per: all, rate: 1/h, burst: 1 }");
    let bulk = Request::new("PATCH", "/orders").header("Content-Type", "application/json");
    let reply = gateway.send(&bulk.body(r#"[{"id": 1}, {"id": 2}]"#));
    assert_eq!(reply.statuses(), [200, 429]);
}

#[test]
fn what_no_route_takes_costs_nothing() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "{ name: logins, per: address, rate: 1/h, burst: 1, routes: [/login] }");
    let reply = gateway.batch(&json!({"requests": [
        {"method": "GET", "url": "/a"}, {"method": "TRACE", "url": "/login", "body": "x"}, {"method": "POST", "url": "/login"},
        {"method": "POST", "url": "/login"},
    ]}));
    assert_eq!(reply.statuses(), [200, 405, 200, 429]);
    assert_eq!(gateway.send(&Request::get("/a")).header("RateLimit"), None, "no limit counts this route");
}

#[test]
fn shares_are_told_by_field_and_by_route() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "{ name: tenants, per: \"header:X-Tenant\", rate: 1/h, burst: 1 }");
    let status = |tenant| gateway.send(&Request::get("/").header("X-Tenant", tenant)).status;
    assert_eq!([status("a"), status("b"), status("a"), status("b")], [200, 200, 429, 429]);
    let gateway = limited(&upstream, "{ name: routes, per: route, rate: 1/h, burst: 1 }");
    let reply = gateway.batch(&batch_of(&["/a", "/login", "/fixed", "/login", "/a"]));
    assert_eq!(reply.statuses(), [200, 200, 200, 429, 429]);
}

#[test]
fn every_limit_has_to_have_room() {
    let upstream = Upstream::start();
    let gateway = limited(
        &upstream,
        "{ name: wide, per: all, rate: 1/h, burst: 9 }, { name: narrow, per: all, rate: 1/h, burst: 2 }",
    );
    let reply = gateway.batch(&batch_of(&["/a", "/a", "/a"]));
    assert_eq!(reply.statuses(), [200, 200, 429]);
    assert_eq!(reply.header("RateLimit"), Some("\"wide\";r=6;t=10800, \"narrow\";r=0;t=3600"));
}

#[test]
fn clients_beyond_those_remembered_are_counted() {
    let upstream = Upstream::start();
    let limit = "{ name: few, per: \"header:X-Tenant\", rate: 1/h, burst: 1, max_clients: 2 }";
    let gateway = limited(&upstream, limit);
    let status = |tenant| gateway.send(&Request::get("/").header("X-Tenant", tenant)).status;
    assert_eq!([status("a"), status("b"), status("c"), status("c"), status("a")], [200, 200, 200, 429, 200]);
    gateway.wait_for_metric("batchgate_rate_limit_clients_forgotten_total", &[("limit", "few")], 2.0);
}

#[test]
fn what_is_explained_costs_nothing() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "{ name: all, per: all, rate: 1/h, burst: 1 }");
    let explained = Request::batch(&batch_of(&["/a"])).header("Prefer", "handling=explain");
    assert_eq!(gateway.send(&explained).header("RateLimit"), None);
    assert_eq!(gateway.batch(&batch_of(&["/a"])).statuses(), [200]);
}

#[test]
fn a_reload_forgets_nothing_of_a_limit_that_stays() {
    let upstream = Upstream::start();
    let yaml = |burst: u32, status: u16| {
        let limits = format!("rate_limits: [{{ name: all, per: all, rate: 1/h, burst: {burst} }}]");
        Config::new().respond("/", &format!("status: {status}")).raw(limits).to_yaml()
    };
    let gateway = Gateway::start(yaml(1, 200));
    assert_eq!(gateway.send(&Request::get("/")).status, 200);
    gateway.write_config(&yaml(1, 204));
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 1.0);
    assert_eq!(gateway.send(&Request::get("/")).status, 429);
    gateway.write_config(&yaml(2, 204));
    until_true("the new limit has room", || gateway.send(&Request::get("/")).status == 204);
    drop(upstream);
}

#[test]
fn a_route_can_take_single_requests_only() {
    let upstream = Upstream::start();
    upstream.on("/login", Answer::empty(204));
    let config = Config::all_to("orders", upstream.url()).route("/login", "orders").with("batch: false");
    let gateway = config.start();
    let reply = gateway.batch(&json!({"requests": [
        {"id": "a", "method": "POST", "url": "/login"},
        {"id": "b", "method": "POST", "url": "/%6Cogin"},
        {"id": "c", "method": "POST", "url": "/x"},
        {"id": "d", "method": "GET", "url": "$a/y"},
    ]}));
    assert_eq!(reply.statuses()[..3], [403, 403, 200]);
    assert_ne!(reply.statuses()[3], 200);
    assert_eq!(reply.results()[0]["body"]["type"], "urn:batchgate:problem:not_batchable");
    assert_eq!(gateway.send(&Request::post("/login", "text/plain", "x")).status, 204);
    assert_eq!(upstream.requests_to("/login").len(), 1);
}

//! Explanations of small batches.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::limits::UpstreamLimits;
use super::*;
use crate::batch::Groups;
use crate::config::{self, Settings};
use crate::dialect::{Dialect, ItemSource};
use crate::format::{Format, ReadContext};
use crate::header::forwarded::ForwardedBy;
use crate::header::variables::Variables;
use crate::plan::{PlanContext, Preferences, plan};

const CONFIGURATION: &str = r#"
listen: 127.0.0.1:80
upstreams:
  orders:
    targets: ["http://10.0.0.1:9001", "https://10.0.0.2"]
    concurrency: 7
    rate: 50/s
    retry: { attempts: 3, status: [503] }
    headers: { set: { X-Api-Key: k3y, X-Tenant: acme, X-Env: "${SECRET}" }, remove: [X-Gone] }
routes:
  - { path: /orders, upstream: orders, strip_prefix: /orders, methods: [GET, MOVE], name: main }
  - { path: /moved, redirect: { to: "/new?key=qu3ry" } }
  - { path: /, respond: { status: 404 } }
batch: [{ path: /batch, order: sequential, deadline: 9s }]
auth: { forward: { upstream: orders, path: /who, headers: [Authorization] } }
rate_limits:
  - { name: everything, per: all, rate: 1/s, burst: 9 }
  - { name: main-only, per: client, rate: 1/s, burst: 9, routes: [main] }
"#;

const BATCH: &str = r#"{"requests":[
  {"id":"a","method":"GET","url":"/orders/7?x=1","headers":{"X-A":"1","Cookie":"c0okie"},"timeout":250},
  {"id":"b","method":"MOVE","url":"/orders/7","headers":{"Destination":"/orders/8"}},
  {"id":"c","method":"PUT","url":"/orders/7","body":{}},
  {"id":"d","method":"GET","url":"/else","dependsOn":["b"],"if":"not ( $a/$succeeded ) and $a/x eq 1"},
  {"id":"e","method":"GET","url":"http://ann:passw0rd@other/x"},
  {"id":"f","method":"GET","url":"/moved/x?y=1"}]}"#;

fn settings() -> Settings {
    let variable = |name: &str| (name == "SECRET").then(|| "t0p-secret".to_owned());
    let loaded = config::parse(CONFIGURATION, "test.yaml", std::path::Path::new(""), &variable);
    loaded.map_err(|report| panic!("{report}")).unwrap().settings
}

fn explained(audience: Audience) -> Explanation {
    let settings = settings();
    let body = Bytes::from_static(BATCH.as_bytes());
    let source = ItemSource::Batch(Dialect::default());
    let format = source.recognize(Some("application/json"), &body).unwrap();
    let context = ReadContext {
        limits: &settings.batch[0].limits,
        content_type: Some("application/json"),
        endpoint: "/batch",
        query: "",
        own_authority: "gateway",
        reply: Format::Json,
    };
    let batch = source.read(format, &body, &context).unwrap();
    let context = PlanContext {
        routes: &settings.routes,
        own_authority: "gateway",
        is_batch_endpoint: &|_, _| false,
        groups: Groups::Refuse,
        inherited: &HeaderMap::new(),
        only_route: None,
    };
    let plan = plan(batch, &context).unwrap();
    let mut inherited = HeaderMap::new();
    inherited.insert("authorization", HeaderValue::from_static("Bearer b3arer"));
    inherited.insert("x-gone", HeaderValue::from_static("1"));
    inherited.insert("accept-language", HeaderValue::from_static("de"));
    let context = ExplainContext {
        settings: &settings,
        endpoint: &settings.batch[0],
        dialect: settings.batch[0].dialect,
        authority: "gateway",
        query: "",
        arrival: Arrival::Batch,
        preferences: Preferences::default(),
        inherited: &inherited,
        hop: &ForwardedBy::default(),
        variables: Variables::default(),
        audience,
    };
    explain(plan, format, &context)
}

fn json(audience: Audience) -> Value {
    serde_json::from_str(&explained(audience).to_json()).unwrap()
}

#[test]
fn each_item_says_where_it_would_go() {
    let document = json(Audience::Operator);
    assert_eq!((&document["order"], &document["deadlineMilliseconds"]), (&"sequential".into(), &9000.into()));
    let expected = serde_json::json!({
        "position": 1, "id": "a", "method": "GET", "url": "/orders/7?x=1", "route": "main",
        "rateLimits": ["everything", "main-only"],
        "call": {
            "upstream": "orders", "targets": ["http://10.0.0.1:9001", "https://10.0.0.2"], "path": "/7?x=1",
            "headers": {
                "accept-language": "de", "authorization": "***", "cookie": "***", "x-a": "1",
                "x-api-key": "***", "x-env": "***", "x-forwarded-prefix": "/orders", "x-tenant": "acme",
            },
            "timeoutMilliseconds": 250, "upstreamConcurrency": 7, "upstreamQueue": 1000, "clientSharePercent": 75,
            "upstreamRate": { "intervalMilliseconds": 20.0, "burst": 1 },
            "retry": { "attempts": 3, "after": ["connect", "lost", "503"] },
        },
    });
    assert_eq!(document["items"][0], expected);
    assert_eq!(document["items"][1]["call"]["headers"]["destination"], "{target}/8");
    assert_eq!(document["auth"], serde_json::json!(["forward"]));
    assert_eq!(document["items"][2]["rateLimits"], Value::Null, "a rejected item costs nothing");
    assert_eq!(document["items"][3]["rateLimits"], serde_json::json!(["everything"]));
    assert_eq!(document["items"][2]["rejected"]["status"], 405);
    assert_eq!(document["items"][2]["rejected"]["reason"], "method_not_allowed");
    assert_eq!(document["items"][3]["respond"]["status"], 404);
    assert_eq!(document["items"][3]["after"], serde_json::json!([1, 2]));
    assert_eq!(document["items"][3]["if"], "not $a/$succeeded and $a/x eq 1");
}

#[test]
fn a_call_that_may_have_been_carried_out_is_not_retried() {
    let settings = settings();
    let limits = |method: Method| UpstreamLimits::new(&settings.upstreams[0], &method).retry.unwrap().after;
    assert_eq!(limits(Method::POST), ["connect"]);
    assert_eq!(limits(Method::PUT), ["connect", "lost", "503"]);
}

#[test]
fn no_secret_is_shown_to_anybody() {
    for audience in [Audience::Operator, Audience::Client] {
        let explanation = explained(audience);
        for shown in [explanation.to_json(), explanation.to_string()] {
            for secret in ["t0p-secret", "b3arer", "c0okie", "k3y", "passw0rd", "qu3ry"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
        }
    }
}

#[test]
fn a_client_learns_no_address_and_nothing_that_the_operator_sets() {
    let shown = json(Audience::Client).to_string();
    for hidden in ["10.0.0.1", "10.0.0.2", "acme"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    assert!(shown.contains("\"upstream\":\"orders\""));
}

#[test]
fn people_read_lines() {
    let text = explained(Audience::Operator).to_string();
    for line in [
        "/batch (json): 6 items, one by one, in this order; all within 9000 ms",
        "1. a  GET /orders/7?x=1",
        "   upstream  orders (http://10.0.0.1:9001, https://10.0.0.2)",
        "   path      /7?x=1",
        "   header    cookie: ***",
        "clients must authenticate: forward",
        "   counts    towards the rate limits everything, main-only",
        "   limits    250 ms for the call; this upstream: 7 calls at once, queue 1000, 75 % of each for one client, one start every 20 ms (a burst of 1 after a pause)",
        "   retry     up to 3 attempts, after connect, lost, 503",
        "   rejected  405 method_not_allowed: the route does not allow this method; it allows GET, MOVE, HEAD",
        "   if        not $a/$succeeded and $a/x eq 1",
        "   answered  404 by the route, without an upstream",
        "   answered  308 by the route, without an upstream, to /new/x?***",
        "4 to be sent or answered, 2 rejected; nothing was sent",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

//! Gateways whose routes lead back to them: a request, and batches in batches, end.

use serde_json::{Value, json};

use crate::harness::{Config, Gateway, Request, Upstream};

/// A gateway that has itself for a service; `/again` comes in at the front as `/`.
fn circle(limits: &str) -> Gateway {
    let routes = |own: &str| {
        let config = Config::all_to("own", own).route("/again/", "own").with("strip_prefix: /again");
        config.limits(limits).to_yaml()
    };
    let gateway = Gateway::start(routes("\"http://127.0.0.1:1\""));
    gateway.write_config(&routes(&gateway.url("")));
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    gateway
}

#[test]
fn a_request_that_goes_round_ends_with_508() {
    for (limits, passes) in [("", 6), ("hops: 2", 3)] {
        let gateway = circle(limits);
        let reply = gateway.send(&Request::get("/x"));
        assert_eq!(reply.status, 508);
        assert_eq!(reply.json()["type"], "urn:batchgate:problem:loop_detected");
        let proxy_status = reply.header("Proxy-Status").unwrap();
        assert!(proxy_status.contains("error=proxy_loop_detected"), "{proxy_status}");
        // Each is counted once its reply has gone out.
        gateway.wait_for_metric("batchgate_requests_total", &[("code", "508")], f64::from(passes));
        assert_eq!(gateway.metrics().sum("batchgate_requests_total", &[]).to_string(), passes.to_string());
        let found = gateway.metrics().sum("batchgate_request_failures_total", &[("reason", "loop_detected")]);
        assert_eq!(found.to_string(), "1");
        gateway.log_line(&[("kind", "request"), ("reason", "loop_detected")]);
    }
}

#[test]
fn batches_in_batches_end_too() {
    let gateway = circle("");
    let mut batch = json!({"requests": [{"method": "GET", "url": "/last"}]});
    for _ in 0..9 {
        batch = json!({"requests": [{"method": "POST", "url": "/again/batch", "body": batch}]});
    }
    let mut result = gateway.item(&batch["requests"][0]);
    let mut depth = 1;
    while let Some(inner) = result["body"]["responses"].get(0) {
        result = Value::clone(inner);
        depth += 1;
    }
    assert_eq!((depth, &result["status"]), (5, &json!(508)), "{result}");
    let refused = gateway.metrics().sum("batchgate_rejections_total", &[("reason", "loop_detected")]);
    assert_eq!(refused.to_string(), "1");
}

#[test]
fn what_came_through_few_gateways_is_served() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let via = |count: usize| vec!["1.1 batchgate"; count].join(", ");
    let status = |path: &str, count| gateway.send(&Request::get(path).header("Via", &via(count))).status;
    assert_eq!((status("/a", 4), status("/b", 5)), (200, 508));
    assert_eq!(upstream.only_request().header("Via"), Some(via(5).as_str()));
    let batch = json!({"requests": [{"method": "GET", "url": "/c"}]});
    assert_eq!(gateway.send(&Request::batch(&batch).header("Via", &via(5))).status, 508);
    assert_eq!(gateway.send(&Request::batch(&batch).header("Via", "1.1 other, 2 x")).statuses(), [200]);
    assert_eq!(upstream.requests_to("/c")[0].header("Via"), Some("1.1 other, 2 x, 1.1 batchgate"));
}

//! Batches as clients of APISIX and Tyk send them, by the worked examples and by hand.

use serde_json::{Value, json};

use crate::harness::programs::test_file;
use crate::harness::{Answer, Gateway, Request, Setup, Upstream};

/// A gateway with an example's configuration before this upstream, and the example's batch.
fn example(name: &str, upstream: &Upstream) -> (Gateway, Vec<u8>) {
    let read =
        |ending| std::fs::read_to_string(test_file(&format!("../config/examples/{name}.{ending}"))).unwrap();
    let yaml =
        read("yaml").lines().filter(|line| !line.starts_with("listen:")).collect::<Vec<_>>().join("\n");
    let gateway = Setup::of(yaml).with_variable("ORDERS", &upstream.address().to_string()).start();
    (gateway, read("json").into_bytes())
}

fn orders() -> Upstream {
    Upstream::answering(|request| match request.target.split('?').next() {
        Some("/orders/7") => Answer::json(200, r#"{"id":7}"#),
        _ => Answer::text(404, "no such order"),
    })
}

#[test]
fn a_pipeline_runs_as_apisix_would_run_it() {
    let upstream = orders();
    let (gateway, batch) = example("apisix", &upstream);
    let request =
        Request::post("/apisix/batch-requests", "application/json", batch).header("Authorization", "b");
    let reply = gateway.send(&request);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let results = reply.json();
    assert_eq!(results[0]["reason"], "OK");
    assert_eq!(results[0]["body"], r#"{"id":7}"#);
    assert_eq!(results[0]["headers"]["Content-Type"], "application/json");
    assert_eq!((&results[1]["status"], &results[1]["reason"]), (&json!(404), &json!("Not Found")));
    assert_eq!(results[1]["body"], "no such order");
    let sent = &upstream.requests_to("/orders/7?notify=false")[0];
    assert_eq!((sent.method.as_str(), sent.text().as_str()), ("PATCH", r#"{"status":"paid"}"#));
    let field = |name| sent.header(name).unwrap().to_owned();
    assert_eq!([field("x-source"), field("authorization")], ["nightly", "b"]);
    assert_eq!(upstream.requests_to("/orders/99?notify=true").len(), 1);
}

#[test]
fn requests_run_as_tyk_would_run_them() {
    let upstream = orders();
    let (gateway, batch) = example("tyk", &upstream);
    let request = Request::post("/api/tyk/batch/", "application/json", batch).header("X-Outer", "1");
    let reply = gateway.send(&request);
    assert_eq!(reply.status, 200);
    let results = reply.json();
    let expected = json!({"relative_url": "orders/7", "code": 200, "body": r#"{"id":7}"#});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&results[0][name], value);
    }
    assert_eq!(results[0]["headers"]["Content-Type"], json!(["application/json"]));
    assert_eq!((&results[1]["relative_url"], &results[1]["code"]), (&json!("/orders/99"), &json!(404)));
    let sent = &upstream.requests_to("/orders/7")[0];
    assert_eq!((sent.header("authorization"), sent.header("x-outer")), (Some("k3y"), None));
}

#[test]
fn what_the_two_lose_is_put_right() {
    let upstream = Upstream::start();
    let (gateway, _) = example("apisix", &upstream);
    // The example's route takes only orders: what leads nowhere says so in its own place.
    let batch = json!({"timeout": 100, "pipeline": [{"path": "/orders/slow"}, {"path": "/else"}, {"path": "/orders/image"}]});
    upstream
        .on("/orders/slow", Answer::hang())
        .on("/orders/image", Answer::of(200, "image/png", b"\x89PNG\xff"));
    let request = Request::post("/apisix/batch-requests", "application/json", batch.to_string());
    let results = gateway.send(&request).json();
    let of = |name: &str| {
        results.as_array().unwrap().iter().map(|result| result[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("status"), [504, 404, 200]);
    assert_eq!(of("reason"), ["upstream timeout", "Not Found", "OK"]);
    assert_eq!((&results[2]["body"], &results[2]["encoding"]), (&json!("iVBOR/8="), &json!("base64")));
    let error: Value = serde_json::from_str(results[1]["body"].as_str().unwrap()).unwrap();
    assert!(error["error_msg"].as_str().unwrap().contains("no route"), "{error}");
    assert!(results[0]["headers"]["Proxy-Status"].as_str().unwrap().contains("outcome=unknown"));
}

#[test]
fn a_refused_batch_is_told_in_the_dialect() {
    let upstream = Upstream::start();
    for (name, path, member) in
        [("apisix", "/apisix/batch-requests", "error_msg"), ("tyk", "/api/tyk/batch/", "error")]
    {
        let (gateway, _) = example(name, &upstream);
        for (content_type, body, status) in [
            ("application/json", "[]", 400),
            ("application/xml", "<batch/>", 415),
            ("application/json", "{", 400),
        ] {
            let reply = gateway.send(&Request::post(path, content_type, body));
            assert_eq!((reply.status, reply.header("content-type")), (status, Some("application/json")));
            assert!(reply.json()[member].is_string(), "{}", reply.text());
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn one_by_one_means_in_order() {
    let upstream = Upstream::start();
    let (gateway, _) = example("tyk", &upstream);
    let requests: Vec<_> =
        (0..20).map(|number| json!({"relative_url": format!("orders/{number}")})).collect();
    let batch = json!({"requests": requests, "suppress_parallel_execution": true});
    let reply = gateway.send(&Request::post("/api/tyk/batch/", "application/json", batch.to_string()));
    assert_eq!(reply.json().as_array().unwrap().len(), 20);
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, (0..20).map(|number| format!("/orders/{number}")).collect::<Vec<_>>());
    assert_eq!(upstream.most_in_flight(), 1);
}

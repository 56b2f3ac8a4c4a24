//! Dialects before the clients that speak them, each as its registry has it: what they see of a batch,
//! and what arrives at the upstream.

mod azure;
mod google;
mod odata;
mod office;

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::programs::{node, python, succeed, test_file};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Upstream};

/// A gateway before `upstream`, with one batch endpoint.
fn gateway(upstream: &Upstream, endpoint: &str) -> Gateway {
    let config = Config::all_to("legacy", upstream.url()).route("/read-only", "legacy");
    config.with("methods: [GET]").raw(format!("batch: [{{ {endpoint} }}]")).start()
}

/// A gateway as Graph is, before a service that has no version in its paths.
fn graph_gateway(upstream: &Upstream) -> Gateway {
    let strip = "strip_prefix: /v1.0";
    let config = Config::new().upstream("legacy", upstream.url()).route("/v1.0/", "legacy").with(strip);
    let config = config.route("/v1.0/read-only", "legacy").with(strip).with("methods: [GET]");
    config.batch("/v1.0/$batch").with("dialect: graph").start()
}

/// What a client's program tells of a gateway.
fn told(client: &mut Command, gateway: &Gateway) -> Value {
    serde_json::from_str(&succeed(client.arg(gateway.url("")))).unwrap()
}

/// A program of `python/`, about to run.
fn python_program(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(test_file("python").join(name));
    command
}

/// The members with this name of each value in a list.
fn each<'a>(list: &'a Value, name: &str) -> Vec<&'a Value> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list}"));
    list.iter().map(|value| &value[name]).collect()
}

/// An upstream as Graph is.
fn graph() -> Upstream {
    Upstream::answering(|request: &Recorded| match (request.method.as_str(), request.target.as_str()) {
        (_, "/missing") => Answer::json(404, r#"{"error": {"code": "itemNotFound", "message": "no"}}"#),
        ("POST", _) => Answer::json(201, &request.body),
        ("PUT", "/me/photo/$value") => Answer::of(200, "image/jpeg", b"\xff\xd8"),
        ("PUT" | "DELETE", _) => Answer::empty(204),
        ("GET", "/notes/1") => Answer::of(200, "text/plain; charset=utf-8", "Łukasz"),
        (_, target) => Answer::json(200, json!({ "from": target }).to_string()),
    })
}

#[test]
fn graphs_client_sees_the_replies_to_a_parallel_batch() {
    let upstream = graph();
    let gateway = graph_gateway(&upstream);
    let seen = &told(&mut node("graph.cjs"), &gateway)["parallel"];
    assert_eq!(seen["1"], json!({"status": 200, "body": {"from": "/me"}}), "{seen}");
    assert_eq!(seen["2"]["body"]["error"]["code"], "itemNotFound", "{seen}");
    assert_eq!(seen["3"], json!({"status": 200, "body": "/9g="}), "{seen}");
    assert_eq!((&seen["4"]["status"], &seen["5"]["status"]), (&json!(204), &json!(204)), "{seen}");
    assert_eq!(seen["6"]["status"], 405, "{seen}");
    assert_eq!(seen["6"]["body"]["error"]["code"], "method_not_allowed", "{seen}");
    assert_eq!(seen["7"], json!({"status": 200, "body": "Łukasz"}), "{seen}");
    assert_eq!(upstream.requests_to("/me/photo/$value")[0].body, [0, 255, 216, 10]);
    assert_eq!(upstream.requests_to("/notes/3")[0].text(), "Łukasz & Søn");
}

#[test]
fn graphs_client_sees_what_depends_on_what() {
    let upstream = graph();
    let gateway = graph_gateway(&upstream);
    let told = told(&mut node("graph.cjs"), &gateway);
    let serial = &told["serial"];
    assert_eq!(serial["create"], json!({"status": 201, "body": {"subject": "tea"}}), "{serial}");
    assert_eq!((&serial["fail"]["status"], &serial["skipped"]["status"]), (&json!(404), &json!(424)));
    assert!(serial["skipped"]["body"]["error"]["message"].is_string(), "{serial}");
    assert_eq!(told["same"]["right"]["body"]["from"], "/me?of=right", "{told}");
    let refused = &told["refused"];
    assert_eq!((&refused["statusCode"], &refused["code"]), (&json!(400), &json!("duplicate_id")), "{told}");
    gateway.wait_for_metric("batchgate_items_total", &[("code", "424")], 1.0);
}

/// An upstream as a service of OData is: version 2 wraps entities in `d`.
fn orders(request: &Recorded, wrap: bool) -> Answer {
    let target = request.target.replace("%28", "(").replace("%29", ")");
    let order = |number: &str, status| {
        let order = json!({"OrderID": number.parse::<u32>().unwrap(), "Customer": "Łukasz & Søn"});
        Answer::json(status, if wrap { json!({ "d": order }) } else { order }.to_string())
    };
    let number = target.strip_prefix("/svc/Orders(").and_then(|rest| rest.strip_suffix(')'));
    match (request.method.as_str(), number) {
        ("GET", None) => {
            let metadata = std::fs::read(test_file("clients/orders.edmx")).unwrap();
            Answer::of(200, "application/xml", metadata)
        }
        ("GET", Some("99")) => Answer::json(404, r#"{"error": {"code": "1", "message": "no order 99"}}"#),
        ("GET", Some(number)) => order(number, 200),
        (_, Some("4")) => Answer::json(409, r#"{"error": {"code": "2", "message": "cancelled"}}"#),
        (_, Some(_)) => Answer::empty(204),
        (_, None) => order("21", 201),
    }
}

/// What `@odata/client` tells, and what arrived.
fn odata_client() -> (Value, Vec<Recorded>) {
    let upstream = Upstream::answering(|request| orders(request, false));
    let gateway = gateway(&upstream, "path: /svc/$batch, dialect: odata");
    (told(&mut node("odata.cjs"), &gateway), upstream.requests())
}

fn statuses(results: &Value) -> Vec<u64> {
    let results = results.as_array().unwrap_or_else(|| panic!("{results}"));
    results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[test]
fn odatas_client_gets_its_multipart_batches_in_order() {
    let (told, requests) = odata_client();
    assert_eq!(statuses(&told["multipart"]), [200, 204, 201, 204, 200], "{told}");
    assert_eq!(told["multipart"][2]["body"]["OrderID"], 21, "{told}");
    assert_eq!(statuses(&told["stopped"]), [200, 404], "{told}");
    assert_eq!(told["stopped"][1]["body"]["error"]["message"], "no order 99", "{told}");
    assert_eq!(statuses(&told["failed"]), [409], "{told}");
    let sent: Vec<_> =
        requests.iter().take(5).map(|request| (request.method.as_str(), request.target.as_str())).collect();
    let expected = [
        ("GET", "/svc/Orders(1)"),
        ("PATCH", "/svc/Orders(7)"),
        ("POST", "/svc/Orders"),
        ("DELETE", "/svc/Orders(3)"),
        ("GET", "/svc/Orders(2)"),
    ];
    assert_eq!(sent, expected);
    assert_eq!(requests[2].text(), r#"{"Customer":"Łukasz & Søn"}"#);
}

#[test]
fn odatas_client_gets_its_json_batches() {
    let (told, _) = odata_client();
    assert_eq!(statuses(&told["json"]), [200, 404, 204, 200, 424], "{told}");
    assert_eq!(told["json"][0]["body"]["Customer"], "Łukasz & Søn", "{told}");
    assert!(told["group"]["error"].as_str().unwrap().contains("nothing of the batch was sent"), "{told}");
    assert!(told["refused"]["error"].as_str().unwrap().contains("id"), "{told}");
}

#[test]
fn pyodata_reads_and_changes() {
    let upstream = Upstream::answering(|request| orders(request, true));
    let gateway = gateway(&upstream, "path: /svc/$batch, dialect: odata, reply_status: 202");
    let mut client = Command::new(python());
    let told = told(client.arg(test_file("python/odata_batch.py")), &gateway);
    let order = |number| json!({"id": number, "customer": "Łukasz & Søn"});
    assert_eq!(told["reads"], json!([order(1), order(2)]), "{told}");
    assert_eq!(told["changes"], json!([order(1), [null], [order(21)]]), "{told}");
    assert_eq!(told["missing"]["status"], 404, "{told}");
    assert_eq!(told["failed"]["status"], 409, "{told}");
    assert_eq!(told["together"]["status"], 501, "{told}");
    let changes = upstream.requests_to("/svc/Orders%287%29");
    assert_eq!(changes.len(), 1, "no request of a set of two was sent");
    assert_eq!(changes[0].text(), r#"{"Status": "paid"}"#);
    let created = upstream.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&created.text()).unwrap()["Customer"], "Łukasz & Søn");
}

#[test]
fn pyodata_goes_on_after_an_error_in_the_dialect_of_its_version() {
    let upstream = Upstream::answering(|request| orders(request, true));
    let gateway = gateway(&upstream, "path: /svc/$batch, dialect: odata-3, reply_status: 202");
    let told = told(&mut python_program("odata_batch.py"), &gateway);
    assert_eq!(told["missing"]["status"], 404, "{told}");
    assert_eq!(told["together"]["status"], 501, "{told}");
    let reads = upstream.requests_to("/svc/Orders%282%29").len();
    assert_eq!(reads, 2, "once after a good read, once after one that failed");
}

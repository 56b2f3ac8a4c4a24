//! Clients of OData in JavaScript: odata (o.js), dynamics-web-api, UI5.

use serde_json::{Value, json};

use super::{each, told};
use crate::client_traffic::gateway;
use crate::harness::programs::{node, program};
use crate::harness::services;

/// What an order is to clients that show it as it came.
fn order(number: u32) -> Value {
    json!({"OrderID": number, "Customer": "Łukasz & Søn"})
}

#[test]
fn o_js_reads_and_writes() {
    let upstream = services::start();
    let told = told(&mut node("odata_o.cjs"), &gateway(&upstream));
    let read = |id: u32| json!({"contentId": id, "status": 200, "body": order(id)});
    assert_eq!(told["reads"], json!([read(1), read(2)]), "{told}");
    assert_eq!(each(&told["failed"], "status"), [200, 404], "{told}");
    assert_eq!(told["failed"][1]["body"]["error"]["message"], "There is no order 99.", "{told}");
    assert_eq!(told["one"], json!([{"contentId": 1, "status": 201, "body": order(21)}]), "{told}");
    assert_eq!(each(&told["flat"], "status"), [204, 204, 200], "{told}");
    assert_eq!(told["several"]["status"], 501, "{told}");
}

#[test]
fn dynamics_web_api_reads_and_writes() {
    let upstream = services::start();
    let told = told(&mut node("dynamics.cjs"), &gateway(&upstream));
    let contact = json!({"id": "1", "displayName": "Łukasz & Søn"});
    assert_eq!(told["reads"], json!([contact, contact]), "{told}");
    assert_eq!(told["failed"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(told["failed"][1]["status"], 404, "{told}");
    assert_eq!(told["failed"][1]["error"]["code"], "itemNotFound", "{told}");
    assert_eq!((&told["continued"][1]["status"], &told["continued"][2]), (&json!(404), &contact), "{told}");
    assert_eq!(
        (&told["one"], &told["apart"]),
        (&json!([{"id": "21"}]), &json!([{"id": "21"}, true])),
        "{told}"
    );
    assert_eq!(told["several"]["error"]["status"], 501, "{told}");
    let created = upstream.requests_to("/api/data/v9.2/contacts");
    assert_eq!(created[0].header("Authorization"), Some("Bearer token"), "of the batch");
}

#[test]
fn ui5_reads_and_writes() {
    let upstream = services::start();
    let mut client = node("ui5.cjs");
    let told = told(client.env("CHROMIUM", program("chromium")), &gateway(&upstream));
    let (two, four) = (&told["two"], &told["four"]);
    let numbers = |results: &Value| {
        let results = each(results, "value");
        results.into_iter().map(|value| value["OrderID"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (numbers(&two["reads"]), numbers(&two["one"])),
        (vec![json!(1), json!(2)], vec![json!(21)]),
        "{told}"
    );
    let failed = &two["failed"];
    assert_eq!(
        (numbers(failed), &failed[1]["status"]),
        (vec![json!(1), Value::Null, json!(2)], &json!("404"))
    );
    assert_eq!(each(&two["several"], "status"), [501, 501], "{told}");
    let statuses = each(&two["apart"], "status");
    assert_eq!(statuses, [&Value::Null, &json!("404"), &Value::Null], "{told}");
    let created = &upstream.requests_to("/v2/Orders")[0];
    assert_eq!(created.header("Content-ID"), None, "the message's, which is the batch's business");
    assert_eq!(four["reads"], json!([{"value": order(1)}, {"value": order(2)}]), "{told}");
    assert_eq!(four["failed"][1], json!({"status": 404, "message": "There is no order 99."}), "{told}");
    let stopped = "HTTP request was not processed because the previous request failed";
    assert_eq!(four["failed"][2]["message"], stopped, "{told}");
    assert_eq!(
        (&four["one"][0]["value"], &four["several"][1]["value"]),
        (&json!(true), &json!(false)),
        "{told}"
    );
}

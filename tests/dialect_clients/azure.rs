//! Azure's clients of blobs and of tables, in Python and in JavaScript.

use serde_json::json;

use super::{each, python_program, told};
use crate::client_traffic::gateway;
use crate::harness::programs::node;
use crate::harness::services;

#[test]
fn azure_storage_blob_in_python_deletes_and_sets_tiers() {
    let upstream = services::start();
    let told = told(&mut python_program("azure_blob.py"), &gateway(&upstream));
    assert_eq!(each(&told["deletes"], "status"), [202, 202], "{told}");
    assert_eq!(each(&told["tiers"], "status"), [200, 200], "{told}");
    assert_eq!(each(&told["failed"], "status"), [202, 404, 202], "{told}");
    assert_eq!(told["failed"][1]["code"], "BlobNotFound", "{told}");
    assert_eq!(each(&told["strict"]["partial"], "status"), [404, 202], "{told}");
    assert_eq!(told["strict"]["partial"][0]["code"], "BlobNotFound", "{told}");
    assert_eq!(told["properties"], "\"0x8D\"", "not a batch, so that it goes to the route: {told}");
    let dates = upstream.requests_to("/acct/photos/b/c%20d.jpg?");
    assert!(dates[0].header("Authorization").unwrap().starts_with("SharedKey acct:"), "{dates:?}");
    assert!(dates[0].header("x-ms-date").is_some(), "{dates:?}");
}

#[test]
fn azures_storage_blob_in_javascript_deletes_and_sets_tiers() {
    let upstream = services::start();
    let told = told(&mut node("azure_blob.cjs"), &gateway(&upstream));
    let good =
        |status| json!({"succeeded": 2, "failed": 0, "parts": [{"status": status}, {"status": status}]});
    assert_eq!((&told["deletes"], &told["tiers"]), (&good(202), &good(200)), "{told}");
    let (deleted, missing) = (json!({"status": 202}), json!({"status": 404, "errorCode": "BlobNotFound"}));
    let failed = json!({"succeeded": 2, "failed": 1, "parts": [deleted, missing, deleted]});
    assert_eq!(told["failed"], failed, "{told}");
    let container = json!({"succeeded": 1, "failed": 1, "parts": [deleted, missing]});
    assert_eq!(told["container"], container, "{told}");
    assert_eq!(told["properties"], "\"0x8D\"", "not a batch, so that it goes to the route: {told}");
}

/// What a service of tables gives each row that was written.
const ETAG: &str = "W/\"datetime'2026-01-01'\"";

#[test]
fn azures_data_tables_make_transactions_whose_operations_are_independent() {
    let upstream = services::start();
    let gateway = gateway(&upstream);
    let python = told(&mut python_program("azure_tables.py"), &gateway);
    assert_eq!(python["one"], json!([{ "etag": ETAG }]), "{python}");
    assert_eq!(each(&python["several"], "etag"), [ETAG; 4], "{python}");
    assert_eq!(python["failed"]["code"], "EntityAlreadyExists", "{python}");
    let javascript = told(&mut node("azure_tables.cjs"), &gateway);
    let part = json!({"status": 204, "rowKey": "a", "etag": ETAG});
    assert_eq!(javascript["one"], json!({"status": 202, "parts": [part]}), "{javascript}");
    assert_eq!(javascript["several"], json!({"status": 202, "parts": [part, part, part, part]}));
    assert_eq!(javascript["failed"]["message"], "The specified entity already exists.", "{javascript}");
    let methods: Vec<_> = upstream.requests().into_iter().map(|request| request.method).collect();
    let each_client = ["POST", "POST", "PATCH", "DELETE", "PATCH", "POST", "POST"];
    assert_eq!(methods, [each_client, each_client].concat(), "in their order");
}

#[test]
fn azures_data_tables_raise_an_error_if_a_transaction_of_several_is_refused() {
    let upstream = services::start();
    let gateway = super::gateway(&upstream, "path: /acct/$batch, dialect: odata, reply_status: 202");
    let python = told(&mut python_program("azure_tables.py"), &gateway);
    assert_eq!(python["several"]["status"], 501, "{python}");
    let javascript = told(&mut node("azure_tables.cjs"), &gateway);
    assert_eq!(javascript["several"]["status"], 501, "{javascript}");
    assert_eq!(javascript["failed"]["status"], 501, "{javascript}");
    let message = javascript["several"]["message"].as_str().unwrap();
    assert!(message.contains("share no transaction"), "{javascript}");
    assert_eq!(upstream.requests_to("/acct/orders").len(), 2, "nothing but the transactions of one is sent");
}

#[test]
fn azures_clients_of_blobs_read_which_limit_a_batch_exceeded() {
    let upstream = services::start();
    let endpoint = "path: /acct, query: { comp: batch }, dialect: azure, max_items: 1";
    let gateway = super::gateway(&upstream, endpoint);
    let python = &told(&mut python_program("azure_blob.py"), &gateway)["deletes"];
    assert_eq!((&python["status"], &python["code"]), (&json!(413), &json!("too_many_items")), "{python}");
    let javascript = &told(&mut node("azure_blob.cjs"), &gateway)["deletes"];
    assert_eq!((&javascript["status"], &javascript["code"]), (&json!(413), &json!("too_many_items")));
    assert!(javascript["message"].as_str().unwrap().contains("(max_items)"), "{javascript}");
    assert!(upstream.requests().iter().all(|request| request.method != "DELETE"), "nothing is sent");
}

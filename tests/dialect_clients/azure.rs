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
    assert_eq!(told["strict"]["partial"][0]["code"], "BlobNotFound", "{told}");
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
}

#[test]
fn azures_data_tables_make_transactions_of_one() {
    let upstream = services::start();
    let gateway = gateway(&upstream);
    let etag = "W/\"datetime'2026-01-01'\"";
    let python = told(&mut python_program("azure_tables.py"), &gateway);
    assert_eq!(python["one"], json!([{ "etag": etag }]), "{python}");
    let javascript = told(&mut node("azure_tables.cjs"), &gateway);
    let part = json!({"status": 204, "rowKey": "a", "etag": etag});
    assert_eq!(javascript["one"], json!({"status": 202, "parts": [part]}), "{javascript}");
    assert_eq!(upstream.requests_to("/acct/orders").len(), 2, "nothing of a transaction of several is sent");
}

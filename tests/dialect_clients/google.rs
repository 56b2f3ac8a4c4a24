//! Google's clients: google-cloud-storage, google-api-python-client, googleapis-batcher.

use serde_json::{Value, json};

use super::{each, python_program, told};
use crate::client_traffic::gateway;
use crate::harness::programs::node;
use crate::harness::services;

/// The error that the service itself gives for what it does not have.
fn not_found() -> Value {
    let message = "No such object: bk/missing";
    let reason = json!({"message": message, "domain": "global", "reason": "notFound"});
    json!({"code": 404, "message": message, "errors": [reason]})
}

#[test]
fn google_cloud_storage_changes_objects_and_reads_every_reason() {
    let upstream = services::start();
    let told = told(&mut python_program("gcs_batch.py"), &gateway(&upstream));
    let patient = &told["patient"];
    assert_eq!(patient["statuses"], json!([200, 204, 404, 200]), "{told}");
    assert_eq!(patient["reasons"], json!([not_found()]), "{told}");
    assert_eq!(
        upstream.requests_to("/storage/v1/b/bk/o/folder%2Ffile.txt?projection=full&prettyPrint=false").len(),
        2
    );
    let strict = &told["strict"];
    assert_eq!((&strict["kind"], &strict["code"]), (&json!("NotFound"), &json!(404)), "{told}");
    assert_eq!(strict["errors"], not_found()["errors"], "{told}");
    let refused = &told["refused"];
    assert_eq!((&refused["kind"], &refused["code"]), (&json!("Forbidden"), &json!(403)), "{told}");
    assert!(refused["errors"][0]["reason"].is_string(), "{told}");
}

#[test]
fn google_api_python_client_reads_reasons_and_long_ids() {
    let upstream = services::start();
    let told = told(&mut python_program("google_reasons.py"), &gateway(&upstream));
    let reasons = &told["reasons"];
    assert_eq!(reasons["fine"]["response"]["name"], "file.txt", "{told}");
    assert_eq!(reasons["missing"]["reason"], "No such object: bk/missing", "{told}");
    assert_eq!(reasons["denied"]["status"], 403, "{told}");
    assert_ne!(reasons["denied"]["reason"], "Forbidden", "a sentence of ours, {told}");
    assert!(reasons["denied"]["details"][0]["reason"].is_string(), "{told}");
    let ids: Vec<_> =
        told["long"].as_object().unwrap().values().map(|seen| seen["response"]["id"].clone()).collect();
    assert_eq!(ids, ["7", "7", "7"], "{told}");
    let target =
        upstream.requests().into_iter().map(|request| request.target).find(|target| target.contains("key=K"));
    assert!(
        target.is_some_and(|target| target.starts_with("/storage/v1/b/bk/o/a.txt?")),
        "the query of the batch"
    );
}

#[test]
fn googleapis_batcher_gets_every_reply_in_its_place() {
    let upstream = services::start();
    let told = told(&mut node("google_batcher.cjs"), &gateway(&upstream));
    let mixed = &told["mixed"];
    assert_eq!(each(mixed, "status"), [200, 404, 200, 204, 200], "{told}");
    assert_eq!(mixed[1]["message"], "No such object: bk/missing", "{told}");
}

#[test]
fn googles_clients_read_which_limit_a_batch_exceeded() {
    let upstream = services::start();
    let gateway = super::gateway(&upstream, "path: /batch/storage/v1, dialect: google, max_items: 1");
    let python = told(&mut python_program("google_reasons.py"), &gateway);
    assert_eq!(python["reasons"]["status"], 413, "{python}");
    assert!(python["reasons"]["reason"].as_str().unwrap().contains("(max_items)"), "{python}");
    let storage = &told(&mut python_program("gcs_batch.py"), &gateway)["strict"];
    assert_eq!(storage["code"], 413, "{storage}");
    assert!(storage["message"].as_str().unwrap().contains("(max_items)"), "{storage}");
    let targets = upstream.requests().into_iter().map(|request| request.target);
    let objects: Vec<_> = targets.filter(|target| target.contains("/b/bk/o/")).collect();
    assert_eq!(objects, ["/storage/v1/b/bk/o/a.txt?alt=json&key=K"], "that batch has one call only");
}

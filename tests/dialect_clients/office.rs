//! Clients of Graph and of `SharePoint`: msgraph-core, Office365-REST-Python-Client, `PnPjs`.

use serde_json::json;

use super::{python_program, told};
use crate::client_traffic::gateway;
use crate::harness::programs::node;
use crate::harness::services;

#[test]
fn msgraph_core_sees_statuses_and_what_depends_on_what() {
    let upstream = services::start();
    let told = told(&mut python_program("graph_core.py"), &gateway(&upstream));
    let status = |batch: &str, id: &str| told[batch][id]["status"].clone();
    assert_eq!(["1", "3", "4", "5"].map(|id| status("parallel", id)), [200, 201, 404, 204], "{told}");
    assert_eq!(["a", "b", "c"].map(|id| status("serial", id)), [404, 424, 200], "{told}");
    assert_eq!(upstream.requests_to("/v1.0/me/memberOf").len(), 1);
    let created = &upstream.requests_to("/v1.0/me/events")[0];
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&created.body).unwrap(),
        json!({"subject": "Łukasz & Søn"})
    );
}

#[test]
fn office365_reads_sharepoint() {
    let upstream = services::start();
    let told = told(&mut python_program("office365_batch.py"), &gateway(&upstream));
    let reads = &told["reads"];
    assert_eq!(reads["failures"], json!([]), "{told}");
    assert_eq!(
        (&reads["results"][0]["Title"], &reads["results"][1]["Title"]),
        (&json!("tea"), &json!("tea")),
        "{told}"
    );
}

#[test]
fn pnpjs_reads_sharepoint() {
    let upstream = services::start();
    let told = told(&mut node("pnp_sp.cjs"), &gateway(&upstream));
    let tea = json!({"Id": 1, "Title": "tea"});
    assert_eq!(told["reads"]["calls"], json!([{"value": tea}, {"value": [tea]}, {"value": tea}]), "{told}");
    assert!(upstream.requests().iter().all(|request| request.header("Accept") == Some("application/json")));
}

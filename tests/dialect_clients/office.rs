//! Clients of Graph and of `SharePoint`: msgraph-core, Office365-REST-Python-Client, `PnPjs`.

use serde_json::{Value, json};

use super::{each, python_program, told};
use crate::client_traffic::{gateway, setup};
use crate::harness::certificate::Certificate;
use crate::harness::programs::{node, succeed};
use crate::harness::upstream::Recorded;
use crate::harness::{Upstream, services};

#[test]
fn msgraph_core_sees_statuses_and_what_depends_on_what() {
    let upstream = services::start();
    let told = told(&mut python_program("graph_core.py"), &gateway(&upstream));
    let status = |batch: &str, id: &str| told[batch][id]["status"].clone();
    assert_eq!(["1", "3", "4", "5"].map(|id| status("parallel", id)), [200, 201, 404, 204], "{told}");
    assert_eq!(["a", "b", "c"].map(|id| status("serial", id)), [404, 424, 200], "{told}");
    assert_eq!(status("parallel", "2"), 200, "{told}");
    assert_eq!(upstream.requests_to("/v1.0/me/memberOf").len(), 1);
    let query = "$select=id,displayName&$filter=city%20eq%20null&$count=true";
    assert_eq!(upstream.requests_to(&format!("/v1.0/users?{query}")).len(), 1, "blanks are encoded");
    let created = &upstream.requests_to("/v1.0/me/events")[0];
    assert_eq!(serde_json::from_slice::<Value>(&created.body).unwrap(), json!({"subject": "Łukasz & Søn"}));
}

/// What arrived: methods and targets.
fn arrived(upstream: &Upstream) -> Vec<String> {
    let line = |request: Recorded| format!("{} {}", request.method, request.target);
    upstream.requests().into_iter().map(line).collect()
}

#[test]
fn office365_calls_graph() {
    let upstream = services::start();
    let told = &told(&mut python_program("office365_batch.py"), &gateway(&upstream))["graph"];
    assert_eq!(told["results"][0]["id"], "1", "{told}");
    assert_eq!(each(&told["failures"], "status"), [404], "{told}");
    assert_eq!(told["failures"][0]["code"], "itemNotFound", "{told}");
    let arrived = arrived(&upstream);
    for line in ["GET /v1.0/me", "GET /v1.0/users/missing", "DELETE /v1.0/users/21"] {
        assert!(arrived.iter().any(|known| known == line), "{line}: {arrived:?}");
    }
}

#[test]
fn office365_reads_and_changes_sharepoint() {
    let upstream = services::start();
    let told = told(&mut python_program("office365_batch.py"), &gateway(&upstream));
    let title = |batch: &str, index: usize| told[batch]["results"][index]["Title"].clone();
    let failures =
        |batch: &str| each(&told[batch]["failures"], "status").into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(failures("reads"), Vec::<Value>::new(), "{told}");
    assert_eq!((title("reads", 0), title("reads", 1)), (json!("tea"), json!("tea")), "{told}");
    assert_eq!(told["failed"]["failures"][0]["message"], "Item does not exist.", "{told}");
    assert_eq!((title("failed", 2), failures("failed")), (json!("tea"), vec![json!(404)]), "{told}");
    assert_eq!((title("writes", 3), failures("writes")), (json!("tea"), vec![json!(404)]), "{told}");
}

#[test]
fn pnpjs_reads_and_changes_sharepoint() {
    let upstream = services::start();
    let told = told(&mut node("pnp_sp.cjs"), &gateway(&upstream));
    let (tea, made) = (json!({"Id": 1, "Title": "tea"}), json!({"value": {"Id": 21, "Title": "made"}}));
    assert_eq!(told["reads"]["calls"], json!([{"value": tea}, {"value": [tea]}, {"value": tea}]), "{told}");
    let failed = &told["failed"]["calls"];
    assert_eq!((&failed[0]["value"], &failed[1]["status"], &failed[2]["value"]), (&tea, &json!(404), &tea));
    let writes = &told["writes"]["calls"];
    assert_eq!((&writes[0], &writes[5]), (&made, &made), "{told}");
    assert_eq!((&writes[2]["status"], &writes[4]["value"]), (&json!(404), &tea), "{told}");
    assert!([1, 3].iter().all(|&write: &usize| writes[write]["status"].is_null()), "{told}");
    let lines = arrived(&upstream);
    let methods: Vec<_> =
        lines.iter().rev().take(6).rev().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(methods, ["POST", "MERGE", "DELETE", "DELETE", "GET", "POST"], "in their order: {lines:?}");
    assert!(upstream.requests().iter().all(|request| request.header("Accept") == Some("application/json")));
}

#[test]
fn pnpjs_reads_and_changes_graph() {
    let (upstream, certificate) = (services::start(), Certificate::for_loopback());
    let gateway = setup(&upstream).with_tls(&certificate).start();
    let mut client = node("pnp_graph.cjs");
    let client = client.env("NODE_EXTRA_CA_CERTS", certificate.authority());
    let told = succeed(client.arg(format!("https://{}", gateway.tls_address())));
    let told: Value = serde_json::from_str(&told).unwrap();
    let (reads, writes) = (&told["reads"], &told["writes"]);
    assert_eq!((&reads[0]["value"]["id"], &reads[2]["status"]), (&json!("1"), &json!(404)), "{told}");
    assert_eq!((&writes[0]["value"]["id"], &writes[3]["status"]), (&json!("21"), &json!(404)), "{told}");
    assert!([1, 2].iter().all(|&write: &usize| writes[write]["status"].is_null()), "{told}");
    let arrived = arrived(&upstream);
    assert!(arrived.contains(&"PATCH /v1.0/users/21".to_owned()), "{arrived:?}");
}

#[test]
fn office365_halves_batches_that_have_too_many_items() {
    let upstream = services::start();
    let graph = "path: /v1.0/$batch, dialect: graph, max_items: 2";
    let sharepoint = "path: /sites/team/_api/$batch, dialect: odata-3, groups: independent, changesets: flat, max_items: 2";
    let gateway = super::gateway(&upstream, &format!("{graph} }}, {{ {sharepoint}"));
    let told = told(&mut python_program("office365_batch.py"), &gateway);
    assert_eq!(told["graph"]["results"][0]["id"], "1", "{told}");
    assert_eq!(told["writes"]["results"][3]["Title"], "tea", "{told}");
    assert_eq!(each(&told["writes"]["failures"], "message"), ["Item does not exist."], "{told}");
    let deletions = arrived(&upstream).iter().filter(|line| line.starts_with("DELETE /sites/")).count();
    assert_eq!(deletions, 3, "nothing of a refused batch was sent");
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "refused")], 3.0);
}

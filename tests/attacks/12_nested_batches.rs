//! Attack 12: a batch in a batch, so that one request becomes a thousand times a thousand. Disguises:
//! `batch-in-a-batch` in `tests/cases/item`, `nested-batch` in `tests/cases/ndjson`.

use serde_json::json;

use crate::harness::{Config, Upstream};

#[test]
fn no_item_reaches_a_batch_endpoint_or_a_bulk_route() {
    let upstream = Upstream::start();
    let endpoints = Config::all_to("legacy", upstream.url()).batch("/batch").batch("/other/batch");
    let gateway = endpoints.with("dialect: odata").bulk("/orders", "PATCH, DELETE").start();
    let urls = ["/batch", "/%62atch", "/batch?x", "/other/batch", "/other/%62%61tch", "/batch#x"];
    for method in ["POST", "GET", "OPTIONS"] {
        let items = urls.map(|url| json!({"method": method, "url": url, "body": {"requests": []}}));
        let statuses = gateway.batch(&json!({ "requests": items })).statuses();
        assert!(statuses.iter().all(|status| [400, 403].contains(status)), "{method} {statuses:?}");
    }
    assert_eq!(upstream.requests(), []);
    // What an item sends to the path of a bulk route is the service's own: it is not taken apart again.
    let item = json!({"method": "PATCH", "url": "/orders", "body": [{"id": 1}, {"id": 2}]});
    gateway.item(&item);
    assert!(upstream.requests().len() <= 1, "{:?}", upstream.requests());
}

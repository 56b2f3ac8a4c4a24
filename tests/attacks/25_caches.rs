//! Attack 25: a cache in front that keeps one client's reply for another.

use serde_json::json;

use crate::harness::{Answer, Gateway, Request, Upstream};

#[test]
fn no_reply_of_a_batch_may_be_stored_whatever_its_items_say() {
    let upstream = Upstream::answering(|_| {
        let answer =
            Answer::text(200, "x").header("Cache-Control", "public, max-age=99999").header("Age", "1");
        answer.header("Expires", "Fri, 01 Jan 2100 00:00:00 GMT").header("Surrogate-Control", "max-age=1")
    });
    let gateway = Gateway::before(&upstream);
    let batch = Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
    let requests = [
        batch.clone(),
        batch.clone().header("Accept", "application/xml"),
        batch.clone().header("Accept", "multipart/mixed"),
        batch.clone().header("Prefer", "handling=explain"),
        Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n"),
        Request::post("/batch", "application/json", "no batch"),
        batch.header("Accept", "image/png"),
    ];
    for request in requests {
        let reply = gateway.send(&request);
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{request:?}");
        for name in ["Expires", "Age", "Surrogate-Control", "ETag", "Last-Modified"] {
            assert_eq!(reply.header(name), None, "{request:?}");
        }
    }
    let item = gateway.item(&json!({"method": "GET", "url": "/a"}));
    assert_eq!(item["headers"]["Cache-Control"], "public, max-age=99999");
}

//! Attack 26: pages of other sites that post batches with their visitor's cookies. What is refused: `cross-site-*`
//! and `type-*` of `tests/cases/refused`; bulk routes: `tests/bulk.rs`.

use serde_json::json;

use crate::harness::{Gateway, Request, Upstream};

#[test]
fn a_browser_is_never_told_that_another_site_may() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = Request::batch(&json!({"requests": [{"method": "DELETE", "url": "/a"}]}));
    let preflight = Request::new("OPTIONS", "/batch").header("Access-Control-Request-Method", "POST");
    let preflight = preflight.header("Access-Control-Request-Headers", "content-type");
    let requests = [preflight, batch.clone(), Request::get("/batch")];
    for request in requests {
        let reply = gateway.send(&request.header("Origin", "https://evil.example"));
        let allowed =
            reply.headers.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
        assert_eq!(allowed, None);
    }
    let sent = upstream.requests().len();
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let reply = gateway.send(&Request::get("/batch").header(name, "POST"));
        assert_eq!(reply.status, 200, "the endpoint's limits");
        let forged =
            Request::post("/batch", "text/plain", "{\"requests\":[{\"method\":\"GET\",\"url\":\"/a\"}]}")
                .header(name, "PUT");
        let reply = gateway.send(&forged.header("Sec-Fetch-Site", "cross-site"));
        assert!(reply.status >= 400, "{}", reply.text());
    }
    assert_eq!(upstream.requests().len(), sent);
}

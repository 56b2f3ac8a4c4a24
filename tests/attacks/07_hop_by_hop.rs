//! Attack 7: a Connection field that names what has to arrive. The fields of the hop: `tests/batch.rs`,
//! `tests/proxy.rs`, `tests/proxy_rules.rs`.

use serde_json::json;

use crate::harness::{Request, Setup, Upstream};

#[test]
fn a_client_can_not_name_away_what_the_gateway_adds() {
    let upstream = Upstream::start();
    let members = "headers: { set: { Authorization: own-secret, X-Tenant: blue }, remove: [X-Debug] }";
    let gateway = Setup::tuned(&upstream.url(), members, "").start();
    let named = "close, Authorization, X-Tenant, X-Request-Id, traceparent, Via";
    let hop = |request: Request| {
        let request = request.header("Connection", named).header("Authorization", "of the client");
        let request =
            request.header("Keep-Alive", "1").header("Proxy-Authorization", "x").header("TE", "trailers");
        request.header("Proxy-Connection", "x").header("X-Debug", "1").header("Upgrade", "h2c")
    };
    let batch = json!({"requests": [{"method": "GET", "url": "/in-batch"}]});
    assert_eq!(gateway.send(&hop(Request::batch(&batch))).statuses(), [200]);
    assert_eq!(gateway.send(&hop(Request::get("/single"))).status, 200);
    for request in upstream.requests() {
        let has = |name: &str| request.header(name).map(str::to_owned);
        assert_eq!(
            (has("Authorization").as_deref(), has("X-Tenant").as_deref()),
            (Some("own-secret"), Some("blue"))
        );
        for name in ["X-Request-Id", "X-Forwarded-For", "Host", "Via"] {
            assert!(has(name).is_some(), "{} lacks {name}", request.target);
        }
        for name in ["Keep-Alive", "Proxy-Connection", "TE", "X-Debug"] {
            assert_eq!(has(name), None, "{} has {name}", request.target);
        }
    }
}

//! Attack 14: fields that services believe because a gateway says them. In items and in proxied requests:
//! `an_item_can_not_set_what_the_gateway_or_the_framing_owns` in `tests/batch.rs`, `what_only_the_gateway_may_say_is_
//! taken_from_clients` in `tests/proxy_rules.rs`.

use serde_json::json;

use crate::harness::{Gateway, Request, Upstream};

#[test]
fn what_a_client_claims_over_its_batch_reaches_no_item() {
    let upstream = Upstream::start();
    let claims = [
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-FORWARDED-GROUPS",
        "X-Real-IP",
        "X_Real_IP",
        "Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X_Forwarded_For",
        "X_Request_Id",
    ];
    let batch = Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
    let batch = claims.iter().fold(batch, |request, name| request.header(name, "forged"));
    let lines = Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n");
    let lines = claims.iter().fold(lines, |request, name| request.header(name, "forged"));
    let gateway = Gateway::before(&upstream);
    assert_eq!((gateway.send(&batch).status, gateway.send(&lines).status), (207, 207));
    for request in upstream.requests() {
        let head = String::from_utf8_lossy(&request.head).into_owned();
        assert!(!head.contains("forged"), "{head}");
        assert_eq!(request.header("X-Forwarded-For"), Some("127.0.0.1"));
    }
    assert_eq!(upstream.requests().len(), 2);
}

//! Attack 13: credentials of one item, client or service that reach another. What is handed down:
//! `tests/batch.rs`.

use serde_json::json;

use crate::harness::{Answer, Request, Setup, Upstream};

#[test]
fn credentials_stay_with_their_item_on_a_shared_connection() {
    let upstream = Upstream::start();
    let cookie = Answer::text(200, "in")
        .header("Set-Cookie", "session=of-a; Path=/")
        .header("WWW-Authenticate", "Basic");
    upstream.on("/a", cookie);
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let own = json!({"Authorization": "Bearer a", "Cookie": "a=1"});
    let batch =
        json!({"requests": [{"method": "GET", "url": "/a", "headers": own}, {"method": "GET", "url": "/b"}]});
    for _ in 0..2 {
        let reply = gateway.batch(&batch);
        assert_eq!(reply.header("Set-Cookie").or(reply.header("WWW-Authenticate")), None);
        let results = reply.results();
        assert!(results[0]["headers"]["Set-Cookie"].to_string().contains("of-a"), "{results:?}");
        assert_eq!(results[1]["headers"].get("Set-Cookie"), None);
    }
    gateway.send(&Request::get("/single"));
    for request in upstream.requests().iter().filter(|request| request.target != "/a") {
        assert_eq!(request.header("Authorization").or(request.header("Cookie")), None, "{}", request.target);
    }
    assert_eq!(upstream.requests().len(), 5);
}

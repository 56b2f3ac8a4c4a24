//! Attack 5: a host that is not the service's own. What else an item can't set: `tests/batch.rs`; what proxying
//! does with Host: `tests/proxy_rules.rs`.

use serde_json::json;

use super::exchange;
use crate::harness::{Gateway, Request, Upstream};

#[test]
fn a_service_is_told_its_own_host_whatever_clients_say() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let item = |name: &str| json!({"method": "GET", "url": "/a", "headers": {name: "evil.example"}});
    let names = [
        "Host",
        "host",
        ":authority",
        "X-Forwarded-Host",
        "X_Forwarded_Host",
        "Forwarded",
        "X-Forwarded-Proto",
    ];
    let batch = json!({"requests": names.map(item)});
    assert_eq!(gateway.batch(&batch).statuses(), [400; 7]);
    let xml =
        "<batch><request method='GET' href='/a'><header name='Host'>evil.example</header></request></batch>";
    assert_eq!(gateway.send(&Request::xml_batch(xml).header("Accept", "application/json")).statuses(), [400]);
    assert_eq!(upstream.requests().len(), 0);

    let good = Request::batch(&json!({"requests": [{"method": "GET", "url": "/in-batch"}]}));
    assert_eq!(gateway.send(&good.header("Host", "evil.example")).statuses(), [200]);
    gateway.send(&Request::get("/single").header("Host", "evil.example"));
    let absolute = "GET http://evil.example/absolute HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    assert!(exchange(&gateway, absolute).starts_with("HTTP/1.1 200 "));
    let twice = "GET /twice HTTP/1.1\r\nHost: gateway\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(exchange(&gateway, twice).starts_with("HTTP/1.1 400 "));
    assert_eq!(upstream.requests().len(), 3);
    for request in upstream.requests() {
        assert_eq!(request.all("Host").collect::<Vec<_>>(), [upstream.address().to_string()]);
    }
}

//! Attack 9: items whose body or fields would make a second request on the service's connection. Fields:
//! `headers-of-the-gateway` in `tests/cases/item`, `an_item_can_not_set_what_the_gateway_or_the_framing_owns`.

use serde_json::json;

use crate::harness::{Config, Request, Upstream};

const BODY: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_body_that_is_a_request_stays_a_body_in_every_format() {
    let upstream = Upstream::start();
    let gateway = Config::all_to("legacy", upstream.url()).batch("/batch").bulk("/bulk", "POST").start();
    let item = json!({"method": "GET", "url": "/a", "headers": {"Content-Type": "text/plain"}, "body": BODY});
    let escaped = BODY.replace('\r', "&#13;").replace('\n', "&#10;");
    let xml = format!(
        "<batch><request method='GET' href='/a'><body type='text/plain'>{escaped}</body></request></batch>"
    );
    let part = format!("GET /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let parts = format!("--b\r\nContent-Type: application/http\r\n\r\n{part}\r\n--b--\r\n");
    let requests = [
        Request::batch(&json!({"requests": [item]})),
        Request::lines(format!("{item}\n")),
        Request::xml_batch(&xml),
        Request::post("/batch", "multipart/mixed; boundary=b", parts),
        Request::post("/bulk", "application/json", json!([{"id": 1, "note": BODY}]).to_string()),
        Request::new("GET", "/a").body(BODY),
    ];
    for request in &requests {
        assert!([200, 207].contains(&gateway.send(request).status), "{request:?}");
    }
    let received = upstream.requests();
    assert_eq!(received.len(), requests.len(), "{received:?}");
    assert!(received.iter().all(|request| request.target != "/smuggled" && !request.body.is_empty()));
    let bytes: usize = received.iter().map(|request| request.head.len() + request.body.len()).sum();
    assert!(
        upstream.received().len() - bytes < 64,
        "bytes beyond the requests, but for the framing of chunks"
    );
}

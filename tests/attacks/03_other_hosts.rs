//! Attack 3: items that would have the gateway call somewhere else. More spellings: `json-urls-of-other-hosts`,
//! `multipart-hosts`, `xml-urls` in `tests/cases/item`; references and Location: `tests/dependencies.rs`.

use serde_json::json;

use crate::harness::{Answer, Gateway, Request, Upstream};

#[test]
fn no_item_and_no_answer_opens_a_connection_to_another_host() {
    let (secret, upstream) = (Upstream::start(), Upstream::start());
    let (other, port) = (secret.address(), secret.address().port());
    upstream.on("/moved", Answer::text(302, "").header("Location", &format!("http://{other}/")));
    upstream.on("/refresh", Answer::text(200, "x").header("Refresh", &format!("0;url=http://{other}/")));
    let gateway = Gateway::before(&upstream);
    let spellings = [
        "http://A/",
        "//A/",
        "///A/",
        "http:A",
        "http:/A",
        "/\\A/",
        "\\\\A\\",
        "@A/",
        "http://gateway@A/",
        "/@A/",
        "HTTP://A/",
        "https://A/",
        "ftp://A/",
        "http://localhost:P/",
        "http://0x7f.1:P/",
        "http://[::ffff:127.0.0.1]:P/",
        "/moved",
        "/refresh",
    ];
    let url = |text: &str| text.replace('A', &other.to_string()).replace('P', &port.to_string());
    let items: Vec<_> = spellings.iter().map(|text| json!({"method": "GET", "url": url(text)})).collect();
    let statuses = gateway.batch(&json!({ "requests": items })).statuses();
    assert_eq!(statuses[16..], [302, 200]);
    assert!(statuses[..16].iter().all(|status| *status == 400 || *status == 200), "{statuses:?}");
    for text in spellings {
        let target = url(text);
        if !target.contains('\\') {
            gateway.connect().write(format!("GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n").as_bytes());
        }
        gateway.send(&Request::get("/moved").header("Host", &other.to_string()));
    }
    gateway.connect().write(format!("CONNECT {other} HTTP/1.1\r\nHost: {other}\r\n\r\n").as_bytes());
    gateway.send(&Request::get("/last"));
    assert_eq!(secret.connections(), 0);
}

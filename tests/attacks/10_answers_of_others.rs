//! Attack 10: a service that sends an answer nobody has asked for, to be taken for the answer to somebody
//! else. Every fault, in every format: `tests/faults/table.txt`.

use serde_json::json;

use crate::harness::{Answer, Gate, Gateway, Upstream};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

#[test]
fn what_comes_over_a_connection_at_rest_is_nobodys_answer() {
    for path in ["/batch", "/single"] {
        let gate = Gate::closed();
        let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
        let answer = Answer::raw(format!("{HEAD}Content-Length: 3\r\n\r\none{FORGED}"));
        upstream.on("/poison", answer.pause_after("one", &gate));
        let gateway = Gateway::before(&upstream);
        let ask = |url: &str| {
            if path == "/single" {
                return gateway.send(&crate::harness::Request::get(url)).text();
            }
            gateway.item(&json!({"method": "GET", "url": url}))["body"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(ask("/poison"), "one");
        gate.open();
        upstream.wait_for_close();
        for n in 0..5 {
            assert_eq!(ask(&format!("/{n}")), format!("/{n}"), "{path}");
        }
    }
}

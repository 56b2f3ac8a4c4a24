//! What replies of endpoints with `server_timing` say about their time: in the head of a reply that leaves at once, and in the
//! head and the trailers of one that begins early. A browser reads it in `long_lived/browser.rs`.

use serde_json::{Value, json};

use crate::harness::http2::{Call, Http2Client};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// A batch whose second item waits for the gate.
fn batch() -> Value {
    let items = ["/a", "/slow", "/b"].map(|path| json!({"method": "GET", "url": path}));
    json!({"requests": items})
}

fn start(gate: &Gate, members: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::text(200, "slow").when(gate));
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 20s }", members).start();
    (upstream, gateway)
}

fn open_gate() -> Gate {
    let gate = Gate::closed();
    gate.open();
    gate
}

/// The entries of the field (W3C Server Timing §3): their names, durations and descriptions.
fn entries(field: &str) -> Vec<(&str, f64, Option<&str>)> {
    let entry = |text| {
        let mut parts = str::split(text, ';');
        let name = parts.next().unwrap();
        let duration = parts.next().and_then(|part| part.strip_prefix("dur=")).unwrap();
        let quoted = parts.next().map(|part| part.strip_prefix("desc=\"").unwrap());
        (name, duration.parse().unwrap(), quoted.map(|text| text.strip_suffix('"').unwrap()))
    };
    field.split(", ").map(entry).collect()
}

fn names(field: &str) -> Vec<&str> {
    entries(field).into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn a_reply_that_leaves_at_once_has_all_in_its_head() {
    let gate = Gate::closed();
    let (upstream, gateway) = start(&gate, "server_timing: true, reply: whole");
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch()).to_bytes(gateway.address()));
    until_true("the calls", || upstream.requests().len() == 3);
    gate.open();
    let reply = client.reply_to("POST");
    let field = reply.header("Server-Timing").unwrap();
    let expected =
        ["receive", "parse", "plan", "dispatch", "stitch", "slowest", "queue", "upstream", "total"];
    assert_eq!(names(field), expected);
    let entries = entries(field);
    let of = |name| entries.iter().find(|entry| entry.0 == name).unwrap();
    assert_eq!(of("slowest").2, Some("item 2"), "{field}");
    assert!((of("slowest").1 - of("queue").1 - of("upstream").1).abs() < 0.01, "{field}");
    assert!(of("total").1 >= of("dispatch").1 && of("dispatch").1 >= of("upstream").1, "{field}");
    assert!(entries.iter().all(|(_, duration, _)| *duration >= 0.0), "{field}");
}

#[test]
fn without_the_key_nothing_is_said() {
    let gate = open_gate();
    let (_upstream, gateway) = start(&gate, "");
    assert_eq!(gateway.batch(&batch()).header("Server-Timing"), None);
}

const BEFORE_CALLS: [&str; 3] = ["receive", "parse", "plan"];
const AFTER_CALLS: [&str; 6] = ["dispatch", "stitch", "slowest", "queue", "upstream", "total"];

#[test]
fn a_reply_that_begins_early_has_the_rest_in_its_trailers() {
    let gate = Gate::closed();
    let (_upstream, gateway) = start(&gate, "server_timing: true");
    let mut client = gateway.connect();
    let request = Request::batch(&batch()).header("TE", "trailers").header("Connection", "TE");
    client.write(&request.to_bytes(gateway.address()));
    let head = client.head();
    assert_eq!(names(head.header("Server-Timing").unwrap()), BEFORE_CALLS);
    assert_eq!(head.header("Trailer"), Some("server-timing"));
    gate.open();
    let end = String::from_utf8(client.through(b"\r\n\r\n")).unwrap();
    let (_, field) = end.split_once("\r\n0\r\nserver-timing: ").unwrap_or_else(|| panic!("{end}"));
    assert_eq!(names(field.trim_end()), AFTER_CALLS);
    // The connection goes on.
    client.write(&Request::batch(&batch()).to_bytes(gateway.address()));
    assert_eq!(client.reply_to("POST").statuses(), [200; 3]);
}

#[test]
fn a_client_that_takes_no_trailers_gets_none() {
    let gate = Gate::closed();
    let (_upstream, gateway) = start(&gate, "server_timing: true");
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch()).to_bytes(gateway.address()));
    let head = client.head();
    assert_eq!(names(head.header("Server-Timing").unwrap()), BEFORE_CALLS);
    assert_eq!(head.header("Trailer"), None);
    gate.open();
    let body: Vec<u8> = std::iter::from_fn(|| client.chunk()).flatten().collect();
    assert!(body.ends_with(b"}"));
}

#[test]
fn http2_has_the_rest_in_trailers() {
    let gate = Gate::closed();
    let (_upstream, gateway) = start(&gate, "server_timing: true");
    let client = Http2Client::connect(gateway.address());
    let json = batch().to_string();
    let call = Call::new("POST", "/batch").header("content-type", "application/json");
    let under_way = client.start(&call.body(json.as_bytes()));
    until_true("the head", || under_way.has_head());
    gate.open();
    let reply = under_way.reply();
    assert_eq!(names(reply.header("server-timing").unwrap()), BEFORE_CALLS);
    assert_eq!(names(reply.trailer("server-timing").unwrap()), AFTER_CALLS);
}

#[test]
fn a_stream_has_them_in_its_trailers() {
    let gate = open_gate();
    let (_upstream, gateway) = start(&gate, "server_timing: true");
    let lines = "{\"method\":\"GET\",\"url\":\"/a\"}\n{\"method\":\"GET\",\"url\":\"/b\"}\n";
    let reply = gateway.send(&Request::lines(lines).header("TE", "trailers").header("Connection", "TE"));
    assert_eq!(reply.header("Server-Timing"), None);
    let trailers: Vec<_> = reply.trailers.iter().map(|(name, field)| (&**name, names(field))).collect();
    assert_eq!(trailers, [("server-timing", vec!["slowest", "queue", "upstream", "total"])]);
}

#[test]
fn a_page_of_an_allowed_origin_may_see_them() {
    let upstream = Upstream::start();
    let app = "https://app.example";
    for (server_timing, shown) in [(true, Some(app)), (false, None)] {
        let config = Config::all_to("orders", upstream.url());
        let gateway = config
            .batch("/batch")
            .with(format!("server_timing: {server_timing}"))
            .raw(format!("cors: {{ allow_origins: [\"{app}\"] }}"))
            .start();
        for (origin, shown) in [(app, shown), ("https://evil.example", None)] {
            let reply = gateway.send(&Request::batch(&batch()).header("Origin", origin));
            assert_eq!(reply.header("Timing-Allow-Origin"), shown, "{origin}");
        }
    }
}

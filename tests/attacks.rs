//! What clients may not do to others: hold connections, time and memory. A good client is served all the
//! while.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::process::Process;
use crate::harness::programs::program;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Connection, Gate, Gateway, Request, Setup, Upstream};

const REFUSED: &str = "batchgate_connections_refused_total";
const PAUSE: Duration = Duration::from_millis(50);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A gateway that answers `/` by itself and proxies `/up`, with these limits.
fn gateway(upstream: &Upstream, limits: &str) -> Gateway {
    let url = upstream.url();
    Gateway::start(format!(
        "upstreams:\n  legacy: {{ targets: [{url}] }}\n\
         routes:\n  - {{ path: /up, upstream: legacy }}\n  - {{ path: /, respond: {{ status: 200, body: here }} }}\n\
         limits: {{ {limits} }}"
    ))
}

fn assert_serves(gateway: &Gateway) {
    assert_eq!(gateway.send(&Request::get("/")).text(), "here");
}

/// A metric's value, as it is written.
fn count(gateway: &Gateway, name: &str, labels: &[(&str, &str)]) -> String {
    gateway.metrics().sum(name, labels).to_string()
}

fn refused(gateway: &Gateway, reason: &str) -> String {
    count(gateway, REFUSED, &[("reason", reason)])
}

fn wait_until_connections(gateway: &Gateway, most: f64) {
    until_true("connections to close", || gateway.metrics().sum("batchgate_connections", &[]) <= most);
}

/// A frame of HTTP/2 on stream `stream`.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /up` with `:authority` x, in HPACK.
fn get_up() -> Vec<u8> {
    [b"\x82\x86\x04\x03/up\x41\x01x".as_slice()].concat()
}

fn http2(gateway: &Gateway) -> Connection {
    let mut connection = gateway.connect();
    connection.write(PREFACE);
    connection.write(&frame(4, 0, 0, b""));
    connection
}

#[test]
fn a_header_has_a_deadline_however_its_bytes_come() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 1s, keepalive_timeout: 20s");
    for begin in ["GET / HTTP/1.1\r\nX: ", "P", "G"] {
        let mut connection = gateway.connect();
        connection.write(begin.as_bytes());
        let took = connection.trickle(if begin.len() > 1 { b"x" } else { b"" }, PAUSE);
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{begin} {took:?}");
        assert_serves(&gateway);
    }
    // The second request of a connection has its own.
    let mut connection = gateway.connect();
    connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.reply_to("GET").status, 200);
    connection.write(b"GET / HTTP/1.1\r\nX: ");
    assert!(connection.trickle(b"x", PAUSE) < Duration::from_secs(9));
    assert_eq!(refused(&gateway, "header_timeout"), "4");
    gateway.log_line(&[("kind", "connection"), ("reason", "header_timeout"), ("client", "127.0.0.1")]);
}

#[test]
fn a_slow_answer_and_an_idle_connection_have_no_header_deadline() {
    let upstream = Upstream::start();
    upstream.on("/up", Answer::text(200, "late").delayed(Duration::from_millis(1500)));
    let gateway = gateway(&upstream, "header_timeout: 500ms");
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(connection.reply_to("GET").text(), "late");
    }
    assert_eq!(refused(&gateway, "header_timeout"), "0");
}

#[test]
fn over_http2_the_settings_and_each_header_have_a_deadline() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 1s");
    let mut silent = gateway.connect();
    silent.write(PREFACE);
    assert!(silent.trickle(b"", PAUSE) < Duration::from_secs(9));
    let mut endless = http2(&gateway);
    endless.write(&frame(1, 0, 1, &get_up()));
    endless.write(&frame(9, 4, 1, &[0; 16_000])[..9]);
    assert!(endless.trickle(b"x", PAUSE) < Duration::from_secs(9));
    assert_eq!(refused(&gateway, "header_timeout"), "2");
    assert_eq!(upstream.requests().len(), 0);
    assert_serves(&gateway);
}

#[test]
fn over_tls_http2_that_never_begins_is_closed() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    let yaml = "routes: [{ path: /, respond: { status: 200 } }]\nlimits: { header_timeout: 1s }";
    let gateway = Setup::of(yaml).with_tls(&certificate).start();
    let (address, ca) = (gateway.tls_address().to_string(), certificate.authority());
    let mut command = Command::new(program("openssl"));
    command.args(["s_client", "-quiet", "-alpn", "h2", "-connect", &address, "-CAfile"]).arg(ca);
    let client = Process::start("openssl", command);
    gateway.wait_for_metric(REFUSED, &[("reason", "header_timeout")], 1.0);
    client.wait();
    drop(upstream);
}

#[test]
fn a_proxied_body_has_to_keep_to_a_rate() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "body_timeout: 1s");
    let mut slow = gateway.connect();
    slow.write(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    let took = slow.trickle(b"x", PAUSE);
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{took:?}");
    assert_eq!(refused(&gateway, "body_timeout"), "1");
    // A body that comes at 20 KiB a second may take longer.
    let mut steady = gateway.connect();
    steady.write(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 40960\r\n\r\n");
    for _ in 0..40 {
        steady.write(&[b'x'; 1024]);
        std::thread::sleep(PAUSE);
    }
    assert_eq!(steady.reply_to("POST").status, 200);
    assert_eq!(refused(&gateway, "body_timeout"), "1");
}

#[test]
fn an_address_has_so_many_connections_and_the_house_too() {
    let upstream = Upstream::start();
    for (limits, reason) in
        [("connections_per_address: 3", "connections_per_address"), ("connections: 3", "connections")]
    {
        let gateway = gateway(&upstream, limits);
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut connection = gateway.connect();
            connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(connection.reply_to("GET").status, 200);
            held.push(connection);
        }
        assert_eq!(count(&gateway, "batchgate_connections", &[]), "3");
        let mut late = TcpStream::connect(gateway.address()).unwrap();
        assert!(late.read(&mut [0; 1]).map_or(true, |read| read == 0));
        assert_eq!(refused(&gateway, reason), "1");
        held.pop();
        wait_until_connections(&gateway, 2.0);
        assert_serves(&gateway);
    }
}

#[test]
fn http2_floods_close_their_connection_and_no_other() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 5s");
    let many = |frame: &dyn Fn(u32) -> Vec<u8>| (0..4000).flat_map(frame).collect::<Vec<u8>>();
    let reset = |n: u32| [frame(1, 5, n * 2 + 1, &get_up()), frame(3, 0, n * 2 + 1, &[0, 0, 0, 8])].concat();
    let floods = [
        many(&reset),
        many(&|_| frame(6, 0, 0, &[0; 8])),
        many(&|_| frame(4, 0, 0, b"")),
        many(&|_| frame(8, 0, 0, &[0, 0, 0, 1])),
    ];
    for flood in floods {
        let mut connection = http2(&gateway);
        connection.write(&flood);
        connection.rest();
        assert_serves(&gateway);
    }
    wait_until_connections(&gateway, 0.0);
    // Resets may be too many for h2 before they are for us.
    assert!(matches!(refused(&gateway, "http2_flood").as_str(), "3" | "4"));
}

#[test]
fn a_header_of_http2_that_grows_without_end_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 20s");
    let mut connection = http2(&gateway);
    connection.write(&frame(1, 0, 1, &get_up()));
    let field = [b"\x40\x01x\x7f\x81\x7e".as_slice(), &[b'y'; 16_384 - 8]].concat();
    for _ in 0..2000 {
        connection.write(&frame(9, 0, 1, &field[..16_000]));
    }
    connection.rest();
    assert_eq!(upstream.requests().len(), 0);
    assert!(gateway.process().peak_memory() < 200 << 20);
    assert_serves(&gateway);
}

#[test]
fn a_window_that_never_opens_holds_a_stream_no_longer_than_write_timeout() {
    let upstream = Upstream::start();
    upstream.on("/up", Answer::text(200, &"x".repeat(1 << 20)));
    let gateway = gateway(&upstream, "write_timeout: 1s, keepalive_timeout: 2s, header_timeout: 1s");
    let mut connection = gateway.connect();
    connection.write(PREFACE);
    // SETTINGS_INITIAL_WINDOW_SIZE of 0.
    connection.write(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    connection.write(&frame(1, 5, 1, &get_up()));
    connection.rest();
    gateway.wait_for_metric("batchgate_requests_total", &[("route", "/up")], 1.0);
    assert_serves(&gateway);
}

/// Runs slowhttptest for some seconds, with `flags`; gives the longest that a good request took meanwhile.
fn slow_attack(gateway: &Gateway, flags: &[&str]) -> Duration {
    let mut command = Command::new(program("slowhttptest"));
    command.args(["-c", "300", "-r", "300", "-l", "4", "-i", "1", "-p", "3"]).args(flags);
    let attack = Process::start("slowhttptest", command);
    let mut longest = Duration::ZERO;
    while attack.is_running() {
        let stopwatch = Stopwatch::start();
        let reply = Request::get("/").send(gateway.address());
        assert_eq!(reply.text(), "here");
        longest = longest.max(stopwatch.elapsed());
        std::thread::sleep(PAUSE);
    }
    longest
}

#[test]
fn slowhttptest_does_not_touch_good_clients() {
    let upstream = Upstream::start();
    upstream.on("/up", Answer::text(200, &"x".repeat(1 << 20)));
    let limits = "header_timeout: 1s, body_timeout: 1s, write_timeout: 1s";
    // With the limit that ends each; the last two end as all replies do.
    let attacks: [(&[&str], &str); 4] = [
        (&["-H"], "header_timeout"),
        (&["-B", "-s", "8192"], "body_timeout"),
        (&["-R"], ""),
        (&["-X", "-k", "3", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"], ""),
    ];
    for (flags, reason) in attacks {
        let gateway = gateway(&upstream, limits);
        let url = gateway.url("/up");
        let longest = slow_attack(&gateway, &[flags, &["-u", &url]].concat());
        assert!(longest < Duration::from_secs(2), "{flags:?}: {longest:?}");
        wait_until_connections(&gateway, 1.0);
        let closed = gateway.metrics().sum(REFUSED, &[("reason", reason)]);
        assert!(reason.is_empty() || closed >= 100.0, "{flags:?}: {closed} closed");
    }
}

/// A gateway whose batches may hold so much together. What is under way at the upstream has to fit into the
/// quarter of memory that is kept for it: how large replies are is not known before they come.
fn with_memory(upstream: &Upstream, memory: &str) -> Gateway {
    let url = upstream.url();
    Gateway::start(format!(
        "upstreams:\n  legacy: {{ targets: [{url}], concurrency: 16 }}\nroutes:\n  - {{ path: /, upstream: legacy }}\n\
         batch:\n  - {{ path: /batch, max_body: 1MiB }}\nlimits: {{ memory: {memory} }}"
    ))
}

#[test]
fn a_batch_for_which_there_is_no_memory_is_refused_and_told_when_to_come_again() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/slow", Answer::text(200, "at last").when(&gate));
    let gateway = with_memory(&upstream, "4MiB");
    let large = json!({"requests": [{"method": "POST", "url": "/slow", "body": "x".repeat(1_000_000)}]});
    let mut held: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for connection in &mut held {
        connection.write(&Request::batch(&large).to_bytes(gateway.address()));
    }
    upstream.wait_for_requests(2);
    assert!(gateway.metrics().sum("batchgate_buffer_bytes", &[]) >= 2e6);
    assert_eq!(count(&gateway, "batchgate_buffer_limit_bytes", &[]), "4194304");
    let refused = gateway.batch(&large);
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    assert_eq!(refused.json()["type"], "urn:batchgate:problem:memory_budget");
    assert_eq!(count(&gateway, "batchgate_rejections_total", &[("reason", "memory_budget")]), "1");
    gate.open();
    for connection in &mut held {
        assert_eq!(connection.reply_to("POST").statuses(), [200]);
    }
    assert_eq!(gateway.batch(&large).statuses(), [200]);
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

#[test]
fn batches_whose_replies_do_not_fit_together_take_turns() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(64 << 10)));
    let gateway = with_memory(&upstream, "16MiB");
    let items = vec![json!({"method": "GET", "url": "/big"}); 48];
    let batch = json!({ "requests": items });
    let address = gateway.address();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let request = Request::batch(&batch);
            std::thread::spawn(move || request.send(address).statuses())
        })
        .collect();
    let mut most = 0.0_f64;
    while clients.iter().any(|client| !client.is_finished()) {
        most = most.max(gateway.metrics().sum("batchgate_buffer_bytes", &[]));
    }
    for client in clients {
        assert_eq!(client.join().unwrap(), [200; 48]);
    }
    assert!(most <= f64::from(16 << 20), "{most}");
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

#[test]
fn a_reply_for_which_there_is_no_memory_costs_its_item_only() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(5 << 20)));
    upstream.on("/small", Answer::text(200, "small"));
    let gateway = with_memory(&upstream, "4MiB");
    let batch = json!({"requests": [{"method": "POST", "url": "/big"}, {"method": "GET", "url": "/small"}]});
    let results = gateway.batch(&batch).results();
    assert_eq!((&results[0]["status"], &results[0]["outcome"]), (&json!(503), &json!("unknown")));
    assert_eq!(results[0]["body"]["type"], "urn:batchgate:problem:memory_budget");
    assert_eq!(results[0]["retryable"], json!(null));
    assert_eq!(results[1]["status"], 200);
    assert_eq!(count(&gateway, "batchgate_item_failures_total", &[("reason", "memory_budget")]), "1");
}

#[test]
fn streams_hold_what_is_under_way_and_give_it_back() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(64 << 10)));
    let gateway = with_memory(&upstream, "4MiB");
    let lines = "{\"method\":\"GET\",\"url\":\"/big\"}\n".repeat(300);
    let reply = gateway.send(&Request::lines(&lines));
    assert_eq!(reply.lines().last().unwrap()["summary"], json!({"items": 300, "failed": 0}));
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

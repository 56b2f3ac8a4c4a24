//! Clients behind proxies that speak the PROXY protocol: whose header is taken, and that the client's address is then used
//! everywhere.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::programs::{program, python, run, succeed};
use crate::harness::senders::Senders;
use crate::harness::{Config, Connection, Gateway, Request, Setup, Upstream};

const REFUSED: &str = "batchgate_connections_refused_total";
const FORWARDED: &str = "X-Forwarded-For";
const VERSION_1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n";
/// From 192.0.2.8.
const VERSION_2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x08\xc0\x00\x02\x01\x04\xd2\x00\x50";
/// Of the proxy itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn setup(proxies: &str, upstream: &Upstream, more: &str) -> Setup {
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let config = config.raw(format!("trusted_proxies: [{proxies}]")).raw(more);
    config.setup().with_second_listener("proxy_protocol: trusted")
}

/// The status of a request that follows these bytes on a connection to the second listener.
fn status_behind(gateway: &Gateway, header: &[u8], request: &Request) -> u16 {
    let mut connection = Connection::open(gateway.tls_address());
    connection.write(&[header, &request.to_bytes(gateway.tls_address())].concat());
    connection.reply_to("GET").status
}

#[test]
fn the_address_in_the_header_is_the_clients_everywhere() {
    let upstream = Upstream::start();
    let limits = "rate_limits: [{ name: one, per: address, rate: 1/h, burst: 1 }]";
    let gateway = setup("127.0.0.1", &upstream, limits).start();
    let (single, batch) =
        (Request::get("/single"), Request::batch(&json!({"requests": [{"method": "GET", "url": "/item"}]})));
    assert_eq!(status_behind(&gateway, VERSION_1, &single), 200);
    assert_eq!(status_behind(&gateway, VERSION_1, &single), 429);
    assert_eq!(status_behind(&gateway, VERSION_2, &batch), 207);
    assert_eq!(status_behind(&gateway, LOCAL, &Request::get("/own")), 200);
    let chain = |path| upstream.requests_to(path)[0].header(FORWARDED).unwrap().to_owned();
    assert_eq!([chain("/single"), chain("/item"), chain("/own")], ["192.0.2.7", "192.0.2.8", "127.0.0.1"]);
    gateway.log_line(&[("kind", "request"), ("client", "192.0.2.7"), ("status", "429")]);
    gateway.log_line(&[("kind", "batch"), ("client", "192.0.2.8")]);
}

#[test]
fn what_a_client_behind_a_proxy_says_of_others_counts_only_if_it_is_a_proxy_too() {
    let upstream = Upstream::start();
    let gateway = setup("127.0.0.1, 192.0.2.7", &upstream, "").start();
    for (header, client) in [(VERSION_1, "198.51.100.1"), (VERSION_2, "192.0.2.8")] {
        let request = Request::get("/").header(FORWARDED, "198.51.100.1");
        assert_eq!(status_behind(&gateway, header, &request), 200);
        gateway.log_line(&[("kind", "request"), ("client", client)]);
    }
}

#[test]
fn connections_are_limited_by_the_clients_address() {
    let upstream = Upstream::start();
    let gateway = setup("127.0.0.1", &upstream, "limits: { connections_per_address: 1 }").start();
    let open = |header: &[u8]| {
        let mut connection = Connection::open(gateway.tls_address());
        connection.write(&[header, &Request::get("/").to_bytes(gateway.tls_address())].concat());
        connection
    };
    let mut first = open(VERSION_1);
    assert_eq!(first.reply_to("GET").status, 200);
    assert_eq!(open(VERSION_1).rest(), b"");
    assert_eq!(open(VERSION_2).reply_to("GET").status, 200);
    gateway.wait_for_metric(REFUSED, &[("reason", "connections_per_address")], 1.0);
    drop(first);
}

#[test]
fn a_trusted_proxy_that_does_not_say_where_its_client_is_gets_no_reply() {
    let upstream = Upstream::start();
    let gateway = setup("127.0.0.1", &upstream, "limits: { header_timeout: 1s }").start();
    let request = Request::get("/").to_bytes(gateway.tls_address());
    let oversized = [&LOCAL[..14], b"\xff\xff"].concat();
    for bytes in [&request[..], b"PROXY TCP4 192.0.2.7\r\n\r\n", &oversized] {
        let mut connection = Connection::open(gateway.tls_address());
        connection.write(bytes);
        assert_eq!(connection.rest(), b"", "{}", String::from_utf8_lossy(bytes));
    }
    gateway.wait_for_metric(REFUSED, &[("reason", "proxy_header")], 3.0);
    for begin in [&b""[..], b"PROXY TCP4 192"] {
        let mut slow = Connection::open(gateway.tls_address());
        slow.write(begin);
        let took = slow.trickle(b"", Duration::from_millis(100));
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{took:?}");
    }
    gateway.wait_for_metric(REFUSED, &[("reason", "header_timeout")], 2.0);
    // A balancer that only looks whether the port is open is not a fault.
    drop(Connection::open(gateway.tls_address()));
    assert_eq!(status_behind(&gateway, LOCAL, &Request::get("/")), 200);
    assert_eq!(gateway.metrics().count(REFUSED, &[("reason", "proxy_header")]), 3);
    assert_eq!(gateway.send(&Request::get("/")).status, 200, "the other listener has no such header");
}

#[test]
fn clients_that_are_not_trusted_come_without_a_header_and_can_not_send_one() {
    let upstream = Upstream::start();
    let gateway = setup("10.0.0.0/8", &upstream, "").start();
    assert_eq!(Request::get("/").send(gateway.tls_address()).status, 200);
    assert_eq!(status_behind(&gateway, VERSION_1, &Request::get("/")), 400);
    assert_eq!(upstream.requests_to("/")[0].header(FORWARDED), Some("127.0.0.1"));
}

#[test]
fn tls_and_http2_follow_the_header() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    let gateway = setup("127.0.0.1", &upstream, "").with_tls(&certificate).start();
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new(program("curl"));
        curl.args(["--silent", "--noproxy", "*", "--insecure", "--haproxy-protocol", version]);
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code} %{http_version}"]);
        curl.arg(format!("https://{}/curl", gateway.tls_address()));
        let answered = String::from_utf8(run(&mut curl).stdout).unwrap();
        assert!(["200 1.1", "200 2"].contains(&answered.as_str()), "{version}: {answered}");
    }
    assert_eq!(upstream.requests_to("/curl").len(), 2);
    let code = format!(
        "import socket, ssl\n\
         s = socket.create_connection(('127.0.0.1', {}))\n\
         s.sendall({})\n\
         context = ssl._create_unverified_context()\n\
         s = context.wrap_socket(s)\n\
         s.sendall(b'GET /python HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')\n\
         print(s.recv(12).decode())\n",
        gateway.tls_address().port(),
        format_args!("bytes({VERSION_2:?})"),
    );
    assert_eq!(succeed(Command::new(python()).args(["-c", &code])).trim(), "HTTP/1.1 200");
    assert_eq!(upstream.requests_to("/python")[0].header(FORWARDED), Some("192.0.2.8"));
}

/// Each client has an address of its own; the proxies have 127.0.0.1.
#[test]
fn nginx_and_haproxy_say_where_their_clients_are() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    for tls in [false, true] {
        let setup = setup("127.0.0.1/32", &upstream, "");
        let gateway = if tls { setup.with_tls(&certificate).start() } else { setup.start() };
        let senders = Senders::before(gateway.tls_address());
        for (client, (name, proxy)) in
            ["127.0.0.2", "127.0.0.3", "127.0.0.4"].into_iter().zip(senders.addresses())
        {
            let scheme = if tls { "https" } else { "http" };
            let mut curl = Command::new(program("curl"));
            curl.args(["--silent", "--show-error", "--noproxy", "*", "--insecure", "--interface", client]);
            curl.arg(format!("{scheme}://{proxy}/one")).arg(format!("{scheme}://{proxy}/two"));
            assert_eq!(succeed(&mut curl), "okok", "{name}");
            let chains: Vec<_> = upstream.take_requests();
            let chains: Vec<_> = chains.iter().map(|request| request.header(FORWARDED)).collect();
            assert_eq!(chains, [Some(client); 2], "{name}, {scheme}");
        }
        assert_eq!(gateway.metrics().count(REFUSED, &[]), 0);
    }
}

//! Attack 23: frames of HTTP/2 that cost a server more than a client.

use super::{PREFACE, assert_serves, frame, gateway, get_up, http2, refused, wait_until_connections};
use crate::harness::{Answer, Upstream};

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

#[test]
fn a_server_made_to_reset_its_own_streams_closes_the_connection() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 5s");
    // MadeYouReset: a window update of zero has the server reset a stream whose call goes on.
    let made = |n: u32| [frame(1, 5, n * 2 + 1, &get_up()), frame(8, 0, n * 2 + 1, &[0; 4])].concat();
    let mut connection = http2(&gateway);
    connection.write(&(0..4000).flat_map(made).collect::<Vec<u8>>());
    connection.rest();
    assert_serves(&gateway);
    wait_until_connections(&gateway, 0.0);
    assert!(upstream.requests().len() < 1500, "{} calls for one connection", upstream.requests().len());
}

#[test]
fn a_header_that_unpacks_to_far_more_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 5s");
    // A field of 3 KiB goes to the table of HPACK, and is named by a single byte four thousand times.
    let field = [b"\x40\x01x\x7f\x81\x16".as_slice(), &[b'a'; 3072]].concat();
    let bomb = [get_up(), field, vec![0xbe; 4000]].concat();
    let mut connection = http2(&gateway);
    for n in 0..50 {
        connection.write(&frame(1, 5, n * 2 + 1, &bomb));
    }
    connection.write(&frame(7, 0, 0, &[0; 8]));
    connection.rest();
    assert_eq!(upstream.requests().len(), 0);
    let peak = gateway.process().peak_memory();
    assert!(peak < 100 << 20, "{} MiB", peak >> 20);
    assert_serves(&gateway);
}

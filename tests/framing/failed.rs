//! After an exchange that failed: the client's connection goes on where its request was read, else the
//! reply says that it ends; and a stream that breaks says why in a code that clients try again.

use h2::Reason;

use crate::harness::http2::{Broken, Call, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Config, Connection, Gateway, Reply, Request, Setup, Upstream};

const LIMITS: &str = "timeout: { item: 1s }, retry: { attempts: 1 }";

fn faults() -> Vec<(&'static str, Answer)> {
    vec![
        ("garbage", Answer::raw("no HTTP at all\r\n\r\n")),
        ("a bad field", Answer::raw("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")),
        ("chunks and a length", Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")),
        ("a close", Answer::close()),
        ("half a head", Answer::text(200, "ok").cut_after(20)),
        ("a reset", Answer::reset()),
        ("silence", Answer::hang()),
    ]
}

/// The reply to a request whose body was read, on a connection that then serves another.
fn assert_goes_on(gateway: &Gateway, request: &Request, what: &str) -> Reply {
    let mut client = gateway.connect();
    client.write(&request.to_bytes(gateway.address()));
    let reply = client.reply_to("GET");
    assert!(matches!(reply.status, 502..=504), "{what}: {reply:?}");
    let closes = reply.header("Connection").is_some_and(|value| value.contains("close"));
    assert!(!closes, "{what}: the request was read, and yet {reply:?}");
    client.write(&Request::get("/ok").to_bytes(gateway.address()));
    assert_eq!(client.reply_to("GET").text(), "ok", "{what}");
    reply
}

#[test]
fn a_connection_goes_on_after_a_get_that_failed() {
    for (what, answer) in faults() {
        let upstream = Upstream::start();
        upstream.on("/a", answer);
        let gateway = Setup::tuned(&upstream.url(), LIMITS, "").start();
        assert_goes_on(&gateway, &Request::get("/a"), what);
    }
}

#[test]
fn a_connection_goes_on_after_a_post_that_failed() {
    for (what, answer) in faults() {
        let upstream = Upstream::start();
        upstream.on("/a", answer);
        let gateway = Setup::tuned(&upstream.url(), LIMITS, "").start();
        assert_goes_on(&gateway, &Request::post("/a", "text/plain", "a small body"), what);
        let chunks = Request::new("POST", "/a").header("Transfer-Encoding", "chunked");
        let mut client = gateway.connect();
        client.write(&[&chunks.to_bytes(gateway.address())[..], b"2\r\nok\r\n0\r\n\r\n"].concat());
        assert!(client.reply_to("POST").status > 500, "{what}");
        client.write(&Request::get("/ok").to_bytes(gateway.address()));
        assert_eq!(client.reply_to("GET").text(), "ok", "{what}, chunks");
    }
}

#[test]
fn a_connection_goes_on_after_nobody_could_be_reached() {
    let (refusing, upstream) = (Refusing::start(), Upstream::start());
    let upstreams = Config::new().upstream("dead", refusing.url()).upstream("alive", upstream.url());
    let gateway = upstreams.route("/ok", "alive").route("/", "dead").start();
    assert_goes_on(&gateway, &Request::get("/a"), "refused");
    assert_goes_on(&gateway, &Request::post("/a", "text/plain", "body"), "refused");
}

/// What the reply says of the connection is what becomes of it.
fn assert_says_what_happens(gateway: &Gateway, mut client: Connection, rest: &[u8], what: &str) {
    let reply = client.reply_to("POST");
    assert!(matches!(reply.status, 502..=504), "{what}: {reply:?}");
    let closes = reply.header("Connection").is_some_and(|value| value.contains("close"));
    if closes {
        client.finish_writing();
        assert_eq!(client.rest(), b"", "{what}");
    } else {
        client.write(rest);
        client.write(&Request::get("/ok").to_bytes(gateway.address()));
        assert_eq!(client.reply_to("GET").text(), "ok", "{what}: kept, but not served");
    }
}

/// An upstream fails while the client has sent a part only.
#[test]
fn a_reply_to_a_request_that_was_not_read_says_what_becomes_of_the_connection() {
    for what in ["a reset", "a close", "garbage"] {
        let upstream = crate::harness::raw::RawServer::start(move |mut connection| {
            if !connection.head()?.starts_with("POST ") {
                connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
                return connection.close_lingering();
            }
            match what {
                "a reset" => {
                    socket2::SockRef::from(&connection.stream).set_linger(Some(std::time::Duration::ZERO))
                }
                "garbage" => {
                    connection.write("no HTTP at all\r\n\r\n").and_then(|()| connection.close_lingering())
                }
                _ => Ok(()),
            }
        });
        let gateway = Setup::tuned(&upstream.url(), LIMITS, "").start();
        let mut client = gateway.connect();
        client.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nthe beginning");
        assert_says_what_happens(&gateway, client, &vec![b'x'; 100_000 - 13], what);
    }
}

/// The code with which the stream of a client of HTTP/2 is reset, and what came before.
fn broken_reply(gateway: &Gateway) -> (Reason, Vec<u8>) {
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/a"));
    match reply.broken {
        Some(Broken::Reset(reason)) => (reason, reply.body),
        broken => panic!("the stream ended with {broken:?}: {reply:?}"),
    }
}

#[test]
fn a_stream_that_the_upstream_resets_has_its_code_or_internal_error() {
    for reason in [Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::CANCEL] {
        let upstream = Http2Upstream::answering(move |_| Http2Answer::of(200, "begun").then_reset(reason));
        let gateway = Setup::routing_to(&[upstream.url()]).start();
        let (got, body) = broken_reply(&gateway);
        assert!([reason, Reason::INTERNAL_ERROR].contains(&got), "{reason:?} became {got:?}");
        assert_eq!(body, b"begun");
    }
}

#[test]
fn a_stream_whose_upstream_breaks_off_is_an_internal_error() {
    let broken = [
        Answer::text(200, "begun").claiming(1000),
        Answer::text(200, "begun").claiming(1000).then_reset(),
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"),
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\nxyz\r\n"),
    ];
    for answer in broken {
        let upstream = Upstream::answering(move |_| answer.clone());
        let gateway = Gateway::before(&upstream);
        let (reason, _) = broken_reply(&gateway);
        assert_eq!(reason, Reason::INTERNAL_ERROR);
    }
}

#[test]
fn a_stream_that_takes_too_long_is_an_internal_error() {
    let upstream = Upstream::start();
    let pause = std::time::Duration::from_millis(100);
    upstream.on("/a", Answer::text(200, &"x".repeat(60_000)).dripping(200, pause));
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 1s, request: 1500ms }", "").start();
    assert_eq!(broken_reply(&gateway).0, Reason::INTERNAL_ERROR);
}

#[test]
fn a_stream_that_is_reset_before_its_reply_is_a_502_with_the_connection_going_on() {
    let upstream = Http2Upstream::answering(|request| match &*request.target {
        "/a" => Http2Answer::reset(Reason::INTERNAL_ERROR),
        _ => Http2Answer::of(200, "ok"),
    });
    let gateway = Setup::tuned(&upstream.url(), LIMITS, "").start();
    assert_goes_on(&gateway, &Request::post("/a", "text/plain", "body"), "a reset stream");
    let client = Http2Client::connect(gateway.address());
    assert_eq!(client.call(&Call::new("POST", "/a").body(b"body")).status, 502);
    assert_eq!(client.call(&Call::new("GET", "/ok")).text(), "ok");
}

//! An upstream that answers before it has the whole request: the reply reaches a client that still
//! sends (RFC 9112 §9.6), and nothing of the request is left for the next client.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::harness::http2::{Call, Http2Client};
use crate::harness::raw::{RawConnection, RawServer};
use crate::harness::{Connection, Gateway, Request, Setup, Upstream};

const WRITERS: usize = 25;
/// More than fits into the buffers of all sockets on the way.
const BODY: usize = 6 << 20;

const TOO_LARGE: &str =
    "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge";

/// What an upstream does once it has said 413.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Reads the rest, as it should.
    Reads,
    /// Closes, with the rest unread.
    Closes,
    /// Neither reads nor closes.
    Stalls,
}

/// Says 413 as soon as it has a head; other paths are `ok`.
fn refusing_at_once(then: Then) -> RawServer {
    RawServer::start(move |mut connection: RawConnection| {
        loop {
            let head = connection.head()?;
            if head.starts_with("POST /large ") {
                connection.write(TOO_LARGE)?;
                return match then {
                    Then::Reads => connection.close_lingering(),
                    // Not at once: the reset would overtake the reply.
                    Then::Closes => {
                        thread::sleep(Duration::from_secs(1));
                        Ok(())
                    }
                    Then::Stalls => {
                        thread::sleep(Duration::from_secs(20));
                        Ok(())
                    }
                };
            }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    })
}

fn head(framing: &str) -> Vec<u8> {
    format!("POST /large HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").into_bytes()
}

/// The whole body first, then the reply is read: as most clients do. One whose writing fails gives up.
fn write_then_read(mut client: Connection, request: &[&[u8]]) -> Result<u16, &'static str> {
    if !request.iter().flat_map(|part| part.chunks(64 << 10)).all(|piece| client.write_whole(piece)) {
        return Err("closed while it was written to");
    }
    Ok(client.reply_to("POST").status)
}

fn assert_every_writer_gets_its_413(gateway: &Gateway, request: &[&[u8]]) {
    let writer = || write_then_read(gateway.connect(), request);
    let got: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap_or(Err("closed without a reply"))).collect()
    });
    assert_eq!(got, [Ok(413); WRITERS]);
}

fn assert_every_client_is_told(then: Then) {
    let upstream = refusing_at_once(then);
    let gateway = Setup::routing_to(&[upstream.url()]).start();
    let (plain, body) = (head(&format!("Content-Length: {BODY}")), vec![b'x'; BODY]);
    assert_every_writer_gets_its_413(&gateway, &[&plain, &body]);
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let chunks = [chunk.repeat(BODY / 0x10000).as_slice(), b"0\r\n\r\n"].concat();
    assert_every_writer_gets_its_413(&gateway, &[&head("Transfer-Encoding: chunked"), &chunks]);
    assert_eq!(gateway.send(&Request::get("/next")).text(), "ok");
}

#[test]
fn a_413_of_a_service_that_reads_on_reaches_every_client_that_still_sends() {
    assert_every_client_is_told(Then::Reads);
}

#[test]
fn a_413_of_a_service_that_closes_reaches_every_client_that_still_sends() {
    assert_every_client_is_told(Then::Closes);
}

#[test]
fn a_413_of_a_service_that_reads_no_more_reaches_every_client_that_still_sends() {
    assert_every_client_is_told(Then::Stalls);
}

#[test]
fn a_413_reaches_a_client_of_http2_that_still_sends() {
    for then in [Then::Reads, Then::Closes, Then::Stalls] {
        let upstream = refusing_at_once(then);
        let gateway = Setup::routing_to(&[upstream.url()]).start();
        let client = Http2Client::connect(gateway.address());
        for _ in 0..3 {
            let reply = client.call(&Call::new("POST", "/large").body(&vec![b'x'; 1 << 20]));
            assert_eq!((reply.status, &*reply.text()), (413, "large"), "{then:?} {reply:?}");
        }
        assert_eq!(client.call(&Call::new("GET", "/next")).text(), "ok");
    }
}

#[test]
fn a_batch_that_is_too_large_gets_its_413_while_it_is_sent() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "max_body: 1KiB").start();
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\n\r\n"
    );
    let body = vec![b' '; BODY];
    assert_every_writer_gets_its_413(&gateway, &[head.as_bytes(), &body]);
}

/// A body that is 10 bytes long on the wire, whose upstream has answered after the first 3.
#[test]
fn the_rest_of_a_request_that_was_answered_early_is_not_the_next_request() {
    let upstream = RawServer::start(answer_early_and_count);
    let gateway = Setup::routing_to(&[upstream.url()]).start();
    for _ in 0..20 {
        let mut client = gateway.connect();
        client.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nGET");
        assert_eq!(client.reply_to("POST").text(), "early");
        let other = gateway.send(&Request::get("/other"));
        assert_eq!((other.status, &*other.text()), (200, "GET /other HTTP/1.1"));
        client.write(b" /phantom HTTP/1.1\r\nA: b\r\n\r\n");
        let other = gateway.send(&Request::get("/other"));
        assert_eq!((other.status, &*other.text()), (200, "GET /other HTTP/1.1"));
    }
}

/// Answers `/early` with its connection kept, and then reads what is left of its 30 bytes; the reply to
/// all else is its request line.
fn answer_early_and_count(mut connection: RawConnection) -> std::io::Result<()> {
    loop {
        let head = connection.head()?;
        let line = head.lines().next().unwrap_or_default().to_owned();
        if line.starts_with("POST /early ") {
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")?;
            let mut read = 0;
            while read < 30 {
                let piece = connection.some()?;
                if piece.is_empty() {
                    return Ok(());
                }
                read += piece.len();
            }
            assert_eq!(read, 30, "a request came behind another that was not whole");
        } else {
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
            connection.stream.write_all(reply.as_bytes())?;
        }
    }
}

//! `WebSocket`s of clients with HTTP/2: streams that an extended CONNECT opens (RFC 8441).

use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::Duration;

use h2::Reason;

use super::services::{Service, accept_of, field, gateway, upper_case};
use crate::harness::http2::{Broken, Call, Http2Client, Http2Socket};
use crate::harness::ports::{free_port, loopback};
use crate::harness::raw::{RawConnection, RawServer};
use crate::harness::{Answer, Config, Gateway, Upstream, until};

/// Of 100 kB each: far more than what the buffers on the way hold.
const PIECES: usize = 500;

const ENDED: &str = "batchgate_long_lived_ended_total";

fn client(gateway: &Gateway) -> Http2Client {
    Http2Client::connect(gateway.address())
}

/// What browsers send.
fn call(path: &str) -> Call {
    Call::new("CONNECT", path).header("sec-websocket-version", "13").header("origin", "http://127.0.0.1")
}

fn opened<'a>(client: &'a Http2Client, path: &str) -> Http2Socket<'a> {
    let socket = client.open("websocket", &call(path));
    assert_eq!(socket.status, 200, "{socket:?}");
    socket
}

/// A frame of a client; with a mask of zeros its payload stays as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The same as a service sends it.
fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let masked = frame(opcode, payload);
    let head = masked.len() - payload.len() - 4;
    let mut frame = [&masked[..head], payload].concat();
    frame[1] &= 0x7f;
    frame
}

fn assert_ended(gateway: &Gateway, how: &str) {
    gateway.wait_for_metric(ENDED, &[("kind", "websocket"), ("how", how)], 1.0);
    until("none to be open", || {
        (gateway.metrics().sum("batchgate_long_lived_open", &[("kind", "websocket")]) == 0.0).then_some(())
    });
}

#[test]
fn a_conversation_ends_with_the_close_code_of_its_client() {
    let service = Service::websockets();
    let gateway =
        Config::all_to("legacy", service.url("http")).raw("log: { access: { level: requests } }").start();
    let client = client(&gateway);
    let mut socket = opened(&client, "/echo");
    for gone in ["sec-websocket-accept", "connection", "upgrade"] {
        assert_eq!(socket.header(gone), None, "{socket:?}");
    }
    for text in ["one", "Łukasz", ""] {
        socket.write(&frame(1, text.as_bytes()));
        let answer = unmasked(1, text.as_bytes());
        assert_eq!(socket.read(answer.len()), answer, "{text}");
    }
    let close = [&4002_u16.to_be_bytes()[..], b"enough"].concat();
    socket.write(&frame(8, &close));
    assert_eq!(socket.rest(), (unmasked(8, &close), None));
    socket.finish_writing();
    service.process.line_with(&["closed 4002"]);
    assert_ended(&gateway, "upstream");
    gateway.log_line(&[("method", "GET"), ("path", "/echo"), ("protocol", "HTTP/2.0"), ("status", "200")]);
}

#[test]
fn a_service_closes_a_websocket() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "");
    let client = client(&gateway);
    let mut socket = opened(&client, "/close?code=4001");
    let close = [&4001_u16.to_be_bytes()[..], b"as you like"].concat();
    let said = unmasked(8, &close);
    assert_eq!(socket.read(said.len()), said);
    socket.write(&frame(8, &close));
    assert_eq!(socket.rest(), (Vec::new(), None));
}

#[test]
fn large_messages_and_single_bytes_go_through_both_ways() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "");
    let client = client(&gateway);
    let mut socket = opened(&client, "/echo");
    let large: Vec<u8> = (0..5_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
    socket.write(&frame(2, &large));
    let answer = unmasked(2, &large);
    assert!(socket.read(answer.len()) == answer, "another message came back");
    for byte in frame(1, b"trickle") {
        socket.write(&[byte]);
    }
    assert_eq!(socket.read(9), unmasked(1, b"trickle"));
}

/// Its service sends as much as it can to a client that reads nothing.
#[test]
fn a_websocket_that_nobody_reads_holds_up_its_service_and_no_neighbour() {
    let (written, progress) = channel();
    let upstream = RawServer::start(move |mut connection| {
        let head = connection.head()?;
        if field(&head, "upgrade").is_none() {
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")?;
            return connection.close_lingering();
        }
        connection.write(switching(&head))?;
        for _ in 0..PIECES {
            connection.write(vec![b'x'; 100_000])?;
            let _ = written.send(());
        }
        connection.close_lingering()
    });
    let gateway = gateway(&upstream.url(), "");
    let client = Http2Client::connect_with_window(gateway.address(), 10 << 20);
    let mut socket = opened(&client, "/flood");
    // Until the buffers on the way are full.
    let mut pieces = 0;
    while progress.recv_timeout(Duration::from_secs(1)).is_ok() {
        pieces += 1;
    }
    assert!(pieces < PIECES, "the service was not held up");
    assert_eq!(client.call(&Call::new("GET", "/plain")).text(), "plain");
    assert_eq!(socket.read(1_000_000), vec![b'x'; 1_000_000]);
}

/// The head of a 101.
fn switching(head: &str) -> String {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    format!("{switching}{}\r\n", accept_of(head))
}

#[test]
fn what_is_sent_before_the_reply_arrives() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    let client = client(&gateway);
    for number in 0..100 {
        let said = format!("hello {number}");
        let mut socket = client.open("websocket", &call("/echo").body(said.as_bytes()));
        assert_eq!(socket.read(said.len()), said.to_uppercase().as_bytes());
    }
}

#[test]
fn a_client_that_resets_its_stream_has_left() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR] {
        let upstream = upper_case();
        let gateway = gateway(&upstream.url(), "");
        let client = client(&gateway);
        let mut socket = opened(&client, "/echo");
        socket.write(b"hello");
        assert_eq!(socket.read(5), b"HELLO");
        socket.reset(reason);
        assert_ended(&gateway, "client");
        let mut other = opened(&client, "/echo");
        other.write(b"again");
        assert_eq!(other.read(5), b"AGAIN");
        drop(other);
        drop(client);
        gateway.wait_for_metric(ENDED, &[("kind", "websocket"), ("how", "client")], 2.0);
    }
}

/// The head that a service gets, answered so.
fn head_of(
    call: &Call,
    answer: impl Fn(&mut RawConnection) -> std::io::Result<()> + Send + Sync + 'static,
) -> (String, u16) {
    let (heads, got) = channel();
    let upstream = RawServer::start(move |mut connection| {
        drop(heads.send(connection.head()?));
        answer(&mut connection)?;
        connection.close_lingering()
    });
    let gateway = gateway(&upstream.url(), "");
    let status = client(&gateway).open("websocket", call).status;
    (got.recv().unwrap(), status)
}

#[test]
fn a_service_gets_the_handshake_of_http1() {
    let call = call("/chat?room=1")
        .header("sec-websocket-protocol", "chat, superchat")
        .header("sec-websocket-key", "mine");
    let (head, status) =
        head_of(&call, |connection| connection.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(status, 403);
    assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
    ] {
        assert_eq!(field(&head, name), Some(value), "{head}");
    }
    assert_eq!(field(&head, "sec-websocket-key").map(str::len), Some(24), "{head}");
    assert_eq!(head.to_ascii_lowercase().matches("sec-websocket-key").count(), 1, "{head}");
    assert_eq!((field(&head, "content-length"), field(&head, "transfer-encoding")), (None, None), "{head}");
}

#[test]
fn no_other_reply_is_taken_for_a_websocket() {
    const WRONG: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const MISSING: &str =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (answer, expected) in [
        (WRONG, 502),
        (MISSING, 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na page", 502),
        ("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", 426),
        ("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", 302),
    ] {
        let (_, status) = head_of(&call("/echo"), move |connection| connection.write(answer));
        assert_eq!(status, expected, "{answer}");
    }
}

#[test]
fn a_page_where_a_websocket_was_asked_for_opens_no_circuit() {
    let upstream = Upstream::start();
    upstream.on("/page", Answer::text(200, "a page"));
    let gateway = gateway(&upstream.url(), "");
    let client = client(&gateway);
    for _ in 0..10 {
        assert_eq!(client.open("websocket", &call("/page")).status, 502);
    }
    assert_eq!(client.call(&Call::new("GET", "/page")).text(), "a page");
}

#[test]
fn a_service_that_is_not_there_is_a_502() {
    let gateway = gateway(&format!("http://{}", loopback(free_port())), "");
    let client = client(&gateway);
    let mut socket = client.open("websocket", &call("/echo"));
    assert_eq!(
        (socket.status, socket.header("content-type")),
        (502, Some("application/problem+json")),
        "{socket:?}"
    );
    assert!(String::from_utf8(socket.rest().0).unwrap().contains("connection_refused"));
}

#[test]
fn what_is_no_websocket_is_refused() {
    let upstream = upper_case();
    let gateway = Config::all_to("legacy", upstream.url())
        .batch("/batch")
        .respond("/hello", "status: 200, body: hello")
        .respond("/closed", "status: 503")
        .start();
    let client = client(&gateway);
    for (protocol, path, status) in [
        ("connect-udp", "/echo", 501),
        ("webtransport", "/echo", 501),
        ("websocket", "/hello", 501),
        ("websocket", "/batch", 501),
        ("websocket", "/closed", 503),
        ("WebSocket", "/echo", 200),
    ] {
        assert_eq!(client.open(protocol, &call(path)).status, status, "{protocol} {path}");
    }
    let with_body = call("/echo").header("content-length", "5");
    assert_eq!(client.open("websocket", &with_body).status, 400);
    // A call of gRPC would be refused with a 200.
    let typed = call("/hello").header("content-type", "application/grpc");
    assert_eq!(client.open("websocket", &typed).status, 501);
}

#[test]
fn one_websocket_too_many_is_told_so() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "upgraded: 2, client_share: 100%");
    let client = client(&gateway);
    let sockets = [opened(&client, "/echo"), opened(&client, "/echo")];
    assert_eq!(client.open("websocket", &call("/echo")).status, 503);
    assert_eq!(client.call(&Call::new("GET", "/plain")).text(), "plain");
    drop(sockets);
    until("room for another one", || (client.open("websocket", &call("/echo")).status == 200).then_some(()));
}

#[test]
fn a_quiet_websocket_is_reset() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "timeout: { item: 10s, idle: 1s }");
    let client = client(&gateway);
    let mut socket = opened(&client, "/echo");
    for _ in 0..4 {
        sleep(Duration::from_millis(500));
        socket.write(b"x");
        assert_eq!(socket.read(1), b"X");
    }
    assert_eq!(socket.rest(), (Vec::new(), Some(Broken::Reset(Reason::CANCEL))));
    assert_ended(&gateway, "idle");
}

#[test]
fn a_websocket_is_told_that_the_gateway_goes_away() {
    let service = Service::websockets();
    let gateway = Config::all_to("legacy", service.url("http")).raw("drain: { deadline: 4s }").start();
    let client = client(&gateway);
    let mut socket = opened(&client, "/echo");
    gateway.signal("TERM");
    let close = unmasked(8, &1001_u16.to_be_bytes());
    assert_eq!(socket.read(close.len()), close);
    socket.write(&frame(8, &1001_u16.to_be_bytes()));
    socket.finish_writing();
    assert!(gateway.wait_for_exit().success());
}

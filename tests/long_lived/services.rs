//! Services and clients in Python, and the first bytes of upgrades.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::ports::{accepts, loopback, start_on_free_ports};
use crate::harness::process::Process;
use crate::harness::programs::{python, succeed, test_file};
use crate::harness::raw::{RawConnection, RawServer};
use crate::harness::{Connection, Gateway};

/// A service that runs.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) process: Process,
    port: u16,
}

impl Service {
    /// Whatever is said over a WebSocket comes back; other requests are answered `plain`.
    pub(super) fn websockets() -> Self {
        Self::start("websocket_server.py")
    }

    /// The service of `grpc_client.py`.
    pub(super) fn grpc() -> Self {
        Self::start("grpc_server.py")
    }

    fn start(script: &'static str) -> Self {
        let command = |[port]: [u16; 1]| {
            let mut command = Command::new(python());
            command.arg(test_file("python").join(script)).arg(port.to_string());
            command
        };
        let (process, [port]) = start_on_free_ports(script, command, |[port]| accepts(loopback(port)));
        Self { process, port }
    }

    /// Its url, for a target.
    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", loopback(self.port))
    }
}

/// A client's program, about to talk to a gateway.
pub(super) fn client(script: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(test_file("python").join(script)).arg(url).args(arguments);
    command
}

/// What the WebSocket client saw.
pub(super) fn websocket_client(gateway: &Gateway, arguments: &[&str]) -> Value {
    let url = format!("ws://{}", gateway.address());
    serde_json::from_str(&succeed(&mut client("websocket_client.py", &url, arguments))).unwrap()
}

/// What the gRPC client saw.
pub(super) fn grpc_client(gateway: &Gateway, arguments: &[&str]) -> Value {
    let address = gateway.address().to_string();
    serde_json::from_str(&succeed(&mut client("grpc_client.py", &address, arguments))).unwrap()
}

/// A gateway before a target with these members; `/batch` takes batches.
pub(super) fn gateway(target: &str, members: &str) -> Gateway {
    crate::harness::Setup::tuned(target, members, "").start()
}

/// The head of a request for an upgrade to this protocol.
pub(super) fn upgrade_to(protocol: &str) -> String {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    format!("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n{key}\r\n")
}

/// A connection that was upgraded.
pub(super) fn upgraded(gateway: &Gateway, protocol: &str) -> Connection {
    let mut client = gateway.connect();
    client.write(upgrade_to(protocol).as_bytes());
    let head = client.head();
    assert_eq!(head.status, 101, "{head:?}");
    client
}

/// Upgrades to whatever it is asked for, and then gives back in upper case what it gets; says `bye` when
/// the other side has ended. A GET of another path is `plain`.
pub(super) fn upper_case() -> RawServer {
    RawServer::start(|mut connection| {
        loop {
            let head = connection.head()?;
            let Some(protocol) = field(&head, "upgrade") else {
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")?;
                continue;
            };
            let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
            let accept = accept_of(&head);
            connection.write(format!("{switching}Upgrade: {protocol}\r\n{accept}\r\n"))?;
            return shout(&mut connection);
        }
    })
}

/// The line with `Sec-WebSocket-Accept` that belongs to the key in a head (RFC 6455 §4.2.2), if it has one.
pub(super) fn accept_of(head: &str) -> String {
    let Some(key) = field(head, "sec-websocket-key") else { return String::new() };
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    format!("Sec-WebSocket-Accept: {}\r\n", STANDARD.encode(digest))
}

fn shout(connection: &mut RawConnection) -> std::io::Result<()> {
    loop {
        let said = connection.some()?;
        if said.is_empty() {
            connection.write("bye")?;
            return connection.close_lingering();
        }
        connection.write(said.to_ascii_uppercase())?;
    }
}

/// A field of a head.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// An event of a stream, as a chunk.
pub(super) fn event(text: &str) -> String {
    let event = format!("data: {text}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// The head of a stream of events in chunks.
pub(super) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

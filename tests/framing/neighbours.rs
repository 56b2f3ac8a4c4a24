//! Streams of one HTTP/2 connection don't hold one another up.

use std::time::Duration;

use serde_json::json;

use crate::harness::http2::{Call, Ending, Http2Client};
use crate::harness::raw::{RawConnection, RawServer};
use crate::harness::{Gateway, Setup, until};

/// Far above what a small request takes, far below what a stalled one may.
const SOON: Duration = Duration::from_secs(8);

/// Reads no body of `/stalled`; all else is `ok` once it has come.
fn stall(mut connection: RawConnection) -> std::io::Result<()> {
    loop {
        let head = connection.head()?;
        if head.starts_with("PUT /stalled ") {
            std::thread::sleep(Duration::from_secs(20));
            return Ok(());
        }
        if head.starts_with("POST ") {
            connection.through(b"the end")?;
        }
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    }
}

fn gateway(upstream: &RawServer) -> Gateway {
    Setup::tuned(&upstream.url(), "timeout: { item: 25s }", "").start()
}

fn assert_neighbours_are_served(client: &Http2Client) {
    let batch = json!({"requests": [{"method": "GET", "url": "/b"}]}).to_string();
    let batch = Call::new("POST", "/batch").header("content-type", "application/json").body(batch.as_bytes());
    let reply = client.start(&batch).reply_within(SOON);
    assert_eq!((reply.status, reply.broken), (207, None), "{reply:?}");
    let post = Call::new("POST", "/a").body(&[&vec![b'x'; 100_000][..], b"the end"].concat());
    let reply = client.start(&post).reply_within(SOON);
    assert_eq!((reply.status, reply.broken), (200, None), "{reply:?}");
}

#[test]
fn an_upload_that_its_service_does_not_read_leaves_room_for_its_neighbours() {
    let upstream = RawServer::start(stall);
    let gateway = gateway(&upstream);
    let client = Http2Client::connect(gateway.address());
    // Fills the sockets on the way, and then the window of its stream.
    let body = vec![b'x'; 32 << 20];
    let stalled = client.start(&Call::new("PUT", "/stalled").body(&body));
    until("the stalled upload", || (upstream.connections() > 0).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    assert_neighbours_are_served(&client);
    assert!(!stalled.is_over());
}

#[test]
fn an_upload_that_its_client_does_not_end_leaves_room_for_its_neighbours() {
    let upstream = RawServer::start(stall);
    let gateway = gateway(&upstream);
    let client = Http2Client::connect(gateway.address());
    let call = Call::new("POST", "/a").body(&vec![b'x'; 65_000]).ending(Ending::Never);
    let unfinished: Vec<_> = (0..20).map(|_| client.start(&call)).collect();
    until("the uploads", || (upstream.connections() >= 20).then_some(()));
    assert_neighbours_are_served(&client);
    assert!(unfinished.iter().all(|call| !call.is_over()));
}

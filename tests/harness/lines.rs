//! A client of a stream: it sends lines in chunks, and may read results between them.

use serde_json::json;

use super::{Connection, Gateway, Request};

/// Lines that leave in one chunk where many are sent.
const PIECE: usize = 500;

/// A client that has sent the header of a stream whose body comes in chunks.
pub(crate) fn begin(gateway: &Gateway) -> Connection {
    let mut client = gateway.connect();
    let request = Request::new("POST", "/batch")
        .header("Content-Type", "application/x-ndjson")
        .header("Transfer-Encoding", "chunked");
    client.write(&request.to_bytes(gateway.address()));
    client
}

/// Sends lines as one chunk.
pub(crate) fn send(client: &mut Connection, lines: &str) {
    client.write(format!("{:x}\r\n{lines}\r\n", lines.len()).as_bytes());
}

/// Sends the end of the body.
pub(crate) fn end(client: &mut Connection) {
    client.write(b"0\r\n\r\n");
}

/// Streams `few` lines, then `many`. The gateway's memory must not grow with their number. `line` makes the line with a
/// number, from 1; all of them have to end in 200.
pub(crate) fn assert_memory_stays_flat(
    gateway: &Gateway,
    few: usize,
    many: usize,
    line: impl Fn(usize) -> String,
) {
    stream_and_count(gateway, few, &line);
    let before = gateway.process().peak_memory();
    stream_and_count(gateway, many, &line);
    let grown = gateway.process().peak_memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{} KiB more for {many} lines than for {few}", grown >> 10);
}

/// Sends lines and reads their results at the same time.
fn stream_and_count(gateway: &Gateway, count: usize, line: impl Fn(usize) -> String) {
    let mut client = begin(gateway);
    let mut received = 0;
    let mut receive = |client: &mut Connection, until: usize| {
        while received < until {
            let result = client.body_line();
            assert_eq!(result["status"], 200, "{result}");
            received += 1;
        }
    };
    for first in (1..=count).step_by(PIECE) {
        send(&mut client, &(first..=count.min(first + PIECE - 1)).map(&line).collect::<String>());
        if first == 1 {
            assert_eq!(client.head().status, 207);
        }
        receive(&mut client, first - 1);
    }
    end(&mut client);
    receive(&mut client, count);
    assert_eq!(client.body_line()["summary"], json!({"items": count, "failed": 0}));
}

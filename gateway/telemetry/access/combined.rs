//! A line in the combined form of Apache and nginx: `client - user [time] "request" status bytes "referer" "agent"`.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;

use crate::clock::unix_time;
use crate::telemetry::record::Sender;

use super::fields::{agent_as_sent, path, protocol, referer_as_sent};

/// A request and its reply.
pub(super) struct Exchanged<'line> {
    pub(super) sender: &'line Sender<'line>,
    pub(super) status: Option<StatusCode>,
    pub(super) bytes_out: u64,
}

/// The complete line.
pub(super) fn combined(exchanged: &Exchanged<'_>) -> Vec<u8> {
    let Exchanged { sender, status, bytes_out } = exchanged;
    let head = sender.head;
    let mut line = String::with_capacity(256);
    line.push_str(sender.client);
    line.push_str(" - ");
    put(&mut line, sender.client_name.unwrap_or("-"), Place::Bare);
    line.push_str(" [");
    put_time(&mut line, unix_time());
    line.push_str("] \"");
    put(&mut line, head.method.as_str(), Place::Quoted);
    line.push(' ');
    put(&mut line, &path(head), Place::Quoted);
    let status = status.map_or(0, |status| status.as_u16());
    // Writing into memory does not fail.
    let _ = write!(line, " {}\" {status} ", protocol(head.version));
    let _ = if *bytes_out == 0 { write!(line, "-") } else { write!(line, "{bytes_out}") };
    for value in [referer_as_sent(&head.headers), agent_as_sent(&head.headers)] {
        line.push_str(" \"");
        put_bytes(&mut line, value.unwrap_or(b"-"), Place::Quoted);
        line.push('"');
    }
    line.push('\n');
    line.into_bytes()
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between spaces.
    Bare,
    /// Between quotes.
    Quoted,
}

fn put(line: &mut String, value: &str, place: Place) {
    put_bytes(line, value.as_bytes(), place);
}

/// As Apache does: `\"`, `\\`, and `\xHH` for all that is not printable ASCII.
fn put_bytes(line: &mut String, value: &[u8], place: Place) {
    for &byte in value {
        let is_plain = byte.is_ascii_graphic() || byte == b' ' && place == Place::Quoted;
        if matches!(byte, b'"' | b'\\') {
            line.push('\\');
            line.push(byte.into());
        } else if is_plain {
            line.push(byte.into());
        } else {
            let _ = write!(line, "\\x{byte:02x}");
        }
    }
}

/// `10/Oct/2000:13:55:36 +0000`.
fn put_time(line: &mut String, since_1970: Duration) {
    // `Tue, 10 Oct 2000 13:55:36 GMT` has the same parts, each in a place of its own.
    let date = httpdate::fmt_http_date(UNIX_EPOCH + since_1970);
    let part = |place: Range<usize>| date.get(place).unwrap_or_default();
    let _ = write!(line, "{}/{}/{}:{} +0000", part(5..7), part(8..11), part(12..16), part(17..25));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_apache_does() {
        for (seconds, written) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (971_186_136, "10/Oct/2000:13:55:36 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (4_107_542_399, "28/Feb/2100:23:59:59 +0000"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000"),
        ] {
            let mut line = String::new();
            put_time(&mut line, Duration::from_secs(seconds));
            assert_eq!(line, written);
        }
    }

    #[test]
    fn values_end_neither_their_quotes_nor_their_line() {
        let mut line = String::new();
        put(&mut line, "a \"b\\\n\u{9b}é", Place::Quoted);
        assert_eq!(line, "a \\\"b\\\\\\x0a\\xc2\\x9b\\xc3\\xa9");
        line.clear();
        put(&mut line, "a b", Place::Bare);
        assert_eq!(line, "a\\x20b");
        line.clear();
        put_bytes(&mut line, b"a\xff", Place::Quoted);
        assert_eq!(line, "a\\xff", "no byte becomes another one");
    }
}

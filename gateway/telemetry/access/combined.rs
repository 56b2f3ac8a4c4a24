//! A line in the combined form of Apache and nginx: `client - user [time] "request" status bytes "referer" "agent"`.

use std::fmt::Write as _;

use http::StatusCode;

use crate::clock::unix_time;
use crate::telemetry::record::Sender;

use super::fields::{agent, path, protocol, referer};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

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
    put_time(&mut line, unix_time().as_secs());
    line.push_str("] \"");
    put(&mut line, head.method.as_str(), Place::Quoted);
    line.push(' ');
    put(&mut line, path(head), Place::Quoted);
    let status = status.map_or(0, |status| status.as_u16());
    // Writing into memory does not fail.
    let _ = write!(line, " {}\" {status} ", protocol(head.version));
    let _ = if *bytes_out == 0 { write!(line, "-") } else { write!(line, "{bytes_out}") };
    for value in [referer(&head.headers), agent(&head.headers)] {
        line.push_str(" \"");
        put(&mut line, value.unwrap_or("-"), Place::Quoted);
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

/// As Apache does: `\"`, `\\`, and `\xHH` for all that is not printable ASCII.
fn put(line: &mut String, value: &str, place: Place) {
    for byte in value.bytes() {
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
fn put_time(line: &mut String, seconds: u64) {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } = Date::from_days(days);
    let month = MONTHS.get(month - 1).copied().unwrap_or_default();
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let _ = write!(line, "{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
}

struct Date {
    year: u64,
    /// From 1.
    month: usize,
    day: u64,
}

impl Date {
    /// The date that is this many days after 1970-01-01, by the rules of the Gregorian calendar. Years begin in March here, so
    /// that the leap day is the last.
    fn from_days(days: u64) -> Self {
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month: usize::try_from(month).unwrap_or(1),
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
        }
    }
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
            put_time(&mut line, seconds);
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
    }
}

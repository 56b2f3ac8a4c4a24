//! Retry-After (RFC 9110 §10.2.3): the one reader and the one writer.
//!
//! The gateway reads it in the replies of services: a retry waits for at least that long, and a batch reports the largest
//! one of its items. It writes it wherever a reply of its own asks the client to come back later. A time is rounded up to
//! seconds, so that a client that waits for as long as it was told does not come back too early.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::clock::unix_time;

/// Returns how long the sender asks to wait. The value is a number of seconds or a date; a date in the past is zero.
#[must_use]
pub fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large for us is still a very long time.
        return Some(Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into()));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(unix_time()))
}

/// Returns the value that asks to wait for this long.
#[must_use]
pub fn write(after: Duration) -> String {
    whole_seconds(after).to_string()
}

/// Returns a time in seconds, rounded up.
#[must_use]
pub const fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + (time.subsec_nanos() > 0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let in_a_minute =
            httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + unix_time() + Duration::from_secs(60));
        for (text, seconds) in [
            ("0", Some(0..=0)),
            ("7", Some(7..=7)),
            (" 120 ", Some(120..=120)),
            ("99999999999999999999999", Some(4_294_967_295..=4_294_967_295)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0..=0)),
            (&in_a_minute, Some(58..=60)),
            ("", None),
            ("+5", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let parsed = parse(&HeaderValue::from_str(text).unwrap()).map(|after| after.as_secs());
            assert_eq!(parsed.is_some(), seconds.is_some(), "{text}");
            assert!(parsed.is_none_or(|parsed| seconds.unwrap().contains(&parsed)), "{text}: {parsed:?}");
        }
    }

    #[test]
    fn a_time_is_rounded_up() {
        for (milliseconds, text) in [(0, "0"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (1500, "2")] {
            assert_eq!(write(Duration::from_millis(milliseconds)), text);
        }
    }
}

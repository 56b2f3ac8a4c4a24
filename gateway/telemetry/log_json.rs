//! A log line as a JSON object: `timestamp`, `level`, then the event's fields in their order.
//!
//! tracing-subscriber's own formatter does the same, but passes each value through several layers of writers; this one writes
//! with `serde_json` into one buffer, for about a quarter of the cost.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::io::Write as _;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, time};
use tracing_subscriber::registry::LookupSpan;

use super::json_text::quote;
use crate::clock::unix_time;

/// Writes events as JSON objects, one a line.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members { line: Vec::with_capacity(512), result: Ok(()) };
        members.line.extend_from_slice(b"{\"timestamp\":\"");
        put_time(&mut members.line)?;
        members.line.extend_from_slice(b"\",\"level\":\"");
        members.line.extend_from_slice(event.metadata().level().as_str().as_bytes());
        members.line.push(b'"');
        event.record(&mut members);
        members.result?;
        members.line.extend_from_slice(b"}\n");
        writer.write_str(std::str::from_utf8(&members.line).map_err(|_| fmt::Error)?)
    }
}

/// The time in RFC 3339, to microseconds. All but the fraction is the same for a second, and kept for it.
pub(super) fn put_time(line: &mut Vec<u8>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = unix_time();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second == now.as_secs() {
            line.extend_from_slice(text.as_bytes());
            return write!(line, ".{:06}Z", now.subsec_micros()).map_err(|_| fmt::Error);
        }
        text.clear();
        time::SystemTime.format_time(&mut Writer::new(text))?;
        line.extend_from_slice(text.as_bytes());
        text.truncate("2000-01-01T00:00:00".len());
        // It has read the clock itself: nothing is kept if the second may have changed in between.
        *second = if unix_time().as_secs() == now.as_secs() { now.as_secs() } else { 0 };
        Ok(())
    })
}

/// The members of a line that is being written.
struct Members {
    line: Vec<u8>,
    result: fmt::Result,
}

impl Members {
    fn name(&mut self, field: &Field) {
        self.line.extend_from_slice(b",\"");
        // Names of fields are identifiers and need no escapes.
        self.line.extend_from_slice(field.name().trim_start_matches("r#").as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn put(&mut self, field: &Field, value: impl Serialize) {
        self.name(field);
        if serde_json::to_writer(&mut self.line, &value).is_err() {
            self.result = Err(fmt::Error);
        }
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        quote(&mut self.line, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(log: impl FnOnce()) -> String {
        let output = Output::default();
        let own = output.clone();
        let lines = fmt::layer().with_writer(move || own.clone()).event_format(JsonLines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        String::from_utf8(output.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_line_is_an_object_with_the_fields_in_their_order() {
        let line = written(|| {
            tracing::info!(
                kind = "a\n\"b\"",
                number = 7_u64,
                below = -1,
                part = 0.125,
                yes = true,
                r#type = %"shown",
                none = None::<u64>,
                error = ?Some(1),
                "a message"
            );
        });
        let (time, rest) = line.split_at("{\"timestamp\":\"2026-01-01T00:00:00.000000Z\"".len());
        assert_eq!(
            rest,
            ",\"level\":\"INFO\",\"message\":\"a message\",\"kind\":\"a\\n\\\"b\\\"\",\"number\":7,\"below\":-1,\"part\":0.125,\
             \"yes\":true,\"type\":\"shown\",\"error\":\"Some(1)\"}\n"
        );
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "{\"timestamp\":\"0000-00-00T00:00:00.000000Z\"");
    }

    #[test]
    fn the_time_is_now() {
        let before = unix_time();
        let mut line = Vec::new();
        // Once as it is kept, and once from what was kept.
        put_time(&mut line).unwrap();
        line.clear();
        put_time(&mut line).unwrap();
        let text = String::from_utf8(line).unwrap();
        let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').unwrap();
        let seconds = seconds_of(seconds);
        let written = Duration::new(seconds, fraction.parse::<u32>().unwrap() * 1000);
        let passed = written.saturating_sub(before);
        assert!(written + Duration::from_micros(1) > before && passed < Duration::from_secs(60), "{text}");
    }

    /// Seconds since 1970 of a time in RFC 3339.
    fn seconds_of(text: &str) -> u64 {
        let numbers: Vec<u64> = text.split(['-', 'T', ':']).map(|part| part.parse().unwrap()).collect();
        let [year, month, day, hour, minute, second] = numbers[..] else { panic!("{text}") };
        let (year, month) = if month < 3 { (year - 1, month + 12) } else { (year, month) };
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1;
        (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second
    }
}

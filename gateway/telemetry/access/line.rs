//! One line of the access log in the making: JSON, or `name=value` pairs.

use std::fmt::Display;
use std::time::Duration;

use crate::config::AccessField;
use crate::telemetry::json_text::quote;
use crate::telemetry::log_json::put_time;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
}

/// A line in the making.
pub(super) struct Line {
    bytes: Vec<u8>,
    form: Form,
    /// The field whose value comes next. Without a value it leaves nothing in the line.
    field: AccessField,
}

impl Line {
    pub(super) fn new(form: Form) -> Self {
        Self { bytes: Vec::with_capacity(1024), form, field: AccessField::Timestamp }
    }

    /// The complete line, with its end.
    pub(super) fn end(mut self) -> Vec<u8> {
        match self.form {
            Form::Json if self.bytes.is_empty() => self.bytes.extend_from_slice(b"{}\n"),
            Form::Json => self.bytes.extend_from_slice(b"}\n"),
            Form::Text => self.bytes.push(b'\n'),
        }
        self.bytes
    }

    /// The value of this field comes next.
    pub(super) const fn at(&mut self, field: AccessField) {
        self.field = field;
    }

    fn name(&mut self) {
        let (field, is_first) = (self.field, self.bytes.is_empty());
        match self.form {
            Form::Json => {
                self.bytes.extend_from_slice(if is_first { b"{\"" } else { b",\"" });
                self.bytes.extend_from_slice(field.as_str().as_bytes());
                self.bytes.extend_from_slice(b"\":");
            }
            Form::Text => {
                if !is_first {
                    self.bytes.push(b' ');
                }
                self.bytes.extend_from_slice(field.as_str().as_bytes());
                self.bytes.push(b'=');
            }
        }
    }

    pub(super) fn text(&mut self, value: &str) {
        self.name();
        match self.form {
            Form::Text if value.bytes().all(is_bare) && !value.is_empty() => {
                self.bytes.extend_from_slice(value.as_bytes());
            }
            Form::Json | Form::Text => quote(&mut self.bytes, value),
        }
    }

    pub(super) fn optional_text(&mut self, value: Option<&str>) {
        if let Some(value) = value {
            self.text(value);
        }
    }

    pub(super) fn shown(&mut self, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.text(&value.to_string());
        }
    }

    pub(super) fn number(&mut self, value: u64) {
        self.name();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// A count that is left out if it is zero.
    pub(super) fn count_if_any(&mut self, count: usize) {
        if count > 0 {
            self.count(count);
        }
    }

    /// With three decimals: microseconds are enough for a log.
    pub(super) fn milliseconds(&mut self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.number(micros / 1000);
        let part = micros % 1000;
        let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or_default();
        self.bytes.extend_from_slice(&[b'.', digit(part / 100), digit(part / 10), digit(part)]);
    }

    pub(super) fn optional_milliseconds(&mut self, value: Option<Duration>) {
        if let Some(value) = value {
            self.milliseconds(value);
        }
    }

    pub(super) fn time(&mut self) {
        self.name();
        if self.form == Form::Json {
            self.bytes.push(b'"');
        }
        // Writing into memory does not fail.
        let _ = put_time(&mut self.bytes);
        if self.form == Form::Json {
            self.bytes.push(b'"');
        }
    }
}

/// Whether a byte needs no quotes in a text.
const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\')
}

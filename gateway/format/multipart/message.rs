//! A request message within a part (RFC 9112 §10.2): its line, its fields, its body.
//!
//! Real clients write Host, Content-Length, MIME-Version and Connection; they are checked and dropped
//! (protocol §1). Every other field is one of the item's.

use std::ops::Range;

use bytes::Bytes;
use http::Method;
use httparse::Header;

use super::body::locate;
use super::fields::{head_length, parse, plain};
use super::part::{check_transfer_encoding, reject_head, set_id_if_none, the_only};
use super::reading::Reading;
use super::target;
use crate::batch::{BatchLimits, DroppedFields, ItemRejection};
use crate::format::item_builder::ItemBuilder;
use crate::header::field::FieldError;
use crate::route::same_authority;

/// Bytes of a head in addition to the url and the item's own fields.
const HEAD_OVERHEAD: usize = 2048;

/// Reads the message at `at` of the batch's body into the builder, and returns its body, a
/// slice of the batch's.
pub(super) fn read(builder: &mut ItemBuilder<'_>, at: Range<usize>, reading: &Reading<'_>) -> Option<Bytes> {
    let all = reading.body.get(at.clone())?;
    // RFC 9112 §2.2 has servers pass over blank lines before a message.
    let blank = all.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let message = all.get(blank..)?;
    if message.is_empty() {
        builder.reject(ItemRejection::WrongShape {
            expected: "a request; its part has a head and nothing after it",
        });
        return None;
    }
    let limits = reading.context.limits;
    let head = head_length(message, longest_head(limits))
        .map_err(|error| reject_head(builder, error, limits))
        .ok()?;
    let length = read_head(builder, message.get(..head)?, reading)?;
    let rest = message.get(head..)?;
    let Some(body) = locate(rest, length.given()) else {
        builder.reject_header("Content-Length", FieldError::Length);
        return None;
    };
    let bytes = rest.get(body.clone())?;
    if bytes.is_empty() {
        return None;
    }
    if length == Length::Unknown && builder.media_type().is_none() && is_message(bytes) {
        builder.reject(ItemRejection::WrongShape { expected: "one message; its part holds two" });
        return None;
    }
    let start = at.start + blank + head;
    Some(reading.body.slice(start + body.start..start + body.end))
}

fn longest_head(limits: &BatchLimits) -> usize {
    limits.max_url.saturating_add(limits.max_header_bytes).saturating_add(HEAD_OVERHEAD)
}

/// What a message says of its body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Unknown,
    Given(usize),
}

impl Length {
    fn given(self) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::Given(length) => Some(length),
        }
    }
}

/// Reads the line and the fields; `None` if the item is rejected.
fn read_head(builder: &mut ItemBuilder<'_>, head: &[u8], reading: &Reading<'_>) -> Option<Length> {
    let line_length = memchr::memchr(b'\n', head).map_or(head.len(), |newline| newline + 1);
    let (line, rest) = head.split_at_checked(line_length)?;
    target::read(builder, line.trim_ascii_end(), reading);
    let rest = plain(rest);
    let limits = reading.context.limits;
    let fields =
        parse(&rest, limits.max_headers).map_err(|error| reject_head(builder, error, limits)).ok()?;
    check_transfer_encoding(builder, &fields);
    let length = length_of(builder, &fields);
    for field in &fields {
        add(builder, field, reading.context.own_authority);
    }
    (!builder.is_rejected()).then_some(length)
}

fn length_of(builder: &mut ItemBuilder<'_>, fields: &[Header<'_>]) -> Length {
    let Some(value) = the_only(builder, fields, "Content-Length") else {
        return Length::Unknown;
    };
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(length) = digits.and_then(|text| text.parse().ok()) {
        Length::Given(length)
    } else {
        builder.reject_header("Content-Length", FieldError::NotANumber);
        Length::Unknown
    }
}

fn add(builder: &mut ItemBuilder<'_>, field: &Header<'_>, own_authority: &str) {
    let dropped = DroppedFields::NAMES.into_iter().find(|name| field.name.eq_ignore_ascii_case(name));
    let Some(dropped) = dropped else {
        builder.add_header(field.name, field.value);
        return;
    };
    builder.form().dropped.add(dropped);
    if dropped == "Host" {
        let own = std::str::from_utf8(field.value).is_ok_and(|host| same_authority(host, own_authority));
        if !own {
            builder.reject_header("Host", FieldError::OtherHost);
        }
    } else if dropped == "Connection" {
        // Anything else would name fields that belong to a hop.
        let plain =
            [b"keep-alive".as_slice(), b"close"].iter().any(|word| field.value.eq_ignore_ascii_case(word));
        if !plain {
            builder.reject_header("Connection", FieldError::Forbidden);
        }
    } else if dropped == "Content-ID" {
        // UI5 writes the id here, although it belongs in the part's own head (OData 2, Batch Processing).
        set_id_if_none(builder, field.value);
    }
}

/// Whether bytes begin like a request message, line and fields.
fn is_message(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let Some((words, version)) = std::str::from_utf8(line).ok().and_then(|line| line.rsplit_once(' ')) else {
        return false;
    };
    let method = words.split(' ').next().unwrap_or_default();
    version.starts_with("HTTP/1.") && Method::from_bytes(method.as_bytes()).is_ok()
}

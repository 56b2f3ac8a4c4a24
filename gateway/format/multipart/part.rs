//! The head of a part: what the part holds, and the id it gives it.

use httparse::Header;

use super::boundary::Boundary;
use super::fields::{HeadError, head_length, parse, plain};
use crate::batch::Bounded;
use crate::batch::{BatchLimits, IdForm, ItemRejection};
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::format::media::MediaType;
use crate::header::field::FieldError;

/// What messages call a request's target.
pub(super) const NAMES: MemberNames = MemberNames { url: "target" };

/// What a part holds.
#[derive(Debug)]
pub(super) enum PartKind {
    /// A request message.
    Message,
    /// A change set, or the problem with its boundary.
    ChangeSet(Result<Box<Boundary>, &'static str>),
}

/// Reads the head of the part that `bytes` are, into the builder. What the part holds and how long its
/// head is; `None` if the item is rejected and need not be read further.
pub(super) fn open(
    builder: &mut ItemBuilder<'_>,
    bytes: &[u8],
    limits: &BatchLimits,
) -> Option<(PartKind, usize)> {
    let length = head_length(bytes, limits.max_header_bytes)
        .map_err(|error| reject_head(builder, error, limits))
        .ok()?;
    let head = plain(bytes.get(..length)?);
    let fields =
        parse(&head, limits.max_headers).map_err(|error| reject_head(builder, error, limits)).ok()?;
    if let Some(id) = the_only(builder, &fields, "Content-ID") {
        set_id(builder, id);
    }
    check_transfer_encoding(builder, &fields);
    let kind = kind_of(builder, &fields)?;
    Some((kind, length))
}

/// Rejects the item because of a head, of its part or of the message in it.
pub(super) fn reject_head(builder: &mut ItemBuilder<'_>, error: HeadError, limits: &BatchLimits) {
    builder.reject(match error {
        HeadError::TooLong => {
            ItemRejection::OverLimit { what: Bounded::HeaderBytes, limit: limits.max_header_bytes }
        }
        HeadError::TooMany => ItemRejection::OverLimit { what: Bounded::Headers, limit: limits.max_headers },
        HeadError::Syntax => {
            ItemRejection::BadMember { member: "headers", problem: "break the syntax of HTTP" }
        }
    });
}

/// The value of a field that must not appear twice.
pub(super) fn the_only<'h>(
    builder: &mut ItemBuilder<'_>,
    fields: &[Header<'h>],
    name: &str,
) -> Option<&'h [u8]> {
    let mut values =
        fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
    let value = values.next()?;
    if values.next().is_some() {
        builder.reject_header(name, FieldError::Once);
    }
    Some(value)
}

/// Sets the id, unless the head of the part had one.
pub(super) fn set_id_if_none(builder: &mut ItemBuilder<'_>, id: &[u8]) {
    if !builder.has_id() {
        set_id(builder, id);
    }
}

/// Google's clients write `<id>`, OData's a bare one.
fn set_id(builder: &mut ItemBuilder<'_>, id: &[u8]) {
    let id = id.trim_ascii();
    match id.strip_prefix(b"<").and_then(|id| id.strip_suffix(b">")) {
        Some(id) => builder.set_id_bytes(id, IdForm::Bracketed),
        None => builder.set_id_bytes(id, IdForm::Plain),
    }
}

/// RFC 2045 §6: only encodings that change nothing are allowed.
pub(super) fn check_transfer_encoding(builder: &mut ItemBuilder<'_>, fields: &[Header<'_>]) {
    let encoding = the_only(builder, fields, "Content-Transfer-Encoding").map(<[u8]>::trim_ascii);
    let is_identity = |encoding: &[u8]| {
        [b"binary".as_slice(), b"8bit", b"7bit"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
    };
    if encoding.is_some_and(|encoding| !is_identity(encoding)) {
        builder.reject_member("Content-Transfer-Encoding", "is not supported; send binary");
    }
}

fn kind_of(builder: &mut ItemBuilder<'_>, fields: &[Header<'_>]) -> Option<PartKind> {
    let value = the_only(builder, fields, "Content-Type").and_then(|value| std::str::from_utf8(value).ok());
    let value = value.unwrap_or_default();
    let essence = MediaType::parse(value).essence;
    if essence.eq_ignore_ascii_case("application/http") {
        return Some(PartKind::Message);
    }
    if essence.eq_ignore_ascii_case("multipart/mixed") {
        return Some(PartKind::ChangeSet(Boundary::from_content_type(value).map(Box::new)));
    }
    builder.reject(ItemRejection::WrongShape {
        expected: "a part of the type application/http or multipart/mixed",
    });
    None
}

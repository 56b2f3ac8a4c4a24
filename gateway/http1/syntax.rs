//! Characters, hosts and single field lines (RFC 9110 §5, RFC 9112 §5, RFC 3986 §3.2).

use super::fault::Flaw;

/// The direction of a message. Requests must follow the grammar exactly; replies have some freedom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    Request,
    Reply,
}

/// Whether a byte may be in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
}

/// Whether a byte may be in a field's value or a reason phrase: visible, a space or a tab, or beyond ASCII.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The index of the first byte that is not allowed, if there is one. Most text has none, so it is looked through without a
/// way out of the loop first, which the compiler does for many bytes at once.
pub(super) fn first_bad(bytes: &[u8], is_good: impl Fn(u8) -> bool) -> Option<usize> {
    let all_good = bytes.iter().fold(true, |good, byte| good & is_good(*byte));
    if all_good { None } else { bytes.iter().position(|byte| !is_good(*byte)) }
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && first_bad(bytes, is_token_byte).is_none()
}

/// The value without spaces and tabs around it.
pub(crate) fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The name of a field line, and its value.
pub(super) type FieldLine<'line> = (&'line [u8], &'line [u8]);

/// A field line's name and value, or the problem and its place in the line. In a reply, there may be spaces before
/// the colon (RFC 9112 §5.1: proxies remove them from replies).
pub(super) fn field(line: &[u8], kind: MessageKind) -> Result<FieldLine<'_>, (Flaw, usize)> {
    if line.first().is_some_and(|first| is_blank(*first)) {
        return Err((Flaw::FoldedField, 0));
    }
    let colon = memchr::memchr(b':', line).ok_or((Flaw::NoColon, line.len()))?;
    let (name, value) = line.split_at(colon);
    let name = if kind == MessageKind::Reply { trim_blanks(name) } else { name };
    if name.is_empty() {
        return Err((Flaw::FieldName, 0));
    }
    if let Some(bad) = first_bad(name, is_token_byte) {
        return Err((Flaw::FieldName, bad));
    }
    let value = value.get(1..).unwrap_or_default();
    if let Some(bad) = first_bad(value, is_value_byte) {
        return Err((Flaw::FieldValue, colon + 1 + bad));
    }
    Ok((name, trim_blanks(value)))
}

/// A number that consists of digits (RFC 9110 §8.6) and has at most 63 bits, because servers count with these.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let append = |number: i64, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(i64::from(digit))
    };
    let number = digits.iter().try_fold(0, append).filter(|_| !digits.is_empty());
    number?.try_into().ok()
}

/// Whether the bytes are `host [":" port]` (RFC 3986 §3.2.2, §3.2.3). Empty is not a host.
#[must_use]
pub fn is_host(authority: &[u8]) -> bool {
    let (host, port) = if authority.first() == Some(&b'[') {
        let Some(end) = memchr::memchr(b']', authority) else { return false };
        let (address, rest) = authority.split_at(end);
        let address = address.get(1..).and_then(|address| std::str::from_utf8(address).ok());
        if address.is_none_or(|address| address.parse::<std::net::Ipv6Addr>().is_err()) {
            return false;
        }
        (&b"v6"[..], rest.get(1..).unwrap_or_default())
    } else {
        authority.split_at(memchr::memchr(b':', authority).unwrap_or(authority.len()))
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && is_registered_name(host)
}

/// RFC 3986 §3.2.2: unreserved characters, subdelimiters and percent-encoded ones.
fn is_registered_name(name: &[u8]) -> bool {
    let mut bytes = name.iter().copied();
    while let Some(byte) = bytes.next() {
        let is_good = match byte {
            b'%' => {
                let mut is_digit = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                is_digit() && is_digit()
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' => true,
            byte => matches!(byte, b'&'..=b',' | b';' | b'='),
        };
        if !is_good {
            return false;
        }
    }
    !name.is_empty()
}

/// The authority of an absolute target with the scheme http or https; `None` if the target is something else
/// (RFC 9112 §3.2.2).
pub(super) fn authority_of(target: &[u8]) -> Option<&[u8]> {
    let scheme = memchr::memmem::find(target, b"://")?;
    let (scheme, rest) = (target.get(..scheme)?, target.get(scheme + 3..)?);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest.get(..end)
}

//! Reads a reply out of a buffer: its head by httparse, and what frames its body by the grammar's own rules.
//!
//! In: the bytes that have come, from the first of a head on. Out: the fields of a head that is complete and well-formed, and
//! what follows it. Nothing is copied. Invariant: what breaks the grammar is refused, and everything else is read as pingora reads
//! it.

use std::mem::MaybeUninit;

use http::{Method, StatusCode, Version};

use super::fault::{Fault, Flaw};
use super::head::{Facts, Head, Step};
use super::reply_framing::{AfterReplyHead, LIMITS};
use super::syntax::MessageKind;

/// The head of a reply.
#[derive(Debug)]
pub struct ReplyHead<'bytes> {
    /// Its length in bytes.
    pub length: usize,
    /// Its status.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// What follows the status. Servers may leave it empty.
    pub reason: Option<&'bytes str>,
    /// Its fields as they were written. A value can be folded over several lines ([`unfolded`]).
    pub fields: &'bytes [httparse::Header<'bytes>],
    facts: Facts,
}

/// Reads the head of a reply. `None`: it is not complete.
///
/// # Errors
/// It is not the head of a reply, or can't be told from two.
pub fn read_reply_head<T>(bytes: &[u8], make: impl FnOnce(ReplyHead<'_>) -> T) -> Result<Option<T>, Fault> {
    // Servers that put an empty line before their reply are refused, as the checker refuses them.
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(Fault::new(Flaw::StatusLine, 0));
    }
    let strict = httparse::ParserConfig::default();
    match parse(bytes, &strict, make) {
        Parsed::Read(value) => Ok(Some(value)),
        Parsed::Partial if bytes.len() > LIMITS.bytes => Err(too_large()),
        Parsed::Partial => Ok(None),
        Parsed::Fault(fault) => Err(fault),
        Parsed::Unread(make) => read_lenient(bytes, make),
    }
}

/// Reads a head that has what only old servers write: a folded field, or a space before a colon. The checker decides whether
/// that is harmless.
fn read_lenient<T>(bytes: &[u8], make: impl FnOnce(ReplyHead<'_>) -> T) -> Result<Option<T>, Fault> {
    let mut checked = Head::new(MessageKind::Reply, LIMITS);
    let mut at = 0;
    loop {
        let (taken, step) = checked.pass(bytes.get(at..).unwrap_or_default())?;
        at += taken;
        match step {
            Step::More => return Ok(None),
            Step::FirstLine => {}
            Step::Complete => break,
        }
    }
    let mut lenient = httparse::ParserConfig::default();
    lenient.allow_spaces_after_header_name_in_responses(true);
    lenient.allow_obsolete_multiline_headers_in_responses(true);
    match parse(bytes, &lenient, make) {
        Parsed::Read(value) => Ok(Some(value)),
        Parsed::Fault(fault) => Err(fault),
        Parsed::Partial | Parsed::Unread(_) => Err(Fault::new(Flaw::FieldName, 0)),
    }
}

enum Parsed<T, F> {
    Read(T),
    Partial,
    Fault(Fault),
    /// httparse refuses it.
    Unread(F),
}

fn parse<T, F: FnOnce(ReplyHead<'_>) -> T>(
    bytes: &[u8],
    config: &httparse::ParserConfig,
    make: F,
) -> Parsed<T, F> {
    let mut fields = [const { MaybeUninit::uninit() }; LIMITS.fields];
    let mut reply = httparse::Response::new(&mut []);
    let length = match config.parse_response_with_uninit_headers(&mut reply, bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Unread(make),
    };
    if length > LIMITS.bytes {
        return Parsed::Fault(too_large());
    }
    let status = reply.code.and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status else { return Parsed::Fault(Fault::new(Flaw::StatusLine, 9)) };
    let version = if reply.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let facts = match Facts::of_reply(status, version, reply.headers) {
        Ok(facts) => facts,
        Err(flaw) => return Parsed::Fault(Fault::new(flaw, 0)),
    };
    Parsed::Read(make(ReplyHead {
        length,
        status,
        version,
        reason: reply.reason,
        fields: reply.headers,
        facts,
    }))
}

const fn too_large() -> Fault {
    Fault::new(Flaw::HeadTooLarge, LIMITS.bytes as u64)
}

impl ReplyHead<'_> {
    /// What follows the head of a reply to a request with this method.
    #[must_use]
    pub fn after(&self, method: &Method) -> AfterReplyHead {
        AfterReplyHead::new(&self.facts, method, self.length as u64)
    }
}

/// A value without the line ends of a folded field (RFC 9112 §5.2): each becomes a space. `None`: it has none.
#[must_use]
pub fn unfolded(value: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr2(b'\r', b'\n', value)?;
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    Some(lines.collect::<Vec<_>>().join(&b' '))
}

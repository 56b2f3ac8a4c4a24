//! A plain reader of replies over HTTP/1.1, beside the gateway's own: httparse reads heads, and the rest is RFC 9112 as it is written, over
//! all bytes at once. Where old servers have some freedom, it doesn't decide.

use batchgate::http1::may_be_trailer;
use batchgate::replay::Then;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Not {
    /// There are not enough bytes.
    Complete,
    /// Readers could take it for different messages, or for none.
    Clear,
    /// It is one only for readers that allow what old servers write.
    Strict,
}

#[derive(Debug)]
pub(super) struct PlainReply {
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: HeaderMap,
    /// Its length in bytes, with the interim replies before it.
    pub(super) length: usize,
    pub(super) stays_open: bool,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    Nothing,
}

/// The reply to a request with this method.
pub(super) fn read(bytes: &[u8], method: &Method, then: Then) -> Result<PlainReply, Not> {
    let mut at = 0;
    for _ in 0..=32 {
        let (reply, framing) = head(&bytes[at..])?;
        at += reply.length;
        match reply.status {
            101 => return Err(Not::Clear),
            100..200 => {}
            _ => return with_body(bytes, PlainReply { length: at, ..reply }, framing, method, then),
        }
    }
    Err(Not::Clear)
}

fn head(bytes: &[u8]) -> Result<(PlainReply, Framing), Not> {
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(Not::Clear);
    }
    let mut room = [httparse::EMPTY_HEADER; 256];
    let mut reply = httparse::Response::new(&mut room);
    let length = match reply.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err(Not::Complete),
        Err(_) => {
            framing(&lines(bytes).ok_or(Not::Strict)?, bytes.starts_with(b"HTTP/1.0"))?;
            return Err(Not::Strict);
        }
    };
    let status = reply.code.filter(|code| *code >= 100).ok_or(Not::Clear)?;
    let is_1_0 = reply.version == Some(0);
    let named: Vec<_> = reply.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
    let framing = framing(&named, is_1_0)?;
    let mut fields = HeaderMap::new();
    for (name, value) in named {
        append(&mut fields, name, value)?;
    }
    let says = |word: &str| {
        let values = fields.get_all("connection").into_iter().map(HeaderValue::as_bytes);
        values
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    let stays_open = !says("close") && (!is_1_0 || says("keep-alive"));
    let (body, trailers) = (Vec::new(), HeaderMap::new());
    Ok((PlainReply { status, fields, body, trailers, length, stays_open }, framing))
}

fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), Not> {
    let name = HeaderName::from_bytes(name).map_err(|_| Not::Clear)?;
    fields.append(name, HeaderValue::from_bytes(value).map_err(|_| Not::Clear)?);
    Ok(())
}

/// The names and values of a head that httparse does not read, if it is complete. A line that begins with a space goes on with the
/// one before, which is why a framing field before it has no clear value.
fn lines(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut fields: Vec<(&[u8], &[u8])> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Some(fields);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let before = fields.last_mut()?;
            before.1 = b"folded";
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            fields.push((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()));
        }
    }
    None
}

fn framing(fields: &[(&[u8], &[u8])], is_1_0: bool) -> Result<Framing, Not> {
    let values = |wanted: &str| -> Vec<&[u8]> {
        let is_it = |(name, _): &&(&[u8], &[u8])| name.eq_ignore_ascii_case(wanted.as_bytes());
        fields.iter().filter(is_it).map(|(_, value)| *value).collect()
    };
    match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => Ok(Framing::Nothing),
        ([length], []) if length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<i64>().ok());
            Ok(Framing::Length(length.ok_or(Not::Clear)?.try_into().map_err(|_| Not::Clear)?))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && !is_1_0 => Ok(Framing::Chunked),
        _ => Err(Not::Clear),
    }
}

fn with_body(
    bytes: &[u8],
    mut reply: PlainReply,
    framing: Framing,
    method: &Method,
    then: Then,
) -> Result<PlainReply, Not> {
    let rest = &bytes[reply.length..];
    match framing {
        _ if matches!(reply.status, 204 | 304) || *method == Method::HEAD => {}
        Framing::Length(length) => {
            reply.body = rest.get(..length).ok_or(Not::Complete)?.to_vec();
            reply.length += length;
        }
        Framing::Chunked => chunks(bytes, &mut reply)?,
        Framing::Nothing if then == Then::Waits => return Err(Not::Complete),
        Framing::Nothing => {
            reply.body = rest.to_vec();
            reply.length = bytes.len();
            reply.stays_open = false;
        }
    }
    Ok(reply)
}

fn chunks(bytes: &[u8], reply: &mut PlainReply) -> Result<(), Not> {
    loop {
        let size = size(line(bytes, &mut reply.length)?)?;
        if size == 0 {
            return trailers(bytes, reply);
        }
        let rest = &bytes[reply.length..];
        reply.body.extend_from_slice(rest.get(..size).ok_or(Not::Complete)?);
        match &rest[size..] {
            [] | [b'\r'] => return Err(Not::Complete),
            [b'\r', b'\n', ..] => reply.length += size + 2,
            _ => return Err(Not::Clear),
        }
    }
}

/// The next line, which ends with CR LF and has neither in it.
fn line<'bytes>(bytes: &'bytes [u8], at: &mut usize) -> Result<&'bytes [u8], Not> {
    let rest = &bytes[*at..];
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Not::Complete)?;
    *at += end + 1;
    let line = rest[..end].strip_suffix(b"\r").ok_or(Not::Clear)?;
    if line.contains(&b'\r') { Err(Not::Clear) } else { Ok(line) }
}

fn size(line: &[u8]) -> Result<usize, Not> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match line.get(digits) {
        _ if digits == 0 || digits > 16 => Err(Not::Clear),
        None => {
            let size = std::str::from_utf8(line).ok().and_then(|digits| i64::from_str_radix(digits, 16).ok());
            size.and_then(|size| size.try_into().ok()).ok_or(Not::Clear)
        }
        Some(b';' | b' ' | b'\t') => Err(Not::Strict),
        Some(_) => Err(Not::Clear),
    }
}

fn trailers(bytes: &[u8], reply: &mut PlainReply) -> Result<(), Not> {
    for _ in 0..=256 {
        let line = line(bytes, &mut reply.length)?;
        if line.is_empty() {
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Not::Clear)?;
        let mut one = HeaderMap::new();
        append(&mut one, &line[..colon], line[colon + 1..].trim_ascii())?;
        reply.trailers.extend(one.into_iter().filter(|(name, _)| name.as_ref().is_none_or(may_be_trailer)));
    }
    Err(Not::Clear)
}

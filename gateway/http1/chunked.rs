//! Follows a body to its end. In a chunked body (RFC 9112 §7.1), every byte except the data is checked: sizes, extensions,
//! the CRLF after data, and the trailer section, whose fields are captured.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::HeadLimits;
use super::fault::{Fault, Flaw};
use super::head::Facts;
use super::lines::{LineEnd, Lines};
use super::syntax::{MessageKind, field, is_blank, is_token_byte, is_value_byte};

/// The digits of a chunk size. More of them can only be zeros.
const MAX_DIGITS: u32 = 16;

/// Bytes of one chunk's extensions. pingora stops at 8 KiB.
const EXTENSION_BYTES: u64 = 4096;

/// Bytes of all extensions of a body; each byte of data allows one more. Otherwise a body of one-byte chunks could cost
/// thousands of bytes for each byte of data.
const ALL_EXTENSION_BYTES: u64 = 16 << 10;

/// pingora stops at 64 KiB, and counts differently.
const TRAILER_BYTES: usize = 60 << 10;

/// The part of a body that has not passed yet.
#[derive(Debug)]
pub(super) enum Body {
    /// The number of bytes left.
    Length(u64),
    Chunked(Box<Chunked>),
    /// It ends with the connection.
    UntilClose,
}

impl Body {
    /// The body after a head (RFC 9112 §6.3); `None` if it is empty.
    pub(super) fn after(facts: &Facts, limits: HeadLimits, kind: MessageKind) -> Option<Self> {
        match (facts.length, kind) {
            _ if facts.is_chunked => Some(Self::Chunked(Box::new(Chunked::new(limits, kind)))),
            (Some(0), _) | (None, MessageKind::Request) => None,
            (Some(length), _) => Some(Self::Length(length)),
            (None, MessageKind::Reply) => Some(Self::UntilClose),
        }
    }

    /// Takes bytes up to the end of the body, a fault, or all of them. Adds their number to `at`, and returns whether the
    /// body is complete. `place` is the position of the bytes in the message. It advances by the valid ones. `data` gets
    /// those that are data, not framing.
    pub(super) fn follow<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        at: &mut usize,
        place: &mut u64,
        data: impl FnMut(&'bytes [u8]),
    ) -> Result<bool, Fault> {
        let (taken, complete) = self.pass(bytes, *place, data).inspect_err(|fault| {
            *at += usize::try_from(fault.place.saturating_sub(*place)).unwrap_or_default();
        })?;
        *at += taken;
        *place += taken as u64;
        Ok(complete)
    }

    /// The fields of the trailer section; `None` if there were none.
    pub(super) fn into_trailers(self) -> Option<HeaderMap> {
        match self {
            Self::Chunked(chunked) => Some(chunked.trailers).filter(|trailers| !trailers.is_empty()),
            Self::Length(_) | Self::UntilClose => None,
        }
    }

    fn pass<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        place: u64,
        mut data: impl FnMut(&'bytes [u8]),
    ) -> Result<(usize, bool), Fault> {
        match self {
            Self::UntilClose => {
                data(bytes);
                Ok((bytes.len(), false))
            }
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                data(bytes.get(..taken).unwrap_or_default());
                Ok((taken, *left == 0))
            }
            Self::Chunked(chunked) => chunked.pass(bytes, place, data),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    /// Spaces after the size or an extension's value. An extension must follow.
    Blanks,
    /// The LF after the CR.
    SizeLf,
    ExtensionName,
    /// Spaces after the name. `=` or `;` must follow.
    NameBlanks,
    ExtensionValue,
    Quoted,
    QuotedPair,
    AfterQuoted,
    Data,
    DataCr,
    DataLf,
    Trailer,
}

/// The part of a chunked body that has not passed yet.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    size: u64,
    digits: u32,
    /// The name or value of an extension has started.
    has_begun: bool,
    extension_bytes: u64,
    /// Bytes left for all extensions.
    allowance: u64,
    kind: MessageKind,
    limits: HeadLimits,
    lines: Lines,
    trailer_bytes: usize,
    trailer_fields: usize,
    trailers: HeaderMap,
}

impl Chunked {
    pub(super) fn new(limits: HeadLimits, kind: MessageKind) -> Self {
        Self {
            at: At::Size,
            size: 0,
            digits: 0,
            has_begun: false,
            extension_bytes: 0,
            allowance: ALL_EXTENSION_BYTES,
            kind,
            limits,
            lines: Lines::new(0, LineEnd::CrLf),
            trailer_bytes: 0,
            trailer_fields: 0,
            trailers: HeaderMap::new(),
        }
    }

    fn pass<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        place: u64,
        mut data: impl FnMut(&'bytes [u8]),
    ) -> Result<(usize, bool), Fault> {
        let mut taken = 0;
        while let Some(byte) = bytes.get(taken) {
            if self.at == At::Trailer {
                return self.pass_trailer(bytes, taken);
            }
            if self.at == At::Data {
                let left = bytes.len() - taken;
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(left);
                self.size -= count as u64;
                self.allowance = self.allowance.saturating_add(count as u64).min(ALL_EXTENSION_BYTES);
                data(bytes.get(taken..taken + count).unwrap_or_default());
                taken += count;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.step(*byte).map_err(|flaw| Fault::new(flaw, place + taken as u64))?;
            taken += 1;
            if self.at == At::Trailer {
                self.lines = Lines::new(place + taken as u64, LineEnd::CrLf);
            }
        }
        Ok((taken, false))
    }

    /// Takes a byte of a chunk's framing.
    fn step(&mut self, byte: u8) -> Result<(), Flaw> {
        if !matches!(self.at, At::Size | At::SizeLf | At::DataCr | At::DataLf) {
            self.extension_bytes += 1;
            self.allowance = self
                .allowance
                .checked_sub(1)
                .filter(|_| self.extension_bytes <= EXTENSION_BYTES)
                .ok_or(Flaw::ChunkExtensionTooLong)?;
        }
        let next = match self.at {
            At::Size => self.size_byte(byte)?,
            At::SizeLf if byte == b'\n' => {
                (self.digits, self.extension_bytes) = (0, 0);
                if self.size == 0 { At::Trailer } else { At::Data }
            }
            At::SizeLf => return Err(Flaw::ChunkExtension),
            At::DataCr if byte == b'\r' => At::DataLf,
            At::DataLf if byte == b'\n' => At::Size,
            At::DataCr | At::DataLf => return Err(Flaw::ChunkEnd),
            At::Blanks
            | At::ExtensionName
            | At::NameBlanks
            | At::ExtensionValue
            | At::Quoted
            | At::QuotedPair
            | At::AfterQuoted => self.extension_byte(byte)?,
            At::Data | At::Trailer => self.at,
        };
        self.at = next;
        Ok(())
    }

    fn size_byte(&mut self, byte: u8) -> Result<At, Flaw> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.digits += 1;
            if self.digits > MAX_DIGITS || self.size > u64::MAX >> 5 {
                return Err(Flaw::ChunkTooLarge);
            }
            self.size = self.size << 4 | u64::from(digit);
            return Ok(At::Size);
        }
        if self.digits == 0 {
            return Err(Flaw::ChunkSize);
        }
        self.has_begun = false;
        match byte {
            b'\r' => Ok(At::SizeLf),
            b';' => Ok(At::ExtensionName),
            byte if is_blank(byte) => Ok(At::Blanks),
            _ => Err(Flaw::ChunkSize),
        }
    }

    /// RFC 9112 §7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
    fn extension_byte(&mut self, byte: u8) -> Result<At, Flaw> {
        let has_begun = std::mem::replace(&mut self.has_begun, false);
        match (self.at, byte) {
            (At::Quoted, b'"') => Ok(At::AfterQuoted),
            (At::Quoted, b'\\') => Ok(At::QuotedPair),
            (At::Quoted | At::QuotedPair, byte) if is_value_byte(byte) => Ok(At::Quoted),
            (At::Quoted | At::QuotedPair, _) => Err(Flaw::ChunkExtension),
            (At::ExtensionName | At::ExtensionValue, byte) if is_token_byte(byte) => {
                self.has_begun = true;
                Ok(self.at)
            }
            (At::ExtensionName | At::ExtensionValue, byte) if is_blank(byte) && !has_begun => Ok(self.at),
            (At::ExtensionValue, b'"') if !has_begun => Ok(At::Quoted),
            (At::ExtensionName | At::ExtensionValue, _) if !has_begun => Err(Flaw::ChunkExtension),
            (At::ExtensionName | At::NameBlanks, b'=') => Ok(At::ExtensionValue),
            (_, b';') => Ok(At::ExtensionName),
            (At::ExtensionName | At::NameBlanks, byte) if is_blank(byte) => Ok(At::NameBlanks),
            (_, byte) if is_blank(byte) => Ok(At::Blanks),
            (At::ExtensionName | At::ExtensionValue | At::AfterQuoted, b'\r') => Ok(At::SizeLf),
            // Old servers pad a size with spaces.
            (At::Blanks, b'\r') if self.kind == MessageKind::Reply => Ok(At::SizeLf),
            _ => Err(Flaw::ChunkExtension),
        }
    }

    fn pass_trailer(&mut self, bytes: &[u8], mut taken: usize) -> Result<(usize, bool), Fault> {
        let limit = self.limits.bytes.min(TRAILER_BYTES);
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (within, beyond) = rest.split_at((limit - self.trailer_bytes).min(rest.len()));
            if within.is_empty() {
                let fault = Fault::new(Flaw::HeadTooLarge, self.lines.place());
                return if beyond.is_empty() { Ok((taken, false)) } else { Err(fault) };
            }
            let (line, complete) = self.lines.take(within, |_, _| Ok(()))?;
            taken += line;
            self.trailer_bytes += line;
            if !complete {
                continue;
            }
            if self.lines.text().is_empty() {
                return Ok((taken, true));
            }
            self.trailer_line()?;
        }
    }

    fn trailer_line(&mut self) -> Result<(), Fault> {
        let start = self.lines.start();
        self.trailer_fields += 1;
        if self.trailer_fields > self.limits.fields {
            return Err(Fault::new(Flaw::TooManyFields, start));
        }
        let read = field(self.lines.text(), MessageKind::Request);
        let (name, value) = read.map_err(|(flaw, index)| Fault::new(flaw, start + index as u64))?;
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            return Err(Fault::new(Flaw::FieldName, start));
        };
        if self.kind == MessageKind::Request && FRAMING.contains(&name) {
            return Err(Fault::new(Flaw::ForbiddenTrailer, start));
        }
        if may_be_trailer(&name) {
            self.trailers.append(name, value);
        }
        Ok(())
    }
}

/// The end of a chunked body, with these trailers (RFC 9112 §7.1.2).
#[must_use]
pub fn last_chunk(trailers: Option<&HeaderMap>) -> Bytes {
    let mut last = BytesMut::from(&b"0\r\n"[..]);
    for (name, value) in trailers.into_iter().flatten() {
        last.put_slice(name.as_str().as_bytes());
        last.put_slice(b": ");
        last.put_slice(value.as_bytes());
        last.put_slice(b"\r\n");
    }
    last.put_slice(b"\r\n");
    last.freeze()
}

/// The fields that decide where a message ends and where it goes.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST];

/// Whether a field may be a trailer. Fields that frame or route a message, authenticate, change how a request is processed
/// or a reply is stored, or say how to read the content, may not (RFC 9110 §6.5.1).
pub fn may_be_trailer(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 22] = [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        header::MAX_FORWARDS,
        header::RANGE,
        header::CACHE_CONTROL,
        header::PRAGMA,
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::PROXY_AUTHENTICATE,
        header::WWW_AUTHENTICATE,
        header::COOKIE,
        header::SET_COOKIE,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_RANGE,
        header::AGE,
        header::LOCATION,
        header::RETRY_AFTER,
        header::VARY,
    ];
    if name.as_str().contains('_') {
        // Servers behind CGI take it for the other.
        let dashed = HeaderName::try_from(name.as_str().replace('_', "-"));
        return dashed.is_ok_and(|dashed| may_be_trailer(&dashed));
    }
    !FRAMING.contains(name)
        && !NEVER.contains(name)
        && !name.as_str().starts_with("if-")
        && name != "keep-alive"
}

//! Reads a head line by line, and from it where the message ends (RFC 9112 §6.3).
//!
//! Each line is checked when it is complete. Limits are checked with every byte, so that an endless line is refused.

use http::{StatusCode, Version};

use super::HeadLimits;
use super::fault::{Fault, Flaw};
use super::lines::{LineEnd, Lines};
use super::syntax::{
    MessageKind, authority_of, decimal, field, first_bad, is_host, is_token, is_token_byte, is_value_byte,
};

/// The first byte of a TLS record that begins a handshake, and of its version (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_MAJOR_VERSION: u8 = 0x03;

/// What others need to know about a head.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) is_http_1_0: bool,
    /// The status of a reply.
    pub(super) status: u16,
    /// The authority in the target of a request.
    pub(super) authority: Option<Vec<u8>>,
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    /// It asks for another protocol.
    pub(super) wants_upgrade: bool,
    hosts: usize,
}

impl Facts {
    /// The facts of a reply's head.
    ///
    /// # Errors
    /// Its fields contradict each other, or say nothing that can be relied on.
    pub(super) fn of_reply(
        status: StatusCode,
        version: Version,
        fields: &[httparse::Header<'_>],
    ) -> Result<Self, Flaw> {
        let is_http_1_0 = version == Version::HTTP_10;
        let mut facts = Self { is_http_1_0, status: status.as_u16(), ..Self::default() };
        for field in fields {
            framing_field(field.name.as_bytes(), field.value, &mut facts, MessageKind::Reply)?;
        }
        facts.contradiction().map_or(Ok(facts), Err)
    }

    /// Fields that contradict each other about the end of the message.
    const fn contradiction(&self) -> Option<Flaw> {
        if self.is_chunked && self.length.is_some() {
            Some(Flaw::LengthAndCoding)
        } else if self.is_chunked && self.is_http_1_0 {
            Some(Flaw::CodingInHttp10)
        } else {
            None
        }
    }
}

/// How far a head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There are no more bytes.
    More,
    /// Up to the end of the first line.
    FirstLine,
    /// Up to the end of the head.
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    FirstLine,
    Fields,
}

/// The head that is being read.
#[derive(Debug)]
pub(super) struct Head {
    kind: MessageKind,
    limits: HeadLimits,
    lines: Lines,
    at: At,
    empty_lines: usize,
    request_line: RequestLine,
    fields: usize,
    /// The previous field frames the reply, so it can't be continued on the next line.
    after_framing: bool,
    facts: Facts,
    /// The field lines with the Host that the target has.
    rewritten: Option<Vec<u8>>,
}

impl Head {
    /// The head of the first message on a connection.
    pub(super) fn new(kind: MessageKind, limits: HeadLimits) -> Self {
        let line_end = match kind {
            MessageKind::Request => LineEnd::CrLf,
            MessageKind::Reply => LineEnd::AnyLf,
        };
        Self {
            kind,
            limits,
            lines: Lines::new(0, line_end),
            at: At::FirstLine,
            empty_lines: 0,
            request_line: RequestLine { is_first: true, ..RequestLine::default() },
            fields: 0,
            after_framing: true,
            facts: Facts::default(),
            rewritten: None,
        }
    }

    /// Starts with the next message's head.
    pub(super) fn restart(&mut self) {
        self.lines.restart();
        let lines = std::mem::replace(&mut self.lines, Lines::new(0, LineEnd::CrLf));
        let request_line = RequestLine::default();
        *self = Self { lines, request_line, ..Self::new(self.kind, self.limits) };
    }

    /// Bytes of the message so far.
    pub(super) const fn place(&self) -> u64 {
        self.lines.place()
    }

    /// Whether no byte of the head has arrived.
    pub(super) const fn is_untouched(&self) -> bool {
        self.lines.place() == 0
    }

    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Starts to collect the field lines, with a Host that repeats the target's authority.
    pub(super) fn rewrite_host(&mut self) {
        let authority = self.facts.authority.as_deref().unwrap_or_default();
        self.rewritten = Some([b"Host: ", authority, b"\r\n"].concat());
    }

    /// Takes the collected field lines.
    pub(super) fn take_rewritten(&mut self) -> Option<Vec<u8>> {
        self.rewritten.take()
    }

    /// Takes bytes up to the end of the first line, the end of the head, or all of them. Returns how many.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(usize, Step), Fault> {
        let used = usize::try_from(self.lines.place()).unwrap_or(usize::MAX);
        let room = self.limits.bytes.saturating_sub(used);
        let (within, beyond) = bytes.split_at(room.min(bytes.len()));
        let (taken, step) = self.pass_within(within)?;
        if step == Step::More && !beyond.is_empty() {
            return Err(Fault::new(Flaw::HeadTooLarge, self.limits.bytes as u64));
        }
        Ok((taken, step))
    }

    fn pass_within(&mut self, bytes: &[u8]) -> Result<(usize, Step), Fault> {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                return Ok((taken, Step::More));
            }
            let in_request_line = self.kind == MessageKind::Request && self.at == At::FirstLine;
            let Self { lines, request_line, limits, .. } = self;
            let (line, complete) = lines.take(rest, |line, start| {
                if in_request_line { request_line.watch(line, start, limits.target) } else { Ok(()) }
            })?;
            taken += line;
            if complete && let Some(step) = self.end_line()? {
                return Ok((taken, step));
            }
        }
    }

    fn end_line(&mut self) -> Result<Option<Step>, Fault> {
        let start = self.lines.start();
        let is_empty = self.lines.text().is_empty();
        match self.at {
            At::FirstLine if is_empty && self.kind == MessageKind::Request => {
                self.empty_lines += 1;
                // RFC 9112 §2.2: at least one should be ignored, because old clients end a body with it.
                if self.empty_lines > 1 { Err(Fault::new(Flaw::EmptyLines, start)) } else { Ok(None) }
            }
            At::FirstLine => {
                self.at = At::Fields;
                match self.kind {
                    MessageKind::Request => self.end_request_line(start)?,
                    MessageKind::Reply => self.end_status_line(start)?,
                }
                Ok(Some(Step::FirstLine))
            }
            At::Fields if is_empty => {
                self.check_complete()?;
                if let Some(rewritten) = &mut self.rewritten {
                    rewritten.extend_from_slice(b"\r\n");
                }
                Ok(Some(Step::Complete))
            }
            At::Fields => {
                self.fields += 1;
                if self.fields > self.limits.fields {
                    return Err(Fault::new(Flaw::TooManyFields, start));
                }
                let Self { lines, facts, after_framing, kind, rewritten, .. } = self;
                field_line(lines.text(), facts, after_framing, *kind, rewritten.as_mut())
                    .map_err(|(flaw, index)| Fault::new(flaw, start + index as u64))?;
                Ok(None)
            }
        }
    }

    fn end_request_line(&mut self, start: u64) -> Result<(), Fault> {
        let line = self.lines.text();
        let fault = |flaw, index: usize| Fault::new(flaw, start + index as u64);
        let RequestLine { target_start, target_end, .. } = self.request_line;
        let (Some(begin), Some(end)) = (target_start, target_end) else {
            let has_method = target_start.is_some() || is_token(line);
            return Err(fault(if has_method { Flaw::RequestLine } else { Flaw::Method }, 0));
        };
        let method = line.get(..begin.saturating_sub(1)).unwrap_or_default();
        let target = line.get(begin..end).unwrap_or_default();
        let version = line.get(end + 1..).unwrap_or_default();
        if let Some(bad) = bad_in_target(target) {
            return Err(fault(Flaw::Target, begin + bad));
        }
        self.facts.is_http_1_0 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(fault(Flaw::UnsupportedVersion, end + 1));
            }
            _ if target.is_empty() || memchr::memchr(b' ', version).is_some() => {
                return Err(fault(Flaw::RequestLine, end + 1));
            }
            _ => return Err(fault(Flaw::Version, end + 1)),
        };
        if let Some(hash) = memchr::memchr(b'#', target) {
            return Err(fault(Flaw::Fragment, begin + hash));
        }
        self.facts.authority = authority(method, target).map_err(|flaw| fault(flaw, begin))?;
        Ok(())
    }

    fn end_status_line(&mut self, start: u64) -> Result<(), Fault> {
        let line = self.lines.text();
        let fault = |flaw, index: usize| Fault::new(flaw, start + index as u64);
        let (version, rest) = line.split_at_checked(8).ok_or(fault(Flaw::StatusLine, 0))?;
        self.facts.is_http_1_0 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(fault(Flaw::StatusLine, 0)),
        };
        let (code, reason) = match rest {
            [b' ', a, b, c] => ([*a, *b, *c], &[][..]),
            [b' ', a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
            _ => return Err(fault(Flaw::StatusLine, 8)),
        };
        let status = decimal(&code).and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 100);
        self.facts.status = status.ok_or(fault(Flaw::StatusLine, 9))?;
        match first_bad(reason, is_value_byte) {
            Some(bad) => Err(fault(Flaw::StatusLine, 13 + bad)),
            None => Ok(()),
        }
    }

    /// Checks what can be checked only in a complete head.
    fn check_complete(&self) -> Result<(), Fault> {
        let flaw = if self.kind == MessageKind::Request && self.facts.hosts == 0 && !self.facts.is_http_1_0 {
            Some(Flaw::NoHost)
        } else {
            self.facts.contradiction()
        };
        flaw.map_or(Ok(()), |flaw| Err(Fault::new(flaw, self.lines.start())))
    }
}

/// A request line, as far as it has arrived.
#[derive(Clone, Copy, Debug, Default)]
struct RequestLine {
    /// Whether it is the first of its connection.
    is_first: bool,
    target_start: Option<usize>,
    target_end: Option<usize>,
}

impl RequestLine {
    /// Checks the line while it grows: whether it is TLS, its method, and the length of its target.
    fn watch(&mut self, line: &[u8], start: u64, limit: usize) -> Result<(), Fault> {
        if self.is_first && matches!(line, [TLS_HANDSHAKE, TLS_MAJOR_VERSION, ..]) {
            return Err(Fault::new(Flaw::TlsHandshake, start));
        }
        if self.target_start.is_none() {
            let Some(space) = memchr::memchr(b' ', line) else { return Ok(()) };
            let method = line.get(..space).unwrap_or_default();
            if let Some(bad) = first_bad(method, is_token_byte).or(method.is_empty().then_some(0)) {
                return Err(Fault::new(Flaw::Method, start + bad as u64));
            }
            self.target_start = Some(space + 1);
        }
        if let (Some(begin), None) = (self.target_start, self.target_end) {
            let target = line.get(begin..).unwrap_or_default();
            self.target_end = memchr::memchr(b' ', target).map(|space| begin + space);
            let length = self.target_end.map_or(target.len(), |end| end - begin);
            if length > limit {
                return Err(Fault::new(Flaw::TargetTooLong, start + (begin + limit) as u64));
            }
        }
        Ok(())
    }
}

/// The first byte of a target that must be percent-encoded in a url (RFC 3986 §2). A few are accepted in paths and in
/// queries anyway, as in other servers, if pingora accepts them.
fn bad_in_target(target: &[u8]) -> Option<usize> {
    let query = memchr::memchr(b'?', target).unwrap_or(target.len());
    let is_bad = |index: usize, byte: u8| match byte {
        b'<' | b'>' => true,
        b'"' => index > query,
        b'`' => index < query,
        _ => !byte.is_ascii_graphic(),
    };
    target.iter().enumerate().position(|(index, byte)| is_bad(index, *byte))
}

/// The authority in a target, which must have one of the four forms (RFC 9112 §3.2): a path, a url, an authority, `*`.
fn authority(method: &[u8], target: &[u8]) -> Result<Option<Vec<u8>>, Flaw> {
    let authority = if method == b"CONNECT" {
        target
    } else if target.starts_with(b"/") || target == b"*" && method == b"OPTIONS" {
        return Ok(None);
    } else {
        authority_of(target).ok_or(Flaw::Target)?
    };
    if is_host(authority) { Ok(Some(authority.to_vec())) } else { Err(Flaw::Target) }
}

fn field_line(
    line: &[u8],
    facts: &mut Facts,
    after_framing: &mut bool,
    kind: MessageKind,
    rewritten: Option<&mut Vec<u8>>,
) -> Result<(), (Flaw, usize)> {
    let is_folded = line.first().is_some_and(|first| matches!(first, b' ' | b'\t'));
    if is_folded && kind == MessageKind::Reply && !*after_framing {
        return first_bad(line, is_value_byte).map_or(Ok(()), |bad| Err((Flaw::FieldValue, bad)));
    }
    let (name, value) = field(line, kind)?;
    let is_host = kind == MessageKind::Request && name.eq_ignore_ascii_case(b"host");
    *after_framing = framing_field(name, value, facts, kind).map_err(|flaw| (flaw, 0))?;
    if let Some(rewritten) = rewritten.filter(|_| !is_host) {
        rewritten.extend_from_slice(line);
        rewritten.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// Reads a field that decides where the message ends or goes. Returns whether it was one.
fn framing_field(name: &[u8], value: &[u8], facts: &mut Facts, kind: MessageKind) -> Result<bool, Flaw> {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    match name.len() {
        4 if kind == MessageKind::Request && is("host") => {
            facts.hosts += 1;
            if facts.hosts > 1 {
                return Err(Flaw::TwoHosts);
            }
            if !value.is_empty() && !is_host(value) {
                return Err(Flaw::BadHost);
            }
        }
        7 if is("upgrade") => {
            facts.wants_upgrade = true;
            return Ok(false);
        }
        14 if is("content-length") => {
            if facts.length.is_some() {
                return Err(Flaw::TwoLengths);
            }
            facts.length = Some(decimal(value).ok_or(Flaw::BadLength)?);
        }
        17 if is("transfer-encoding") => {
            if facts.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(coding_flaw(value));
            }
            facts.is_chunked = true;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Distinguishes an unknown coding from one that does not end with chunked, where the end of the message can't be
/// known (RFC 9112 §6.3).
fn coding_flaw(value: &[u8]) -> Flaw {
    let name =
        |coding: &[u8]| coding.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_vec();
    let mut codings = value.split(|byte| *byte == b',');
    let ends_chunked =
        codings.clone().next_back().is_some_and(|last| name(last).eq_ignore_ascii_case(b"chunked"));
    if ends_chunked && codings.all(|coding| is_token(&name(coding))) {
        Flaw::UnknownCoding
    } else {
        Flaw::BadCoding
    }
}

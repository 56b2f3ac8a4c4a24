//! Where a reply ends (RFC 9112 §6.3).
//!
//! In: the facts of a head, and the method that it answers. Out: what follows it, and for a body its data and its end.

use http::{HeaderMap, Method};

use super::HeadLimits;
use super::chunked::Body;
use super::fault::Fault;
use super::head::Facts;
use super::syntax::MessageKind;

/// pingora's own limits: it reads at most 1 MiB and 256 fields.
pub(super) const LIMITS: HeadLimits = HeadLimits { bytes: (1 << 20) - 1, fields: 256, target: 0 };

/// What follows the head of a reply.
#[derive(Debug)]
pub enum AfterReplyHead {
    /// Another head: this one is interim.
    AnotherHead,
    /// Another protocol.
    OtherProtocol,
    /// Nothing: the reply has no body.
    End,
    /// A body.
    Body(ReplyBody),
}

impl AfterReplyHead {
    /// `method`: of the request. `place`: where the head ends, in bytes of the message.
    pub(super) fn new(facts: &Facts, method: &Method, place: u64) -> Self {
        match facts.status {
            101 => Self::OtherProtocol,
            100..200 => Self::AnotherHead,
            200..300 if *method == Method::CONNECT => Self::OtherProtocol,
            204 | 304 => Self::End,
            _ if *method == Method::HEAD => Self::End,
            _ => Body::after(facts, LIMITS, MessageKind::Reply)
                .map_or(Self::End, |body| Self::Body(ReplyBody { body, place })),
        }
    }
}

/// The part of a body that has not been read yet.
#[derive(Debug)]
pub struct ReplyBody {
    body: Body,
    place: u64,
}

impl ReplyBody {
    /// Takes bytes up to the end of the body, or all of them. Returns how many, and whether the body is complete. `data` gets
    /// the body's data in order.
    ///
    /// # Errors
    /// A chunk is malformed.
    pub fn take<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        data: impl FnMut(&'bytes [u8]),
    ) -> Result<(usize, bool), Fault> {
        let mut taken = 0;
        let is_complete = self.follow(bytes, &mut taken, data)?;
        Ok((taken, is_complete))
    }

    /// The same, and adds the number of bytes to `at`, also of those before a fault.
    pub(super) fn follow<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        at: &mut usize,
        data: impl FnMut(&'bytes [u8]),
    ) -> Result<bool, Fault> {
        self.body.follow(bytes, at, &mut self.place, data)
    }

    /// Bytes of the message up to here.
    #[cfg(test)]
    pub(super) const fn place(&self) -> u64 {
        self.place
    }

    /// The fields of the trailer section; `None` if there were none.
    #[must_use]
    pub fn into_trailers(self) -> Option<HeaderMap> {
        self.body.into_trailers()
    }

    /// Whether the end of the connection is the end of the body (RFC 9112 §6.3).
    #[must_use]
    pub const fn ends_with_connection(&self) -> bool {
        matches!(self.body, Body::UntilClose)
    }

    /// The bytes of data that follow; `None` if that is not known.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        match &self.body {
            Body::Length(left) => Some(usize::try_from(*left).unwrap_or(usize::MAX)),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }
}

//! The grammar of HTTP/1.1 (RFC 9112), checked strictly over the bytes of a connection in one direction.
//!
//! pingora's parsers accept messages that other servers read differently: an empty chunk size, a bare LF in a chunk
//! extension, two lengths. If two servers disagree about the end of a message, one client's bytes become another
//! client's request. So every byte of a client passes a checker before pingora sees it, and replies are read here.
//!
//! In: bytes in pieces of any size, one message after the other. [`RequestChecker`] takes the bytes of a client. Out: how
//! many bytes of the piece may be passed on, and why no more. [`read_reply_head`] takes those of an upstream. Out: the head, and what
//! frames its body. Invariants: the result does not depend on how the bytes are cut into pieces; the checker copies only heads, one
//! line at a time.
//!
//! - `syntax`: characters, hosts and single field lines.
//! - `lines`: cuts heads and trailer sections into lines.
//! - `head`: reads a head, and from it where the body ends.
//! - `chunked`: follows a chunked body and captures its trailer fields.
//! - `requests`: a client's connection. `replies` is the same for an upstream's; tests hold the readers of replies against it.
//! - `reply_reader` and `reply_framing`: reads the head of a reply, and where the reply ends.
//! - `fault`: the problem, its place, and the status for it.
//!
//! Requests must follow the grammar exactly. Replies are read as pingora reads them where that is safe, because legacy
//! servers differ: a bare LF may end a line of a head, a space may precede a colon, a field may be folded, and spaces may
//! follow a chunk size. Fields that frame the reply have only the first of these freedoms.

mod chunked;
mod fault;
mod head;
mod lines;
#[cfg(test)]
mod replies;
mod reply_framing;
mod reply_reader;
mod requests;
mod syntax;
#[cfg(test)]
mod tests;

pub use chunked::{last_chunk, may_be_trailer};
pub use fault::{Fault, Flaw};
#[cfg(test)]
pub use replies::ReplyChecker;
pub use reply_framing::{AfterReplyHead, ReplyBody};
pub use reply_reader::{ReplyHead, read_reply_head, unfolded};
pub use requests::RequestChecker;
pub use syntax::is_host;
pub(crate) use syntax::trim_blanks;

/// The limits of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the head, including line ends. A trailer section has the same limit.
    pub bytes: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

impl HeadLimits {
    /// The limit that an HTTP/2 head exceeds, counted as if it were written in HTTP/1.1. The crumbs of a Cookie count as
    /// one field (RFC 9113 §8.2.3).
    #[must_use]
    pub fn excess<'head>(
        self,
        target: &str,
        fields: impl Iterator<Item = (&'head str, &'head [u8])>,
    ) -> Option<Fault> {
        if target.len() > self.target {
            return Some(Fault::new(Flaw::TargetTooLong, self.target as u64));
        }
        let (mut bytes, mut count, mut has_cookie) = (target.len(), 0, false);
        for (name, value) in fields {
            bytes += name.len() + value.len() + ": \r\n".len();
            let is_crumb = name == "cookie" && std::mem::replace(&mut has_cookie, true);
            count += usize::from(!is_crumb);
            if bytes > self.bytes {
                return Some(Fault::new(Flaw::HeadTooLarge, self.bytes as u64));
            }
            if count > self.fields {
                return Some(Fault::new(Flaw::TooManyFields, bytes as u64));
            }
        }
        None
    }
}

/// The result of checking a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The number of its bytes that may be passed on.
    pub bytes: usize,
    /// Why the rest may not be, if there is a rest.
    pub stop: Option<Stop>,
}

/// Why bytes may not be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// They break the grammar. The connection is of no further use.
    Fault(Fault),
    /// They belong to a head that is not complete. They were checked, and may be passed on together with the rest of the
    /// head: no parser should see the first half of a malformed head.
    HeadIncomplete,
    /// They follow a request that asks for another protocol, or one whose trailers are kept until the next. Whether they are
    /// that protocol or the next request depends on the reply ([`RequestChecker::continue_as_http`], [`RequestChecker::become_opaque`]).
    Undecided,
    /// They are the field lines of a request whose target has an authority, which Host must repeat. Pass them to
    /// [`RequestChecker::collect_fields`].
    FieldsToRewrite,
}

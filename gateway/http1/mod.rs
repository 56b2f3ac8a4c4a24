//! The grammar of HTTP/1.1 (RFC 9112), checked strictly over the bytes of a connection in one direction.
//!
//! pingora's parsers forgive what other servers read differently: an empty chunk size, a bare LF in a chunk
//! extension, two lengths. Where two servers see the end of a message in two places, one client's bytes become
//! another client's request. So every byte passes a checker before pingora sees it.
//!
//! [`RequestChecker`] checks what a client sends, [`ReplyChecker`] what an upstream sends. Both take pieces of
//! any size, messages one after the other, and copy heads only, one line at a time. They say how many bytes of
//! a piece may be handed on, and why no more. How the bytes are cut never changes the verdict.
//!
//! - `syntax` knows characters, hosts and single field lines.
//! - `lines` cuts heads and trailer sections into lines.
//! - `head` reads a head, and from it where the body ends.
//! - `chunked` follows a chunked body and captures its trailer fields.
//! - `requests` and `replies` put them in order.
//! - `fault` names what is wrong, where, and the status it deserves.
//!
//! Requests are held to the letter. Replies are read as pingora reads them where that is safe, because legacy
//! servers differ: a bare LF may end a line of a head, a blank may precede a colon, a field may be folded, and
//! blanks may follow a chunk size. None of these may touch a field that frames the reply, but for the line's end.

mod chunked;
mod fault;
mod head;
mod lines;
mod replies;
mod requests;
mod syntax;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Flaw};
pub use replies::ReplyChecker;
pub use requests::RequestChecker;
pub use syntax::is_host;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the head with its line ends; also of a trailer section.
    pub bytes: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

impl HeadLimits {
    /// Which limit a head of HTTP/2 exceeds, counted as if it were written in HTTP/1.1. The crumbs of a Cookie are one
    /// field (RFC 9113 §8.2.3).
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

/// What became of a piece of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How many of its bytes may be handed on.
    pub bytes: usize,
    /// Why the rest may not.
    pub stop: Option<Stop>,
}

/// Why bytes may not be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// They break the grammar. The connection is of no further use.
    Fault(Fault),
    /// They are a part of a head that is not complete. They were checked, and may be handed on once the rest of the head
    /// was: no parser is to see half a head that turns out to be malformed.
    HeadIncomplete,
    /// They follow a request that asks for another protocol. Whether they are that protocol or the next request
    /// depends on the reply ([`RequestChecker::continue_as_http`], [`RequestChecker::become_opaque`]).
    Undecided,
    /// They are the field lines of a request whose target names an authority, which Host has to repeat.
    /// Collect them by [`RequestChecker::collect_fields`].
    FieldsToRewrite,
}

//! Trailers of a chunked reply over HTTP/1.1. pingora's session ends a reply without any, so they are added to its last
//! chunk here.
//!
//! The session writes the last chunk in a single write, after everything else. A caller that sets trailers is about to end
//! the reply, so that write is recognised by its bytes.

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

use crate::http1::last_chunk;

/// RFC 9112 §7.1, as pingora writes it.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The trailers of the reply that ends next.
#[derive(Debug, Default)]
pub(crate) struct Trailers(Mutex<Option<Bytes>>);

impl Trailers {
    pub(crate) fn set(&self, fields: &HeaderMap) {
        *self.0.lock() = Some(last_chunk(Some(fields)));
    }

    /// What to write instead of these bytes, if they are the last chunk of a reply with trailers.
    pub(crate) fn instead_of(&mut self, bytes: &[u8]) -> Option<Bytes> {
        let trailers = self.0.get_mut();
        if bytes == LAST_CHUNK { trailers.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chunk_gets_them_and_nothing_else_does() {
        let mut trailers = Trailers::default();
        assert_eq!(trailers.instead_of(LAST_CHUNK), None);
        let fields = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
        trailers.set(&fields);
        assert_eq!(trailers.instead_of(b"5\r\nhello\r\n"), None);
        assert_eq!(trailers.instead_of(LAST_CHUNK).as_deref(), Some(&b"0\r\nx-sum: 1\r\n\r\n"[..]));
        assert_eq!(trailers.instead_of(LAST_CHUNK), None);
    }
}

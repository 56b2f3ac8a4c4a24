//! What a client still sends when its reply has been written, or when its request was refused.

use std::time::Duration;

use super::Session;
use crate::clock::Deadline;

/// … and may pause for this long between two bytes (RFC 9112 §9.6).
const LINGER_BETWEEN_BYTES: Duration = Duration::from_secs(5);

/// The total over HTTP/2, where only one stream is kept open.
const LINGER_HTTP2: Duration = Duration::from_secs(1);
/// The rest of a request's body is read so that its connection can be reused: at most this many bytes …
const SHORT_REST: usize = 64 << 10;
/// … that arrive within this time.
const SHORT_WAIT: Duration = Duration::from_millis(100);

impl Session {
    /// Reads the rest of a refused request if it is short and has arrived, so that the connection can be reused (RFC
    /// 9112 §9.3).
    pub(crate) async fn read_short_rest(&mut self) {
        if self.waits_for_continue() && !self.may_send {
            return;
        }
        let deadline = Deadline::after(SHORT_WAIT);
        let mut left = SHORT_REST;
        while !self.is_body_done() && left > 0 {
            let Some(Ok(Some(piece))) = deadline.race(self.read_request_body()).await else { return };
            left = left.saturating_sub(piece.len());
        }
    }

    /// Closes the connection after the reply if the request's body was not read to its end.
    pub(crate) fn close_if_unread(&mut self) {
        if !self.is_body_done() {
            self.close_after_reply();
        }
    }

    /// [`Self::linger`] takes only a moment: the client was too slow already.
    pub(crate) const fn linger_for_a_moment(&mut self) {
        self.linger = Duration::from_millis(500);
    }

    /// Lets a client that is still sending see the reply. Over HTTP/1.1, closing a connection with unread bytes resets
    /// it, and the reply is lost. Over HTTP/2 the stream would be reset (RFC 9113 §8.1), which some clients treat as a
    /// failure even if they only had its end left to send.
    pub(crate) async fn linger(&mut self) {
        let ends = Deadline::after(if self.is_http2() { LINGER_HTTP2 } else { self.linger });
        while !self.is_body_done() {
            let between = Deadline::after(LINGER_BETWEEN_BYTES).earlier(ends);
            let Some(Ok(Some(_))) = between.race(self.read_request_body()).await else { return };
        }
    }
}

//! What a session asks of the HTTP/1.1 connection below it.
//!
//! pingora's session owns the connection and lends it out as a `Stream`. The listener wraps each connection in a type
//! of its own, which this folder can't name because the listener is above it. So the listener hands in a function that
//! finds its wrapper again ([`FindControl`]).

use http::HeaderMap;
use pingora::protocols::Stream;

/// A client's connection, as far as a session controls it.
pub(crate) trait ConnectionControl {
    /// The head of the request has been read. From here on reads may take any time, or have limits elsewhere.
    fn stop_watching(&self);

    /// Writes may be held until the next flush, so that they leave together.
    fn buffer_until_flush(&self);

    /// The next write is held until the one after it, which follows at once.
    fn hold_next_write(&self);

    /// The chunked reply that ends next ends with these trailers (RFC 9112 §7.1.2).
    fn end_with_trailers(&self, trailers: &HeaderMap);

    /// Takes the trailers of the request that is being served, once its body was read to its end.
    fn take_request_trailers(&self) -> Option<HeaderMap>;

    /// The request that is being served is answered with 101: what the client sends from here on is not HTTP. Must be
    /// called before the reply is written.
    fn become_opaque(&self);
}

/// Finds the control of a connection; `None` if the stream is not the listener's.
pub(crate) type FindControl = fn(&Stream) -> Option<&dyn ConnectionControl>;

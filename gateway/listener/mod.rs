//! Listening sockets, and the connections of clients up to the head of each request.
//!
//! In: sockets. Out: a [`Session`](crate::session::Session) for each request, which the listener hands to its
//! [`RequestHandler`](request_handler::RequestHandler). It knows nothing of what that does.
//!
//! # The life of a connection
//!
//! `bind` has bound the sockets before anything runs. `inherited` takes over the sockets of a predecessor, or of
//! systemd. `service` accepts connections and gives each to the worker thread with the fewest, where the `acceptor` serves
//! it to its end in a task of its own. The checks come in this order, so that a connection costs as little as possible before it is refused:
//!
//! 1. **Room.** `connection_limits` counts connections, in total and by address. A connection over a limit closes
//!    without a reply on purpose: clients over a limit should cost little. From here to its end a `ConnectionGuard`
//!    keeps the count.
//! 2. **The client's address**, if the listener has `proxy_protocol` and the connection comes from a trusted proxy: `proxy_header`
//!    reads it within `limits.header_timeout`. From here on the connection counts as the client's.
//! 3. **TLS**, if the listener has a certificate, within `limits.header_timeout`. A failure is counted with its cause.
//! 4. **Protocol**: with TLS by ALPN, otherwise by the first bytes. pingora would wait for all 24 bytes of HTTP/2's
//!    preface for as long as it takes. A complete request can be shorter (`OPTIONS / HTTP/1.0`, the health check of
//!    many load balancers), and a silent connection would stay forever.
//! 5. **Requests.** Over HTTP/1.1 pingora's session reads one head after the other; over HTTP/2 `http2` accepts streams
//!    and serves each in a task of its own. A head that breaks the grammar never becomes a request: the connection
//!    answers it with `final_reply` and closes.
//!
//! The handler returns an HTTP/1.1 connection that can carry another request, and step 5 repeats.
//!
//! # The wrapper
//!
//! pingora reads and writes through `connection::ClientConnection`. On every read and write it applies:
//!
//! | part | over | what it does |
//! |---|---|---|
//! | `grammar` | HTTP/1.1 | checks every byte before pingora's more lenient parser sees it |
//! | `watch` | both | limits how long a head or a body may take over all its reads; pingora limits single reads only |
//! | `http2_frames` | HTTP/2 | counts frames that cost work and bring nothing |
//! | `write_buffer` | HTTP/1.1 | lets the head and a small body of a reply leave in one write |
//! | `trailers` | HTTP/1.1 | puts trailers behind a chunked reply, which pingora can't |
//! | `final_reply` | HTTP/1.1 | writes the last reply of a broken connection, and waits for the client to read it |
//!
//! The session controls these parts through [`ConnectionControl`](crate::session::ConnectionControl).
//!
//! # Invariants
//!
//! - Every connection is counted before its first byte is read, and until it is dropped.
//! - A fault in a pipelined request never disturbs the request that is being served before it.
//! - The clock is read and a timer is set only if a read has to wait.
//! - Nothing that was written is held back longer than until the next flush.
//!
//! # Shutdown
//!
//! When the process drains, `service` stops accepting; a successor may hold the same sockets. An HTTP/1.1
//! connection closes after its next reply, which the handler decides. An HTTP/2 connection gets a GOAWAY, and its open
//! streams go on. The guards tell the gateway when the last connection has ended.
//!
//! # Beside the acceptor
//!
//! [`plain_service`] is a small HTTP/1.1 service for the admin listener and the demonstration. It shares the sockets,
//! and none of the above.

mod acceptor;
pub(crate) mod bind;
mod connection;
mod connection_guard;
mod connection_limits;
mod final_reply;
mod grammar;
mod http2;
mod http2_frames;
mod proxy_header;
pub(crate) mod inherited;
pub(crate) mod plain_service;
pub(crate) mod request_handler;
pub(crate) mod service;
mod trailers;
mod watch;
mod write_buffer;

//! Listening sockets and the connections of clients, up to the first byte of a request.

pub(crate) mod acceptor;
pub(crate) mod bind;
pub(crate) mod connection;
pub(crate) mod connection_limits;
pub(crate) mod final_reply;
pub(crate) mod grammar;
pub(crate) mod http2;
pub(crate) mod http2_frames;
pub(crate) mod inherited;
pub(crate) mod plain_service;
pub(crate) mod trailers;
pub(crate) mod watch;
pub(crate) mod write_buffer;

//! What connections of clients and connections to services share: delegation to pingora's streams, and why a TLS
//! handshake failed.

pub(crate) mod client_certificate;
pub(crate) mod delegate;
pub(crate) mod handshake;

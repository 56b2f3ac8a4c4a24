//! Building blocks for connections: delegation to pingora's streams (`delegate`), the cause of a failed TLS handshake
//! (`handshake`), and the name in a client's certificate (`client_certificate`). The lowest folder that knows pingora.

pub(crate) mod client_certificate;
pub(crate) mod delegate;
pub(crate) mod handshake;

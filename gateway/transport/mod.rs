//! Building blocks for connections: delegation to pingora's streams (`delegate`), the cause of a failed TLS handshake
//! (`handshake`), TLS with clients (`server_tls`), the name in a client's certificate (`client_certificate`), and the case of
//! field names (`field_names`). The lowest folder that knows pingora.

pub(crate) mod client_certificate;
pub(crate) mod delegate;
pub(crate) mod field_names;
pub(crate) mod handshake;
pub(crate) mod server_tls;

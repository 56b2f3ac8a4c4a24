//! Building blocks for connections: delegation to pingora's streams (`delegate`), the cause of a failed TLS handshake
//! (`handshake`), TLS with clients (`server_tls`), what a handshake with a client has told (`handshake_facts`,
//! `client_certificate`), and the case of field names (`field_names`). The lowest folder that knows pingora.

mod client_certificate;
pub(crate) mod delegate;
pub(crate) mod field_names;
pub(crate) mod handshake;
pub(crate) mod handshake_facts;
pub(crate) mod server_tls;

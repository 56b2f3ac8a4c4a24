//! `listen`: addresses, plain or with a certificate.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::config::yaml::schema::allow_short_form;
use crate::config::yaml::wrappers::At;

/// One address; without `tls`, the address alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_short_form)]
pub(in crate::config) struct ListenDocument {
    /// An IP address with a port (`0.0.0.0:8080`, `[::]:8080`), or `unix:/path`.
    #[schemars(example = &"0.0.0.0:8080")]
    pub(in crate::config) address: At<String>,

    /// Speaks TLS here, with HTTP/2 by ALPN. Without it: plain HTTP/1.1, and HTTP/2 by prior knowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TlsDocument")]
    pub(in crate::config) tls: Option<At<TlsDocument>>,
}

/// A certificate and its key, as PEM files; paths are relative to the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TlsDocument {
    /// The certificate chain, the server's own certificate first.
    #[schemars(example = &"server.crt")]
    pub(in crate::config) certificate: At<String>,
    /// The private key of that certificate: PKCS #8, PKCS #1 or SEC 1.
    #[schemars(example = &"server.key")]
    pub(in crate::config) key: At<String>,
    /// PEM certificates, one of which has to have signed the certificate of a client; its subject is then the
    /// client's name. Without it, clients need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) client_ca: Option<At<String>>,
}

fn with_short_form(schema: &mut Schema) {
    allow_short_form(schema, "address");
}

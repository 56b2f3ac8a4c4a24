//! `upstreams.NAME.tls`: whom the gateway trusts as a target, by which name, and with which certificate it presents itself.

use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authorities::Authorities;
use super::key_pair::KeyPair;
use super::resolver::{Resolved, Resolver};
use super::target::Target;
use super::yaml::wrappers::At;

/// How TLS is spoken with targets; paths are relative to the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamTlsDocument {
    /// A PEM file of certificates to trust instead of the system's.
    #[schemars(example = &"ca.pem")]
    pub(in crate::config) ca: Option<At<String>>,
    /// Whether a target's certificate is checked at all.
    pub(in crate::config) verify: At<bool>,
    /// The name that is asked for (SNI), and that a target's certificate must have. Absent: the host of the target's url.
    #[schemars(example = &"orders.internal")]
    pub(in crate::config) server_name: Option<At<String>>,
    /// A PEM file with the certificate chain that the gateway presents to targets that ask for one. It needs `key`.
    #[schemars(example = &"client.crt")]
    pub(in crate::config) certificate: Option<At<String>>,
    /// The private key of that certificate: PKCS #8, PKCS #1 or SEC 1.
    #[schemars(example = &"client.key")]
    pub(in crate::config) key: Option<At<String>>,
}

impl Default for UpstreamTlsDocument {
    fn default() -> Self {
        Self { ca: None, verify: true.into(), server_name: None, certificate: None, key: None }
    }
}

/// How TLS is spoken with targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// The name to ask for and to expect; `None`: the target's own host.
    pub server_name: Option<ServerName<'static>>,
    /// What the gateway presents to targets that ask for a certificate.
    pub identity: Option<KeyPair>,
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the system trusts.
    System,
    /// Those that one of these has signed, and these themselves.
    Only(Authorities),
    /// All (`verify: false`).
    Everyone,
}

impl Resolver<'_> {
    /// `targets`: `None` if one of them is wrong.
    pub(super) fn upstream_tls(
        &mut self,
        name: &At<String>,
        tls: &At<UpstreamTlsDocument>,
        targets: Option<&[Target]>,
    ) -> Resolved<UpstreamTls> {
        let encrypted = targets.is_none_or(|targets| targets.iter().any(|target| target.scheme.is_tls()));
        if tls.span.is_some() && !encrypted {
            let message = format!("`tls` does nothing: no target of {} speaks TLS", name.shown());
            self.warn(tls.span, message, "write `https://` or `h2://` targets");
        }
        let trust = self.trust(name, &tls.value);
        let server_name = tls.value.server_name.as_ref().map(|name| self.server_name(name));
        let identity = self.pair(tls.value.certificate.as_ref(), tls.value.key.as_ref());
        Ok(UpstreamTls { trust: trust?, server_name: server_name.transpose()?, identity: identity? })
    }

    fn trust(&mut self, name: &At<String>, tls: &UpstreamTlsDocument) -> Resolved<Trust> {
        if !tls.verify.value {
            let message = format!("the certificates of {} are not checked", name.shown());
            self.warn(tls.verify.span, message, "give the file of its `ca` instead");
        }
        let authorities = tls.ca.as_ref().map(|ca| self.authorities(ca)).transpose()?;
        Ok(match authorities {
            _ if !tls.verify.value => Trust::Everyone,
            Some(authorities) => Trust::Only(authorities),
            None => Trust::System,
        })
    }

    fn server_name(&mut self, name: &At<String>) -> Resolved<ServerName<'static>> {
        ServerName::try_from(name.value.clone()).or_else(|_| {
            let message = format!("{} can't be the name of a server", name.shown());
            let help = "write a name such as `orders.internal`, or an IP address, without a port";
            self.refuse(name.span, message, help)
        })
    }
}

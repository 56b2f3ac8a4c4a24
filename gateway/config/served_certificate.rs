//! A certificate that a listener presents to clients, and the names that it is chosen for: those of its `hosts`, or its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certified_names::covers;
use super::key_pair::KeyPair;
use super::resolver::{Resolved, Resolver, all};
use super::yaml::wrappers::At;
use crate::route::HostPattern;

/// A certificate with its key, and the hosts that it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CertificateDocument {
    /// The names that it is chosen for, such as `api.example.com` or `*.example.org`. Empty: the certificate's own names.
    #[serde(default)]
    #[schemars(extend("examples" = [["*.example.org"]]))]
    pub(in crate::config) hosts: Vec<At<String>>,
    /// The certificate chain, the server's own certificate first.
    #[schemars(example = &"server.crt")]
    pub(in crate::config) certificate: At<String>,
    /// The private key of that certificate: PKCS #8, PKCS #1 or SEC 1.
    #[schemars(example = &"server.key")]
    pub(in crate::config) key: At<String>,
}

/// A certificate that is presented to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedCertificate {
    /// The certificate and its key.
    pub pair: KeyPair,
    /// The names that it is chosen for, in lower case; empty: its own.
    hosts: Vec<String>,
}

impl ServedCertificate {
    /// The only certificate of a listener.
    pub(super) const fn only(pair: KeyPair) -> Self {
        Self { pair, hosts: Vec::new() }
    }

    /// The names that it is chosen for.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &String> {
        let own = if self.hosts.is_empty() { &*self.pair.names.dns } else { &[] };
        self.hosts.iter().chain(own)
    }

    /// Whether it is for this name, and not by a wildcard.
    pub(super) fn is_for_exactly(&self, name: &str) -> bool {
        self.hosts().any(|host| host == name)
    }

    /// Whether it is for this name.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.hosts().any(|host| covers(host, name))
    }
}

impl Resolver<'_> {
    pub(super) fn served_certificate(
        &mut self,
        document: &CertificateDocument,
    ) -> Resolved<ServedCertificate> {
        let hosts = all(document.hosts.iter().map(|host| self.served_host(host)));
        let pair = self.key_pair(&document.certificate, &document.key)?;
        let hosts = hosts?;
        for (written, host) in document.hosts.iter().zip(&hosts) {
            if !pair.names.dns.iter().any(|own| covers(own, host)) {
                let message = format!(
                    "the certificate {} is not for {}",
                    document.certificate.shown(),
                    written.shown()
                );
                self.warn(written.span, message, names_of(&pair));
            }
        }
        Ok(ServedCertificate { pair, hosts })
    }

    fn served_host(&mut self, host: &At<String>) -> Resolved<String> {
        HostPattern::parse(&host.value).map(|pattern| pattern.to_string()).or_else(|_| {
            let message = format!("{} is not a name that a client can ask for", host.shown());
            self.refuse(host.span, message, "write `api.example.com` or `*.example.org`")
        })
    }
}

fn names_of(pair: &KeyPair) -> String {
    match &*pair.names.dns {
        [] => "it is for no name, so clients won't trust it".to_owned(),
        names => format!("it is for {}, so clients won't trust it", names.join(", ")),
    }
}

//! `listen[].tls`: what a listener presents to clients, whom it lets in, and which versions and ciphers of TLS it speaks.

use rustls::crypto::ring::ALL_CIPHER_SUITES;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authorities::Authorities;
use super::resolver::{Resolved, Resolver, all};
use super::served_certificate::{CertificateDocument, ServedCertificate};
use super::yaml::diagnostic::nearest;
use super::yaml::wrappers::At;

/// One certificate with its key, or several; paths are relative to the configuration file, and the files are watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TlsDocument {
    /// The only certificate of the listener: a PEM file with its chain, the server's own certificate first. It needs `key`.
    #[schemars(example = &"server.crt")]
    pub(in crate::config) certificate: Option<At<String>>,
    /// The private key of that certificate: PKCS #8, PKCS #1 or SEC 1.
    #[schemars(example = &"server.key")]
    pub(in crate::config) key: Option<At<String>>,
    /// In place of `certificate`: several, of which the name that the client asks for (SNI) chooses one. An exact name comes
    /// before a wildcard. The first is for clients that ask for no name or for another one.
    #[serde(default)]
    pub(in crate::config) certificates: Vec<At<CertificateDocument>>,
    /// PEM certificates. One of them must have signed the certificate of a client, whose subject is then the
    /// client's name. Without it, clients need none.
    pub(in crate::config) client_ca: Option<At<String>>,
    /// The oldest version of TLS that clients may speak.
    #[serde(default)]
    pub(in crate::config) min_version: TlsVersion,
    /// The cipher suites that clients may choose from, by their names, such as `TLS13_AES_128_GCM_SHA256`. Empty: all that the
    /// gateway knows.
    #[serde(default)]
    #[schemars(extend("examples" = [["TLS13_AES_256_GCM_SHA384"]]))]
    pub(in crate::config) ciphers: Vec<At<String>>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// How TLS is spoken with clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// The certificate for clients that ask for no name, or for one that no other is for.
    pub default: ServedCertificate,
    /// Those that only clients who ask for their names get.
    pub others: Vec<ServedCertificate>,
    /// Who must have signed a client's certificate; `None`: clients need none.
    pub clients: Option<Authorities>,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The cipher suites; empty: all.
    pub ciphers: Vec<CipherSuite>,
}

impl ListenerTls {
    /// All certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &ServedCertificate> {
        std::iter::once(&self.default).chain(&self.others)
    }

    /// The same, to be renewed.
    pub(super) fn certificates_mut(&mut self) -> impl Iterator<Item = &mut ServedCertificate> {
        std::iter::once(&mut self.default).chain(&mut self.others)
    }

    /// The certificate for a client that asks for this name, in lower case.
    #[must_use]
    pub fn certificate_for(&self, name: &str) -> &ServedCertificate {
        let exact = self.certificates().find(|certificate| certificate.is_for_exactly(name));
        let any = || self.certificates().find(|certificate| certificate.is_for(name));
        exact.or_else(any).unwrap_or(&self.default)
    }

    /// Whether a request for `host` does not belong on a connection whose client asked for `name`. Only names choose between
    /// certificates, so this is never so where there is only one. `host` is empty for a request that names none.
    #[must_use]
    pub fn is_misdirected(&self, name: &str, host: &str) -> bool {
        let names_another = !host.is_empty() && host != name;
        !self.others.is_empty() && names_another && !self.certificate_for(name).pair.names.cover(host)
    }
}

impl Resolver<'_> {
    pub(super) fn listener_tls(&mut self, tls: &At<TlsDocument>) -> Resolved<ListenerTls> {
        let document = &tls.value;
        let clients = document.client_ca.as_ref().map(|file| self.authorities(file));
        let only = self.pair(document.certificate.as_ref(), document.key.as_ref());
        let several = all(document.certificates.iter().map(|each| self.served_certificate(&each.value)));
        let ciphers = self.ciphers(document);
        let (only, several) = (only?, several?);
        if let (Some(file), false) = (&document.certificate, document.certificates.is_empty()) {
            let help = "make it the first of `certificates`, which is for clients that ask for no name";
            return self.refuse(file.span, "a listener has either `certificate` or `certificates`", help);
        }
        let mut certificates = only.map(ServedCertificate::only).into_iter().chain(several);
        let Some(default) = certificates.next() else {
            let help = "add `certificate: server.crt` and `key: server.key`, or `certificates`";
            return self.refuse(tls.span, "`tls` has no certificate", help);
        };
        let others: Vec<_> = certificates.collect();
        self.warn_of_shadowed(document, &default, &others);
        let (clients, min_version) = (clients.transpose()?, document.min_version);
        Ok(ListenerTls { default, others, clients, min_version, ciphers: ciphers? })
    }

    /// Warns of certificates that no client gets, because an earlier one is for all of their names.
    fn warn_of_shadowed(
        &mut self,
        document: &TlsDocument,
        default: &ServedCertificate,
        others: &[ServedCertificate],
    ) {
        let mut earlier = vec![default];
        for (document, other) in document.certificates.iter().skip(1).zip(others) {
            let taken =
                |name: &String| earlier.iter().any(|earlier| earlier.hosts().any(|host| host == name));
            if other.hosts().all(taken) {
                let file = &document.value.certificate;
                let message = format!("no client gets the certificate {}", file.shown());
                let help = if other.hosts().next().is_none() {
                    "it has no names; give it `hosts`"
                } else {
                    "the certificates before it are for all of its names"
                };
                self.warn(file.span, message, help);
            }
            earlier.push(other);
        }
    }

    fn ciphers(&mut self, tls: &TlsDocument) -> Resolved<Vec<CipherSuite>> {
        let ciphers = all(tls.ciphers.iter().map(|name| self.cipher(name)))?;
        let is_usable = |suite: &SupportedCipherSuite| {
            tls.min_version == TlsVersion::V1_2 || suite.version().version == ProtocolVersion::TLSv1_3
        };
        if let Some(first) = tls.ciphers.first()
            && !ciphers.iter().any(is_usable)
        {
            let help = "add one whose name begins with `TLS13_`, or lower `min_version`";
            return self.refuse(first.span, "no cipher of `ciphers` is one of TLS 1.3", help);
        }
        Ok(ciphers.iter().map(SupportedCipherSuite::suite).collect())
    }

    fn cipher(&mut self, name: &At<String>) -> Resolved<SupportedCipherSuite> {
        let known = || ALL_CIPHER_SUITES.iter().filter_map(|suite| suite.suite().as_str());
        let named = |suite: &&SupportedCipherSuite| suite.suite().as_str() == Some(name.value.as_str());
        if let Some(suite) = ALL_CIPHER_SUITES.iter().find(named) {
            return Ok(*suite);
        }
        let help = match nearest(&name.value, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the gateway knows {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.refuse(name.span, format!("unknown cipher {}", name.shown()), help)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn tls(members: &str) -> ListenerTls {
        let text = format!(
            "listen: {{ address: '127.0.0.1:1', tls: {{ {members} }} }}\nroutes: [{{ path: /, respond: {{ status: 204 }} }}]\n"
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
        let loaded = config::parse(&text, "test.yaml", &folder, &|_| None).unwrap();
        loaded.settings.listen[0].tls.clone().unwrap()
    }

    fn several() -> ListenerTls {
        let pair = |name: &str, hosts: &str| {
            format!("{{ {hosts} certificate: files/{name}.crt, key: files/server.key }}")
        };
        let (first, shop) = (pair("server", ""), pair("shop", ""));
        let other = pair("other", "hosts: [Other.example, '*.OTHER.example', a.shop.example],");
        tls(&format!("certificates: [{first}, {shop}, {other}]"))
    }

    #[test]
    fn a_name_chooses_a_certificate_exactly_or_by_a_wildcard() {
        let tls = several();
        for (name, file) in [
            ("gateway.test", "server.crt"),
            ("shop.example", "shop.crt"),
            ("b.shop.example", "shop.crt"),
            ("a.shop.example", "other.crt"),
            ("a.b.shop.example", "server.crt"),
            ("other.example", "other.crt"),
            ("a.other.example", "other.crt"),
            ("unknown.example", "server.crt"),
        ] {
            assert!(tls.certificate_for(name).pair.certificate.ends_with(file), "{name}");
        }
    }

    #[test]
    fn a_request_is_misdirected_if_the_certificate_of_its_connection_is_not_for_its_host() {
        let tls = several();
        for (name, host, is_misdirected) in [
            ("shop.example", "shop.example", false),
            ("shop.example", "b.shop.example", false),
            ("shop.example", "127.0.0.1", false),
            ("shop.example", "127.0.0.2", true),
            ("shop.example", "other.example", true),
            ("shop.example", "", false),
            ("unknown.example", "unknown.example", false),
            ("unknown.example", "gateway.test", false),
            ("unknown.example", "shop.example", true),
        ] {
            assert_eq!(tls.is_misdirected(name, host), is_misdirected, "{name} {host}");
        }
        let only = self::tls("certificate: files/shop.crt, key: files/server.key");
        assert!(!only.is_misdirected("shop.example", "elsewhere.example"));
    }
}

//! The names in a certificate, and which hosts they cover (RFC 6125 §6.4.3): a `*` is one complete label, the first.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The names that a certificate is for. Its subject does not count, as in every client of today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertifiedNames {
    /// Names of hosts in lower case, some with a `*` as their first label.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl CertifiedNames {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return Self::default() };
        let names = &names.value.general_names;
        let dns = |name: &GeneralName<'_>| {
            let GeneralName::DNSName(name) = name else { return None };
            Some(name.to_ascii_lowercase())
        };
        let address = |name: &GeneralName<'_>| {
            let GeneralName::IPAddress(bytes) = name else { return None };
            address_in(bytes)
        };
        Self {
            dns: names.iter().filter_map(dns).collect(),
            addresses: names.iter().filter_map(address).collect(),
        }
    }

    /// Whether a host is one of them: a name in lower case, or an address, that of IPv6 in brackets.
    #[must_use]
    pub fn cover(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.dns.iter().any(|own| covers(own, host)),
        }
    }
}

fn address_in(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

/// Whether a name of a certificate covers a host.
pub(super) fn covers(own: &str, host: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == parent),
        None => own == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        for (own, host, is_covered) in [
            ("a.example", "a.example", true),
            ("a.example", "b.example", false),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "*.example", true),
        ] {
            assert_eq!(covers(own, host), is_covered, "{own} {host}");
        }
    }

    #[test]
    fn addresses_are_covered_by_addresses() {
        let addresses = ["127.0.0.1", "::1"].map(|address| address.parse().unwrap()).into();
        let names = CertifiedNames { dns: vec!["127.0.0.2".to_owned()], addresses };
        for (host, is_covered) in
            [("127.0.0.1", true), ("[::1]", true), ("127.0.0.2", false), ("[::2]", false)]
        {
            assert_eq!(names.cover(host), is_covered, "{host}");
        }
    }
}

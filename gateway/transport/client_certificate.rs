//! The name in a client's certificate, which one of the listener's authorities has signed.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Characters of a name that are kept; X.520 allows a common name 64.
const MAX_NAME: usize = 128;

/// The subject's common name; without one, the first url, mail address or host among the alternative names (RFC 5280
/// §4.1.2.6, §4.2.1.6).
pub(super) fn name_in(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let name = match common.filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => alternative_name(&certificate)?,
    };
    Some(name.chars().take(MAX_NAME).collect())
}

fn alternative_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    let text = |name: &GeneralName<'_>| {
        let (GeneralName::URI(text) | GeneralName::RFC822Name(text) | GeneralName::DNSName(text)) = name
        else {
            return None;
        };
        Some((*text).to_owned())
    };
    names.iter().filter_map(text).find(|name| !name.is_empty())
}

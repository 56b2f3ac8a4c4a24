//! What to do about errors of TLS whose names say little to those who run the gateway.

/// What to do about errors whose names say little.
const ADVICE: [(&str, &str); 5] = [
    (
        "CaUsedAsEndEntity",
        "the server presents a certificate of an authority (CA:TRUE) as its own; give it one that the authority has signed",
    ),
    (
        "UnsupportedCertVersion",
        "the certificate is one of X.509 version 1; make a new one of version 3, with the server's names in subjectAltName",
    ),
    (
        "CertificateRequired",
        "the server wants a certificate of the gateway; set `tls.certificate` and `tls.key` of the upstream",
    ),
    (
        "InvalidContentType",
        "the server's answer is not TLS; if this port is for plain text, write http in place of https",
    ),
    (
        "tls handshake eof",
        "the server closed the connection; if this port is for plain text, write http in place of https",
    ),
];

/// What to do about an error of TLS with this text.
#[must_use]
pub(crate) fn advice(text: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(part, _)| text.contains(part)).map(|(_, advice)| *advice)
}

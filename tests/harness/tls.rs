//! What a server presents in a TLS handshake, as `openssl s_client` sees it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::programs::program;

/// The common name of the certificate that a server presents, to a client that asks for a name or for none. Empty if there is
/// no handshake.
pub(crate) fn subject_at(address: SocketAddr, name: Option<&str>) -> String {
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["s_client", "-connect", &address.to_string()]);
    match name {
        Some(name) => openssl.args(["-servername", name]),
        None => openssl.arg("-noservername"),
    };
    let output = openssl.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let subject = text.lines().find_map(|line| line.strip_prefix("subject="));
    subject.and_then(|line| line.split("CN = ").nth(1)).unwrap_or_default().to_owned()
}

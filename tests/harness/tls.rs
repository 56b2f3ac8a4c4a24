//! A client of TLS whose every step can be seen: `openssl s_client`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::programs::program;

/// The common name of the certificate that a server presents, to a client that asks for a name or for none. Empty if there is
/// no handshake.
pub(crate) fn subject_at(address: SocketAddr, name: Option<&str>) -> String {
    let text = match name {
        Some(name) => talk(address, &["-servername", name], ""),
        None => talk(address, &["-noservername"], ""),
    };
    let subject = text.lines().find_map(|line| line.strip_prefix("subject="));
    subject.and_then(|line| line.split("CN = ").nth(1)).unwrap_or_default().to_owned()
}

/// What the client prints: of the handshake, and what it receives until the server closes the connection, if it sends something.
pub(crate) fn talk(address: SocketAddr, options: &[&str], sent: &str) -> String {
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["s_client", "-connect", &address.to_string()]).args(options);
    if !sent.is_empty() {
        openssl.arg("-ign_eof");
    }
    let mut client =
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // A client that has failed already reads nothing.
    let _ = client.stdin.take().unwrap().write_all(sent.as_bytes());
    String::from_utf8_lossy(&client.wait_with_output().unwrap().stdout).into_owned()
}

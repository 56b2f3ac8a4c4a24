//! Opens connections to Unix sockets.
//!
//! In: the path of a socket. Out: a connection, or the system's error. Over TCP the system waits for a service that accepts more
//! slowly than clients connect; a Unix socket whose backlog is full refuses at once. So this module tries again for 63 ms, which
//! is enough for a service that is only busy. After that the call goes to another target, or is retried.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;

use crate::address::SocketPath;

/// The pauses after a backlog was full, in milliseconds.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// Opens a connection.
///
/// # Errors
/// The file does not exist, nobody listens there, this process may not connect, or the backlog stays full.
pub(super) async fn connect(path: &SocketPath) -> io::Result<UnixStream> {
    for pause in PAUSES {
        match UnixStream::connect(path.as_path()).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            done => return done,
        }
    }
    UnixStream::connect(path.as_path()).await
}

//! Listening sockets that the process was started with, by its predecessor or by systemd's socket activation. Both pass
//! them as `LISTEN_FDS` (`sd_listen_fds(3)`).
//!
//! A socket is matched to a listener by its address and not by its place in the list, because the configuration may
//! have changed since it was bound.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use listenfd::ListenFd;

/// What a successor sends to its predecessor once it serves.
pub(crate) const READY: &[u8] = b"ready";

/// Inherited sockets that no listener has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixListener>,
    predecessor: Option<UnixDatagram>,
}

impl Inherited {
    /// Takes the sockets that the environment names, and removes them from the environment. Must be called before there
    /// are threads.
    pub(crate) fn from_environment() -> Self {
        let mut given = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..given.len() {
            if let Ok(Some(socket)) = given.take_tcp_listener(place) {
                inherited.tcp.push(socket);
            } else if let Ok(Some(socket)) = given.take_unix_listener(place) {
                inherited.unix.push(socket);
            } else if let Ok(Some(socket)) = given.take_unix_datagram(place) {
                inherited.predecessor = Some(socket);
            }
        }
        inherited
    }

    /// How many listening sockets are left.
    pub(crate) fn count(&self) -> usize {
        self.tcp.len() + self.unix.len()
    }

    /// The socket that listens on this address.
    pub(crate) fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |socket: &TcpListener| socket.local_addr().is_ok_and(|own| own == address);
        self.tcp.iter().position(is_it).map(|place| self.tcp.swap_remove(place))
    }

    /// The socket that listens at this path.
    pub(crate) fn take_unix(&mut self, path: &Path) -> Option<UnixListener> {
        let is_it = |socket: &UnixListener| {
            socket.local_addr().is_ok_and(|own| own.as_pathname().is_some_and(|own| own == path))
        };
        self.unix.iter().position(is_it).map(|place| self.unix.swap_remove(place))
    }

    /// Closes the sockets that no listener has taken, with a warning.
    pub(crate) fn close_the_rest(&mut self) {
        let tcp = self.tcp.drain(..).filter_map(|socket| Some(socket.local_addr().ok()?.to_string()));
        let path =
            |socket: UnixListener| Some(socket.local_addr().ok()?.as_pathname()?.display().to_string());
        let unix = self.unix.drain(..).filter_map(path);
        for address in tcp.chain(unix) {
            tracing::warn!(
                kind = "start",
                address,
                "a socket that was handed over is closed: `listen` and `admin` don't have its address"
            );
        }
    }

    /// The predecessor, if there is one. It waits to hear that this process serves.
    pub(crate) const fn take_predecessor(&mut self) -> Option<UnixDatagram> {
        self.predecessor.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_address() {
        let [first, second] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let (one, two) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        let mut inherited = Inherited { tcp: vec![first, second], ..Inherited::default() };
        assert_eq!(inherited.take_tcp(two).unwrap().local_addr().unwrap(), two);
        assert!(inherited.take_tcp(two).is_none());
        assert_eq!(inherited.count(), 1);
        inherited.close_the_rest();
        assert!(inherited.take_tcp(one).is_none());
        TcpListener::bind(one).unwrap();
    }

    #[test]
    fn a_unix_socket_is_found_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("socket"), folder.path().join("other"));
        let socket = UnixListener::bind(&path).unwrap();
        let mut inherited = Inherited { unix: vec![socket], ..Inherited::default() };
        assert!(inherited.take_unix(&other).is_none());
        assert!(inherited.take_unix(&path).is_some());
    }
}

//! Listening sockets, bound before pingora sees them.
//!
//! pingora binds when a service starts, retries a taken port for 30 seconds and then panics. Binding here fails at once
//! with an error that names the address. A bound socket queues connections before its service runs, and knows the port
//! that the system has chosen for port 0.

use std::fmt::Display;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use pingora::listeners::{ListenerConfig, Listeners};
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::{Fds, ListenFds};

use crate::config::ListenAddress;

use super::inherited::Inherited;

/// The permissions of a new Unix socket's file: every user of the system may connect, as with TCP.
const FOR_EVERYONE: u32 = 0o666;

/// Checks that `address` is free, by binding it for a moment. Like pingora it sets `SO_REUSEADDR`, so lingering
/// connections of an earlier process don't make the address taken.
///
/// # Errors
/// The address is taken, or does not belong to this host. The message names it.
pub(crate) fn check_free(address: SocketAddr) -> io::Result<()> {
    bind_tcp(address).map(drop)
}

/// Bound sockets that wait for their service.
#[derive(Default)]
pub(crate) struct BoundSockets {
    tcp: Vec<BoundTcp>,
    unix: Vec<BoundUnix>,
}

/// A TCP socket.
struct BoundTcp {
    /// The address in the configuration, where port 0 is any free one.
    configured: SocketAddr,
    bound: SocketAddr,
    socket: OwnedFd,
}

/// A Unix socket, and the permissions of its file if they have to stay.
struct BoundUnix {
    path: String,
    socket: OwnedFd,
    permissions: Option<Permissions>,
}

impl BoundSockets {
    /// Takes the inherited socket of an address, or binds one.
    pub(crate) fn listen_on(&mut self, address: &ListenAddress, inherited: &mut Inherited) -> io::Result<()> {
        match address {
            ListenAddress::Tcp(address) => match inherited.take_tcp(*address) {
                Some(socket) => self.add(*address, socket).map(drop),
                None => self.bind(*address).map(drop),
            },
            ListenAddress::Unix(path) => match inherited.take_unix(path).zip(path.metadata().ok()) {
                Some((socket, file)) => self.add_unix(path, socket, Some(file.permissions())),
                None => self.bind_unix(path),
            },
        }
    }

    /// Duplicates of the sockets, for a successor.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<OwnedFd>> {
        let tcp = self.tcp.iter().map(|tcp| &tcp.socket);
        tcp.chain(self.unix.iter().map(|unix| &unix.socket)).map(OwnedFd::try_clone).collect()
    }

    /// Binds a TCP address and returns it. With port 0 the system chooses the port.
    pub(crate) fn bind(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.add(address, bind_tcp(address)?)
    }

    fn add(&mut self, configured: SocketAddr, listener: TcpListener) -> io::Result<SocketAddr> {
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        self.tcp.push(BoundTcp { configured, bound, socket: listener.into() });
        Ok(bound)
    }

    /// Binds a Unix socket. Replaces the socket file of a dead process; the file of a live one, and any other file, is
    /// an error.
    pub(crate) fn bind_unix(&mut self, path: &Path) -> io::Result<()> {
        remove_if_stale(path);
        let listener = UnixListener::bind(path).map_err(|error| cannot_listen(path.display(), &error))?;
        self.add_unix(path, listener, None)
    }

    fn add_unix(
        &mut self,
        path: &Path,
        listener: UnixListener,
        permissions: Option<Permissions>,
    ) -> io::Result<()> {
        let unfit = |error: &io::Error| cannot_listen(path.display(), error);
        let not_utf8 = || unfit(&io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"));
        let name = path.to_str().ok_or_else(not_utf8)?.to_owned();
        if let Some(permissions) = permissions.clone() {
            // pingora always sets them, and panics if that fails.
            std::fs::set_permissions(path, permissions).map_err(|error| unfit(&error))?;
        }
        listener.set_nonblocking(true)?;
        self.unix.push(BoundUnix { path: name, socket: listener.into(), permissions });
        Ok(())
    }

    /// The sockets, as sources of events of the current runtime.
    ///
    /// # Errors
    /// The runtime can't watch a socket, or the permissions of a socket's file can't be set.
    pub(crate) fn into_listening(self) -> io::Result<Vec<ListeningSocket>> {
        let tcp = self.tcp.into_iter().map(|tcp| {
            let socket = Socket::Tcp(tokio::net::TcpListener::from_std(tcp.socket.into())?);
            Ok(ListeningSocket { listener: ListenAddress::Tcp(tcp.configured), socket })
        });
        let unix = self.unix.into_iter().map(|unix| {
            if unix.permissions.is_none() {
                std::fs::set_permissions(&unix.path, Permissions::from_mode(FOR_EVERYONE))?;
            }
            let socket = Socket::Unix(tokio::net::UnixListener::from_std(unix.socket.into())?);
            Ok(ListeningSocket { listener: ListenAddress::Unix(unix.path.into()), socket })
        });
        tcp.chain(unix).collect()
    }

    /// Adds the sockets to a service's listeners. The result is for `start_service`, which looks sockets up by their
    /// addresses and takes them over.
    pub(crate) fn give_to(self, listeners: &mut Listeners) -> ListenFds {
        let mut sockets = Fds::new();
        for BoundTcp { bound: address, socket, .. } in self.tcp {
            // pingora would hold back the start of a reply of known length until it has 1460 bytes.
            let unheld = L4BufferSettings::default().write(0);
            let config = ListenerConfig::tcp(address.to_string()).l4_buffer(unheld);
            // The acceptor speaks TLS itself, because it counts connections before their handshake.
            listeners.add_listener(config);
            sockets.add(address.to_string(), socket.into_raw_fd());
        }
        for unix in self.unix {
            listeners.add_uds(&unix.path, unix.permissions);
            sockets.add(unix.path, unix.socket.into_raw_fd());
        }
        Arc::new(sockets.into())
    }
}

/// A socket that takes connections, and the listener's address in the configuration.
pub(crate) struct ListeningSocket {
    pub(crate) listener: ListenAddress,
    pub(crate) socket: Socket,
}

/// A socket that takes connections.
pub(crate) enum Socket {
    /// At an address.
    Tcp(tokio::net::TcpListener),
    /// At a file.
    Unix(tokio::net::UnixListener),
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))
}

/// Removes the socket file if no process listens on it. If that fails, binding will fail too.
fn remove_if_stale(path: &Path) {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_socket = path.symlink_metadata().is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        let _ = std::fs::remove_file(path);
    }
}

fn cannot_listen(address: impl Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("can't listen on {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_that_names_the_address() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let error = check_free(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("can't listen on {address}: ")), "{error}");
    }

    #[test]
    fn port_zero_returns_the_chosen_port() {
        let bound = BoundSockets::default().bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(bound.port(), 0);
    }

    #[test]
    fn a_dead_process_s_socket_file_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let mut sockets = BoundSockets::default();
        sockets.bind_unix(&path).unwrap();
        assert_eq!(sockets.bind_unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let file = folder.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        assert!(sockets.bind_unix(&file).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    }
}

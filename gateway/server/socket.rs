//! Listening sockets, bound before pingora sees them.
//!
//! pingora binds when a service starts, tries a taken port for 30 seconds and then panics. A socket
//! bound here fails at once with an error that names the address, already queues connections
//! before its service runs, and knows the port that the system chose for port 0.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::listeners::{ListenerConfig, Listeners};
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::{Fds, ListenFds};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::settings::{ListenAddress, Listener, TlsFiles};

/// Says whether `address` can be listened on, by listening on it for a moment. `SO_REUSEADDR` is
/// set, as pingora does: connections of an earlier process that linger don't make an address taken.
///
/// # Errors
/// The address is taken or not ours; the error's text names it.
pub fn check_free(address: SocketAddr) -> io::Result<()> {
    bind_tcp(address).map(drop)
}

/// Sockets that are bound and wait for their service.
#[derive(Default)]
pub(super) struct BoundSockets {
    tcp: Vec<(SocketAddr, OwnedFd, Option<TlsFiles>)>,
    unix: Vec<(String, OwnedFd)>,
}

impl BoundSockets {
    /// Binds a listener of the configuration.
    pub(super) fn listen(&mut self, listener: &Listener) -> io::Result<()> {
        match &listener.address {
            ListenAddress::Tcp(address) => {
                self.bind(*address)?;
                if let Some((_, _, tls)) = self.tcp.last_mut() {
                    tls.clone_from(&listener.tls);
                }
                Ok(())
            }
            ListenAddress::Unix(path) => self.bind_unix(path),
        }
    }

    /// Binds a TCP address; port 0 lets the system choose, and the answer says what it chose.
    pub(super) fn bind(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = bind_tcp(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        self.tcp.push((bound, listener.into(), None));
        Ok(bound)
    }

    /// Binds a Unix socket. A socket file that a dead process left behind is replaced; a live
    /// one's, and any other file, is an error.
    pub(super) fn bind_unix(&mut self, path: &Path) -> io::Result<()> {
        let Some(name) = path.to_str() else {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
            return Err(cannot_listen(path.display(), &error));
        };
        remove_if_stale(path);
        let listener = UnixListener::bind(path).map_err(|error| cannot_listen(name, &error))?;
        listener.set_nonblocking(true)?;
        self.unix.push((name.to_owned(), listener.into()));
        Ok(())
    }

    /// The listeners that speak TLS.
    ///
    /// # Errors
    /// A certificate can't be used.
    pub(super) fn encrypted(&self) -> io::Result<EncryptedListeners> {
        let with_files = self.tcp.iter().filter_map(|(address, _, tls)| Some((*address, tls.as_ref()?)));
        let acceptor = |(address, files): (_, &TlsFiles)| Ok((address, tls_settings(files)?.build()));
        Ok(EncryptedListeners(with_files.map(acceptor).collect::<io::Result<_>>()?))
    }

    /// Hands the sockets to a service's listeners. What comes back goes into `start_service`, which
    /// looks a socket up by its address and then owns it.
    pub(super) fn hand_over(self, listeners: &mut Listeners) -> ListenFds {
        let mut sockets = Fds::new();
        for (address, socket, _) in self.tcp {
            // pingora holds back the start of a reply of known length until 1460 bytes are there.
            let unheld = L4BufferSettings::default().write(0);
            let config = ListenerConfig::tcp(address.to_string()).l4_buffer(unheld);
            // TLS is the door's, where connections are counted before their handshake.
            listeners.add_listener(config);
            sockets.add(address.to_string(), socket.into_raw_fd());
        }
        for (path, socket) in self.unix {
            listeners.add_uds(&path, None);
            sockets.add(path, socket.into_raw_fd());
        }
        Arc::new(sockets.into())
    }
}

/// The listeners that speak TLS, by their addresses.
pub(super) struct EncryptedListeners(Vec<(SocketAddr, Acceptor)>);

impl EncryptedListeners {
    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one through which a connection to this address has come, if it is one of these.
    pub(super) fn at(&self, local: SocketAddr) -> Option<&Acceptor> {
        let is_it = |bound: SocketAddr| {
            bound.port() == local.port() && (bound.ip().is_unspecified() || bound.ip() == local.ip())
        };
        self.0.iter().find(|(bound, _)| is_it(*bound)).map(|(_, acceptor)| acceptor)
    }
}

/// TLS with HTTP/2 by ALPN.
fn tls_settings(files: &TlsFiles) -> io::Result<TlsSettings> {
    let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
    let mut settings = TlsSettings::intermediate(&certificate, &key)
        .map_err(|error| io::Error::other(format!("the certificate {certificate} can't be used: {error}")))?;
    settings.enable_h2();
    if let Some(authority) = &files.client_ca {
        settings.set_client_cert_verifier(client_verifier(authority)?);
    }
    Ok(settings)
}

/// Lets only clients in whose certificate one of these authorities has signed.
fn client_verifier(authority: &Path) -> io::Result<Arc<dyn ClientCertVerifier>> {
    let unfit = |error: &dyn Display| {
        io::Error::other(format!("the certificates {} can't be used: {error}", authority.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(|error| unfit(&error))? {
        let certificate = certificate.map_err(|error| unfit(&error))?;
        roots.add(certificate).map_err(|error| unfit(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().map_err(|error| unfit(&error))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))
}

/// Removes the socket file if nobody listens on it. Whatever fails here shows when binding.
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
    fn port_zero_tells_the_chosen_port() {
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

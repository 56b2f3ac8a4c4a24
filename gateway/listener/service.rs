//! The service that clients come to: bound sockets, the workers, and the acceptor with its handler.
//!
//! In: sockets. For each of them a loop accepts connections. Out: each connection goes to a worker thread, where the acceptor
//! serves it to its end. pingora's own loop is not used, because it serves a connection on the runtime that accepted it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pingora::protocols::{GetSocketDigest as _, SocketDigest, l4};
use pingora::server::ShutdownWatch;
use tokio::net::{TcpStream, UnixStream};

use crate::config::ListenAddress;
use crate::state::gateway::Gateway;
use crate::telemetry::LogThrottle;
use crate::workers::Workers;

use super::acceptor::Acceptor;
use super::bind::{BoundSockets, ListeningSocket, Socket};
use super::request_handler::RequestHandler;

/// How long a loop waits when the system has no room for another connection (no file descriptor, no memory).
const NO_ROOM: Duration = Duration::from_millis(100);

/// A handler with its sockets, ready to be served.
pub(crate) struct ClientService<H> {
    acceptor: Arc<Acceptor<H>>,
    sockets: Vec<ListeningSocket>,
    workers: Arc<Workers>,
    throttle: LogThrottle,
}

/// A connection that was accepted. It belongs to no runtime yet.
enum Accepted {
    /// With the address of its client. The system forgets it when the client resets the connection, also before anybody reads
    /// what the client has sent; without an address it would pass for one of a Unix socket.
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl<H: RequestHandler> ClientService<H> {
    /// Puts a handler behind bound sockets. They are watched by the current runtime.
    ///
    /// # Errors
    /// A socket can't be used.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        handler: H,
        sockets: BoundSockets,
        workers: Arc<Workers>,
    ) -> io::Result<Self> {
        let acceptor = Arc::new(Acceptor::new(gateway, handler));
        Ok(Self { acceptor, sockets: sockets.into_listening()?, workers, throttle: LogThrottle::default() })
    }

    /// Serves until `shutdown` turns true or its sender is dropped. Then it stops accepting; open connections go on as
    /// tasks of the workers.
    pub(crate) async fn serve(self, shutdown: ShutdownWatch) {
        let loops = self.sockets.iter().map(|listening| self.accept_until(listening, shutdown.clone()));
        join_all(loops).await;
    }

    async fn accept_until(&self, listening: &ListeningSocket, shutdown: ShutdownWatch) {
        let mut stopped = shutdown.clone();
        let stopped = stopped.wait_for(|stops| *stops);
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                accepted = listening.socket.accept() => accepted,
                _ = &mut stopped => return,
            };
            match accepted {
                Ok(accepted) => self.give_to_worker(accepted, &listening.listener, shutdown.clone()),
                Err(error) => self.wait_for_room(&error).await,
            }
        }
    }

    fn give_to_worker(&self, accepted: Accepted, listener: &ListenAddress, shutdown: ShutdownWatch) {
        let acceptor = Arc::clone(&self.acceptor);
        let Some(listener) = acceptor.listener(listener) else { return };
        self.workers.run(async move {
            // If this fails, the client has left.
            let Ok(connection) = accepted.into_stream() else { return };
            // Lets the runtime look at the connection: if its client has left, it ends before others are counted.
            tokio::task::yield_now().await;
            acceptor.serve(connection, &listener, &shutdown).await;
        });
    }

    async fn wait_for_room(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if self.throttle.may_log() {
            tracing::error!(kind = "listener", %error, "connections can't be accepted; clients wait");
        }
        tokio::time::sleep(NO_ROOM).await;
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(socket) => {
                let (connection, client) = socket.accept().await?;
                Accepted::Tcp(connection.into_std()?, client)
            }
            Self::Unix(socket) => Accepted::Unix(socket.accept().await?.0.into_std()?),
        })
    }
}

impl Accepted {
    /// Makes it a connection of the current runtime.
    fn into_stream(self) -> io::Result<Box<l4::stream::Stream>> {
        let (mut stream, digest): (l4::stream::Stream, SocketDigest) = match self {
            Self::Tcp(connection, client) => {
                connection.set_nodelay(true)?;
                let digest = SocketDigest::from_raw_fd(connection.as_raw_fd());
                // It is new, so nothing is there yet.
                let _ = digest.peer_addr.set(Some(client.into()));
                (TcpStream::from_std(connection)?.into(), digest)
            }
            Self::Unix(connection) => {
                let digest = SocketDigest::from_raw_fd(connection.as_raw_fd());
                (UnixStream::from_std(connection)?.into(), digest)
            }
        };
        stream.set_socket_digest(digest);
        Ok(Box::new(stream))
    }
}

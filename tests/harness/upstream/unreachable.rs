//! Addresses that fail at the connection: one that refuses, one that never answers.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;

use super::super::ports::loopback;

/// An address nobody listens on; held, so that nobody else can.
#[derive(Debug)]
pub(crate) struct Refusing {
    socket: TcpSocket,
}

impl Refusing {
    /// Takes a port without listening on it.
    pub(crate) fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(loopback(0)).unwrap();
        Self { socket }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// An address whose queue of connections is full, so that a new one is never set up.
#[derive(Debug)]
pub(crate) struct Unreachable {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
    _runtime: Runtime,
}

impl Unreachable {
    /// Listens with the shortest queue there is, and fills it.
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(loopback(0)).unwrap();
            socket.listen(0).unwrap()
        });
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queued = (0..8).map_while(connect).collect();
        Self { listener, _queued: queued, _runtime: runtime }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

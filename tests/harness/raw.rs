//! A server of raw sockets: what a test wants to say on a connection, byte for byte, and when.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::ports::loopback;
use super::wait::PATIENCE;

/// The server; each of its connections runs one function in a thread of its own.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl RawServer {
    /// One whose connections are served so. An error ends the connection, and no more.
    pub(crate) fn start(
        serve: impl Fn(RawConnection) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, over, serve) = (Arc::clone(&connections), Arc::clone(&ended), Arc::new(serve));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || drop(serve(RawConnection::new(stream))));
            }
        });
        Self { address, connections, ended }
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

/// A connection to it.
#[derive(Debug)]
pub(crate) struct RawConnection {
    /// The socket.
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl RawConnection {
    fn new(stream: TcpStream) -> Self {
        drop(stream.set_read_timeout(Some(PATIENCE * 2)));
        drop(stream.set_write_timeout(Some(PATIENCE * 2)));
        drop(stream.set_nodelay(true));
        Self { stream, unread: Vec::new() }
    }

    /// Reads up to and with the end of a head; the rest of what came is kept.
    pub(crate) fn head(&mut self) -> std::io::Result<String> {
        let head = self.through(b"\r\n\r\n")?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads up to and with this pattern.
    pub(crate) fn through(&mut self, pattern: &[u8]) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(start) = memchr::memmem::find(&self.unread, pattern) {
                return Ok(self.unread.drain(..start + pattern.len()).collect());
            }
            let more = self.read()?;
            if more.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend(more);
        }
    }

    /// What was read beyond the head, or else what comes next; nothing at the end.
    pub(crate) fn some(&mut self) -> std::io::Result<Vec<u8>> {
        if self.unread.is_empty() { self.read() } else { Ok(std::mem::take(&mut self.unread)) }
    }

    /// Writes.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more comes, and reads until the other side has ended too.
    pub(crate) fn close_lingering(&mut self) -> std::io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        while !self.read()?.is_empty() {}
        Ok(())
    }

    /// Reads and forgets until the other side has ended.
    pub(crate) fn drain(&mut self) -> std::io::Result<()> {
        while !self.read()?.is_empty() {}
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(buffer);
                }
            }
        }
    }
}

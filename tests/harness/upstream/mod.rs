//! A scripted upstream: it keeps every byte it is sent and answers as a test tells it to, faults
//! included. One thread a connection, all of them ended with the test.

mod answer;
mod request;
mod unreachable;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub(crate) use answer::Answer;
pub(crate) use request::Recorded;
pub(crate) use unreachable::{Refusing, Unreachable};

use super::ports::{accepts, loopback};
use super::wait::{PATIENCE, until_true};

/// Makes the answer to a request that the script does not name.
type Otherwise = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// The scripted upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    otherwise: Otherwise,
    script: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    requests: Mutex<Vec<Recorded>>,
    received: Mutex<Vec<u8>>,
    /// One place for each connection there ever was; empty once it was reset, or its client had ended.
    streams: Mutex<Vec<Option<TcpStream>>>,
    in_flight: AtomicUsize,
    closed: Mutex<BTreeSet<usize>>,
    most_in_flight: AtomicUsize,
    ended: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the script and what came in")
    }
}

impl Upstream {
    /// One that answers 200 and `ok` to all.
    pub(crate) fn start() -> Self {
        Self::answering(|_| Answer::text(200, "ok"))
    }

    /// One that answers by what it is asked.
    pub(crate) fn answering(otherwise: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::listening_at(loopback(0), otherwise)
    }

    /// One that answers 200 and `ok` to all, where another was before.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        Self::listening_at(address, |_| Answer::text(200, "ok"))
    }

    /// One that answers by what it is asked, at this address.
    pub(crate) fn answering_at(
        address: SocketAddr,
        otherwise: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listening_at(address, otherwise)
    }

    fn listening_at(
        address: SocketAddr,
        otherwise: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            otherwise: Box::new(otherwise),
            script: Mutex::default(),
            requests: Mutex::default(),
            received: Mutex::default(),
            streams: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            closed: Mutex::default(),
            most_in_flight: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept_from(&listener));
        Self { address, shared }
    }

    /// Dies: nobody listens at its address any more, and then its connections break.
    pub(crate) fn die(self) -> SocketAddr {
        self.shared.ended.store(true, Ordering::SeqCst);
        until_true("nobody listens", || !accepts(self.address));
        self.address
    }

    /// Answers this path so from now on; called again, the answers are given in turn, the last for good.
    pub(crate) fn on(&self, path: &str, answer: Answer) -> &Self {
        lock(&self.shared.script).entry(path.to_owned()).or_default().push_back(answer);
        self
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that came whole so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.requests).clone()
    }

    /// The requests that came whole so far, which are forgotten.
    pub(crate) fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut *lock(&self.shared.requests))
    }

    /// The requests with this path, query included.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.target == path).collect()
    }

    /// The one request that came.
    pub(crate) fn only_request(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }

    /// Connections that were opened so far.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.streams).len()
    }

    /// Requests that are being answered now.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// The most requests that were ever answered at the same time.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }

    /// Waits until these bytes have arrived on any connection, whole request or not.
    pub(crate) fn wait_for_bytes(&self, bytes: &[u8]) {
        let what = format!("{:?} at the upstream", String::from_utf8_lossy(bytes));
        until_true(&what, || memchr::memmem::find(&lock(&self.shared.received), bytes).is_some());
    }

    /// Waits until it has closed a connection.
    pub(crate) fn wait_for_close(&self) {
        until_true("a connection closed by the upstream", || !lock(&self.shared.closed).is_empty());
    }

    /// Whether a connection, by its number from 1, has ended on either side.
    pub(crate) fn is_closed(&self, connection: usize) -> bool {
        lock(&self.shared.closed).contains(&connection)
    }

    /// Waits until this many requests have come whole.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        until_true(&format!("{count} requests at the upstream"), || {
            lock(&self.shared.requests).len() >= count
        });
    }

    /// All bytes that came, of all connections in the order of arrival.
    pub(crate) fn received(&self) -> Vec<u8> {
        lock(&self.shared.received).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.streams).iter().flatten() {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

impl Shared {
    fn accept_from(self: Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let mut streams = lock(&self.streams);
            streams.push(stream.try_clone().ok());
            let connection = streams.len();
            drop(streams);
            let shared = Arc::clone(&self);
            thread::spawn(move || shared.serve(stream, connection));
        }
    }

    fn serve(&self, mut stream: TcpStream, connection: usize) {
        drop(stream.set_read_timeout(Some(PATIENCE * 2)));
        drop(stream.set_nodelay(true));
        let mut unread = Vec::new();
        let mut resets = false;
        let mut is_over = true;
        while let Some(request) = request::read(&mut stream, &mut unread, connection, self) {
            let answer = self.answer_to(&request);
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now, Ordering::SeqCst);
            lock(&self.requests).push(request.clone());
            let goes_on = answer.deliver(&request, &mut stream, || {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
            });
            if !goes_on {
                is_over = false;
                resets = answer.resets();
                break;
            }
        }
        if resets {
            self.reset(stream, connection);
        } else {
            drop(stream.shutdown(Shutdown::Both));
        }
        if is_over {
            lock(&self.streams)[connection - 1] = None;
        }
        lock(&self.closed).insert(connection);
    }

    /// The system sends a reset when the last handle of a socket that must not linger is dropped.
    fn reset(&self, stream: TcpStream, connection: usize) {
        lock(&self.streams)[connection - 1] = None;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    }

    fn answer_to(&self, request: &Recorded) -> Answer {
        match lock(&self.script).get_mut(&request.target) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers[0].clone(),
            None => (self.otherwise)(request),
        }
    }
}

impl request::Source for Shared {
    fn read_from(&self, stream: &mut TcpStream, unread: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 16 << 10];
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Ok(0) | Err(_) => false,
            Ok(length) => {
                unread.extend_from_slice(&buffer[..length]);
                lock(&self.received).extend_from_slice(&buffer[..length]);
                true
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Load from several clients at once, which counts: each batch it begins has to be answered whole, each
//! request of h2load too.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::json;

use super::client::{Connection, Request};
use super::gateway::Gateway;
use super::programs::{program, succeed};

/// Clients that send batches, each over one connection at a time.
const CLIENTS: usize = 4;
/// Items of a batch.
const ITEMS: usize = 5;
/// Requests of one run of h2load, which uses four connections.
const REQUESTS: usize = 600;

/// Load that goes on until it is told to end.
#[derive(Debug)]
pub(crate) struct Load {
    last_run: Arc<AtomicBool>,
    last_connection: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
    h2loads: Vec<JoinHandle<usize>>,
}

impl Load {
    /// Sends batches of POST `/item/…`, each with a path of its own, and GET `/single` over HTTP/1.1 and HTTP/2.
    pub(crate) fn start(gateway: &Gateway) -> Self {
        let (address, url) = (gateway.address(), gateway.url("/single"));
        let (last_run, last_connection) = (Arc::default(), Arc::default());
        let client = |number| {
            let last = Arc::clone(&last_connection);
            thread::spawn(move || send_batches(number, address, &last))
        };
        let clients = (0..CLIENTS).map(client).collect();
        let h2load = |protocol| {
            let (last, url) = (Arc::clone(&last_run), url.clone());
            thread::spawn(move || send_singles(protocol, &url, &last))
        };
        let h2loads = ["http/1.1", "h2c"].map(h2load).into();
        Self { last_run, last_connection, clients, h2loads }
    }

    /// Only h2load, with these protocols and urls. A certificate is not looked at.
    pub(crate) fn of_singles(runs: &[(&'static str, String)]) -> Self {
        let last_run: Arc<AtomicBool> = Arc::default();
        let run = |(protocol, url): &(&'static str, String)| {
            let (last, protocol, url) = (Arc::clone(&last_run), *protocol, url.clone());
            thread::spawn(move || send_singles(protocol, &url, &last))
        };
        let h2loads = runs.iter().map(run).collect();
        Self { last_run, last_connection: Arc::default(), clients: Vec::new(), h2loads }
    }

    /// Ends h2load; says how many requests were answered.
    ///
    /// # Panics
    /// When one was not.
    pub(crate) fn end_singles(&mut self) -> usize {
        self.last_run.store(true, Ordering::Release);
        self.h2loads.drain(..).map(|thread| thread.join().unwrap()).sum()
    }

    /// From here on the clients of batches end once their connection is closed after a reply.
    pub(crate) fn let_clients_leave(&self) {
        self.last_connection.store(true, Ordering::Release);
    }

    /// Waits until those have left; says how many batches and items were answered.
    ///
    /// # Panics
    /// When one was not.
    pub(crate) fn wait_for_clients(self) -> (usize, usize) {
        let batches: usize = self.clients.into_iter().map(|thread| thread.join().unwrap()).sum();
        (batches, batches * ITEMS)
    }
}

/// Sends one batch after the other; a new connection only where the gateway has announced the old one's end.
fn send_batches(client: usize, address: SocketAddr, last_connection: &AtomicBool) -> usize {
    let mut connection = Connection::open(address);
    for batch in 1.. {
        let item =
            |item| json!({"method": "POST", "url": format!("/item/{client}-{batch}-{item}"), "body": {}});
        let items: Vec<_> = (0..ITEMS).map(item).collect();
        connection.write(&Request::batch(&json!({ "requests": items })).to_bytes(address));
        let reply = connection.reply_to("POST");
        assert_eq!(reply.statuses(), [200; ITEMS], "batch {batch} of client {client}");
        if reply.header("Connection") == Some("close") {
            if last_connection.load(Ordering::Acquire) {
                return batch;
            }
            connection = Connection::open(address);
        }
    }
    unreachable!("numbers don't end")
}

/// The connections of one h2load.
const CONNECTIONS: usize = 4;

/// Runs h2load again and again. It does not come back after HTTP/2's GOAWAY, and takes what it has not sent
/// for failed, of which one for each connection counts as begun. Whether one was sent after all shows in the sums of the
/// gateways: they count what came, here what was answered is counted.
fn send_singles(protocol: &str, url: &str, last_run: &AtomicBool) -> usize {
    let mut answered = 0;
    while !last_run.load(Ordering::Acquire) {
        let mut h2load = Command::new(program("h2load"));
        h2load.args(["-c", &CONNECTIONS.to_string(), "-n", &REQUESTS.to_string(), "-p", protocol, url]);
        h2load.args((protocol == "http/1.1").then_some("--h1"));
        let said = succeed(&mut h2load);
        let [begun, succeeded] = ["started", "succeeded"].map(|word| count(&said, word));
        assert!(succeeded + CONNECTIONS >= begun && count(&said, "2xx") == succeeded, "{said}");
        assert!(protocol == "h2c" || succeeded == REQUESTS, "{said}");
        answered += succeeded;
    }
    answered
}

/// The number before a word in h2load's summary.
fn count(said: &str, word: &str) -> usize {
    let mut parts = said.split([',', '\n', ':']).map(str::trim);
    let number = parts.find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    number.unwrap_or_else(|| panic!("h2load did not say how many {word}: {said}"))
}

//! A name server on loopback whose answers a test changes while it runs. It answers over UDP with what it was told, and
//! never goes beyond 512 bytes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::ports::loopback;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What the server says about a name.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// These instances of a service (priority, weight, port, host), for so many seconds.
    Instances(Vec<(u16, u16, u16, String)>, u32),
    /// An error: 2 is SERVFAIL, 3 NXDOMAIN.
    Error(u8),
    /// Nothing at all.
    Silence,
}

type Script = Arc<Mutex<(HashMap<String, Says>, usize)>>;

/// The name server.
#[derive(Debug)]
pub(crate) struct NameServer {
    address: SocketAddr,
    script: Script,
}

impl NameServer {
    /// One that knows no name.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind(loopback(0)).unwrap();
        let address = socket.local_addr().unwrap();
        let script = Script::default();
        let serving = Arc::clone(&script);
        thread::spawn(move || serve(&socket, &serving));
        Self { address, script }
    }

    /// Says this about a name from now on.
    pub(crate) fn says(&self, name: &str, says: Says) -> &Self {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).0.insert(name.to_owned(), says);
        self
    }

    /// Questions so far.
    pub(crate) fn questions(&self) -> usize {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(socket: &UdpSocket, script: &Script) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let query = &buffer[..length];
        let (name, end) = name_in(query);
        let kind = u16::from_be_bytes([query[end], query[end + 1]]);
        let says = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script.1 += 1;
            script.0.get(&name).cloned().unwrap_or(Says::Error(3))
        };
        let (code, records) = match says {
            Says::Silence => continue,
            Says::Error(code) => (code, Vec::new()),
            Says::Addresses(addresses, ttl) => {
                (0, addresses.iter().filter_map(|address| record(*address, kind, ttl)).collect())
            }
            Says::Instances(instances, ttl) if kind == SRV => {
                (0, instances.iter().map(|instance| service_record(instance, ttl)).collect())
            }
            Says::Instances(..) => (0, Vec::new()),
        };
        let count = u8::try_from(records.len()).unwrap();
        // A response that may recurse, with the question and the records (RFC 1035 §4.1.1).
        let head = [query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        let response = [&head[..], &query[12..end + 4], &records.concat()].concat();
        let _ = socket.send_to(&response, from);
    }
}

/// The name that is asked for, in small letters and without its last dot, and where it ends.
fn name_in(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

fn record(address: IpAddr, kind: u16, ttl: u32) -> Option<Vec<u8>> {
    let data = match address {
        IpAddr::V4(address) if kind == A => address.octets().to_vec(),
        IpAddr::V6(address) if kind == AAAA => address.octets().to_vec(),
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some(record_with(kind, ttl, &data))
}

/// RFC 2782.
fn service_record((priority, weight, port, host): &(u16, u16, u16, String), ttl: u32) -> Vec<u8> {
    let mut data = [priority.to_be_bytes(), weight.to_be_bytes(), port.to_be_bytes()].concat();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.bytes());
    }
    data.push(0);
    record_with(SRV, ttl, &data)
}

fn record_with(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    // The name is the question's.
    [&[0xc0, 12], &kind.to_be_bytes()[..], &[0, 1], &ttl.to_be_bytes(), &length, data].concat()
}

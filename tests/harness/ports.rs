//! Free ports on loopback. A port is found by binding number 0 and let go again, so somebody else may
//! take it before its program does; [`start_on_free_ports`] then tries with new ones.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use batchgate::clock::Deadline;

use super::process::Process;
use super::wait::{PATIENCE, until_true};

/// Ports this run of the tests has given out; none is given out twice.
static GIVEN_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// How often a program may find its ports taken.
const ATTEMPTS: usize = 5;

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap().port();
        if GIVEN_OUT.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// The first of some ports in a row that were free a moment ago, below those that the system gives to clients. They have
/// four digits.
pub(crate) fn free_ports_in_a_row(count: u16) -> u16 {
    const FIRST: u32 = 2000;
    const LAST: u32 = 9900;
    for attempt in 0..LAST {
        let start = std::process::id().wrapping_add(attempt).wrapping_mul(137) % (LAST - FIRST) + FIRST;
        let ports: Vec<u16> = (u16::try_from(start).unwrap()..).take(count.into()).collect();
        let mut given_out = GIVEN_OUT.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = |port: &u16| !given_out.contains(port) && TcpListener::bind(loopback(*port)).is_ok();
        if ports.iter().all(is_free) {
            given_out.extend(&ports);
            return ports[0];
        }
    }
    panic!("no {count} free ports in a row");
}

/// The address of a port on loopback.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether something accepts connections there.
pub(crate) fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Starts a program that listens on `N` ports and returns once it is ready.
///
/// # Panics
/// When the program ends for another reason than a taken port, or is not ready in time; with all
/// that it has written.
pub(crate) fn start_on_free_ports<const N: usize>(
    name: &str,
    command: impl Fn([u16; N]) -> Command,
    ready: impl Fn([u16; N]) -> bool,
) -> (Process, [u16; N]) {
    for _ in 0..ATTEMPTS {
        let ports = std::array::from_fn(|_| free_port());
        let process = Process::start(name, command(ports));
        let deadline = Deadline::after(PATIENCE);
        while process.is_running() {
            if ready(ports) && process.is_running() {
                return (process, ports);
            }
            assert!(!deadline.is_over(), "{name} is not ready; it wrote:\n{}", process.output());
            thread::sleep(Duration::from_millis(10));
        }
        let output = process.final_output();
        assert!(says_port_taken(&output), "{name} ended at its start; it wrote:\n{output}");
    }
    panic!("{name} found its ports taken {ATTEMPTS} times");
}

/// Starts a program again on a port that it has had; returns once it accepts connections there.
pub(crate) fn start_again(name: &str, command: Command, port: u16) -> Process {
    let process = Process::start(name, command);
    until_true(&format!("{name} to be back"), || accepts(loopback(port)));
    process
}

fn says_port_taken(output: &str) -> bool {
    let output = output.to_lowercase();
    ["in use", "could not bind", "taken"].iter().any(|words| output.contains(words))
}

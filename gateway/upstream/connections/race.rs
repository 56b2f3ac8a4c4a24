//! Opens a connection to a name that has several addresses (RFC 8305 §5). If one does not answer soon, the next is tried as
//! well, and the first connection that opens is used. So a dead address costs a call a quarter of a second at most,
//! until its circuit opens.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pingora::{Error, ErrorType};

use crate::address::TargetAddress;
use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::{ConnectNotes, GIVEN_UP};
use crate::upstream::error;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;
use crate::upstream::targets::Targets;

/// How long one address is tried alone.
const HEAD_START: Duration = Duration::from_millis(250);

/// How it went.
pub(crate) struct Raced<T> {
    /// The first connection that opened, and the address that it leads to.
    pub(crate) opened: Option<(Lease, T)>,
    /// The addresses where none opened, or too late.
    pub(crate) failed: Vec<(Lease, Box<Error>)>,
}

/// Opens a connection to the address of a lease, or to another of the same name, leaving out those in `tried`. Each address
/// where none opened is noted, also if this is dropped before.
pub(crate) async fn race<T, F>(
    targets: &Targets,
    first: Lease,
    tried: &[TargetAddress],
    notes: &ConnectNotes,
    open: impl Fn(Arc<Peer>) -> F,
) -> Raced<T>
where
    F: Future<Output = pingora::Result<T>>,
{
    let mut race = Race { tried: tried.to_vec(), open, running: Vec::new(), failed: Vec::new(), notes };
    let mut opening = FuturesUnordered::new();
    let origin = Arc::clone(first.peer());
    opening.push(race.start(first));
    let mut may_be_more = true;
    loop {
        let ended = if may_be_more {
            Deadline::after(HEAD_START).race(opening.next()).await
        } else {
            Some(opening.next().await)
        };
        match ended {
            Some(Some((address, Ok(opened)))) => return race.won(&address, opened),
            Some(Some((address, Err(error)))) => race.lost(&address, error),
            Some(None) if !may_be_more => return race.lost_all(),
            Some(None) | None => {}
        }
        match targets.elsewhere(&origin, &race.tried) {
            Some(lease) => opening.push(race.start(lease)),
            None => may_be_more = false,
        }
    }
}

struct Race<'race, O> {
    tried: Vec<TargetAddress>,
    open: O,
    running: Vec<Running>,
    failed: Vec<(Lease, Box<Error>)>,
    notes: &'race ConnectNotes,
}

/// A connection that is being opened.
struct Running {
    lease: Lease,
    began: Stopwatch,
}

impl<O> Race<'_, O> {
    fn start<T, F>(
        &mut self,
        lease: Lease,
    ) -> impl Future<Output = (TargetAddress, pingora::Result<T>)> + use<T, F, O>
    where
        O: Fn(Arc<Peer>) -> F,
        F: Future<Output = pingora::Result<T>>,
    {
        let address = lease.peer().address.clone();
        self.tried.push(address.clone());
        let opening = (self.open)(Arc::clone(lease.peer()));
        self.running.push(Running { lease, began: Stopwatch::start() });
        async move { (address, opening.await) }
    }

    fn take(&mut self, address: &TargetAddress) -> Option<Running> {
        let place = self.running.iter().position(|running| running.lease.peer().address == *address)?;
        Some(self.running.swap_remove(place))
    }

    fn lost(&mut self, address: &TargetAddress, error: Box<Error>) {
        if let Some(running) = self.take(address) {
            self.fail(running, error);
        }
    }

    fn fail(&mut self, Running { lease, began }: Running, error: Box<Error>) {
        self.notes.add(&lease.peer().name, began, Some(error::of_connect(&error)));
        self.failed.push((lease, error));
    }

    fn lost_all<T>(mut self) -> Raced<T> {
        Raced { opened: None, failed: std::mem::take(&mut self.failed) }
    }

    fn won<T>(mut self, address: &TargetAddress, opened: T) -> Raced<T> {
        let opened = self.take(address).map(|running| (running.lease, opened));
        for running in std::mem::take(&mut self.running) {
            // An address that was overtaken by one that began later is too slow. Those that had just begun are not.
            if self.place(&running.lease.peer().address) < self.place(address) {
                let too_slow = Error::explain(ErrorType::ConnectTimedout, "another address answered sooner");
                self.fail(running, too_slow);
            }
        }
        Raced { opened, failed: std::mem::take(&mut self.failed) }
    }

    fn place(&self, address: &TargetAddress) -> Option<usize> {
        self.tried.iter().position(|tried| tried == address)
    }
}

impl<O> Drop for Race<'_, O> {
    fn drop(&mut self) {
        for Running { lease, began } in &self.running {
            self.notes.add(&lease.peer().name, *began, None);
            lease.peer().state.counts.failure(GIVEN_UP);
        }
    }
}

//! One batch, or one single request, at one limiter. Its calls wait in the order they came.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::client::Client;
use super::clients::{ClientPermits, Clients, ShareWaits};
use super::queue::FlowId;

/// A flow. The code that makes its calls holds it, and it must outlive them.
#[derive(Debug)]
pub struct Flow {
    pub(super) id: FlowId,
    /// Set once the limiter has let in one of its calls. None is turned away after that.
    is_admitted: AtomicBool,
    /// Its client's record, once that was looked up. Keeps the record alive.
    of_client: OnceLock<Arc<ClientPermits>>,
    /// Its calls that wait now.
    pub(super) waiting: AtomicUsize,
    /// Its calls that wait, or waited, for their client's share.
    pub(super) share_waits: ShareWaits,
}

impl Flow {
    /// A new flow of this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: FlowId { client, number: NEXT.fetch_add(1, Ordering::Relaxed) },
            is_admitted: AtomicBool::new(false),
            of_client: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            share_waits: ShareWaits::default(),
        }
    }

    /// The number of calls that had to wait for other calls of their client, since this was last called.
    pub fn take_share_waits(&self) -> usize {
        self.share_waits.take()
    }

    /// Whether the last call that waited for other calls of its client gave up.
    #[must_use]
    pub fn was_held_back(&self) -> bool {
        self.share_waits.has_given_up()
    }

    /// Whether a call of it waits now.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_admitted(&self) -> bool {
        self.is_admitted.load(Ordering::Relaxed)
    }

    pub(super) fn admit(&self) {
        if !self.is_admitted() {
            self.is_admitted.store(true, Ordering::Relaxed);
        }
    }

    /// The record of its client. Looked up once.
    pub(super) fn client_in(&self, clients: &Clients) -> &Arc<ClientPermits> {
        self.of_client.get_or_init(|| clients.find(self.id.client))
    }
}

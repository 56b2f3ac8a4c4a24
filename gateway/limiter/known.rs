//! A record for each client with work in progress. Clients choose what identifies them, so the map must not keep every
//! client that ever came: it holds the records weakly and is swept as it grows.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::client::Client;

/// The number of entries at which the map is first swept.
const FIRST_SWEEP: usize = 64;

/// The records. Each lives as long as a holder of the [`Arc`] that [`Self::find`] returned.
#[derive(Debug)]
pub(crate) struct KnownClients<Record>(Mutex<Known<Record>>);

#[derive(Debug)]
struct Known<Record> {
    records: HashMap<Client, Weak<Record>>,
    sweep_at: usize,
}

impl<Record> Default for KnownClients<Record> {
    fn default() -> Self {
        Self(Mutex::new(Known { records: HashMap::new(), sweep_at: FIRST_SWEEP }))
    }
}

impl<Record> KnownClients<Record> {
    /// The client's record, created if it has none.
    pub(crate) fn find(&self, client: Client, make: impl FnOnce() -> Record) -> Arc<Record> {
        let mut known = self.0.lock();
        if let Some(found) = known.records.get(&client).and_then(Weak::upgrade) {
            return found;
        }
        if known.records.len() >= known.sweep_at {
            known.records.retain(|_, record| record.strong_count() > 0);
            known.sweep_at = FIRST_SWEEP.max(known.records.len() * 2);
        }
        let new = Arc::new(make());
        known.records.insert(client, Arc::downgrade(&new));
        new
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.0.lock().records.len()
    }
}

//! How many connections there are, in total and from each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::config::Limits;
use crate::limiter::Client;
use crate::telemetry::ConnectionRefusal;

/// The connections that are open.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits {
    total: AtomicUsize,
    by_address: Mutex<HashMap<Client, usize>>,
}

/// The place of one connection. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connection_limits: Arc<ConnectionLimits>,
    address: Option<Client>,
}

impl ConnectionLimits {
    /// Counts one more connection; a Unix socket's has no address.
    ///
    /// # Errors
    /// The connection would exceed this limit.
    pub(crate) fn enter(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        limits: &Limits,
    ) -> Result<ConnectionSlot, ConnectionRefusal> {
        // It is counted from here on; dropping it undoes that.
        let mut slot = ConnectionSlot { connection_limits: Arc::clone(self), address: None };
        if self.total.fetch_add(1, Ordering::Relaxed) >= limits.connections.get() {
            return Err(ConnectionRefusal::Connections);
        }
        if let Some(address) = address {
            slot.count_for(address, limits)?;
        }
        Ok(slot)
    }
}

impl ConnectionSlot {
    /// Counts the connection for an address as well. One that is counted for an address already stays there.
    ///
    /// # Errors
    /// The connection would exceed the limit of the address.
    pub(crate) fn count_for(&mut self, address: IpAddr, limits: &Limits) -> Result<(), ConnectionRefusal> {
        if self.address.is_some() {
            return Ok(());
        }
        let address = Client::at(Some(address));
        let mut by_address = self.connection_limits.by_address.lock();
        let count = by_address.entry(address).or_insert(0);
        if *count >= limits.connections_per_address.get() {
            return Err(ConnectionRefusal::ConnectionsPerAddress);
        }
        *count += 1;
        drop(by_address);
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connection_limits.total.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut by_address = self.connection_limits.by_address.lock();
        if let Entry::Occupied(mut count) = by_address.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn limits(connections: usize, per_address: usize) -> Limits {
        Limits {
            connections: NonZeroUsize::new(connections).unwrap(),
            connections_per_address: NonZeroUsize::new(per_address).unwrap(),
            ..Limits::default()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_until_it_leaves() {
        let (connection_limits, limits) = (Arc::new(ConnectionLimits::default()), limits(10, 2));
        let first = connection_limits.enter(Some(address("192.0.2.1")), &limits).unwrap();
        let _second = connection_limits.enter(Some(address("::ffff:192.0.2.1")), &limits).unwrap();
        let third = connection_limits.enter(Some(address("192.0.2.1")), &limits).unwrap_err();
        assert_eq!(third, ConnectionRefusal::ConnectionsPerAddress);
        let _other = connection_limits.enter(Some(address("192.0.2.2")), &limits).unwrap();
        drop(first);
        drop(connection_limits.enter(Some(address("192.0.2.1")), &limits).unwrap());
        assert_eq!(connection_limits.total.load(Ordering::Relaxed), 2);
        assert_eq!(connection_limits.by_address.lock().len(), 2);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (connection_limits, limits) = (Arc::new(ConnectionLimits::default()), limits(10, 1));
        let _first = connection_limits.enter(Some(address("2001:db8::1")), &limits).unwrap();
        assert!(connection_limits.enter(Some(address("2001:db8::ffff:1")), &limits).is_err());
        assert!(connection_limits.enter(Some(address("2001:db8:0:1::1")), &limits).is_ok());
    }

    #[test]
    fn the_total_is_limited_for_unix_sockets_too() {
        let (connection_limits, limits) = (Arc::new(ConnectionLimits::default()), limits(2, 2));
        let slots = [
            connection_limits.enter(None, &limits).unwrap(),
            connection_limits.enter(None, &limits).unwrap(),
        ];
        assert_eq!(connection_limits.enter(None, &limits).unwrap_err(), ConnectionRefusal::Connections);
        drop(slots);
        assert_eq!(connection_limits.total.load(Ordering::Relaxed), 0);
    }
}

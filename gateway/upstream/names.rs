//! Looks names up: which addresses a host has now, and for how long. Each family is asked for separately, so that an answer
//! for one never hides that the look-up of the other has failed.
//!
//! In: a host. Out: a [`Found`], from which [`Known::learn`] updates the known addresses. The rule: a look-up that fails
//! changes nothing while there are addresses from before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::clock::Deadline;
use crate::telemetry::LookupFailure;

use super::learnt::Learnt;
use super::services::Service;

/// For a complete look-up, over all servers and tries.
const PATIENCE: Duration = Duration::from_secs(5);
/// For one try at one server.
const TRY: Duration = Duration::from_secs(2);
/// What a look-up of one family brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Addresses, and how long they are valid.
    Addresses(Vec<IpAddr>, Duration),
    /// The name has no address, or does not exist.
    None(LookupFailure),
    /// The look-up failed.
    Failed(LookupFailure),
}

/// What a look-up brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) four: Family,
    pub(crate) six: Family,
}

/// The known addresses of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    four: Vec<IpAddr>,
    six: Vec<IpAddr>,
}

impl Known {
    /// Takes what is certain. A host that had addresses and has none now is far more often a fault of its name servers
    /// than intended, so it keeps what it had.
    pub(crate) fn learn(&mut self, found: Found) -> Learnt {
        let none = (&found.four, &found.six);
        if let (Family::None(failure) | Family::Failed(failure), Family::None(_) | Family::Failed(_)) = none {
            return Learnt::failed(*failure);
        }
        let four = take(&mut self.four, found.four);
        let six = take(&mut self.six, found.six);
        let again_after = four.again_after.min(six.again_after);
        Learnt { again_after, failure: four.failure.or(six.failure) }
    }

    /// The addresses, and whether each is spare: used only if none of the other family takes a call. IPv6 is spare where there
    /// is IPv4 too, because small services often listen on IPv4 alone.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (IpAddr, bool)> {
        let is_spare = !self.four.is_empty();
        let four = self.four.iter().map(|address| (*address, false));
        four.chain(self.six.iter().map(move |address| (*address, is_spare)))
    }

    /// Whether there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.four.is_empty() && self.six.is_empty()
    }
}

fn take(known: &mut Vec<IpAddr>, found: Family) -> Learnt {
    match found {
        Family::Addresses(mut addresses, holds) => {
            // Servers rotate their answers.
            addresses.sort_unstable();
            addresses.dedup();
            *known = addresses;
            Learnt::good_for(holds)
        }
        Family::None(_) => {
            known.clear();
            Learnt::nothing()
        }
        Family::Failed(failure) => Learnt::failed(failure),
    }
}

/// Asks name servers: those of the configuration, or the system's. `/etc/hosts` comes first.
pub(crate) struct Names {
    four: TokioResolver,
    six: TokioResolver,
}

impl Names {
    /// Reads `/etc/resolv.conf` and `/etc/hosts` as they are now. `servers`: these, and none of the system's.
    pub(crate) fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        Ok(Self {
            four: resolver(servers, LookupIpStrategy::Ipv4Only)?,
            six: resolver(servers, LookupIpStrategy::Ipv6Only)?,
        })
    }

    /// Looks a service up.
    pub(crate) async fn look_up_service(&self, name: &str) -> Service {
        let Some(answer) = Deadline::after(PATIENCE).race(self.four.srv_lookup(name)).await else {
            return Service::Failed(LookupFailure::Timeout);
        };
        match answer {
            Ok(lookup) => Service::of(lookup.answers()),
            Err(error) => Service::Failed(why(name, &error)),
        }
    }

    /// Looks a host up.
    pub(crate) async fn look_up(&self, host: &str) -> Found {
        let (four, six) = tokio::join!(family(&self.four, host), family(&self.six, host));
        Found { four, six }
    }
}

fn resolver(servers: &[SocketAddr], strategy: LookupIpStrategy) -> Result<TokioResolver, NetError> {
    let asking = |servers: &[SocketAddr]| {
        let config = ResolverConfig::from_name_servers(servers.iter().map(name_server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let mut builder = if servers.is_empty() {
        // Without a file that names servers there is `/etc/hosts` still.
        TokioResolver::builder_tokio().unwrap_or_else(|_| asking(&[]))
    } else {
        asking(servers)
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.ip_strategy = strategy;
    options.timeout = TRY;
    // The caller asks only when it is time to.
    options.cache_size = 0;
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

async fn family(resolver: &TokioResolver, host: &str) -> Family {
    let Some(answer) = Deadline::after(PATIENCE).race(resolver.lookup_ip(host)).await else {
        return Family::Failed(LookupFailure::Timeout);
    };
    match answer {
        Ok(lookup) => {
            let ttl = lookup.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or_default();
            Family::Addresses(lookup.iter().collect(), Duration::from_secs(u64::from(ttl)))
        }
        Err(error) => match why(host, &error) {
            none @ (LookupFailure::NoSuchName | LookupFailure::NoAddress) => Family::None(none),
            failed @ (LookupFailure::Timeout | LookupFailure::Server) => Family::Failed(failed),
        },
    }
}

/// Why a look-up brought nothing.
fn why(name: &str, error: &NetError) -> LookupFailure {
    if error.is_nx_domain() {
        return LookupFailure::NoSuchName;
    }
    if error.is_no_records_found() {
        return LookupFailure::NoAddress;
    }
    if matches!(error, NetError::Timeout) {
        return LookupFailure::Timeout;
    }
    tracing::debug!(name, %error, "a name could not be looked up");
    LookupFailure::Server
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::learnt::AGAIN_AFTER;

    fn some(addresses: &[&str]) -> Family {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Family::Addresses(addresses, Duration::from_secs(30))
    }

    fn after(found: &[(Family, Family)]) -> (Vec<String>, Learnt) {
        let mut known = Known::default();
        let mut learnt = Learnt { again_after: Duration::ZERO, failure: None };
        for (four, six) in found {
            learnt = known.learn(Found { four: four.clone(), six: six.clone() });
        }
        let shown = |(address, is_spare): (IpAddr, bool)| {
            format!("{address}{}", if is_spare { " spare" } else { "" })
        };
        (known.addresses().map(shown).collect(), learnt)
    }

    #[test]
    fn a_failed_look_up_changes_nothing_while_there_are_addresses() {
        let good = (some(&["10.0.0.2", "10.0.0.1"]), some(&["fd00::1"]));
        let had = ["10.0.0.1", "10.0.0.2", "fd00::1 spare"];
        let none = || Family::None(LookupFailure::NoAddress);
        let failed = || Family::Failed(LookupFailure::Server);
        let cases = [
            ((none(), none()), had.as_slice(), Some(LookupFailure::NoAddress)),
            ((failed(), failed()), &had, Some(LookupFailure::Server)),
            ((failed(), none()), &had, Some(LookupFailure::Server)),
            ((failed(), some(&["fd00::1"])), &had, Some(LookupFailure::Server)),
            ((some(&["10.0.0.3"]), failed()), &["10.0.0.3", "fd00::1 spare"], Some(LookupFailure::Server)),
            ((some(&["10.0.0.3"]), none()), &["10.0.0.3"], None),
            ((none(), some(&["fd00::2"])), &["fd00::2"], None),
        ];
        for (then, addresses, failure) in cases {
            let (known, learnt) = after(&[good.clone(), then.clone()]);
            assert_eq!(
                (known.as_slice(), learnt.failure),
                (&*addresses.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>(), failure),
                "{then:?}"
            );
            let again = if failure.is_some() { AGAIN_AFTER } else { Duration::from_secs(30) };
            assert_eq!(learnt.again_after, again, "{then:?}");
        }
    }

    #[tokio::test]
    async fn localhost_has_both_families_whatever_the_name_servers_say() {
        let nobody = "127.0.0.1:1".parse().unwrap();
        let found = Names::new(&[nobody]).unwrap().look_up("localhost").await;
        let mut known = Known::default();
        known.learn(found);
        let addresses: Vec<_> = known.addresses().map(|(address, _)| address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1", "::1"]);
    }
}

//! Names looked up: which addresses a host has now, and for how long. Both families are asked for, each by itself, so that
//! an answer for one never hides that the other's look-up failed.
//!
//! In goes a host, out comes a [`Found`]; [`Known::learn`] says what is then believed. The rule: a look-up that fails
//! changes nothing while there are addresses from before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::clock::Deadline;
use crate::telemetry::LookupFailure;

/// A whole look-up, over all servers and tries.
const PATIENCE: Duration = Duration::from_secs(5);
/// However short an answer's time to live is.
const AT_LEAST: Duration = Duration::from_secs(1);
/// However long it is: a name may move sooner than was promised, and `/etc/hosts` promises nothing.
const AT_MOST: Duration = Duration::from_secs(300);
/// After a look-up that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What a look-up of one family brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Addresses, and how long they hold.
    Addresses(Vec<IpAddr>, Duration),
    /// The name has none, or does not exist.
    None(LookupFailure),
    /// Nobody knows.
    Failed(LookupFailure),
}

/// What a look-up brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) four: Family,
    pub(super) six: Family,
}

/// The addresses that a host is believed to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    four: Vec<IpAddr>,
    six: Vec<IpAddr>,
}

/// What has to be done after a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Learnt {
    /// When to look again.
    pub(super) again_after: Duration,
    /// Why the look-up failed, in whole or for one family.
    pub(super) failure: Option<LookupFailure>,
}

impl Known {
    /// Takes what is certain. A host that had addresses and has none now is far more often a fault of its name servers
    /// than meant: what it had stays.
    pub(super) fn learn(&mut self, found: Found) -> Learnt {
        let none = (&found.four, &found.six);
        if let (Family::None(failure) | Family::Failed(failure), Family::None(_) | Family::Failed(_)) = none {
            return Learnt { again_after: AGAIN_AFTER, failure: Some(*failure) };
        }
        let four = take(&mut self.four, found.four);
        let six = take(&mut self.six, found.six);
        let again_after = four.again_after.min(six.again_after);
        Learnt { again_after, failure: four.failure.or(six.failure) }
    }

    /// The addresses, and whether each is only asked where none of the other family takes a call: IPv6 where there is
    /// IPv4 too. Services that know one resource at a time often listen on IPv4 alone.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (IpAddr, bool)> {
        let is_spare = !self.four.is_empty();
        let four = self.four.iter().map(|address| (*address, false));
        four.chain(self.six.iter().map(move |address| (*address, is_spare)))
    }

    /// Whether there is nothing.
    pub(super) const fn is_empty(&self) -> bool {
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
            Learnt { again_after: holds.clamp(AT_LEAST, AT_MOST), failure: None }
        }
        Family::None(_) => {
            known.clear();
            Learnt { again_after: AT_MOST, failure: None }
        }
        Family::Failed(failure) => Learnt { again_after: AGAIN_AFTER, failure: Some(failure) },
    }
}

/// Asks the system.
pub(super) struct Names;

impl Names {
    /// Nothing is read yet.
    pub(super) fn new(_: &[SocketAddr]) -> Result<Self, std::io::Error> {
        Ok(Self)
    }

    /// Looks a host up.
    pub(super) async fn look_up(&self, host: &str) -> Found {
        let lookup = tokio::net::lookup_host((host, 0));
        let addresses: Vec<IpAddr> = match Deadline::after(PATIENCE).race(lookup).await {
            None => return failed(LookupFailure::Timeout),
            Some(Err(error)) => {
                tracing::debug!(host, %error, "a name could not be looked up");
                return failed(LookupFailure::Server);
            }
            Some(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        };
        let (four, six): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        Found { four: holding(four), six: holding(six) }
    }
}

/// The system says nothing of how long an answer holds.
const HOLDS: Duration = Duration::from_secs(10);

fn holding(addresses: Vec<IpAddr>) -> Family {
    if addresses.is_empty() {
        Family::None(LookupFailure::NoAddress)
    } else {
        Family::Addresses(addresses, HOLDS)
    }
}

const fn failed(failure: LookupFailure) -> Found {
    Found { four: Family::Failed(failure), six: Family::Failed(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

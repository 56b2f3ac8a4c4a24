//! What SRV records say of a service: the hosts and ports that it runs at, which of them come first, and their shares of the
//! calls (RFC 2782).
//!
//! In: the records of one answer. Out: [`Known`], whose hosts are looked up as those of other targets. As with
//! addresses, a look-up that fails changes nothing while there are records from before.

use std::collections::BTreeSet;
use std::time::Duration;

use hickory_resolver::proto::rr::{RData, Record};

use crate::telemetry::LookupFailure;

use super::learnt::Learnt;

/// The most instances that are used; those that come first.
const MOST: usize = 256;
/// The most shares of one instance. Larger weights are scaled to this.
const MOST_SHARES: usize = 1000;

/// One place at which a service runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instance {
    /// Instances with a higher number are used only if none with a lower one takes a call.
    pub(crate) priority: u16,
    /// Its host, without the dot at the end.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Its share of the calls, relative to the others of its priority.
    pub(crate) weight: usize,
}

/// What a look-up of a service brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Instances, at least one, and how long they are valid.
    Instances(Vec<Instance>, Duration),
    /// The look-up failed, or the service is nowhere.
    Failed(LookupFailure),
}

impl Service {
    /// What the records of an answer say. A record for the root says that the service is nowhere.
    pub(super) fn of(answers: &[Record]) -> Self {
        let mut instances: Vec<_> = answers.iter().filter_map(instance).collect();
        if instances.is_empty() {
            return Self::Failed(LookupFailure::NoAddress);
        }
        // Servers rotate their answers.
        instances.sort_unstable();
        instances.dedup();
        instances.truncate(MOST);
        scale(&mut instances);
        let ttl = answers.iter().map(|record| record.ttl).min().unwrap_or_default();
        Self::Instances(instances, Duration::from_secs(u64::from(ttl)))
    }
}

fn instance(record: &Record) -> Option<Instance> {
    let RData::SRV(srv) = &record.data else { return None };
    let host = srv.target.to_ascii().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    let (priority, port, weight) = (srv.priority, srv.port, usize::from(srv.weight));
    (!host.is_empty() && port != 0).then_some(Instance { priority, host, port, weight })
}

/// Makes shares of weights. RFC 2782 gives one of zero a very small chance beside others.
fn scale(instances: &mut [Instance]) {
    let largest = instances.iter().map(|instance| instance.weight).max().unwrap_or_default().max(1);
    for instance in instances {
        let share =
            if largest > MOST_SHARES { instance.weight * MOST_SHARES / largest } else { instance.weight };
        instance.weight = share.max(1);
    }
}

/// The known instances of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known(Vec<Instance>);

impl Known {
    /// Takes what is certain.
    pub(crate) fn learn(&mut self, found: Service) -> Learnt {
        match found {
            Service::Instances(instances, holds) => {
                self.0 = instances;
                Learnt::good_for(holds)
            }
            Service::Failed(failure) => Learnt::failed(failure),
        }
    }

    /// Whether there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each instance and the rank of its priority, from 0; the first ones first.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = (usize, &Instance)> {
        let priorities: BTreeSet<_> = self.0.iter().map(|instance| instance.priority).collect();
        self.0.iter().map(move |instance| (priorities.range(..instance.priority).count(), instance))
    }

    /// The hosts that they run at.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|instance| instance.host.as_str())
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;
    use hickory_resolver::proto::rr::rdata::SRV;

    use super::*;

    fn record(ttl: u32, (priority, weight, port, host): (u16, u16, u16, &str)) -> Record {
        let srv = SRV::new(priority, weight, port, Name::from_ascii(host).unwrap());
        Record::from_rdata(Name::from_ascii("_http._tcp.orders.example.").unwrap(), ttl, RData::SRV(srv))
    }

    fn shown(service: &Service) -> Vec<String> {
        let mut known = Known::default();
        known.learn(service.clone());
        let one = |(rank, instance): (usize, &Instance)| {
            format!("{rank} {}:{} {}", instance.host, instance.port, instance.weight)
        };
        known.ranked().map(one).collect()
    }

    #[test]
    fn instances_come_by_priority_and_have_shares_by_weight() {
        for (records, expected) in [
            (
                &[(20, 1, 81, "b."), (10, 5, 80, "A.example."), (10, 0, 80, "c.")][..],
                &["0 a.example:80 5", "0 c:80 1", "1 b:81 1"][..],
            ),
            (
                &[(1, 65535, 80, "a."), (1, 30000, 80, "b."), (1, 1, 80, "c.")],
                &["0 a:80 1000", "0 b:80 457", "0 c:80 1"],
            ),
            (&[(0, 0, 80, "a."), (0, 0, 80, "a.")], &["0 a:80 1"]),
            (&[(0, 0, 80, "."), (0, 0, 0, "a.")], &[]),
            (&[], &[]),
        ] {
            let answers: Vec<_> = records.iter().map(|said| record(7, *said)).collect();
            assert_eq!(shown(&Service::of(&answers)), expected, "{records:?}");
        }
        let many: Vec<_> = (1..=500).map(|port| record(7, (1, 1, port, "a."))).collect();
        assert_eq!(shown(&Service::of(&many)).len(), MOST);
    }

    #[test]
    fn a_failed_look_up_changes_nothing() {
        let mut known = Known::default();
        let learnt = known.learn(Service::of(&[record(30, (1, 1, 80, "a.")), record(7, (1, 1, 80, "b."))]));
        assert_eq!((learnt.again_after, learnt.failure), (Duration::from_secs(7), None));
        let before = known.clone();
        let learnt = known.learn(Service::of(&[record(30, (0, 0, 0, "."))]));
        assert_eq!((known, learnt.failure), (before, Some(LookupFailure::NoAddress)));
    }
}

//! One resource, one target: `consistent_hash` sees what the service sees, behind `strip_prefix`, whatever the path.

use std::collections::BTreeSet;

use super::path::{Ask, every_path};
use crate::harness::{Config, Gateway, Request, Upstream};

fn gateway(targets: &[Upstream]) -> Gateway {
    let urls: Vec<_> = targets.iter().map(Upstream::url).collect();
    let hashed = Config::new().upstream("service", urls.join(", ")).with("balance: consistent_hash");
    let route = hashed.route("/api", "service").with("strip_prefix: /api");
    route.batch("/batch").bulk("/api", "GET").start()
}

/// Which of the targets were asked since the last time.
fn asked(targets: &[Upstream]) -> BTreeSet<usize> {
    let numbered = targets.iter().enumerate();
    numbered.filter(|(_, target)| !target.take_requests().is_empty()).map(|(number, _)| number).collect()
}

#[test]
fn every_path_leads_a_resource_to_the_same_target() {
    let targets = [Upstream::start(), Upstream::start()];
    let gateway = gateway(&targets);
    let mut all = BTreeSet::new();
    for number in 0..12 {
        for query in ["", "q=1"] {
            let resource = number.to_string();
            for path in every_path() {
                let ask = Ask { method: "GET", resource: resource.clone(), query, fields: Vec::new() };
                assert_eq!(path.ask(&gateway, &ask).result.status, 200, "{path}");
            }
            gateway.send(&Request::get(format!("/%61pi/{resource}?{query}").trim_end_matches('?')));
            let asked = asked(&targets);
            assert_eq!(asked.len(), 1, "{resource}?{query} leads to {asked:?}");
            all.extend(asked);
        }
    }
    assert_eq!(all.len(), 2, "all resources have one target");
}

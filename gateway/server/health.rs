//! Asks targets from time to time whether they are well. The checks are tasks of a configuration: they end when it is
//! replaced. What they say is kept where a target stands, so that a reload changes nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use futures_util::stream::{StreamExt, iter};
use http::{HeaderValue, Uri, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::lb::health_check::{HealthCheck as _, HttpHealthCheck};
use pingora::lb::{Backend, Extensions};
use pingora::{Error, ErrorType};

use crate::clock::Deadline;
use crate::settings::{HealthCheck, HostPolicy, Scheme};

use super::balance::Peer;
use super::gateway::Gateway;
use super::snapshot::{Snapshot, UpstreamState};

/// Checks of one upstream at once.
const AT_ONCE: usize = 16;

/// Starts the checks of the configuration in use.
pub(super) fn start_checks(gateway: &Arc<Gateway>) {
    let snapshot = gateway.snapshot();
    for (index, upstream) in snapshot.upstreams.iter().enumerate() {
        if let Some(terms) = upstream.targets.health_check() {
            let of = (Arc::downgrade(gateway), Arc::downgrade(&snapshot));
            tokio::spawn(check_from_time_to_time(of, index, terms.clone()));
        }
    }
}

async fn check_from_time_to_time(of: (Weak<Gateway>, Weak<Snapshot>), index: usize, terms: HealthCheck) {
    let (gateway, snapshot) = of;
    let mut checks: HashMap<(String, SocketAddr), Check> = HashMap::new();
    loop {
        {
            let (Some(gateway), Some(snapshot)) = (gateway.upgrade(), snapshot.upgrade()) else { return };
            let Some(upstream) = snapshot.upstreams.get(index) else { return };
            if !Arc::ptr_eq(&gateway.snapshot(), &snapshot) {
                return;
            }
            update(&mut checks, upstream, &terms);
            let all = iter(checks.values_mut());
            all.for_each_concurrent(AT_ONCE, |check| check.run(&terms, &upstream.settings.name)).await;
        }
        tokio::time::sleep(terms.interval).await;
    }
}

/// One check for each address there is now.
fn update(checks: &mut HashMap<(String, SocketAddr), Check>, upstream: &UpstreamState, terms: &HealthCheck) {
    let peers = upstream.targets.peers();
    let of = |peer: &Arc<Peer>| (peer.authority.clone(), peer.address);
    checks.retain(|key, _| peers.iter().any(|peer| of(peer) == *key));
    for peer in peers {
        checks.entry(of(&peer)).or_insert_with(|| Check::new(peer, upstream, terms));
    }
}

/// The check of one address, and how it went of late.
struct Check {
    peer: Arc<Peer>,
    asking: Option<HttpHealthCheck>,
    /// Checks in a row that say something else than what is known.
    contrary: usize,
}

impl Check {
    fn new(peer: Arc<Peer>, upstream: &UpstreamState, terms: &HealthCheck) -> Self {
        let asking = check_of(&peer, &upstream.settings.host, terms).ok();
        Self { peer, asking, contrary: 0 }
    }

    async fn run(&mut self, terms: &HealthCheck, upstream: &str) {
        let Some(asking) = &self.asking else { return };
        let addr = pingora::protocols::l4::socket::SocketAddr::Inet(self.peer.address);
        let backend = Backend { addr, weight: 1, ext: Extensions::new() };
        let well = match Deadline::after(terms.timeout).race(asking.check(&backend)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("no answer in time".to_owned()),
        };
        self.judge(&well, terms, upstream);
    }

    fn judge(&mut self, well: &Result<(), String>, terms: &HealthCheck, upstream: &str) {
        let standing = &self.peer.standing;
        if well.is_ok() == standing.is_well() {
            self.contrary = 0;
            return;
        }
        self.contrary += 1;
        let needed = if well.is_ok() { terms.healthy } else { terms.unhealthy };
        if self.contrary < needed.get() {
            return;
        }
        self.contrary = 0;
        standing.set_well(well.is_ok());
        let (target, address) = (&self.peer.authority, self.peer.address);
        match well {
            Ok(()) => tracing::info!(kind = "health", upstream, target, %address, "a target is well again"),
            Err(error) => {
                tracing::warn!(kind = "health", upstream, target, %address, error, "a target is not well and gets no calls");
            }
        }
    }
}

/// Over the version of HTTP that calls have.
fn check_of(peer: &Peer, host: &HostPolicy, terms: &HealthCheck) -> pingora::Result<HttpHealthCheck> {
    let is_h2 = matches!(peer.scheme, Scheme::H2c | Scheme::H2);
    let authority = match host {
        HostPolicy::Fixed(name) => name,
        HostPolicy::Target | HostPolicy::Preserve => &peer.authority,
    };
    let mut check = HttpHealthCheck::new(authority, peer.scheme.is_tls());
    check.peer_template = if is_h2 { peer.http.clone() } else { peer.http1.clone() };
    let options = &mut check.peer_template.options;
    options.connection_timeout = Some(terms.timeout);
    options.total_connection_timeout = Some(terms.timeout);
    options.read_timeout = Some(terms.timeout);
    options.write_timeout = Some(terms.timeout);
    check.req = RequestHeader::build("GET", terms.path.as_str().as_bytes(), None)?;
    if is_h2 {
        // RFC 9113 §8.3.1: the authority is part of the url.
        let uri = format!("{}://{authority}{}", peer.scheme.url_scheme(), terms.path);
        check.req.set_uri(uri.parse::<Uri>().map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?);
    } else {
        check.req.insert_header(header::HOST, authority.as_str())?;
    }
    check.req.insert_header(header::USER_AGENT, HeaderValue::from_static("batchgate-health-check"))?;
    let good = terms.status.clone();
    check.validator = Some(Box::new(move |response: &ResponseHeader| {
        let status = response.status;
        let is_good =
            if good.is_empty() { (200..400).contains(&status.as_u16()) } else { good.contains(&status) };
        let bad = || Error::explain(ErrorType::CustomCode("status", status.as_u16()), "of a health check");
        if is_good { Ok(()) } else { Err(bad()) }
    }));
    Ok(check)
}

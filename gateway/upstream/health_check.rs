//! Asks targets from time to time whether they are healthy.
//!
//! In: the upstreams of a configuration. Out: a set of tasks, one for each upstream with a `health_check`. The holder
//! of the set drops it when the configuration is replaced, which ends the tasks. Results go to the state of each target,
//! which outlives the configuration, so a reload changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{StreamExt, iter};
use http::{HeaderValue, StatusCode, Uri, header};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};
use tokio::task::JoinSet;

use crate::address::TargetAddress;
use crate::clock::Deadline;
use crate::config::{HealthCheck, Scheme};
use crate::header::hop::is_interim;

use super::connections::{Connections, http1_session};
use super::error;
use super::instance::Upstream;
use super::peer::Peer;

/// Checks of one upstream at once.
const AT_ONCE: usize = 16;

/// Starts the checks of these upstreams. They end when the set is dropped.
pub(crate) fn start_checks(upstreams: &[Arc<Upstream>]) -> JoinSet<()> {
    let mut checks = JoinSet::new();
    for upstream in upstreams {
        if let Some(terms) = upstream.targets.health_check() {
            checks.spawn(check_from_time_to_time(Arc::clone(upstream), terms.clone()));
        }
    }
    checks
}

async fn check_from_time_to_time(upstream: Arc<Upstream>, terms: HealthCheck) {
    let mut checks: HashMap<(Arc<str>, TargetAddress), Check> = HashMap::new();
    loop {
        update(&mut checks, &upstream, &terms);
        iter(checks.values_mut()).for_each_concurrent(AT_ONCE, |check| check.run(&upstream, &terms)).await;
        tokio::time::sleep(terms.interval).await;
    }
}

/// Makes one check for each address that the upstream has now.
fn update(checks: &mut HashMap<(Arc<str>, TargetAddress), Check>, upstream: &Upstream, terms: &HealthCheck) {
    let peers = upstream.targets.peers();
    let key = |peer: &Arc<Peer>| (peer.name.clone(), peer.address.clone());
    checks.retain(|known, _| peers.iter().any(|peer| key(peer) == *known));
    for peer in peers {
        checks.entry(key(&peer)).or_insert_with(|| Check::new(peer, upstream, terms));
    }
}

/// The checks of one address.
struct Check {
    peer: Arc<Peer>,
    /// `None`: it can't be written, so it is never sent.
    request: Option<Box<RequestHeader>>,
    /// Checks in a row that contradict the state of the target.
    contrary: usize,
}

impl Check {
    fn new(peer: Arc<Peer>, upstream: &Upstream, terms: &HealthCheck) -> Self {
        let request = request_to(&peer, upstream, terms).map(Box::new).ok();
        Self { peer, request, contrary: 0 }
    }

    async fn run(&mut self, upstream: &Upstream, terms: &HealthCheck) {
        let Some(request) = &self.request else { return };
        let asking = ask(&upstream.connections, &self.peer, request, terms);
        let found = Deadline::after(terms.timeout).race(asking).await;
        let found = found.unwrap_or_else(|| Err("no answer in time".to_owned()));
        self.judge(&found, terms, &upstream.settings.name);
    }

    fn judge(&mut self, found: &Result<(), String>, terms: &HealthCheck, upstream: &str) {
        let state = &self.peer.state;
        if found.is_ok() == state.is_healthy() {
            self.contrary = 0;
            return;
        }
        self.contrary += 1;
        let needed = if found.is_ok() { terms.healthy } else { terms.unhealthy };
        if self.contrary < needed.get() {
            return;
        }
        self.contrary = 0;
        state.set_healthy(found.is_ok());
        let (target, address) = (&*self.peer.name, &self.peer.address);
        match found {
            Ok(()) => tracing::info!(kind = "health", upstream, target, %address, "target is healthy"),
            Err(error) if self.peer.is_spare() => {
                tracing::debug!(kind = "health", upstream, target, %address, error, "spare address is unhealthy");
            }
            Err(error) => {
                tracing::warn!(kind = "health", upstream, target, %address, error, "target is unhealthy and gets no calls");
            }
        }
    }
}

/// Asks over a new connection, which also shows whether one can be opened.
async fn ask(
    connections: &Connections,
    peer: &Peer,
    request: &RequestHeader,
    terms: &HealthCheck,
) -> Result<(), String> {
    let status = exchange(connections, peer, request).await.map_err(|error| error::in_words(&error))?;
    let good = &terms.status;
    let is_good =
        if good.is_empty() { (200..400).contains(&status.as_u16()) } else { good.contains(&status) };
    if is_good { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
}

async fn exchange(
    connections: &Connections,
    peer: &Peer,
    request: &RequestHeader,
) -> pingora::Result<StatusCode> {
    let mut session = if is_h2(peer) {
        connections.new_session(peer).await?
    } else {
        http1_session(connections.new_http1(peer).await?, peer)
    };
    session.write_request_header(Box::new(request.clone())).await?;
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        match session.response_header().map(|header| header.status) {
            Some(status) if is_interim(status) => {}
            Some(status) => return Ok(status),
            None => return Error::e_explain(ErrorType::InvalidHTTPHeader, "no head"),
        }
    }
}

const fn is_h2(peer: &Peer) -> bool {
    matches!(peer.scheme, Scheme::H2c | Scheme::H2)
}

/// The request, for the version of HTTP that calls have.
fn request_to(peer: &Peer, upstream: &Upstream, terms: &HealthCheck) -> pingora::Result<RequestHeader> {
    let mut request = RequestHeader::build("GET", terms.path.as_bytes(), None)?;
    // No client has named the gateway, so the target's own name is used.
    if is_h2(peer) {
        // RFC 9113 §8.3.1: the authority is part of the url.
        let uri = format!("{}{}", upstream.origin_for(peer, &peer.authority), terms.path);
        request.set_uri(uri.parse::<Uri>().map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?);
    } else {
        request.insert_header(header::HOST, upstream.host_for(peer, &peer.authority))?;
    }
    request.insert_header(header::USER_AGENT, HeaderValue::from_static("batchgate-health-check"))?;
    Ok(request)
}

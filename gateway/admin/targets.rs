//! `/targets`: the state of each target. An operator can take a target out and put it back; calls in flight are not
//! affected.

use std::sync::Arc;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::state::snapshot::Snapshot;
use crate::telemetry::Metrics;
use crate::upstream::circuit::CircuitState;
use crate::upstream::peer::Peer;
use crate::upstream::targets::{ByHand, Targets};

/// All targets as JSON, one per line.
pub(super) fn list(snapshot: &Snapshot) -> String {
    let mut lines = Vec::new();
    for upstream in &snapshot.upstreams {
        for (target, taken_out) in upstream.targets.names() {
            lines.push(shown(&upstream.settings.name, target, taken_out, &upstream.targets).to_string());
        }
    }
    format!("[{}]\n", lines.join(",\n "))
}

fn shown(upstream: &str, target: &str, taken_out: bool, targets: &Targets) -> Value {
    let peers = peers_of(targets, target);
    let addresses: Vec<_> = peers
        .iter()
        .map(|peer| {
            json!({
                "address": peer.address.to_string(),
                "up": peer.is_up(),
                "spare": peer.is_spare(),
                "healthy": !peer.is_checked || peer.state.is_healthy(),
                "circuit": peer.state.circuit_state().as_str(),
                "failures": peer.state.failures(),
                "in_flight": peer.state.in_flight(),
            })
        })
        .collect();
    json!({ "upstream": upstream, "target": target, "taken_out": taken_out, "up": is_up(&peers), "addresses": addresses })
}

fn peers_of(targets: &Targets, target: &str) -> Vec<Arc<Peer>> {
    targets.peers().into_iter().filter(|peer| *peer.name == *target).collect()
}

fn is_up(peers: &[Arc<Peer>]) -> bool {
    peers.iter().any(|peer| peer.is_up())
}

/// Updates the gauges of targets.
pub(super) fn measure(snapshot: &Snapshot, metrics: &Metrics) {
    for upstream in &snapshot.upstreams {
        let name = upstream.settings.name.as_str();
        let left = i64::try_from(upstream.retries_left()).unwrap_or(i64::MAX);
        metrics.upstreams.retry_budget_left.with_label_values(&[name]).set(left);
        for (target, _) in upstream.targets.names() {
            let peers = peers_of(&upstream.targets, target);
            metrics.upstreams.target_up.with_label_values(&[name, target]).set(i64::from(is_up(&peers)));
            for word in CircuitState::WORDS {
                // Spare addresses are hardly ever called, so the state of their circuits is out of date.
                let is_in_state =
                    |peer: &&Arc<Peer>| !peer.is_spare() && peer.state.circuit_state().as_str() == word;
                let count = peers.iter().filter(is_in_state).count();
                let gauge = metrics.upstreams.circuit_state.with_label_values(&[name, target, word]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}

/// `POST /targets/UPSTREAM/TARGET/out` or `…/in`. `path` is the part behind `/targets/`.
pub(super) fn switch(snapshot: &Snapshot, path: &str) -> (StatusCode, &'static str) {
    // The path of a socket has slashes, encoded or not.
    let Some((upstream, (target, action))) =
        path.split_once('/').and_then(|(upstream, rest)| Some((upstream, rest.rsplit_once('/')?)))
    else {
        return NO_TARGET;
    };
    let [upstream, target] = [upstream, target].map(|part| percent_decode_str(part).decode_utf8_lossy());
    let to = match action {
        "out" => ByHand::Out,
        "in" => ByHand::In,
        _ => return NO_TARGET,
    };
    let Some(switched) = snapshot.named(&upstream).filter(|upstream| upstream.targets.switch(&target, to))
    else {
        return NO_TARGET;
    };
    let text = match to {
        ByHand::In => "in: it gets calls again\n",
        ByHand::Out if switched.targets.are_all_out() => {
            "out: it gets no more calls; the upstream has no target left that does\n"
        }
        ByHand::Out => "out: it gets no more calls\n",
    };
    let (upstream, target, out) = (upstream.as_ref(), target.as_ref(), to == ByHand::Out);
    let what = if out { "took a target out" } else { "put a target back" };
    tracing::warn!(kind = "target", upstream, target, out, "an operator {what}");
    (StatusCode::OK, text)
}

const NO_TARGET: (StatusCode, &str) = (
    StatusCode::NOT_FOUND,
    "no such target; see /targets, and post to /targets/UPSTREAM/TARGET/out or /in\n",
);

//! One configuration at work. Requests hold on to the snapshot they started under, so a reload
//! touches none of them.

use std::sync::Arc;

use crate::config::Settings;
use crate::route::UpstreamIndex;
use crate::telemetry::{Metrics, Names};

use crate::admission::{Limiter, use_ring};
use crate::upstream::connections::Connections;
use crate::upstream::instance::Upstream;

/// A configuration and what it takes to serve it.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    connections: Arc<Connections>,
    pub(crate) limiters: Vec<Arc<Limiter>>,
    /// The configuration for operators: defaults filled in, secrets left out.
    pub(crate) redacted: String,
}

impl Snapshot {
    /// Sets a configuration to work. What must outlive the configuration `before` is taken over from it.
    pub(crate) async fn new(
        settings: Settings,
        redacted: String,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Self {
        let connections = before.map_or_else(
            || {
                Arc::new(Connections::new(
                    settings.limits.idle_connections,
                    Arc::clone(&metrics.tls_failures),
                ))
            },
            |before| Arc::clone(&before.connections),
        );
        let resolving = (&settings.limits, settings.resolver.as_slice());
        let mut upstreams = Vec::with_capacity(settings.upstreams.len());
        for upstream in &settings.upstreams {
            let was = before.and_then(|before| before.named(&upstream.name));
            let made = Upstream::new(upstream, resolving, &connections, metrics, was).await;
            upstreams.push(Arc::new(made));
        }
        metrics.prepare(&settings);
        use_ring();
        let limiters = before.map_or(&[][..], |before| &before.limiters);
        let limiters = Limiter::all(&settings.rate_limits, metrics, limiters);
        Self { settings, upstreams, connections, limiters, redacted }
    }

    /// The upstream with this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.settings.name == name).map(Arc::as_ref)
    }

    pub(crate) fn upstream(&self, index: UpstreamIndex) -> Option<&Upstream> {
        self.upstreams.get(index.0).map(Arc::as_ref)
    }

    pub(crate) fn names(&self) -> Names<'_> {
        Names(&self.settings)
    }

    /// Whether an authority in an upstream's reply is the upstream's own name for itself.
    pub(crate) fn goes_by(&self, index: UpstreamIndex, authority: &str, own_authority: &str) -> bool {
        self.upstream(index).is_some_and(|upstream| upstream.goes_by(authority, own_authority))
    }
}

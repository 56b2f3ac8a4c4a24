//! One configuration and what it takes to serve it. A request holds the snapshot with which it began, so a reload does
//! not touch it.

use std::sync::Arc;

use crate::admission::{Answers, FetchedKeys, Limiter, use_ring};
use crate::config::{ListenAddress, Settings};
use crate::route::UpstreamIndex;
use crate::telemetry::{Metrics, Names};
use crate::upstream::connections::Connections;
use crate::upstream::discovery::SharedSettings;
use crate::upstream::instance::Upstream;

use super::served_listener::{ServedListener, find, serve_listeners};

/// A configuration in use.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// The pool of all upstreams. It outlives reloads.
    connections: Arc<Connections>,
    /// The rate limits, in the order of the configuration.
    pub(crate) limiters: Vec<Arc<Limiter>>,
    /// The keys of issuers that have them at a url.
    pub(crate) fetched_keys: Vec<Arc<FetchedKeys>>,
    /// What the services that know clients have answered.
    pub(crate) answers: Vec<Arc<Answers>>,
    listeners: Vec<Arc<ServedListener>>,
}

impl Snapshot {
    /// Closes idle connections to targets that can't be used any more.
    pub(crate) fn sweep_connections(&self) {
        self.connections.sweep();
    }

    /// Puts a configuration to work. Takes over from the snapshot `before` what must outlive it.
    ///
    /// # Errors
    /// TLS of a listener can't be set up.
    pub(crate) async fn new(
        settings: Settings,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Result<Self, rustls::Error> {
        let listeners =
            serve_listeners(&settings.listen, before.map_or(&[][..], |before| &before.listeners))?;
        let connections = before.map_or_else(
            || {
                Arc::new(Connections::new(
                    settings.limits.idle_connections,
                    settings.workers(),
                    Arc::clone(&metrics.tls_failures),
                ))
            },
            |before| Arc::clone(&before.connections),
        );
        let shared =
            SharedSettings { idle_timeout: settings.limits.idle_timeout, name_servers: &settings.resolver };
        let mut upstreams = Vec::with_capacity(settings.upstreams.len());
        for upstream in &settings.upstreams {
            let was = before.and_then(|before| before.named(&upstream.name));
            let made = Upstream::new(upstream, shared, &connections, metrics, was).await;
            upstreams.push(Arc::new(made));
        }
        metrics.prepare(&settings);
        use_ring();
        let limiters = before.map_or(&[][..], |before| &before.limiters);
        let limiters = Limiter::all(&settings.rate_limits, metrics, limiters);
        let fetched_keys = before.map_or(&[][..], |before| &before.fetched_keys);
        let fetched_keys = FetchedKeys::all(settings.auth.as_ref(), &metrics.authentication, fetched_keys);
        let answers = before.map_or(&[][..], |before| &before.answers);
        let answers = Answers::all(settings.auth.as_ref(), &metrics.authentication, answers);
        Ok(Self { settings, upstreams, connections, limiters, fetched_keys, answers, listeners })
    }

    /// The same snapshot with settings in which only certificates are new. No name is looked up, and an upstream without a new
    /// certificate stays the one that it is.
    ///
    /// # Errors
    /// TLS of a listener can't be set up.
    pub(crate) fn renewed(&self, settings: Settings, metrics: &Metrics) -> Result<Self, rustls::Error> {
        let listeners = serve_listeners(&settings.listen, &self.listeners)?;
        let shared =
            SharedSettings { idle_timeout: settings.limits.idle_timeout, name_servers: &settings.resolver };
        let upstreams = settings.upstreams.iter().zip(&self.upstreams).map(|(settings, upstream)| {
            if upstream.settings == *settings {
                Arc::clone(upstream)
            } else {
                Arc::new(upstream.renewed(settings, shared, metrics))
            }
        });
        let upstreams = upstreams.collect();
        metrics.prepare(&settings);
        let (connections, limiters) = (Arc::clone(&self.connections), self.limiters.clone());
        let authentication = &metrics.authentication;
        let fetched_keys = FetchedKeys::all(settings.auth.as_ref(), authentication, &self.fetched_keys);
        let answers = Answers::all(settings.auth.as_ref(), authentication, &self.answers);
        Ok(Self { settings, upstreams, connections, limiters, fetched_keys, answers, listeners })
    }

    /// The listener whose socket was bound for this address.
    pub(crate) fn listener(&self, address: &ListenAddress) -> Option<Arc<ServedListener>> {
        find(&self.listeners, address).map(Arc::clone)
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

    /// Whether an authority in an upstream's reply is a name of that upstream.
    pub(crate) fn goes_by(&self, index: UpstreamIndex, authority: &str, own_authority: &str) -> bool {
        self.upstream(index).is_some_and(|upstream| upstream.goes_by(authority, own_authority))
    }
}

//! The public keys of an issuer that has them at a url (`auth.jwt.jwks`).
//!
//! In: the url. Out: the keys that were there last. A task fetches them at once, and again when they have become old: after
//! `jwks_refresh`, or sooner if the reply says so. A token that names a key that is not among them makes it fetch them earlier,
//! because issuers begin to use a new key soon after they have published it; as often as [`EARLY`] allows, so that made-up
//! tokens do not become a flood of requests to the issuer.
//!
//! Invariants: keys stay in use until others could be fetched, however long that takes. Nobody waits longer than [`PATIENCE`],
//! and one fetch serves all who wait. An unchanged url keeps its keys across a reload.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Request, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{Deadline, Metronome};
use crate::config::{Auth, JwksUrl, read_jwks};
use crate::header::cache_control::shared_lifetime;
use crate::http_client::HttpClient;
use crate::telemetry::AuthenticationMetrics;

/// How long a request and its reply may take together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a reply.
const MAX_REPLY: usize = 1 << 20;
/// How long a client with a token waits for keys.
const PATIENCE: Duration = Duration::from_secs(2);
/// Keys are not old before this, whatever the reply says.
const YOUNG: Duration = Duration::from_secs(30);
/// The pauses after fetches that failed: the first, which doubles each time, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often tokens may have keys fetched early: one interval after the other, after a pause several times in a row.
const EARLY: (Duration, NonZeroUsize) = (Duration::from_secs(30), NonZeroUsize::MIN.saturating_add(3));

const AGENT: HeaderValue = HeaderValue::from_static(concat!("batchgate/", env!("CARGO_PKG_VERSION")));
const KEYS: HeaderValue = HeaderValue::from_static("application/jwk-set+json, application/json");

/// The keys at a url.
pub(crate) struct FetchedKeys {
    source: JwksUrl,
    state: Arc<watch::Sender<State>>,
    /// It ends when it is dropped.
    _task: JoinSet<()>,
}

struct State {
    /// `None`: they have never been fetched.
    keys: Option<Arc<JwkSet>>,
    /// Whether they are being fetched, or about to be.
    is_wanted: bool,
    early: Metronome,
}

impl FetchedKeys {
    /// Those of a configuration. What was fetched before is taken over where the url has not changed.
    pub(crate) fn all(
        auth: Option<&Auth>,
        metrics: &AuthenticationMetrics,
        before: &[Arc<Self>],
    ) -> Vec<Arc<Self>> {
        let urls = auth.into_iter().flat_map(Auth::jwks_urls);
        let keys = urls.map(|url| {
            let known = before.iter().find(|keys| keys.source == *url);
            known.map_or_else(|| Arc::new(Self::start(url, metrics)), Arc::clone)
        });
        keys.collect()
    }

    fn start(source: &JwksUrl, metrics: &AuthenticationMetrics) -> Self {
        let (interval, burst) = EARLY;
        let state = State { keys: None, is_wanted: true, early: Metronome::new(interval, burst) };
        let state = Arc::new(watch::Sender::new(state));
        let fetcher = Fetcher { source: source.clone(), state: Arc::clone(&state), metrics: metrics.clone() };
        let mut task = JoinSet::new();
        task.spawn(fetcher.run());
        Self { source: source.clone(), state, _task: task }
    }

    /// Whether these are the keys at this url.
    pub(crate) fn are_from(&self, source: &JwksUrl) -> bool {
        self.source == *source
    }

    /// The keys; waits for them if they have never been fetched. `None`: they can't be fetched now.
    pub(super) async fn current(&self) -> Option<Arc<JwkSet>> {
        let known = self.state.borrow().keys.clone();
        match known {
            Some(keys) => Some(keys),
            None => self.newer().await,
        }
    }

    /// The keys, fetched again if that may be.
    pub(super) async fn newer(&self) -> Option<Arc<JwkSet>> {
        let mut fetched = self.state.subscribe();
        self.state.send_if_modified(|state| {
            let asks = !state.is_wanted && state.early.tick().is_none();
            state.is_wanted |= asks;
            asks
        });
        let keys = async {
            let state = fetched.wait_for(|state| !state.is_wanted).await.ok()?;
            state.keys.clone()
        };
        Deadline::after(PATIENCE).race(keys).await?
    }
}

/// Fetches the keys at a url, again and again.
struct Fetcher {
    source: JwksUrl,
    state: Arc<watch::Sender<State>>,
    metrics: AuthenticationMetrics,
}

impl Fetcher {
    async fn run(self) {
        let mut pause = PAUSES.0;
        loop {
            let until_next = match self.fetch().await {
                Ok((keys, lifetime)) => {
                    pause = PAUSES.0;
                    self.take(keys);
                    lifetime.unwrap_or(self.source.refresh).max(YOUNG)
                }
                Err(reason) => {
                    self.fail(&reason);
                    let until_next = pause;
                    pause = (pause * 2).min(PAUSES.1);
                    until_next
                }
            };
            let mut wanted = self.state.subscribe();
            let early = wanted.wait_for(|state| state.is_wanted);
            let _ = Deadline::after(until_next.min(self.source.refresh)).race(early).await;
            self.state.send_modify(|state| state.is_wanted = true);
        }
    }

    async fn fetch(&self) -> Result<(JwkSet, Option<Duration>), String> {
        let JwksUrl { url, ca, .. } = self.source.clone();
        // The authorities are read from files each time, so that new ones are trusted.
        let client = tokio::task::spawn_blocking({
            let url = url.clone();
            move || HttpClient::for_url(&url, ca.as_deref())
        });
        let (client, server) = client.await.map_err(|error| error.to_string())??;
        let client = HttpClient { timeout: TIMEOUT, max_reply: MAX_REPLY, ..client };
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(url.path_and_query().map_or("/", PathAndQuery::as_str))
            .header(HOST, authority)
            .header(ACCEPT, KEYS)
            .header(USER_AGENT, AGENT)
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let reply = client.send(&server, request).await.map_err(|error| error.to_string())?;
        if reply.status() != StatusCode::OK {
            return Err(format!("the reply has the status {}", reply.status().as_u16()));
        }
        let keys = read_jwks(reply.body()).map_err(|error| format!("the reply {error}"))?;
        Ok((keys, shared_lifetime(reply.headers())))
    }

    fn take(&self, keys: JwkSet) {
        let url = self.source.shown();
        self.metrics.fetched(&url);
        let known = self.state.borrow().keys.clone();
        if known.as_deref() != Some(&keys) {
            tracing::info!(kind = "jwks", url, keys = keys.keys.len(), "the issuer's keys are in use");
        }
        self.state.send_modify(|state| {
            state.keys = Some(Arc::new(keys));
            state.is_wanted = false;
        });
    }

    fn fail(&self, reason: &str) {
        let url = self.source.shown();
        self.metrics.not_fetched(&url);
        let has_keys = self.state.borrow().keys.is_some();
        if has_keys {
            tracing::warn!(
                kind = "jwks",
                url,
                reason,
                "the issuer's keys could not be fetched; those before stay in use"
            );
        } else {
            tracing::error!(
                kind = "jwks",
                url,
                reason,
                "the issuer's keys could not be fetched; clients with tokens get 503"
            );
        }
        self.state.send_modify(|state| state.is_wanted = false);
    }
}

//! Answers of the service that is asked about clients (`auth.forward.cache`): what it has said is not asked again for some time,
//! and equal questions at the same time are asked once.
//!
//! In: a question, and what asks it. Out: an [`Identity`] or a refusal. Two questions are equal if the service would see the same:
//! the fields that it gets, the client's address, host and scheme, and, unless `per_url: false`, the method and the url.
//!
//! Invariants: only what lets a client in is kept, no longer than the answer's Cache-Control allows, and nothing of what the
//! client sent but a keyed hash of it. What must not be kept is not shared either.

use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::watch;

use crate::batch::AdmissionRefusal;
use crate::clock::Deadline;
use crate::config::{Auth, ForwardAuth, ForwardCache};
use crate::telemetry::{AnswerSource, AuthenticationMetrics};

use super::identity::Identity;
use super::question::Question;

/// Bytes of the fields that an answer adds to calls; of more, nothing is kept.
const MAX_ADDED: usize = 4 << 10;

/// What is remembered of the answers of one service.
pub(crate) struct Answers {
    forward: ForwardAuth,
    cache: ForwardCache,
    key: hmac::Key,
    entries: Mutex<LruCache<Key, Entry>>,
    metrics: AuthenticationMetrics,
}

/// Identifies a question.
pub(super) type Key = [u8; 32];

/// What an answer means.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) result: Result<Identity, AdmissionRefusal>,
    /// For how long its Cache-Control allows to use it again; `None`: that says nothing.
    pub(super) lifetime: Option<Duration>,
}

enum Entry {
    Kept(Identity, Deadline),
    /// It is being asked; the sender is gone if nobody asks any more.
    UnderWay(watch::Receiver<Option<Judged>>),
}

enum Found {
    Kept(Identity),
    UnderWay(watch::Receiver<Option<Judged>>),
    Nothing(watch::Sender<Option<Judged>>),
}

impl Answers {
    /// Those of a configuration; the same as before where nothing about a service has changed.
    pub(crate) fn all(
        auth: Option<&Auth>,
        metrics: &AuthenticationMetrics,
        before: &[Arc<Self>],
    ) -> Vec<Arc<Self>> {
        let asked = auth.into_iter().flat_map(Auth::all_ways).filter_map(|ways| ways.forward.as_ref());
        let kept = asked.filter_map(|forward| {
            let known = before.iter().find(|known| known.are_of(forward));
            known.map_or_else(|| Self::new(forward, metrics).map(Arc::new), |known| Some(Arc::clone(known)))
        });
        kept.collect()
    }

    /// `None`: nothing is remembered.
    fn new(forward: &ForwardAuth, metrics: &AuthenticationMetrics) -> Option<Self> {
        let cache = forward.cache?;
        Some(Self {
            forward: forward.clone(),
            cache,
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            entries: Mutex::new(LruCache::new(cache.max)),
            metrics: metrics.clone(),
        })
    }

    /// Whether these are the answers of this service.
    pub(crate) fn are_of(&self, forward: &ForwardAuth) -> bool {
        self.forward == *forward
    }

    /// Identifies a question about a client that `challenge` would be said to.
    pub(super) fn key(&self, question: &Question, challenge: &str) -> Key {
        let mut context = hmac::Context::with_key(&self.key);
        let is_of_url = |name: &str| matches!(name, "x-forwarded-method" | "x-forwarded-uri");
        let tells =
            |name: &str| !matches!(name, "x-request-id" | "via") && (self.cache.per_url || !is_of_url(name));
        let hop = question.hop.fields.iter().filter(|(name, _)| tells(name.as_str()));
        for (name, value) in question.call.headers.iter().chain(hop) {
            // Neither has a NUL in it.
            for part in [name.as_str().as_bytes(), b"\0", value.as_bytes(), b"\0"] {
                context.update(part);
            }
        }
        context.update(challenge.as_bytes());
        context.sign().as_ref().try_into().unwrap_or_default()
    }

    /// What is remembered, or what `ask` finds out.
    pub(super) async fn answer(
        &self,
        key: Key,
        ask: impl Future<Output = Judged>,
    ) -> Result<Identity, AdmissionRefusal> {
        match self.find(key) {
            Found::Kept(identity) => {
                self.metrics.answer(AnswerSource::Kept);
                Ok(identity)
            }
            Found::UnderWay(mut answer) => {
                let shared = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
                if let Some(shared) = shared.filter(|shared| shared.lifetime != Some(Duration::ZERO)) {
                    self.metrics.answer(AnswerSource::Shared);
                    return shared.result;
                }
                self.metrics.answer(AnswerSource::Asked);
                ask.await.result
            }
            Found::Nothing(asker) => {
                self.metrics.answer(AnswerSource::Asked);
                let judged = ask.await;
                self.keep(key, &judged);
                asker.send_replace(Some(judged.clone()));
                judged.result
            }
        }
    }

    fn find(&self, key: Key) -> Found {
        let mut entries = self.entries.lock();
        match entries.get(&key) {
            Some(Entry::Kept(identity, until)) if !until.is_over() => return Found::Kept(identity.clone()),
            // An error says that nobody asks any more.
            Some(Entry::UnderWay(answer)) if answer.has_changed().is_ok() => {
                return Found::UnderWay(answer.clone());
            }
            Some(Entry::Kept(..) | Entry::UnderWay(_)) | None => {}
        }
        let (asker, answer) = watch::channel(None);
        entries.put(key, Entry::UnderWay(answer));
        Found::Nothing(asker)
    }

    fn keep(&self, key: Key, judged: &Judged) {
        let kept_for = judged.lifetime.unwrap_or(self.cache.keep).min(self.cache.keep);
        let mut entries = self.entries.lock();
        match &judged.result {
            Ok(identity) if !kept_for.is_zero() && size(identity) <= MAX_ADDED => {
                entries.put(key, Entry::Kept(identity.clone(), Deadline::after(kept_for)));
            }
            Ok(_) | Err(_) => {
                entries.pop(&key);
            }
        }
    }
}

fn size(identity: &Identity) -> usize {
    identity.added.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::telemetry::Metrics;

    fn answers() -> Answers {
        Answers {
            forward: ForwardAuth {
                upstream: crate::route::UpstreamIndex(0),
                path: "/".to_owned(),
                headers: Vec::new(),
                add: Vec::new(),
                name: None,
                timeout: Duration::from_secs(1),
                cache: None,
            },
            cache: ForwardCache {
                keep: Duration::from_secs(10),
                max: NonZeroUsize::MIN.saturating_add(1),
                per_url: true,
            },
            key: hmac::Key::new(hmac::HMAC_SHA256, b"key"),
            entries: Mutex::new(LruCache::new(NonZeroUsize::MIN.saturating_add(1))),
            metrics: Metrics::new("0").unwrap().authentication.clone(),
        }
    }

    fn ann(added: usize) -> Judged {
        let added = vec![(HeaderName::from_static("x"), HeaderValue::try_from("y".repeat(added)).unwrap())];
        Judged { result: Ok(Identity { added, ..Identity::default() }), lifetime: None }
    }

    fn refusal() -> Judged {
        Judged { result: Err(AdmissionRefusal::Forbidden), lifetime: None }
    }

    /// How often a question is asked if it comes up twice with this answer.
    async fn asked(answers: &Answers, key: u8, judged: Judged, pause: Duration) -> usize {
        let mut asked = 0;
        for _ in 0..2 {
            let ask = async {
                asked += 1;
                judged.clone()
            };
            let answer = answers.answer([key; 32], ask).await;
            assert_eq!(answer, judged.result);
            tokio::time::advance(pause).await;
        }
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn what_lets_in_is_kept_for_as_long_as_it_may_be() {
        let answers = &answers();
        let seconds = Duration::from_secs;
        let lives = |lifetime: u64| Judged { lifetime: Some(seconds(lifetime)), ..ann(1) };
        for (key, (judged, pause, times)) in (0..).zip([
            (ann(1), seconds(9), 1),
            (ann(1), seconds(11), 2),
            (lives(5), seconds(4), 1),
            (lives(5), seconds(6), 2),
            (lives(60), seconds(11), 2),
            (lives(0), seconds(0), 2),
            (ann(MAX_ADDED), seconds(0), 2),
            (refusal(), seconds(0), 2),
        ]) {
            assert_eq!(asked(answers, key, judged, pause).await, times, "{key}");
        }
        let first = async { ann(2) };
        assert_eq!(answers.answer([20; 32], first).await, ann(2).result);
        for key in [21, 22] {
            asked(answers, key, ann(1), Duration::ZERO).await;
        }
        assert_eq!(asked(answers, 20, ann(1), Duration::ZERO).await, 1, "it had gone: only two are kept");
    }

    #[tokio::test]
    async fn an_asker_who_leaves_does_not_leave_others_waiting() {
        let answers = &answers();
        {
            let mut leaves = Box::pin(answers.answer([1; 32], std::future::pending()));
            assert!(futures_util::poll!(&mut leaves).is_pending());
            let mut waits = Box::pin(answers.answer([1; 32], async { ann(1) }));
            assert!(futures_util::poll!(&mut waits).is_pending());
            drop(leaves);
            assert_eq!(waits.await, ann(1).result);
        }
        assert_eq!(answers.answer([1; 32], async { refusal() }).await, refusal().result);
    }

    #[tokio::test]
    async fn equal_questions_share_an_answer_unless_it_must_not_be_kept() {
        for (lifetime, shared) in [(None, true), (Some(Duration::ZERO), false)] {
            let answers = &answers();
            let (end, ended) = tokio::sync::oneshot::channel();
            let asks = answers.answer([1; 32], async {
                ended.await.unwrap();
                Judged { lifetime, ..refusal() }
            });
            let mut asks = Box::pin(asks);
            assert!(futures_util::poll!(&mut asks).is_pending());
            let mut waits = Box::pin(answers.answer([1; 32], async { ann(1) }));
            assert!(futures_util::poll!(&mut waits).is_pending());
            end.send(()).unwrap();
            assert_eq!(asks.await, refusal().result);
            assert_eq!(waits.await, if shared { refusal() } else { ann(1) }.result);
        }
    }
}

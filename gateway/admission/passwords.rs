//! Checks passwords (`auth.basic`).
//!
//! bcrypt and argon2 are slow on purpose. So they run on threads for blocking work, as many at the same time as half of the
//! cores, and a password that was right is remembered for a minute: by a keyed hash of everything that made it right, so that
//! nothing in memory helps to guess it, and a changed file is effective at once.
//!
//! Nobody can keep others from logging in by sending wrong passwords. Each client has at most half of the turns, so that the next
//! turn goes to somebody else; and after several wrong passwords in a row ([`WRONG`]) nothing more of it is checked until some
//! time has passed. What is remembered needs neither a turn nor patience.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lru::LruCache;
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batch::AdmissionRefusal;
use crate::clock::{Deadline, Metronome};
use crate::config::{Basic, PasswordKind, User};
use crate::limiter::Client;
use crate::telemetry::{AuthenticationMetrics, LogThrottle, PasswordResult};
use crate::workers::one_for_each_core;

use super::caller::Caller;

/// How long a password that was right is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many are remembered.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// How long a check waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many wrong passwords of one client are checked: a burst after a pause, and then one in each interval.
const WRONG: (Duration, NonZeroUsize) = (Duration::from_secs(6), NonZeroUsize::MIN.saturating_add(9));

/// What checks passwords.
pub(crate) struct Passwords {
    key: hmac::Key,
    right: Mutex<LruCache<[u8; 32], Deadline>>,
    clients: Mutex<LruCache<Client, Arc<Tries>>>,
    turns: Arc<Semaphore>,
    /// The turns of one client.
    share: usize,
    metrics: AuthenticationMetrics,
    throttle: LogThrottle,
}

/// What one client has tried.
struct Tries {
    turns: Arc<Semaphore>,
    wrong: Mutex<Metronome>,
}

/// The turns that a check takes: one of its client's, and one of all.
type Turn = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Passwords {
    pub(crate) fn new(metrics: AuthenticationMetrics) -> Self {
        let turns = (one_for_each_core().get() / 2).max(1);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            right: Mutex::new(LruCache::new(MOST)),
            clients: Mutex::new(LruCache::new(MOST)),
            turns: Arc::new(Semaphore::new(turns)),
            share: (turns / 2).max(1),
            metrics,
            throttle: LogThrottle::default(),
        }
    }

    /// The name of the client with these credentials, as they are in `Authorization: Basic`; `None` if they are wrong.
    ///
    /// # Errors
    /// They were not checked: the client has sent too many wrong ones, or there was no turn.
    pub(super) async fn check(
        &self,
        basic: &Basic,
        caller: &Caller,
        encoded: &str,
    ) -> Result<Option<Arc<str>>, AdmissionRefusal> {
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((name, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
            return Ok(None);
        };
        let found = basic.users.iter().find(|user| *user.name == *name);
        // An unknown name takes as long as a known one.
        let Some(user) = found.or(basic.users.first()) else { return Ok(None) };
        let tag = self.tag(user, password);
        if found.is_some() && self.is_remembered(&tag) {
            self.metrics.password(PasswordResult::Remembered);
            return Ok(Some(Arc::clone(&user.name)));
        }
        let tries = self.tries(caller.client());
        let is_right = self.verify(&tries, caller, &user.hash, password).await?;
        if !is_right || found.is_none() {
            // If others of the same client were wrong meanwhile, that was enough.
            let _ = tries.wrong.lock().tick();
            self.metrics.password(PasswordResult::Wrong);
            return Ok(None);
        }
        self.metrics.password(PasswordResult::Right);
        self.right.lock().put(tag, Deadline::after(REMEMBERED));
        Ok(Some(Arc::clone(&user.name)))
    }

    fn tries(&self, client: Client) -> Arc<Tries> {
        let (interval, burst) = WRONG;
        let first = || {
            let turns = Arc::new(Semaphore::new(self.share));
            Arc::new(Tries { turns, wrong: Mutex::new(Metronome::new(interval, burst)) })
        };
        Arc::clone(self.clients.lock().get_or_insert(client, first))
    }

    fn is_remembered(&self, tag: &[u8; 32]) -> bool {
        self.right.lock().get(tag).is_some_and(|until| !until.remaining().is_zero())
    }

    /// A keyed hash of all that a right answer depends on. The hash of a password has no NUL in it, nor has a name.
    fn tag(&self, user: &User, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [&*user.name, "\0", user.hash.text(), "\0", password] {
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().unwrap_or_default()
    }

    async fn verify(
        &self,
        tries: &Tries,
        caller: &Caller,
        hash: &PasswordKind,
        password: &str,
    ) -> Result<bool, AdmissionRefusal> {
        self.may_try(tries, caller)?;
        let turn = Deadline::after(PATIENCE).race(self.turn(tries)).await.flatten();
        let turn = turn.ok_or_else(|| self.busy())?;
        // Those before may have been wrong.
        self.may_try(tries, caller)?;
        let (hash, password) = (hash.clone(), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let is_right = is_right(&hash, &password);
            drop(turn);
            is_right
        });
        checked.await.map_err(|_| self.busy())
    }

    /// First the client's own turn, so that its others do not stand in the way of other clients.
    async fn turn(&self, tries: &Tries) -> Option<Turn> {
        let own = Arc::clone(&tries.turns).acquire_owned().await.ok()?;
        Some((own, Arc::clone(&self.turns).acquire_owned().await.ok()?))
    }

    fn may_try(&self, tries: &Tries, caller: &Caller) -> Result<(), AdmissionRefusal> {
        let Some(wait) = tries.wrong.lock().wait() else { return Ok(()) };
        self.metrics.password(PasswordResult::Limited);
        if self.throttle.may_log() {
            let (client, so_far) = (caller.address_text(), self.metrics.passwords(PasswordResult::Limited));
            tracing::warn!(
                kind = "auth",
                client,
                so_far,
                "a client sends too many wrong passwords; it has to wait"
            );
        }
        // Retry-After is in full seconds.
        Err(AdmissionRefusal::WrongPasswords { retry_after: Duration::from_secs(wait.as_secs() + 1) })
    }

    fn busy(&self) -> AdmissionRefusal {
        self.metrics.password(PasswordResult::Busy);
        AdmissionRefusal::AuthenticationUnavailable {
            problem: "too many other passwords are being checked (auth.basic)",
        }
    }
}

fn is_right(hash: &PasswordKind, password: &str) -> bool {
    match hash {
        PasswordKind::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        PasswordKind::Argon2(hash) => Argon2::default().verify_password(password.as_bytes(), &**hash).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Params, PasswordHasher as _, Version};

    use super::*;
    use crate::telemetry::Metrics;

    fn basic() -> Basic {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(16, 1, 1, None).unwrap());
        let argon2 = weak.hash_password(b"b: c").unwrap().to_string();
        let bcrypt = bcrypt::hash("a", 4).unwrap();
        let user = |name: &str, hash| User { name: name.into(), hash };
        Basic {
            file: "htpasswd".into(),
            realm: "r".to_owned(),
            users: vec![
                user("ann", PasswordKind::Bcrypt(bcrypt.into())),
                user("bob", PasswordKind::Argon2(argon2.into())),
            ],
        }
    }

    fn passwords() -> Passwords {
        Passwords::new(Metrics::new("0").unwrap().authentication.clone())
    }

    fn busy() -> AdmissionRefusal {
        passwords().busy()
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_name_is_right() {
        let (basic, passwords, caller) = (basic(), passwords(), Caller::default());
        for _ in 0..2 {
            for (credentials, name) in [
                ("ann:a", Some("ann")),
                ("bob:b: c", Some("bob")),
                ("ann:b: c", None),
                ("ann:", None),
                ("bob:a", None),
                ("eve:a", None),
                ("ann", None),
                ("", None),
            ] {
                let found = passwords.check(&basic, &caller, &STANDARD.encode(credentials)).await.unwrap();
                assert_eq!(found.as_deref(), name, "{credentials}");
            }
        }
        assert_eq!(passwords.check(&basic, &caller, "no base64").await, Ok(None));
    }

    #[tokio::test]
    async fn what_was_right_is_not_checked_again_until_the_hash_changes() {
        let (mut basic, passwords, caller) = (basic(), passwords(), Caller::default());
        let ann = STANDARD.encode("ann:a");
        assert!(passwords.check(&basic, &caller, &ann).await.unwrap().is_some());
        let _all = Arc::clone(&passwords.turns)
            .acquire_many_owned(passwords.turns.available_permits().try_into().unwrap())
            .await;
        assert!(passwords.check(&basic, &caller, &ann).await.unwrap().is_some(), "remembered");
        tokio::time::pause();
        assert_eq!(passwords.check(&basic, &caller, &STANDARD.encode("ann:b")).await, Err(busy()));
        basic.users[0].hash = PasswordKind::Bcrypt(bcrypt::hash("new", 4).unwrap().into());
        assert_eq!(passwords.check(&basic, &caller, &ann).await, Err(busy()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_too_many_wrong_passwords_has_to_wait_and_others_need_not() {
        let (basic, passwords) = (basic(), passwords());
        let caller = |address: &str| Caller { address: address.parse().ok(), ..Caller::default() };
        let (one, other) = (caller("10.0.0.1"), caller("10.0.0.2"));
        let check = async |caller: &Caller, credentials: &str| {
            passwords.check(&basic, caller, &STANDARD.encode(credentials)).await
        };
        assert!(check(&one, "bob:b: c").await.unwrap().is_some());
        for _ in 0..WRONG.1.get() {
            assert_eq!(check(&one, "ann:b").await, Ok(None));
        }
        for credentials in ["ann:b", "ann:a"] {
            let refused = check(&one, credentials).await.unwrap_err();
            assert!(matches!(refused, AdmissionRefusal::WrongPasswords { .. }), "{refused:?}");
        }
        assert!(check(&one, "bob:b: c").await.unwrap().is_some(), "what is remembered is not checked");
        assert!(check(&other, "ann:a").await.unwrap().is_some());
        tokio::time::advance(WRONG.0).await;
        assert_eq!(check(&one, "ann:b").await, Ok(None));
        tokio::time::advance(WRONG.0).await;
        assert!(check(&one, "ann:a").await.unwrap().is_some());
    }
}

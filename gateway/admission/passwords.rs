//! Checks passwords (`auth.basic`).
//!
//! bcrypt and argon2 are slow on purpose. So they run on threads for blocking work, as many at the same time as half of the
//! cores, and a password that was right is remembered for a minute: by a keyed hash of everything that made it right, so that
//! nothing in memory helps to guess it, and a changed file is effective at once.

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
use tokio::sync::Semaphore;

use crate::clock::Deadline;
use crate::config::{Basic, PasswordKind, User};
use crate::workers::one_for_each_core;

/// How long a password that was right is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many are remembered.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// How long a check waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// What checks passwords.
pub(crate) struct Passwords {
    key: hmac::Key,
    right: Mutex<LruCache<[u8; 32], Deadline>>,
    turns: Arc<Semaphore>,
}

/// Too many passwords are being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Default for Passwords {
    fn default() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            right: Mutex::new(LruCache::new(MOST)),
            turns: Arc::new(Semaphore::new((one_for_each_core().get() / 2).max(1))),
        }
    }
}

impl Passwords {
    /// The name of the client with these credentials, as they are in `Authorization: Basic`; `None` if they are wrong.
    ///
    /// # Errors
    /// There was no turn to check them.
    pub(super) async fn check(&self, basic: &Basic, encoded: &str) -> Result<Option<Arc<str>>, Busy> {
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((name, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
            return Ok(None);
        };
        let found = basic.users.iter().find(|user| *user.name == *name);
        // An unknown name takes as long as a known one.
        let Some(user) = found.or(basic.users.first()) else { return Ok(None) };
        let tag = self.tag(user, password);
        let is_right = self.is_remembered(&tag) || self.verify(&user.hash, password).await?;
        if !is_right || found.is_none() {
            return Ok(None);
        }
        self.right.lock().put(tag, Deadline::after(REMEMBERED));
        Ok(Some(Arc::clone(&user.name)))
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

    async fn verify(&self, hash: &PasswordKind, password: &str) -> Result<bool, Busy> {
        let turn = Deadline::after(PATIENCE).race(Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.and_then(Result::ok).ok_or(Busy)?;
        let (hash, password) = (hash.clone(), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let is_right = is_right(&hash, &password);
            drop(turn);
            is_right
        });
        checked.await.map_err(|_| Busy)
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

    #[tokio::test]
    async fn only_the_right_password_of_a_known_name_is_right() {
        let (basic, passwords) = (basic(), Passwords::default());
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
                let found = passwords.check(&basic, &STANDARD.encode(credentials)).await.unwrap();
                assert_eq!(found.as_deref(), name, "{credentials}");
            }
        }
        assert_eq!(passwords.check(&basic, "no base64").await, Ok(None));
    }

    #[tokio::test]
    async fn what_was_right_is_not_checked_again_until_the_hash_changes() {
        let (mut basic, passwords) = (basic(), Passwords::default());
        let ann = STANDARD.encode("ann:a");
        assert!(passwords.check(&basic, &ann).await.unwrap().is_some());
        let _all = Arc::clone(&passwords.turns)
            .acquire_many_owned(passwords.turns.available_permits().try_into().unwrap())
            .await;
        assert!(passwords.check(&basic, &ann).await.unwrap().is_some(), "remembered");
        tokio::time::pause();
        assert_eq!(passwords.check(&basic, &STANDARD.encode("ann:b")).await, Err(Busy));
        basic.users[0].hash = PasswordKind::Bcrypt(bcrypt::hash("new", 4).unwrap().into());
        assert_eq!(passwords.check(&basic, &ann).await, Err(Busy));
    }
}

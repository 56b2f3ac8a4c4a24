//! `console`: what the console on the admin listener can show, and who may change things there from another machine.

use std::fmt;

use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;

/// What the console on the admin listener can show, and who may change things there from another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSettings {
    /// The last batches that are kept for the console and for `/batches`; 0 keeps none.
    #[schemars(range(max = 1000))]
    pub batches: usize,
    /// A secret of at least 16 characters. With it in `Authorization: Bearer`, programs and consoles on other machines may
    /// take targets out, put them back and send batches. Where this is absent, only this machine may.
    #[schemars(with = "Option<String>", length(min = 16), extend("examples" = ["${ADMIN_TOKEN}"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<AdminToken>,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self { batches: 50, token: None }
    }
}

/// The secret of those who may change things from another machine. Only its SHA-256 is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

/// The fewest characters of a secret.
const LEAST: usize = 16;

/// What is shown in its place: long enough to be loaded again.
const STARS: &str = "****************";

impl AdminToken {
    fn new(secret: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(hash)
    }

    /// Whether somebody presented this secret. The time that it takes reveals nothing.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        self.0.ct_eq(&Self::new(presented).0).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(STARS)
    }
}

impl<'de> Deserialize<'de> for AdminToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = String::deserialize(deserializer)?;
        if secret.chars().count() < LEAST {
            // The schema check has said so before, with the place. An empty one would let everybody in.
            return Err(D::Error::custom(format_args!(
                "a secret of at least {LEAST} characters is expected"
            )));
        }
        Ok(Self::new(&secret))
    }
}

impl Serialize for AdminToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(STARS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_and_never_shown() {
        let token = AdminToken::new("a secret of operators");
        assert!(token.is("a secret of operators"));
        assert!(!token.is("a secret of operator") && !token.is(""));
        assert_eq!(format!("{token:?}"), STARS);
        assert_eq!(serde_json::to_string(&token).unwrap(), format!("\"{STARS}\""));
    }

    #[test]
    fn a_secret_that_is_soon_guessed_is_no_token() {
        for (secret, is_fine) in
            [("", false), (" ", false), ("fifteen letters", false), ("sixteen letters!", true)]
        {
            assert_eq!(
                serde_json::from_str::<AdminToken>(&format!("\"{secret}\"")).is_ok(),
                is_fine,
                "{secret}"
            );
        }
    }
}

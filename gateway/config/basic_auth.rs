//! `auth.basic`: names with the hashes of their passwords, from a file as `htpasswd` writes it.
//!
//! Only hashes that are slow on purpose are taken, bcrypt and argon2, and only as slow as a gateway can bear.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use bcrypt::HashParts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver};
use super::yaml::wrappers::At;

/// bcrypt's cost, a power of two: 14 takes about a second.
const MOST_COST: u32 = 14;
/// KiB that argon2 may take for one password.
const MOST_MEMORY: u32 = 128 << 10;
/// argon2's passes over its memory.
const MOST_PASSES: u32 = 16;

/// Names with passwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BasicDocument {
    /// The file: lines of `name:hash`, as `htpasswd -B` writes them. The hash is one of bcrypt or argon2. `#` starts a comment.
    #[schemars(example = &"htpasswd")]
    pub(in crate::config) file: At<String>,
    /// What browsers show to those whom they ask for a password.
    #[serde(default = "default_realm")]
    pub(in crate::config) realm: At<String>,
}

fn default_realm() -> At<String> {
    "batchgate".to_owned().into()
}

/// Names with passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// Where they are from.
    pub file: PathBuf,
    /// What browsers show.
    pub realm: String,
    /// The names, each once.
    pub users: Vec<User>,
}

/// A name and the hash of its password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: Arc<str>,
    /// The hash.
    pub hash: PasswordKind,
}

/// A hash of a password, as text.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordKind {
    /// bcrypt.
    Bcrypt(Arc<str>),
    /// argon2.
    Argon2(Arc<str>),
}

impl fmt::Debug for Basic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Basic").field("file", &self.file).finish_non_exhaustive()
    }
}

impl PasswordKind {
    /// The hash.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Bcrypt(text) | Self::Argon2(text) => text,
        }
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// Says why it can't be used.
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(text).map_err(|_| "is malformed")?;
            let params = Params::try_from(&hash).map_err(|_| "is malformed")?;
            let is_bearable = params.m_cost() <= MOST_MEMORY && params.t_cost() <= MOST_PASSES;
            return if is_bearable { Ok(Self::Argon2(text.into())) } else { Err("takes too long to check") };
        }
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        if !is_bcrypt {
            return Err("is neither bcrypt's nor argon2's");
        }
        let parts: HashParts = text.parse().map_err(|_| "is malformed")?;
        if parts.get_cost() > MOST_COST {
            Err("takes too long to check")
        } else {
            Ok(Self::Bcrypt(text.into()))
        }
    }
}

impl Resolver<'_> {
    pub(super) fn basic(&mut self, document: &BasicDocument) -> Resolved<Basic> {
        let realm = self.realm(&document.realm);
        let text = self.text_file(&document.file)?;
        let mut users: Vec<User> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match user(line, &users) {
                Ok(user) => users.push(user),
                Err(problem) => {
                    let message =
                        format!("line {} of the file {} {problem}", number + 1, document.file.shown());
                    let help = "write `name:hash`, as `htpasswd -nB NAME` prints it";
                    return self.refuse(document.file.span, message, help);
                }
            }
        }
        if users.is_empty() {
            let message = format!("the file {} has no name", document.file.shown());
            return self.refuse(document.file.span, message, "write lines of `name:hash`");
        }
        Ok(Basic { file: self.file(&document.file), realm: realm?, users })
    }

    fn realm(&mut self, realm: &At<String>) -> Resolved<String> {
        let is_text = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        if realm.value.bytes().all(is_text) {
            return Ok(realm.value.clone());
        }
        let message = format!("{} can't be a realm", realm.shown());
        self.refuse(realm.span, message, "write ASCII without quotes and backslashes")
    }
}

fn user(line: &str, earlier: &[User]) -> Result<User, String> {
    let (name, hash) = line.split_once(':').ok_or("has no hash")?;
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err("has no proper name".to_owned());
    }
    if earlier.iter().any(|user| *user.name == *name) {
        return Err("has a name that an earlier line has".to_owned());
    }
    let hash = PasswordKind::parse(hash).map_err(|problem| format!("has a hash that {problem}"))?;
    Ok(User { name: name.into(), hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed() -> String {
        bcrypt::hash("a", 4).unwrap()
    }

    #[test]
    fn only_hashes_that_are_slow_and_bearable_are_taken() {
        let argon2 = |params: &str| format!("$argon2id$v=19${params}$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA");
        for (hash, expected) in [
            (hashed(), None),
            (hashed().replace("$04$", "$15$"), Some("takes too long to check")),
            (hashed().replace("$04$", "$xx$"), Some("is malformed")),
            (argon2("m=19456,t=2,p=1"), None),
            (argon2("m=999999,t=2,p=1"), Some("takes too long to check")),
            (argon2("m=8,t=99,p=1"), Some("takes too long to check")),
            ("$argon2id$".to_owned(), Some("is malformed")),
            ("$apr1$x$y".to_owned(), Some("is neither bcrypt's nor argon2's")),
            ("{SHA}x".to_owned(), Some("is neither bcrypt's nor argon2's")),
            ("secret".to_owned(), Some("is neither bcrypt's nor argon2's")),
        ] {
            assert_eq!(PasswordKind::parse(&hash).err(), expected, "{hash}");
        }
    }

    #[test]
    fn a_line_has_a_name_that_no_other_has() {
        let line = format!("ann:{}", hashed());
        let ann = user(&line, &[]).ok().unwrap();
        assert_eq!(&*ann.name, "ann");
        assert!(user(&line, &[ann]).is_err() && user("ann", &[]).is_err() && user(&line[3..], &[]).is_err());
    }
}

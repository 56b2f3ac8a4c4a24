//! What a client without access is told about credentials: the challenges of WWW-Authenticate (RFC 9110 §11.6.1), one for each
//! way that gives access. A client may know only one of them.

use crate::config::{AuthWay, Ways};

/// RFC 6750 §3.
const BEARER: &str = "Bearer realm=\"batchgate\"";

/// The challenges of the ways that give access.
pub(super) struct Challenges {
    /// Those of the ways that the gateway judges by itself.
    own: Vec<String>,
    /// A service is asked, too, which may say something itself.
    asks_service: bool,
}

impl Challenges {
    /// Those of these ways. `only`: the one that gives access.
    pub(super) fn of(auth: &Ways, only: Option<AuthWay>) -> Self {
        let may_use = |way: AuthWay| auth.has(way) && only.is_none_or(|only| only == way);
        let key = auth.api_keys.as_ref().filter(|_| may_use(AuthWay::ApiKeys));
        let key = key.map(|keys| format!("ApiKey realm=\"batchgate\", header=\"{}\"", keys.header));
        let basic = auth.basic.as_ref().filter(|_| may_use(AuthWay::Basic));
        let basic = basic.map(|basic| format!("Basic realm=\"{}\", charset=\"UTF-8\"", basic.realm));
        let bearer = may_use(AuthWay::Jwt).then(|| BEARER.to_owned());
        let own = key.into_iter().chain(basic).chain(bearer).collect();
        Self { own, asks_service: may_use(AuthWay::Forward) }
    }

    /// All of them.
    pub(super) fn all(&self) -> String {
        // A token of the issuer and one of the service are asked for alike.
        let needs_bearer = self.asks_service && self.own.iter().all(|own| own != BEARER);
        let of_service = needs_bearer.then_some(BEARER);
        self.own.iter().map(String::as_str).chain(of_service).collect::<Vec<_>>().join(", ")
    }

    /// Whether no way gives access.
    pub(super) const fn is_empty(&self) -> bool {
        self.own.is_empty() && !self.asks_service
    }

    /// All of them, where a token was not accepted (RFC 6750 §3.1).
    pub(super) fn after_bad_token(&self) -> String {
        let said = |own: &String| match own.as_str() {
            BEARER => format!("{BEARER}, error=\"invalid_token\""),
            other => other.to_owned(),
        };
        self.own.iter().map(said).collect::<Vec<_>>().join(", ")
    }

    /// All of them, where the service says this.
    pub(super) fn with(&self, said: &str) -> String {
        [said].into_iter().chain(self.own.iter().map(String::as_str)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_token_leaves_the_other_ways_open() {
        let own = ["Basic realm=\"a\"", BEARER].map(str::to_owned).to_vec();
        let challenges = Challenges { own, asks_service: true };
        let expected = format!("Basic realm=\"a\", {BEARER}, error=\"invalid_token\"");
        assert_eq!(challenges.after_bad_token(), expected);
    }
}

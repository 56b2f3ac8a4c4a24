//! How clients are authenticated: whether the keys of issuers could be fetched, what became of passwords, and how often a
//! service was asked.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::clock::unix_time;
use crate::config::{Auth, JwksUrl, Settings};
use crate::words::words;

use super::registry::{keep_only, metric_table};

words! {
    /// What became of a request for an issuer's keys.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum FetchResult {
        /// The keys are in use.
        Taken = "taken",
        /// There was no reply with keys; those before stay in use.
        Failed = "failed",
    }
}

words! {
    /// What became of a name with its password.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum PasswordResult {
        /// It was right.
        Right = "right",
        /// It had been right a short time before.
        Remembered = "remembered",
        /// It was wrong.
        Wrong = "wrong",
        /// It was not checked, because its client had sent too many wrong ones.
        Limited = "limited",
        /// It was not checked, because too many others were.
        Busy = "busy",
    }
}

words! {
    /// Where the answer of the service that is asked about clients is from.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum AnswerSource {
        /// The service was asked.
        Asked = "asked",
        /// An equal question was just being asked.
        Shared = "shared",
        /// An equal question had been asked a short time before.
        Kept = "kept",
    }
}

metric_table! {
    /// Counts what authentication does.
    #[derive(Clone, Debug)]
    pub struct AuthenticationMetrics {
        fetched: IntGaugeVec = "batchgate_jwks_fetch_timestamp_seconds"["url"]
            "When the issuer's keys in use were last fetched (auth.jwt.jwks), in seconds since the epoch; 0: never.";
        fetches: IntCounterVec = "batchgate_jwks_fetches_total"["url", "result"]
            "Requests for an issuer's keys: taken, or failed so that those before stay in use.";
        passwords: IntCounterVec = "batchgate_password_checks_total"["result"]
            "Passwords of clients (auth.basic): right, remembered as right, wrong, or not checked because the client had sent too many wrong ones (limited) or because too many others were being checked (busy).";
        answers: IntCounterVec = "batchgate_auth_answers_total"["source"]
            "Answers about clients with auth.forward.cache: asked of the service, shared with an equal question at the same time, or kept from an earlier one.";
    }
    also(_registry) {}
}

impl AuthenticationMetrics {
    /// Starts the series of a configuration at zero.
    pub(super) fn prepare(&self, settings: &Settings) {
        let Some(auth) = &settings.auth else { return };
        if auth.all_ways().any(|ways| ways.basic.is_some()) {
            for result in PasswordResult::ALL {
                self.passwords.with_label_values(&[result.as_str()]);
            }
        }
        let mut asked = auth.all_ways().filter_map(|ways| ways.forward.as_ref());
        if asked.any(|forward| forward.cache.is_some()) {
            for source in AnswerSource::ALL {
                self.answers.with_label_values(&[source.as_str()]);
            }
        }
        for source in auth.jwks_urls() {
            let url = source.shown();
            self.fetched.with_label_values(&[&url]);
            for result in FetchResult::ALL {
                self.fetches.with_label_values(&[&url, result.as_str()]);
            }
        }
    }

    /// Forgets when keys were fetched that a new configuration does not name.
    pub(super) fn forget_removed(&self, settings: &Settings) {
        let sources = settings.auth.iter().flat_map(Auth::jwks_urls);
        let urls: Vec<_> = sources.map(JwksUrl::shown).collect();
        keep_only(&self.fetched, |series| urls.iter().any(|url| *url == series.label("url")));
    }

    /// The keys at this url were fetched and are in use.
    pub fn fetched(&self, url: &str) {
        self.fetched.with_label_values(&[url]).set(i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX));
        self.fetches.with_label_values(&[url, FetchResult::Taken.as_str()]).inc();
    }

    /// The keys at this url could not be fetched.
    pub fn not_fetched(&self, url: &str) {
        self.fetches.with_label_values(&[url, FetchResult::Failed.as_str()]).inc();
    }

    /// A password was checked, or not.
    pub fn password(&self, result: PasswordResult) {
        self.passwords.with_label_values(&[result.as_str()]).inc();
    }

    /// How often that was the result.
    #[must_use]
    pub fn passwords(&self, result: PasswordResult) -> u64 {
        self.passwords.with_label_values(&[result.as_str()]).get()
    }

    /// There is an answer about a client.
    pub fn answer(&self, source: AnswerSource) {
        self.answers.with_label_values(&[source.as_str()]).inc();
    }
}

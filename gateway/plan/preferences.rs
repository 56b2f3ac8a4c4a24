//! The outer request's Prefer field (RFC 7240): how the client wants its batch run.

use std::time::Duration;

use http::HeaderMap;

use crate::batch::BatchRefusal;

/// The preferences that a batch honours; what it does not know it ignores (RFC 7240 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=minimal` (RFC 7240 §4.2): no headers and bodies of items below 400.
    pub minimal: bool,
    /// `order=sequential`: one by one, in the order of the request.
    pub sequential: bool,
    /// `continue-on-error=false`, or OData's `odata.continue-on-error=false`: nothing more is
    /// started after the first status of 400 or above. `None`: the endpoint's default.
    pub continue_on_error: Option<bool>,
    /// `wait=N` (RFC 7240 §4.3): the client's patience in seconds; it can only shorten the
    /// endpoint's deadline.
    pub wait: Option<Duration>,
}

impl Preferences {
    /// Reads all Prefer fields; where one stands twice, the first wins (RFC 7240 §2).
    ///
    /// # Errors
    /// A preference that batchgate knows has a value that it can't have.
    pub fn parse(headers: &HeaderMap) -> Result<Self, BatchRefusal> {
        let mut preferences = Self::default();
        for value in headers.get_all("prefer").iter().rev() {
            for token in value.to_str().unwrap_or_default().rsplit(',') {
                // Parameters behind `;` belong to a preference; batchgate's have none.
                let token = token.split(';').next().unwrap_or_default();
                let (name, value) = token.split_once('=').unwrap_or((token, ""));
                preferences.set(name.trim(), value.trim().trim_matches('"'))?;
            }
        }
        Ok(preferences)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), BatchRefusal> {
        match name.to_ascii_lowercase().as_str() {
            "return" => self.minimal = value.eq_ignore_ascii_case("minimal"),
            "order" => self.sequential = value.eq_ignore_ascii_case("sequential"),
            "continue-on-error" | "odata.continue-on-error" => {
                self.continue_on_error = Some(match value.to_ascii_lowercase().as_str() {
                    "" | "true" => true,
                    "false" => false,
                    _ => return Err(bad("continue-on-error", "is neither true nor false")),
                });
            }
            "wait" => {
                let seconds: u32 = value.parse().map_err(|_| bad("wait", "is no number of seconds"))?;
                self.wait = Some(Duration::from_secs(seconds.into()));
            }
            _ => {}
        }
        Ok(())
    }

    /// The value of Preference-Applied (RFC 7240 §3); `None` where nothing was asked for.
    #[must_use]
    pub fn applied(&self) -> Option<String> {
        let mut applied = Vec::new();
        if self.minimal {
            applied.push("return=minimal".to_owned());
        }
        if self.sequential {
            applied.push("order=sequential".to_owned());
        }
        if let Some(on) = self.continue_on_error {
            applied.push(format!("continue-on-error={on}"));
        }
        if let Some(wait) = self.wait {
            applied.push(format!("wait={}", wait.as_secs()));
        }
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

const fn bad(preference: &'static str, problem: &'static str) -> BatchRefusal {
    BatchRefusal::BadPreference { preference, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<Preferences, BatchRefusal> {
        let headers =
            values.iter().map(|value| ("prefer".parse().unwrap(), value.parse().unwrap())).collect();
        Preferences::parse(&headers)
    }

    #[test]
    fn known_preferences_are_read_and_echoed() {
        let preferences =
            parse(&["return=minimal, wait=7;x=1", "odata.continue-on-error=false, respond-async"]).unwrap();
        assert_eq!(preferences.wait, Some(Duration::from_secs(7)));
        assert_eq!(preferences.applied().unwrap(), "return=minimal, continue-on-error=false, wait=7");
        assert_eq!(parse(&[]).unwrap().applied(), None);
    }

    #[test]
    fn the_first_of_two_wins() {
        assert_eq!(parse(&["wait=1, wait=2", "wait=3"]).unwrap().wait, Some(Duration::from_secs(1)));
    }

    #[test]
    fn senseless_values_are_refused() {
        assert!(parse(&["wait=soon"]).is_err());
        assert!(parse(&["continue-on-error=maybe"]).is_err());
    }
}

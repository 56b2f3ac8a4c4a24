//! The batch request's Prefer field (RFC 7240): how the client wants its batch run.

use std::time::Duration;

use http::HeaderMap;

use crate::header::outside_quotes;

/// The preferences that a batch honours. Unknown ones are ignored (RFC 7240 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Preferences {
    /// `return=minimal` (RFC 7240 §4.2): no headers and bodies of items below 400.
    pub minimal: bool,
    /// `order=sequential`: one by one, in the order of the request.
    pub sequential: bool,
    /// `continue-on-error=false`, or OData's `odata.continue-on-error=false`: no item
    /// is started after the first status of 400 or above. `None`: the endpoint's default.
    pub continue_on_error: Option<bool>,
    /// `wait=N` (RFC 7240 §4.3): how many seconds the client will wait. It can only shorten the endpoint's deadline.
    pub wait: Option<Duration>,
    /// `handling=explain`: show what would happen, and send nothing. RFC 7240 §4.4 defines this preference and leaves
    /// room for other values.
    pub explain: bool,
}

impl Preferences {
    /// What clients can prefer.
    pub const KNOWN: [&str; 5] =
        ["return=minimal", "order=sequential", "continue-on-error", "wait", "handling=explain"];

    /// Reads all Prefer fields. If a preference appears twice, the first wins. An invalid value is ignored (RFC 7240
    /// §2).
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        for value in headers.get_all("prefer").iter().rev() {
            let tokens: Vec<_> = outside_quotes(value.to_str().unwrap_or_default(), ',').collect();
            for token in tokens.into_iter().rev() {
                // Parameters after `;` belong to a preference; batchgate's have none.
                let token = outside_quotes(token, ';').next().unwrap_or_default();
                let (name, value) = token.split_once('=').unwrap_or((token, ""));
                preferences.set(name.trim(), value.trim().trim_matches('"'));
            }
        }
        preferences
    }

    fn set(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "return" => self.minimal = value.eq_ignore_ascii_case("minimal"),
            "order" => self.sequential = value.eq_ignore_ascii_case("sequential"),
            "continue-on-error" | "odata.continue-on-error" => match value.to_ascii_lowercase().as_str() {
                "" | "true" => self.continue_on_error = Some(true),
                "false" => self.continue_on_error = Some(false),
                _ => {}
            },
            "handling" => self.explain = value.eq_ignore_ascii_case("explain"),
            // `parse` would accept a sign, too.
            "wait" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                if let Ok(seconds) = value.parse::<u32>() {
                    self.wait = Some(Duration::from_secs(seconds.into()));
                }
            }
            _ => {}
        }
    }

    /// The value of Preference-Applied (RFC 7240 §3); `None` if nothing applied. A `wait` that is longer than the
    /// endpoint's `deadline` changes nothing, so it did not apply.
    #[must_use]
    pub fn applied(&self, deadline: Duration) -> Option<String> {
        let mut applied = Vec::new();
        if self.explain {
            applied.push("handling=explain".to_owned());
        }
        if self.minimal {
            applied.push("return=minimal".to_owned());
        }
        if self.sequential {
            applied.push("order=sequential".to_owned());
        }
        if let Some(on) = self.continue_on_error {
            applied.push(format!("continue-on-error={on}"));
        }
        if let Some(wait) = self.wait.filter(|wait| *wait <= deadline) {
            applied.push(format!("wait={}", wait.as_secs()));
        }
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_of_another_preference_is_ignored() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append("prefer", value.parse().unwrap());
            Preferences::parse(&headers)
        };
        let nothing = Preferences::default();
        assert_eq!(read(r#"foo="a, return=minimal, \", wait=1", bar; x="; order=sequential""#), nothing);
        assert!(read(r#"foo="a,b";x="c;d", return="minimal""#).minimal);
        assert_eq!(read("wait=+3"), nothing);
    }

    const DEADLINE: Duration = Duration::from_secs(30);

    fn parse(values: &[&str]) -> Preferences {
        let headers =
            values.iter().map(|value| ("prefer".parse().unwrap(), value.parse().unwrap())).collect();
        Preferences::parse(&headers)
    }

    #[test]
    fn known_preferences_are_read_and_echoed() {
        let preferences =
            parse(&["return=minimal, wait=7;x=1", "odata.continue-on-error=false, respond-async"]);
        assert_eq!(preferences.wait, Some(Duration::from_secs(7)));
        assert_eq!(preferences.applied(DEADLINE).unwrap(), "return=minimal, continue-on-error=false, wait=7");
        assert_eq!(parse(&[]).applied(DEADLINE), None);
    }

    #[test]
    fn a_batch_may_be_explained() {
        let preferences = parse(&["handling=explain, order=sequential"]);
        assert_eq!(preferences.applied(DEADLINE).unwrap(), "handling=explain, order=sequential");
        assert!(!parse(&["handling=strict"]).explain);
    }

    #[test]
    fn the_first_of_two_wins() {
        assert_eq!(parse(&["wait=1, wait=2", "wait=3"]).wait, Some(Duration::from_secs(1)));
    }

    #[test]
    fn invalid_values_are_ignored() {
        assert_eq!(parse(&["wait=soon, continue-on-error=maybe, wait=-1"]), Preferences::default());
        assert_eq!(parse(&["wait=99"]).applied(DEADLINE), None);
    }
}

//! How a batch runs: what the endpoint says, what its dialect's clients expect, and what the client
//! prefers (protocol §5).

use super::batch::{BatchEndpoint, ItemOrder, OnError};
use crate::dialect::{Decider, Dialect, ExecutionPolicy, InputFormat};
use crate::plan::Preferences;

impl BatchEndpoint {
    /// How a batch in this dialect and format runs here. A preference of the client wins over the endpoint's `on_error`,
    /// and that over the dialect's default; an endpoint that runs its items one by one always does.
    #[must_use]
    pub fn execution_policy(
        &self,
        dialect: Dialect,
        format: InputFormat,
        preferences: &Preferences,
    ) -> ExecutionPolicy {
        let usual = format.execution(dialect);
        let (continues, decider) = match (preferences.continue_on_error, self.on_error) {
            (Some(continues), _) => (continues, Decider::Client),
            (None, Some(OnError::Continue)) => (true, Decider::Endpoint),
            (None, Some(OnError::Stop)) => (false, Decider::Endpoint),
            (None, None) => (!usual.stop_on_error, Decider::Dialect),
        };
        ExecutionPolicy {
            sequential: usual.sequential || preferences.sequential || self.order == ItemOrder::Sequential,
            stop_on_error: !continues,
            decider,
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Settings, parse};
    use crate::format::Format;

    fn settings(members: &str) -> Settings {
        let text = format!(
            "listen: 127.0.0.1:80\nroutes: [{{ path: /, respond: {{ status: 404 }} }}]\nbatch: [{{ path: /b, {members} }}]\n"
        );
        parse(&text, "test.yaml", Path::new(""), &|_| None).unwrap().settings
    }

    fn execution_policy(members: &str, format: Format, continue_on_error: Option<bool>) -> ExecutionPolicy {
        let preferences = Preferences { continue_on_error, ..Preferences::default() };
        let endpoint = &settings(members).batch[0];
        endpoint.execution_policy(endpoint.dialect, InputFormat::Batch(format), &preferences)
    }

    #[test]
    fn each_dialect_has_its_own_order_and_its_own_way_with_errors() {
        let of = |sequential, stop_on_error, leaves_out_unstarted| {
            (sequential, stop_on_error, leaves_out_unstarted)
        };
        let (json, multipart) = (Format::Json, Format::Multipart);
        for (dialect, format, continue_on_error, expected) in [
            ("odata", multipart, None, of(true, true, true)),
            ("odata", multipart, Some(true), of(true, false, true)),
            ("odata", json, None, of(false, false, true)),
            ("odata", json, Some(false), of(false, true, true)),
            ("odata-3", multipart, None, of(true, false, true)),
            ("odata-3", multipart, Some(false), of(true, true, true)),
            ("batchgate", multipart, None, of(false, false, false)),
            ("batchgate", json, Some(false), of(false, true, false)),
            ("graph", json, None, of(false, false, false)),
        ] {
            let policy = execution_policy(&format!("dialect: {dialect}"), format, continue_on_error);
            let found = of(policy.sequential, policy.stop_on_error, policy.leaves_out_unstarted);
            assert_eq!(found, expected, "{dialect} {format:?}");
        }
    }

    #[test]
    fn the_endpoint_overrides_the_dialect_and_the_client_the_endpoint() {
        for (members, client, stops, decider) in [
            ("on_error: stop", None, true, Decider::Endpoint),
            ("on_error: stop", Some(true), false, Decider::Client),
            ("on_error: continue", None, false, Decider::Endpoint),
            ("on_error: continue", Some(false), true, Decider::Client),
            ("dialect: odata", None, true, Decider::Dialect),
            ("dialect: odata, on_error: continue", None, false, Decider::Endpoint),
            ("dialect: odata, on_error: continue", Some(false), true, Decider::Client),
            ("dialect: graph, on_error: stop", None, true, Decider::Endpoint),
            ("dialect: odata-3, on_error: stop", None, true, Decider::Endpoint),
        ] {
            let format = if members.contains("graph") { Format::Json } else { Format::Multipart };
            let policy = execution_policy(members, format, client);
            assert_eq!((policy.stop_on_error, policy.decider), (stops, decider), "{members} {client:?}");
        }
    }
}

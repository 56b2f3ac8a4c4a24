//! The fields of a call as an explanation shows them. Values that may be secret are masked.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::context::{Audience, ExplainContext};
use crate::config::{Upstream, is_secret_field};
use crate::header::inherit::CallHeaders;
use crate::plan::Call;

/// Shown instead of a value that must not be shown.
const HIDDEN: &str = "***";

/// Names with their values. Several values of a name are joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct ShownHeaders(pub(super) BTreeMap<String, String>);

impl ShownHeaders {
    /// The fields of a call, except Host, Content-Length, trace context and the deadline, which are added when it is sent.
    pub(super) fn new(call: &Call, upstream: &Upstream, context: &ExplainContext<'_>) -> Self {
        let changes = context.settings.changes_of(call.route, upstream);
        let set = changes.fields(context.variables);
        let shared = CallHeaders::new(context.inherited, &changes.remove, &set, context.hop)
            .without_of_items(upstream.deadline_header.as_ref());
        let fields = shared.compose(&call.headers);
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &fields {
            let is_set = changes.set.iter().any(|(set, _)| set == name);
            let hidden = is_secret(name, value) || (is_set && context.audience == Audience::Client);
            let value = if hidden { HIDDEN.into() } else { String::from_utf8_lossy(value.as_bytes()) };
            let values = shown.entry(name.as_str().to_owned()).or_default();
            if !values.is_empty() {
                values.push_str(", ");
            }
            values.push_str(&value);
        }
        for (name, text) in &call.references {
            shown.insert(name.as_str().to_owned(), text.with_origin("{target}"));
        }
        Self(shown)
    }
}

/// Values from the environment or a file are marked as sensitive; others are recognized by the name of their field.
fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || is_secret_field(name.as_str())
}

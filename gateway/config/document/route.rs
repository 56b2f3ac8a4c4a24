//! `routes`: which paths lead where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::yaml::wrappers::At;

/// One route: to an upstream, or a fixed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["upstream"] }, { "required": ["respond"] }]))]
pub(in crate::config) struct RouteDocument {
    /// The path prefix. `/orders/` takes all that is below it; `/orders` takes itself too, and not
    /// `/ordersX`.
    #[schemars(example = &"/orders/")]
    pub(in crate::config) path: At<String>,

    /// The name of the upstream that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"NAME")]
    pub(in crate::config) upstream: Option<At<String>>,

    /// The methods it allows; HEAD comes with GET. Where this is absent: all but TRACE and CONNECT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>", length(min = 1), extend("examples" = [["GET", "PUT"]]))]
    pub(in crate::config) methods: Option<Vec<At<String>>>,

    /// Whether items of batches may come here; with `false`, single requests only.
    #[serde(default = "yes")]
    pub(in crate::config) batch: bool,

    /// Whether items of a batch that ask for the same, by GET or HEAD, share one call.
    #[serde(default)]
    pub(in crate::config) coalesce: At<bool>,

    /// What is taken off the path before the upstream sees it, and put back in its replies' urls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) strip_prefix: Option<At<String>>,

    /// A fixed answer instead of an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RespondDocument")]
    pub(in crate::config) respond: Option<At<RespondDocument>>,

    /// Its name in metrics and logs; the path where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) name: Option<At<String>>,
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RespondDocument {
    /// Its status.
    #[schemars(range(min = 200, max = 599), example = 404)]
    pub(in crate::config) status: u16,
    /// Its body.
    #[serde(default)]
    pub(in crate::config) body: At<String>,
    /// The body's media type.
    #[serde(default = "default_content_type")]
    pub(in crate::config) content_type: At<String>,
}

const fn yes() -> bool {
    true
}

fn default_content_type() -> At<String> {
    "text/plain; charset=utf-8".to_owned().into()
}

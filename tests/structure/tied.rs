//! Files of the gateway that are still in a circle of imports. The list may only get shorter.

pub(super) const TIED: &[&str] = &[
    "cli/explain.rs",
    "cli/mod.rs",
    "config/flow.rs",
    "config/masking.rs",
    "config/resolve/gateway.rs",
    "config/resolve/mod.rs",
    "config/yaml/diagnostic.rs",
    "config/yaml/tree.rs",
    "explain/headers.rs",
    "explain/mod.rs",
    "format/json/plain/apisix.rs",
    "format/json/plain/reader.rs",
    "format/json/plain/tyk.rs",
    "plan/conditions.rs",
    "plan/deferred_call.rs",
    "plan/mod.rs",
    "telemetry/metrics.rs",
    "telemetry/upstreams.rs",
];

//! What the operator wrote, resolved: every default filled in, every name looked up, every unit
//! parsed. `document` is the YAML 1:1, `resolve` turns it into [`Settings`] or into every error of
//! the file at once, `diagnostic` says each with its place.

pub(crate) mod yaml;
pub(crate) mod execution_policy;
pub(crate) mod input_format;
pub(crate) mod reserved_keys;
mod admission;
mod document;
mod effective;
mod environment;
mod files;
mod example;
mod flow;
mod load;
mod masking;
mod resilience;
mod resolve;
mod trusted;
mod types;

pub use admission::{ApiKey, ApiKeys, Auth, ForwardAuth, Jwt, LimitedBatch, RateLimit, Share};
pub use effective::redacted;
pub use files::ReadFile;
pub use load::{Loaded, load, parse};
pub use masking::is_secret_field;
pub use resilience::{Breaker, FailureKinds, HealthCheck, Retry};
pub use trusted::TrustedProxies;
pub use types::{
    Balance, BatchEndpoint, BulkRoute, ClientHttp2, Cors, Drain, Engine, HeaderChanges, HostPolicy, Http2,
    Limits, ListenAddress, Listener, LogFormat, LogSettings, Order, Scheme, Settings, Target, TlsFiles,
    Upstream, UpstreamTimeouts,
};
pub use yaml::diagnostic::{Diagnostic, Diagnostics, Severity};
pub use yaml::schema::schema;

#[cfg(test)]
mod tests;

//! What the operator wrote, resolved: every default filled in, every name looked up, every unit
//! parsed. `document` is the YAML 1:1, `resolve` turns it into [`Settings`] or into every error of
//! the file at once, `diagnostic` says each with its place.

pub(crate) mod yaml;
pub(crate) mod execution_policy;
mod admission;
mod document;
mod effective;
mod environment;
mod read_file;
mod load;
mod masking;
mod resilience;
mod resolve;
mod trusted;
mod types;
mod vocabulary;

pub use admission::{ApiKey, ApiKeys, Auth, ForwardAuth, Jwt, LimitedBatch, RateLimit, Share};
pub use effective::redacted;
pub use execution_policy::ExecutionPolicy;
pub use load::{Loaded, load, parse, schema};
pub use masking::is_secret_field;
pub use read_file::ReadFile;
pub use resilience::{Breaker, FailureKinds, HealthCheck, Retry};
pub use trusted::TrustedProxies;
pub use types::{
    Balance, BatchEndpoint, BulkRoute, ClientHttp2, Cors, Drain, Engine, HeaderChanges, HostPolicy, Http2,
    Limits, ListenAddress, Listener, LogFormat, LogSettings, Order, Scheme, Settings, Target, TlsFiles,
    Upstream, UpstreamTimeouts,
};
pub use yaml::diagnostic::{Diagnostic, Diagnostics, Severity};

#[cfg(test)]
mod tests;

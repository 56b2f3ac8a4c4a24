//! What the operator wrote, resolved: every default filled in, every name looked up, every unit
//! parsed. `document` is the YAML 1:1, `resolve` turns it into [`Settings`] or into every error of
//! the file at once, `diagnostic` says each with its place.

mod admission;
mod conduct;
mod diagnostic;
mod document;
mod effective;
mod environment;
mod files;
mod example;
mod flow;
mod form;
mod later;
mod load;
mod masking;
mod resilience;
mod resolve;
mod schema;
mod shape;
mod tree;
mod trusted;
mod typed;
mod types;

pub use admission::{ApiKey, ApiKeys, Auth, ForwardAuth, Jwt, LimitedBatch, RateLimit, Share};
pub use conduct::Conduct;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use effective::redacted;
pub use files::ReadFile;
pub use load::{Loaded, load, parse};
pub use masking::is_secret_field;
pub use resilience::{Breaker, FailureKinds, HealthCheck, Retry};
pub use schema::schema;
pub use trusted::TrustedProxies;
pub use types::{
    Balance, BatchEndpoint, BulkRoute, ClientHttp2, Cors, Drain, Engine, HeaderChanges, HostPolicy, Http2,
    Limits, ListenAddress, Listener, LogFormat, LogSettings, Order, Scheme, Settings, Target, TlsFiles,
    Upstream, UpstreamTimeouts,
};

#[cfg(test)]
mod tests;

//! The configuration: from the bytes of a file to [`Settings`] that can't be wrong, or to every error at once.
//!
//! # The pipeline
//! [`ConfigSource`] reads a file or standard input, [`parse`] a text. The steps, in order:
//!
//! 1. **Tree.** `yaml::tree` reads the YAML into nodes. Each knows its span, and scalars stay text. A text that is not
//!    valid YAML ends here, with the only report that has a single error.
//! 2. **Environment.** `environment` replaces `${NAME}` in scalars, and marks the values that it touched. A variable can't
//!    become structure.
//! 3. **One tree.** `include` adds the files that the configuration includes, `overrides` what the command line sets. Spans say
//!    which text a value comes from, so every report names the right file.
//! 4. **Schema check.** `yaml::schema_check` compares the tree with the JSON Schema that is derived from the types of the
//!    sections. It reports every mistake, and takes what does not fit out of the tree, so that the next steps can go on.
//! 5. **Deserialize.** `yaml::deserialize` reads the tree into the `Document`. Quantities (`5s`,
//!    `8MiB`, `20%`) become numbers here, and every absent key gets its default.
//! 6. **Resolve.** Each section checks its values against each other and against other sections: names are looked up,
//!    files are read, paths become canonical. `Resolver` collects the problems.
//! 7. **Report.** `yaml::diagnostic` sorts the findings, masks secrets, and cuts a snippet for each.
//!
//! # Sections
//! One file is one section: `limits`, `log`, `tracing`, `drain`, `cors`, `console`, `listener`, `upstream` and its parts (`targets`, `timeout`,
//! `retry`, `circuit`, `health_check`, `http2`, `headers`), `route`, `batch`, `bulk`, `auth`, `rate_limit`, `name_servers`,
//! `trusted_proxies`. It holds the keys with their docs and defaults, and all checks. A section of plain values is one type:
//! what serde reads is what the gateway uses. A section that names something else (an upstream, a file, a path) has two: its
//! document, and what that became. `settings` puts the sections together.
//!
//! # Invariants
//! - A key is defined once: its field. The schema, `/config`, the annotated example's test and the "did you mean" of a typo
//!   all follow from it.
//! - [`Settings`] are complete: nothing that uses them looks up a name, parses a text or fills in a default.
//! - A run reports everything that is wrong, in the order of the file, each with its line. One mistake does not cause
//!   others: names are known even where their definition is broken.
//! - No error, no log line and no `/config` shows a secret (`masking`, `yaml::secrets`). What came from the environment
//!   appears in no error.
//! - [`Settings::shown`] loads again, and means the same but for the secrets.
//!
//! # What it does not do
//! It opens no connection and binds no address. It does not watch files: [`Loaded::files`] says which ones were read, and
//! `process` watches them.
//!
//! # How to add a key
//! 1. Add a field with a doc comment and a default to the section's type. `#[serde(with = "TimeLimit")]` and its siblings in
//!    `yaml::quantity` give a plain field a unit. Check it in the section's `impl Resolver`, if it can be wrong.
//! 2. Use it.
//! 3. Show it in `config/batchgate.yaml`, regenerate `config/schema.json` and the list of keys in `config/README.md`, and
//!    describe there what its doc comment has no room for.
//! 4. If it has a check, add a case to `tests/diagnostics/`.

pub(crate) mod execution_policy;
pub(crate) mod yaml;
mod access_log;
mod access;
mod auth;
mod auth_way;
mod basic_auth;
mod authorities;
mod batch;
mod bulk;
mod certified_names;
mod circuit;
mod console;
mod cors;
mod defaults;
mod drain;
mod engine;
mod environment;
mod failure_kinds;
mod headers;
mod health_check;
mod host_and_port;
mod http2;
mod include;
mod jwt_auth;
mod key_pair;
mod limits;
mod listener;
mod listener_tls;
mod load;
mod log;
mod masking;
mod name_servers;
mod otel;
mod overrides;
mod path_pattern;
mod pem;
mod rate;
mod rate_limit;
mod read_file;
mod renewal;
mod resolver;
mod retry;
mod rewrite;
mod route;
mod route_answer;
mod route_match;
mod route_policy;
mod served_certificate;
mod sampler;
mod settings;
mod source;
mod status;
mod stream_window;
mod target;
mod target_url;
mod targets;
mod text;
mod timeout;
mod trace;
mod tracing;
mod trusted_proxies;
mod undo;
mod until_start;
mod upstream;
mod upstream_tls;
mod vocabulary;
mod web_url;
mod without_effect;

pub use access_log::{AccessField, AccessFormat, AccessLevel, AccessLogSettings};
pub use auth::{ApiKey, ApiKeys, Auth, ForwardAuth, ForwardCache, Ways};
pub use auth_way::{Access, AuthWay};
pub use authorities::Authorities;
pub use basic_auth::{Basic, PasswordKind, User};
pub use batch::{BatchEndpoint, ItemOrder, OnError, OtherMethods, ReplyFormat, ReplyMode};
pub use bulk::BulkRoute;
pub use certified_names::CertifiedNames;
pub use circuit::Breaker;
pub use console::{AdminToken, ConsoleSettings};
pub use cors::Cors;
pub use drain::Drain;
pub use engine::{Engine, Pipeline};
pub use environment::scalar;
pub use failure_kinds::FailureKinds;
pub use health_check::HealthCheck;
pub use http2::Http2;
pub use jwt_auth::{JwkSource, JwksUrl, Jwt, claim_at, read_jwks};
pub use key_pair::{KeyPair, Validity};
pub use limits::Limits;
pub use listener::{ListenAddress, Listener, ProxyProtocol};
pub use listener_tls::{ListenerTls, TlsVersion};
pub use load::{Loaded, parse, schema};
pub use log::{LogFormat, LogSettings};
pub use masking::is_secret_field;
pub use otel::{ResourceAttribute, TraceCompression};
pub use overrides::Override;
pub use path_pattern::foreign_sign;
pub use rate_limit::{LimitedBatch, RateLimit, Share};
pub use read_file::{ReadFile, why_unreadable};
pub use renewal::{RefusedFile, Renewal};
pub use retry::Retry;
pub use route_policy::RoutePolicy;
pub use sampler::{Parent, Sampler};
pub use served_certificate::ServedCertificate;
pub use settings::Settings;
pub use source::ConfigSource;
pub use target::{Place, Scheme, Target};
pub use timeout::UpstreamTimeouts;
pub use tracing::{SpanQueue, TraceReceiver, Tracing};
pub use trusted_proxies::{Forwarded, TrustedProxies};
pub use upstream::{Balance, HostPolicy, RequestTrailers, Upstream};
pub use upstream_tls::{Trust, UpstreamTls};
pub use yaml::diagnostic::{Diagnostic, Diagnostics, Severity};
pub(crate) use yaml::library::in_words;

#[cfg(test)]
mod tests;

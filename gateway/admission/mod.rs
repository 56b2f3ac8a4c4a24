//! Who may come in, and how often. Both are decided before anything of a body is read.
//!
//! In: the head of a request and what its connection says. Out: a [`Caller`] with its identity, or an
//! [`AdmissionRefusal`](crate::batch::AdmissionRefusal); and the quota fields that every reply carries.
//!
//! # Who: authentication
//!
//! [`Caller::new`] finds out where a request comes from. Behind trusted proxies that is the last address that no
//! trusted proxy has (`trusted_proxy`). [`authenticate`] then tries the configured methods in this order: an API key, a signed
//! token, a name with its password, the word of a service; or only the one that the request's route wants. The first whose credential is present decides; a credential that fails is never tried
//! by another method, so a caller can't shop around. The service is asked through [`AuthService`], because making a
//! call to an upstream is not this folder's business. The keys of an issuer that has them at a url are fetched beforehand
//! (`fetched_keys`), and fields with a token's claims are made here (`claims`).
//!
//! `forwarding` writes the fields in which an upstream learns about the caller. [`withheld`] names the fields that no
//! upstream gets.
//!
//! # How often: rate limits
//!
//! A [`Limiter`] is one rate limit of the configuration, with a token bucket for each client, header value, route or
//! for all together. A [`Meter`] asks all limits about one request, batch or stream, in the order of the configuration,
//! and remembers the answers for the reply's `RateLimit` fields.
//!
//! # Invariants
//!
//! - Time and memory for a refusal are small: credentials have a length limit, keys are compared in constant time, and
//!   a limit keeps a fixed number of buckets, each a single number.
//! - Limits are asked one after the other. What an earlier limit has let through stays spent if a later one refuses.
//! - An unchanged limit keeps its buckets across a reload.
//!
//! # What it does not do
//!
//! It knows neither sessions nor upstreams nor the gateway's state. How many calls run at once is decided later, per
//! upstream (`limiter`).

mod answers;
mod api_keys;
mod authentication;
mod buckets;
mod caller;
mod challenges;
mod claims;
mod fetched_keys;
mod forward;
mod forwarding;
mod identity;
mod jwt;
mod limiter;
mod meter;
mod passwords;
mod question;
mod route_access;
mod trusted_proxy;

pub(crate) use answers::Answers;
pub(crate) use authentication::{authenticate, credential};
pub(crate) use caller::{Caller, ConnectionInfo};
pub(crate) use fetched_keys::FetchedKeys;
pub(crate) use forward::AuthService;
pub(crate) use identity::withheld;
pub(crate) use jwt::use_ring;
pub(crate) use limiter::Limiter;
pub(crate) use meter::{Batching, Meter};
pub(crate) use passwords::Passwords;
pub(crate) use question::Question;
pub(crate) use route_access::{access, check_routes};

//! What every test stands on: the real gateway as a process, scripted and real upstreams behind it,
//! clients in front of it. Everything listens on loopback, on ports of its own, in folders of its
//! own, and ends with the test that started it.

pub(crate) mod apache;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod dns;
mod engine;
pub(crate) mod gateway;
pub(crate) mod h2_upstream;
pub(crate) mod http2;
pub(crate) mod lines;
pub(crate) mod load;
pub(crate) mod log_rules;
pub(crate) mod markdown;
pub(crate) mod metrics;
pub(crate) mod multistatus;
pub(crate) mod nginx;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod prometheus;
pub(crate) mod raw;
pub(crate) mod senders;
pub(crate) mod server;
pub(crate) mod services;
pub(crate) mod succession;
pub(crate) mod tls;
pub(crate) mod traefik;
pub(crate) mod upstream;
pub(crate) mod wait;

pub(crate) use client::{Connection, Reply, Request};
pub(crate) use config::Config;
pub(crate) use gateway::{Gateway, Setup};
pub(crate) use upstream::{Answer, Upstream};
pub(crate) use wait::{Gate, until};

//! Every integration test, in one binary: a build links the gateway's 120 MB once. `README.md` says
//! where a new test goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on must stop and say so"
)]

/// Gateways, upstreams, clients: what every test stands on.
mod harness;

/// The harness itself: that its judges and fakes do what they say.
mod harness_works;

/// The mission document's clients and servers.
mod mission;

/// WebDAV through the proxy, judged by litmus.
mod litmus;

/// `WebDAV` at another path, with rclone.
mod rclone;

/// Batches: items, fields, negotiation, refusals.
mod batch;

/// What the admin listener keeps of the last batches.
mod batches;

/// The console, in Chromium.
mod console;

/// Batches: replies that begin while later items are under way.
mod early_replies;

/// Batches: what replies say about their time.
mod server_timing;

/// Batches: bodies of every kind, in and out.
mod batch_bodies;

/// Batches: names, ids and bodies written a little differently, and what every result has.
mod meaning;

/// Urls of items: what is encoded, what they are relative to, and encoded slashes.
mod urls;

/// Which route a request meets: by host, path, method and fields.
mod routing;

/// Paths that services have elsewhere, and urls that are mapped back.
mod rewriting;

/// Routes that answer by themselves: redirects and fixed answers.
mod redirects;

/// Batches in multipart/mixed, and the clients that send them.
mod multipart;

/// The dialects of batch endpoints, from raw requests.
mod dialects;

/// Google's dialect, from raw requests.
mod dialect_google;

/// Groups of several items.
mod groups;

/// What a batch endpoint is set to.
mod endpoints;

/// The dialects, before their real clients.
mod dialect_clients;

/// What those clients send, and the replies to the byte.
mod client_traffic;

/// The worked examples under `config/examples/`.
mod examples;

/// Batches of APISIX's and Tyk's clients.
mod migrating;

/// Batches: order, concurrency, deadlines.
mod batch_time;

/// Streams: NDJSON in and out, line by line.
mod stream;
mod stream_dependencies;
/// Bulk routes: records in every form.
mod bulk;

/// What would happen to a batch, by the command and the preference.
mod explain;

/// The commands for operators and newcomers.
mod commands;

/// The gateway's description of itself, and configurations made of others'.
mod openapi;

/// Files that are sent in batches, by `batchgate send`.
mod send;

/// Who may come in.
mod auth;
mod tokens;

/// Pages of other origins.
mod compression;
mod cors;
mod decompression;

/// Clients behind a balancer.
mod trusted_proxies;

/// Rate limits: items, lines, records and single requests.
mod rate_limits;

/// Every limit that bites: reply, counter, log.
mod limits;

/// Items that wait for each other, and references.
mod dependencies;

/// Items that ask for the same, and share a call.
mod coalescing;

/// Groups that are undone.
mod undo;

/// Requests that are sent ahead of the replies.
mod pipelining;

/// Real servers, over each engine.
mod real_servers;

/// Connections of HTTP/2 that batches share.
mod http2_sharing;

/// Upstreams that fail in every way, and what an item then says.
mod upstream_faults;

/// Every fault of an upstream, crossed with every format.
mod faults;

/// Fair queues, rates, few connections.
mod queue;
/// No client holds all turns, all places in the queue, or all memory.
mod fair_shares;
/// Targets that fail, are left alone, and come back.
mod failing_targets;
/// Which target gets a call.
mod balancing;

/// Targets at Unix sockets.
mod unix_targets;

/// What is no batch: streamed, mapped, balanced.
mod proxy;
/// How long it may take, and the turn that it holds.
mod proxied_time;
/// What of it is sent once more.
mod proxied_retries;

/// Gateways whose routes lead back to them.
mod loops;

/// Each rule of HTTP, over every path.
mod rules;

/// The rules of HTTP for intermediaries.
mod proxy_rules;

/// How messages begin and end, in every framing.
mod framing;

/// Exchanges that stay: WebSockets, streams of events, gRPC.
mod long_lived;

/// The gateway against nginx, over random requests.
mod differential;

/// The gateway beside nginx and Traefik, over the same configurations.
mod side_by_side;

/// What RFC 9113 demands of a server, frame by frame.
mod http2_rules;

/// Attacks on what clients may hold: connections, time, memory.
mod attacks;

/// HTTP/2 and TLS, in front and behind.
mod proxy_http2;

/// Metrics and the admin listener.
mod metrics;

/// Alert rules, the dashboard, and the list of metrics.
mod deploy;

/// Start, reload, drain, end.
mod lifecycle;

/// Reloads under load.
mod reloads;

/// Hand-over to a successor.
mod handover;

/// The log and trace context.
mod logs;

/// Metrics as OpenMetrics, with exemplars.
mod open_metrics;

/// Traces by OTLP.
mod traces;

/// Secrets in every place that a client or an operator has, and a log without them.
mod route_auth;
mod route_cors;
mod route_policies;
mod secrets;

/// Documents that can't go stale.
mod documents;
mod documents_keys;

/// Every block of every document, run.
mod documents_run;

/// What holds for every batch.
mod http2_windows;
mod names;
mod not_processed;
mod upstream_tls;

/// The certificate that the gateway presents to targets, and the name that it asks for.
mod upstream_certificates;

/// Certificates that change on disk.
mod certificate_renewal;

/// Services that SRV records find.
mod services;
/// Several certificates on one listener, versions and ciphers, resumed sessions.
mod sni;

/// Clients behind proxies that speak the PROXY protocol.
mod proxy_protocol;
mod properties;

/// `batchgate demo`.
mod demo;

/// Reads the golden cases.
mod case;

/// The golden cases: malformed and hostile batches.
mod cases;

/// What is written, parsers of others read back.
mod round_trip;

/// Inputs that fuzzing has kept.
mod kept_inputs;

//! Every limit that bites says so in the reply, in a counter with a reason, and in the log. One table, of which the
//! `config/README.md` says the same to operators.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Connection, Gate, Gateway, Request, Upstream};

/// A reason, the limit, and what makes it bite.
type Closing = (&'static str, &'static str, fn(&Scene));

/// What a limit bites.
#[derive(Clone, Copy, Debug)]
enum Bitten {
    Batch,
    Item,
    Single,
}

/// How one limit is made to bite, and what then has to be seen.
struct Row {
    /// As the log names it; the reference has it without a rate limit's own name.
    limit: &'static str,
    /// Members of the upstream, members of the endpoint, further members of the configuration.
    settings: [&'static str; 3],
    /// Makes it bite; gives the problem detail.
    bite: fn(&Scene) -> Value,
    bitten: Bitten,
    status: u16,
    reason: &'static str,
}

/// A gateway, and an upstream that answers `/held` once the gate is open, and `/long` with 2000 bytes.
struct Scene {
    gateway: Gateway,
    upstream: Upstream,
    gate: Gate,
    _others: (Refusing, Unreachable),
}

const ONE_AT_ONCE: &str = "concurrency: 1, queue: 1";
/// Of which one client may have one.
const TWO_AT_ONCE: &str = "concurrency: 2, queue: 2";
const RATE: &str = "rate_limits: [{ name: all, per: all, rate: 1/h, burst: 1 }]";
const WHOLE: &str = "rate_limits: [{ name: all, per: all, rate: 1/h, burst: 1, batch: whole }]";
const IMPATIENT: &str = "timeout: { item: 300ms }, retry: { attempts: 1 }";

const ROWS: [Row; 39] = [
    row("max_items", ["", "max_items: 1", ""], (Bitten::Batch, 413, "too_many_items"), |scene| {
        scene.batch(&["/", "/"]).json()
    }),
    row("max_body", ["", "max_body: 16B", ""], (Bitten::Batch, 413, "body_too_large"), |scene| {
        scene.batch(&["/"]).json()
    }),
    row("max_depth", ["", "max_depth: 3", ""], (Bitten::Batch, 400, "too_deep"), |scene| {
        scene.gateway.batch(&json!({"requests": [{"body": [[[]]]}]})).json()
    }),
    row(
        "limits.body_timeout",
        ["", "", "limits: { body_timeout: 300ms }"],
        (Bitten::Batch, 408, "body_timeout"),
        |scene| {
            let mut client = scene.gateway.connect();
            client.write(b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
            client.reply_to("POST").json()
        },
    ),
    row(
        "limits.memory",
        ["", "max_body: 1MiB", "limits: { memory: 4MiB }"],
        (Bitten::Batch, 503, "memory_budget"),
        |scene| {
            let _held = [scene.hold_much(), scene.hold_much()];
            scene.upstream.wait_for_requests(2);
            scene.hold_much().reply_to("POST").json()
        },
    ),
    row("rate_limits.all", ["", "", WHOLE], (Bitten::Batch, 429, "rate_limited"), |scene| {
        scene.batch(&["/"]);
        scene.batch(&["/"]).json()
    }),
    row("rate_limits.all", ["", "", WHOLE], (Bitten::Batch, 413, "too_many_items"), |scene| {
        scene.batch(&["/", "/"]).json()
    }),
    row(
        "max_stream_items",
        ["", "max_stream_items: 1", ""],
        (Bitten::Batch, 413, "too_many_items"),
        |scene| {
            let reply = scene.gateway.send(&Request::lines("{\"method\":\"GET\",\"url\":\"/\"}\n".repeat(2)));
            reply.lines().last().unwrap()["summary"]["refused"].clone()
        },
    ),
    row("max_body", ["", "max_body: 64B", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        let line = format!("{{\"method\":\"GET\",\"url\":\"/{}\"}}\n", "x".repeat(64));
        scene.gateway.send(&Request::lines(line)).lines()[0]["body"].clone()
    }),
    row("routes.max_body", ["", "", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.item(&json!({"method": "POST", "url": "/small", "body": "more than 8 bytes"}))
    }),
    row("routes.max_body", ["", "", ""], (Bitten::Single, 413, "body_too_large"), |scene| {
        scene.gateway.send(&Request::post("/small", "text/plain", "more than 8 bytes")).json()
    }),
    row("max_id", ["", "max_id: 3B", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.item(&json!({"id": "long", "method": "GET", "url": "/"}))
    }),
    row("max_url", ["", "max_url: 16B", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.item(&json!({"method": "GET", "url": "/longer-than-that"}))
    }),
    row("max_headers", ["", "max_headers: 1", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.item(&json!({"method": "GET", "url": "/", "headers": {"A": "1", "B": "2"}}))
    }),
    row(
        "max_header_bytes",
        ["", "max_header_bytes: 16B", ""],
        (Bitten::Item, 413, "item_over_limit"),
        |scene| scene.item(&json!({"method": "GET", "url": "/", "headers": {"A": "sixteen and more"}})),
    ),
    row("references", ["", "", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.second_item(&json!({"url": "/a".to_owned() + &"{$responses.1.status}".repeat(65)}))
    }),
    row("condition_bytes", ["", "", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.second_item(&json!({"if": format!("$1/x eq '{}'", "x".repeat(2048))}))
    }),
    row("condition_depth", ["", "", ""], (Bitten::Item, 413, "item_over_limit"), |scene| {
        scene.second_item(&json!({"if": format!("{}$1/x{}", "(".repeat(33), ")".repeat(33))}))
    }),
    row(
        "max_item_reply",
        ["", "max_item_reply: 1000B", ""],
        (Bitten::Item, 502, "reply_too_large"),
        |scene| scene.last_of(&["/long"]),
    ),
    row("max_reply", ["", "max_reply: 3000B", ""], (Bitten::Item, 502, "replies_too_large"), |scene| {
        scene.last_failed_of(&["/long", "/long"])
    }),
    row("deadline", ["", "deadline: 300ms", ""], (Bitten::Item, 504, "deadline_during_call"), |scene| {
        scene.last_of(&["/held"])
    }),
    row(
        "deadline",
        ["concurrency: 1", "deadline: 300ms", ""],
        (Bitten::Item, 504, "deadline_before_call"),
        |scene| scene.last_of(&["/held", "/"]),
    ),
    row("timeout.item", [IMPATIENT, "", ""], (Bitten::Item, 504, "reply_timeout"), |scene| {
        scene.last_of(&["/held"])
    }),
    row("timeout.connect", ["", "", ""], (Bitten::Item, 504, "connection_timeout"), |scene| {
        scene.last_of(&["/unreachable"])
    }),
    row("breaker", ["", "", ""], (Bitten::Item, 503, "circuit_open"), |scene| {
        scene.batch(&["/refusing"]);
        scene.last_of(&["/refusing"])
    }),
    row("queue", [ONE_AT_ONCE, "", ""], (Bitten::Item, 503, "queue_full"), |scene| {
        let _held = scene.fill_the_queue();
        scene.last_of(&["/"])
    }),
    row(
        "limits.memory",
        ["", "max_body: 1MiB", "limits: { memory: 4MiB }"],
        (Bitten::Item, 503, "memory_budget"),
        |scene| scene.last_of(&["/huge"]),
    ),
    row("rate_limits.all", ["", "", RATE], (Bitten::Item, 429, "rate_limited"), |scene| {
        scene.last_of(&["/", "/"])
    }),
    row("rate_limits.all", ["", "", RATE], (Bitten::Single, 429, "rate_limited"), |scene| {
        scene.gateway.send(&Request::get("/"));
        scene.single("/")
    }),
    row("queue", [ONE_AT_ONCE, "", ""], (Bitten::Single, 503, "queue_full"), |scene| {
        let _held = scene.fill_the_queue();
        scene.single("/")
    }),
    row(
        "timeout.item",
        ["concurrency: 1, timeout: { item: 300ms }", "", ""],
        (Bitten::Single, 503, "queue_timeout"),
        |scene| {
            let mut held = scene.gateway.connect();
            held.write(&Request::get("/dripping").to_bytes(scene.gateway.address()));
            scene.upstream.wait_for_requests(1);
            scene.single("/")
        },
    ),
    row("timeout.connect", ["", "", ""], (Bitten::Single, 504, "connection_timeout"), |scene| {
        scene.single("/unreachable")
    }),
    row(
        "timeout.request",
        ["timeout: { item: 300ms, request: 500ms }", "", ""],
        (Bitten::Single, 504, "request_timeout"),
        |scene| scene.single("/dripping"),
    ),
    row("client_share", [TWO_AT_ONCE, "", ""], (Bitten::Item, 503, "client_share_full"), |scene| {
        let _held = scene.fill_the_queue();
        scene.last_of(&["/"])
    }),
    row("client_share", [TWO_AT_ONCE, "", ""], (Bitten::Single, 503, "client_share_full"), |scene| {
        let _held = scene.fill_the_queue();
        scene.single("/")
    }),
    row("limits.hops", ["", "", "limits: { hops: 1 }"], (Bitten::Single, 508, "loop_detected"), |scene| {
        scene.gateway.send(&Request::get("/").header("Via", "1.1 batchgate")).json()
    }),
    row("limits.hops", ["", "", "limits: { hops: 1 }"], (Bitten::Batch, 508, "loop_detected"), |scene| {
        scene.gateway.send(&Request::batch(&gets(&["/"])).header("Via", "1.1 batchgate")).json()
    }),
    row("breaker", ["", "", ""], (Bitten::Single, 503, "circuit_open"), |scene| {
        scene.batch(&["/refusing"]);
        scene.single("/refusing")
    }),
    row("breaker", ["", "", ""], (Bitten::Single, 503, "circuit_open"), |scene| {
        scene.single("/refusing");
        scene.single("/refusing")
    }),
];

const fn row(
    limit: &'static str,
    settings: [&'static str; 3],
    seen: (Bitten, u16, &'static str),
    bite: fn(&Scene) -> Value,
) -> Row {
    let (bitten, status, reason) = seen;
    Row { limit, settings, bite, bitten, status, reason }
}

#[test]
fn a_limit_that_refuses_a_batch_says_so_everywhere() {
    each(|bitten| matches!(bitten, Bitten::Batch));
}

#[test]
fn a_limit_that_costs_an_item_says_so_everywhere() {
    each(|bitten| matches!(bitten, Bitten::Item));
}

#[test]
fn a_limit_that_costs_a_request_says_so_everywhere() {
    each(|bitten| matches!(bitten, Bitten::Single));
}

fn each(is_meant: fn(Bitten) -> bool) {
    for row in ROWS.iter().filter(|row| is_meant(row.bitten)) {
        let Row { limit, bitten, status, reason, .. } = row;
        let what = format!("{limit} {bitten:?} {reason}");
        let scene = Scene::of(row.settings);
        let problem = (row.bite)(&scene);
        assert_eq!(problem["status"], *status, "{what}: {problem}");
        assert_eq!(problem["type"], format!("urn:batchgate:problem:{reason}"), "{what}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said(limit)), "{what}: the reply does not name the limit: {detail}");
        let (counter, kind) = match bitten {
            Bitten::Batch => ("batchgate_rejections_total", "batch"),
            Bitten::Item => ("batchgate_item_failures_total", "item"),
            Bitten::Single => ("batchgate_request_failures_total", "request"),
        };
        scene.gateway.wait_for_metric(counter, &[("reason", reason)], 1.0);
        scene.gateway.log_line(&[("kind", kind), ("reason", reason), ("limit", limit)]);
        scene.gate.open();
    }
}

/// How a reply's detail names a limit.
fn said(limit: &'static str) -> &'static str {
    match limit {
        "rate_limits.all" => "rate limit `all`",
        other => other,
    }
}

#[test]
fn a_limit_that_closes_a_connection_says_so() {
    let rows: [Closing; 5] = [
        ("connections", "connections: 1", |scene| scene.connect_often()),
        ("connections_per_address", "connections_per_address: 1", |scene| scene.connect_often()),
        ("header_timeout", "header_timeout: 300ms", |scene| scene.begin(b"GET / HTTP/1.1\r\nX")),
        ("body_timeout", "body_timeout: 300ms", |scene| {
            scene.begin(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
        }),
        ("write_timeout", "write_timeout: 300ms", |scene| scene.take_nothing_of("/endless")),
    ];
    for (reason, limit, bite) in rows {
        let scene = Scene::of(["", "", &format!("limits: {{ {limit} }}")]);
        bite(&scene);
        scene.gateway.wait_for_metric("batchgate_connections_refused_total", &[("reason", reason)], 1.0);
        let key = format!("limits.{reason}");
        scene.gateway.log_line(&[("kind", "connection"), ("reason", reason), ("limit", &key)]);
        assert!(is_in_the_reference(&key, reason), "{reason} lacks its row");
    }
}

#[test]
fn a_batch_whose_reply_is_not_taken_says_so() {
    let scene = Scene::of(["", "max_item_reply: 64MiB", "limits: { write_timeout: 300ms }"]);
    let batch = Request::batch(&gets(&["/endless"; 3]));
    scene.begin(&batch.to_bytes(scene.gateway.address()));
    let reason = [("reason", "write_timeout")];
    scene.gateway.wait_for_metric("batchgate_connections_refused_total", &reason, 1.0);
    scene.gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "client_gone")], 1.0);
}

#[test]
fn a_retry_that_is_not_made_says_so() {
    let scene = Scene::of(["retry: { budget: 0%, status: [503] }", "", ""]);
    scene.batch(&["/busy"; 30]);
    let counter = "batchgate_upstream_retry_budget_exhausted_total";
    scene.gateway.wait_for_metric(counter, &[("upstream", "legacy")], 1.0);
    scene.gateway.log_line(&[("kind", "retry"), ("upstream", "legacy"), ("limit", "retry.budget")]);
}

#[test]
fn a_circuit_that_opens_and_a_share_that_is_forgotten_say_so() {
    let limit = "rate_limits: [{ name: all, per: \"header:X-T\", rate: 1/h, burst: 9, max_clients: 1 }]";
    let scene = Scene::of(["", "", limit]);
    scene.gateway.send(&Request::get("/refusing").header("X-T", "1"));
    scene.gateway.wait_for_metric("batchgate_upstream_ejections_total", &[("upstream", "refusing")], 1.0);
    scene.gateway.log_line(&[("kind", "ejection"), ("upstream", "refusing")]);
    scene.gateway.send(&Request::get("/").header("X-T", "2"));
    scene.gateway.wait_for_metric("batchgate_rate_limit_clients_forgotten_total", &[("limit", "all")], 1.0);
    scene.gateway.log_line(&[("kind", "rate_limit"), ("limit", "rate_limits.all.max_clients")]);
}

#[test]
fn the_reference_has_every_limit_that_bites() {
    for row in &ROWS {
        let key = if row.limit.starts_with("rate_limits.") { "rate_limits.NAME" } else { row.limit };
        assert!(is_in_the_reference(key, row.reason), "no row for {key} with {}", row.reason);
        assert!(is_in_the_reference(key, &row.status.to_string()), "no row for {key} with {}", row.status);
    }
}

/// Whether a row about this limit has this word.
fn is_in_the_reference(limit: &str, word: &str) -> bool {
    let reference =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/README.md")).unwrap();
    reference.lines().any(|line| line.starts_with(&format!("| `{limit}` |")) && line.contains(word))
}

impl Scene {
    fn of([upstream, endpoint, more]: [&str; 3]) -> Self {
        let (legacy, gate) = (Upstream::start(), Gate::closed());
        legacy.on("/held", Answer::text(200, "ok").when(&gate));
        legacy.on("/long", Answer::text(200, &"x".repeat(2000)));
        legacy.on("/huge", Answer::text(200, &"x".repeat(5 << 20)));
        legacy.on("/endless", Answer::text(200, &"x".repeat(20 << 20)));
        let long_head = Answer::text(200, "ok").header("X", &"x".repeat(500));
        legacy.on("/dripping", long_head.dripping(1, Duration::from_millis(50)));
        legacy.on("/busy", Answer::text(503, "later"));
        let others = (Refusing::start(), Unreachable::start());
        let config = Config::new()
            .upstream("legacy", legacy.url())
            .with(upstream)
            .upstream("refusing", others.0.url())
            .with("breaker: { failures: 1 }")
            .upstream("unreachable", others.1.url())
            .with("timeout: { connect: 200ms }, breaker: { max_ejected: 0% }")
            .route("/", "legacy")
            .route("/small", "legacy")
            .with("max_body: 8B")
            .route("/refusing", "refusing")
            .route("/unreachable", "unreachable");
        let gateway = config.batch("/batch").with(endpoint).raw(more).start();
        Self { gateway, upstream: legacy, gate, _others: others }
    }

    fn batch(&self, urls: &[&str]) -> crate::harness::Reply {
        self.gateway.batch(&gets(urls))
    }

    /// The problem of an item.
    fn item(&self, item: &Value) -> Value {
        self.gateway.item(item)["body"].clone()
    }

    /// The problem of an item with these members behind another one.
    fn second_item(&self, members: &Value) -> Value {
        let mut item = json!({"method": "GET", "url": "/"});
        item.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let batch = json!({"requests": [{"id": "1", "method": "GET", "url": "/"}, item]});
        self.gateway.batch(&batch).results()[1]["body"].clone()
    }

    /// The problem of the last item.
    fn last_of(&self, urls: &[&str]) -> Value {
        self.batch(urls).results().last().unwrap()["body"].clone()
    }

    /// The problem of the last item that failed.
    fn last_failed_of(&self, urls: &[&str]) -> Value {
        let results = self.batch(urls).results();
        results.iter().rfind(|result| result["status"] != 200).unwrap()["body"].clone()
    }

    fn single(&self, path: &str) -> Value {
        self.gateway.send(&Request::get(path)).json()
    }

    /// One call under way, one that waits.
    fn fill_the_queue(&self) -> [Connection; 2] {
        let begin = || {
            let mut client = self.gateway.connect();
            client.write(&Request::batch(&gets(&["/held"])).to_bytes(self.gateway.address()));
            client
        };
        let first = begin();
        self.upstream.wait_for_requests(1);
        let second = begin();
        until_true("a call waits", || self.gateway.metrics().count("batchgate_items_queued", &[]) == 1);
        [first, second]
    }

    /// Has a batch under way that is nearly as large as `max_body: 1MiB` allows.
    fn hold_much(&self) -> Connection {
        let mut client = self.gateway.connect();
        let batch = json!({"requests": [{"method": "POST", "url": "/held", "body": "x".repeat(1_000_000)}]});
        client.write(&Request::batch(&batch).to_bytes(self.gateway.address()));
        client
    }

    /// Sends this, and nothing more, and reads nothing.
    fn begin(&self, bytes: &[u8]) {
        let mut client = self.gateway.connect();
        client.write(bytes);
        let refused = || self.gateway.metrics().sum("batchgate_connections_refused_total", &[]) > 0.0;
        until_true("the connection to be refused", refused);
    }

    fn take_nothing_of(&self, path: &str) {
        self.begin(&Request::get(path).to_bytes(self.gateway.address()));
    }

    fn connect_often(&self) {
        let _held = [self.gateway.connect(), self.gateway.connect()];
        self.gateway.wait_for_metric("batchgate_connections_refused_total", &[], 1.0);
    }
}

fn gets(urls: &[&str]) -> Value {
    let items: Vec<_> = urls.iter().map(|url| json!({"method": "GET", "url": url})).collect();
    json!({ "requests": items })
}

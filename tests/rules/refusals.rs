//! Replies of the gateway's own: each has an id, each refusal says in Proxy-Status who refused, and a problem body says
//! why. A reply of a service has an id as well, and no such field.

use super::path::{Fields, Http, Sent};
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

/// A request, and what has to be said of the reply.
struct Row {
    input: &'static str,
    sent: Sent,
    status: u64,
    /// What Proxy-Status says, or that there is none.
    proxy_status: Option<&'static str>,
    fronts: &'static [Http],
}

const BOTH: &[Http] = &[Http::One, Http::Two];

fn row(
    input: &'static str,
    method: &str,
    target: &str,
    status: u64,
    proxy_status: Option<&'static str>,
) -> Row {
    let (method, target) = (method.to_owned(), target.to_owned());
    let sent = Sent { method, target, fields: Fields::new(), body: String::new() };
    Row { input, sent, status, proxy_status, fronts: BOTH }
}

impl Row {
    fn field(mut self, name: &str, value: &str) -> Self {
        self.sent.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, content_type: &str, body: &str) -> Self {
        body.clone_into(&mut self.sent.body);
        self.field("Content-Type", content_type)
    }

    fn over_http1(self) -> Self {
        Self { fronts: &[Http::One], ..self }
    }

    fn faults(&self, gateway: &Gateway, front: Http) -> Vec<String> {
        let reply = front.send(gateway, &self.sent);
        let proxy_status = reply.field("Proxy-Status");
        let is_right = match (self.proxy_status, &proxy_status) {
            (None, None) => true,
            (Some(part), Some(said)) => said.starts_with("batchgate; error=") && said.contains(part),
            _ => false,
        };
        let faults = [
            (reply.status != self.status).then(|| format!("status {}, not {}", reply.status, self.status)),
            reply.field("X-Request-Id").is_none().then(|| "no X-Request-Id".to_owned()),
            (!is_right).then(|| format!("Proxy-Status {proxy_status:?}, not {:?}", self.proxy_status)),
        ];
        let faults = faults.into_iter().flatten();
        faults.map(|fault| format!("{} over {front:?}: {fault}", self.input)).collect()
    }
}

const REJECTED: Option<&str> = Some("outcome=rejected");
const JSON: &str = "application/json";

/// What a service says, and what the gateway says without refusing anything.
fn accepted() -> Vec<Row> {
    let batch = "{\"requests\":[{\"method\":\"GET\",\"url\":\"/up\"}]}";
    vec![
        row("a service's 200", "GET", "/up", 200, None),
        row("a service's 404", "GET", "/up/404", 404, None),
        row("a service's 503", "GET", "/up/503", 503, None),
        row("a batch", "POST", "/batch", 207, None).body(JSON, batch),
        row("a stream", "POST", "/batch", 207, None)
            .body("application/x-ndjson", "{\"method\":\"GET\",\"url\":\"/up\"}\n"),
        row("a bulk", "GET", "/bulk?id=1", 207, None),
        row("a batch of bad items", "POST", "/batch", 207, None)
            .body(JSON, "{\"requests\":[{\"url\":\"/nowhere\"}]}"),
        row("the limits", "GET", "/batch", 200, None),
        row("a fixed reply with a body", "GET", "/words", 404, None),
        row("a fixed reply without a body", "GET", "/empty", 204, None),
        row("OPTIONS *", "OPTIONS", "*", 204, None).over_http1(),
        row("a preflight", "OPTIONS", "/batch", 204, None)
            .field("Origin", "https://app.example")
            .field("Access-Control-Request-Method", "POST"),
    ]
}

/// Requests that are not a batch.
fn refused_requests() -> Vec<Row> {
    vec![
        row("a fixed refusal", "GET", "/closed", 403, REJECTED),
        row("no route", "GET", "/nowhere", 404, REJECTED),
        row("a method that the route does not take", "DELETE", "/read-only", 405, REJECTED),
        row("TRACE", "TRACE", "/up", 405, REJECTED),
        row("a path with dots", "GET", "/up/../x", 400, REJECTED),
        row("a broken escape", "GET", "/up/%zz", 400, REJECTED),
        row("a destination elsewhere", "MOVE", "/up/a", 403, REJECTED)
            .field("Destination", "http://elsewhere.example/b"),
        row("a loop", "GET", "/up", 508, REJECTED).field("Via", "1.1 batchgate, 1.1 batchgate"),
        row("a rate limit", "GET", "/limited", 429, Some("outcome=not_sent")),
        row("nobody there", "GET", "/down", 502, Some("outcome=not_sent")),
        row("a head that is too large", "GET", "/up", 431, REJECTED)
            .field("X-Long", &"x".repeat(70_000))
            .over_http1(),
        row("a field line that is none", "GET", "/up HTTP/1.1\r\nno field\r\nX:", 400, REJECTED).over_http1(),
    ]
}

/// Batches that are refused as a whole.
fn refused_batches() -> Vec<Row> {
    let post = |input, status| row(input, "POST", "/batch", status, REJECTED);
    vec![
        post("no JSON", 400).body(JSON, "{"),
        post("no batch", 400).body(JSON, "{\"requests\":1}"),
        post("no XML", 400).body("application/xml", "<batch>"),
        post("no multipart", 400).body("multipart/mixed; boundary=b", "x"),
        post("an unknown type", 415).body("image/png", "x"),
        post("a type that says nothing", 415).body("text/plain", "x"),
        post("an unknown coding", 415).field("Content-Encoding", "lzma").body(JSON, "{}"),
        post("a reply type that there is not", 406)
            .field("Accept", "image/png")
            .body(JSON, "{\"requests\":[]}"),
        post("too many items", 413).body(JSON, "{\"requests\":[{},{},{},{}]}"),
        post("a body over the limit", 413).body(JSON, &format!("{{\"requests\":[]{}}}", " ".repeat(3000))),
        post("a duplicate id", 400).body(JSON, "{\"requests\":[{\"id\":\"a\"},{\"id\":\"a\"}]}"),
        post("a page of another origin", 403).field("Sec-Fetch-Site", "cross-site").body("text/plain", "{}"),
        post("a loop", 508).field("Via", "1.1 batchgate, 1.1 batchgate").body(JSON, "{\"requests\":[]}"),
        row("a method that is not for batches", "PUT", "/batch", 405, REJECTED).body(JSON, "{}"),
        row("a bulk that is no list", "PUT", "/bulk", 400, REJECTED).body(JSON, "{"),
        row("a bulk of an unknown type", "PUT", "/bulk", 415, REJECTED).body("image/png", "x"),
    ]
}

#[test]
fn every_reply_has_an_id_and_every_refusal_says_who_refused() {
    let (upstream, down) = (Upstream::start(), Refusing::start());
    upstream.on("/up/404", Answer::text(404, "no"));
    upstream.on("/up/503", Answer::text(503, "no"));
    let routes = Config::new()
        .upstream("up", upstream.url())
        .upstream("down", down.url())
        .with("breaker: { max_ejected: 0% }");
    let routes =
        routes.route("/up", "up").route("/down", "down").route("/bulk", "up").route("/limited", "up");
    let routes = routes.route("/read-only", "up").with("methods: [GET]");
    let routes = routes
        .respond("/closed", "status: 403")
        .respond("/empty", "status: 204")
        .respond("/words", "status: 404, body: gone");
    let endpoints = routes.batch("/batch").with("max_items: 3, max_body: 2KiB").bulk("/bulk", "GET, PUT");
    let gateway = endpoints
        .limits("hops: 2")
        .raw("cors: { allow_origins: [\"https://app.example\"] }")
        .raw("rate_limits: [{ name: few, per: all, rate: 1/h, burst: 1, routes: [/limited] }]")
        .start();
    gateway.send(&Request::get("/limited"));
    let mut faults = Vec::new();
    for row in accepted().into_iter().chain(refused_requests()).chain(refused_batches()) {
        for front in row.fronts {
            faults.extend(row.faults(&gateway, *front));
        }
    }
    assert!(faults.is_empty(), "{} do not hold:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_single_request_is_not_called_an_item() {
    let gateway = Gateway::before(&Upstream::start());
    for request in [
        Request::get("/a/../b"),
        Request::get("/%zz"),
        Request::new("COPY", "/a").header("Destination", "http://elsewhere/b"),
        Request::get("/a").header("Connection", "Host"),
    ] {
        let problem = gateway.send(&request).json();
        let words = format!("{} {}", problem["title"], problem["detail"]);
        assert!(!words.contains("item") && words.to_lowercase().contains("request"), "{words}");
    }
}

#[test]
fn the_operators_replies_have_the_request_id() {
    let gateway = Gateway::before(&Upstream::start());
    for path in ["/", "/healthz", "/readyz", "/targets", "/nothing"] {
        let reply = Request::get(path).header("X-Request-Id", "id-1").send(gateway.admin());
        assert_eq!(reply.header("X-Request-Id"), Some("id-1"), "{path}");
    }
}

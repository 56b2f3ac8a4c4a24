//! Which route a request meets: by host, by path, by its method and fields. The rules alone are in `gateway/route/table.rs`. Single
//! requests, items, lines and records have to agree.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

/// A route that answers with its name.
fn named(config: Config, name: &str, route: &str) -> Config {
    let (path, more) = route.split_once(' ').unwrap_or((route, ""));
    config
        .respond(&format!("'{path}'"), &format!("status: 200, body: {name}"))
        .with(format!("name: {name}"))
        .with(more)
}

fn gateway(routes: &[(&str, &str)]) -> Gateway {
    let config = routes.iter().fold(Config::new(), |config, (name, route)| named(config, name, route));
    config.batch("/batch").start()
}

/// A request: its method, its host, its target and a field.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    host: &'a str,
    target: &'a str,
    field: Option<(&'a str, &'a str)>,
}

/// Written `METHOD host/path [name=value]`.
fn asked(text: &str) -> Asked<'_> {
    let mut words = text.split(' ');
    let (method, url) = (words.next().unwrap(), words.next().unwrap());
    let (host, target) = url.split_at(url.find('/').unwrap());
    Asked { method, host, target, field: words.next().and_then(|word| word.split_once('=')) }
}

impl Asked<'_> {
    fn with_host(self, request: Request) -> Request {
        if self.host.is_empty() { request } else { request.header("Host", self.host) }
    }

    fn item(self) -> Value {
        let headers: serde_json::Map<_, _> =
            self.field.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({"method": self.method, "url": self.target, "headers": headers})
    }

    fn single(self, gateway: &Gateway) -> Reply {
        let request = self.with_host(Request::new(self.method, self.target));
        let (name, value) = self.field.unwrap_or(("X-None", "1"));
        gateway.send(&request.header(name, value))
    }
}

/// A result: its body, or its status and Allow.
fn of_item(result: &Value) -> String {
    match (result["status"].as_u64().unwrap(), result["headers"]["Allow"].as_str()) {
        (200, _) => result["body"].as_str().unwrap_or_default().to_owned(),
        (status, Some(allow)) => format!("{status} {allow}"),
        (status, None) => status.to_string(),
    }
}

fn of_single(reply: &Reply) -> String {
    match (reply.status, reply.header("Allow")) {
        (200, _) => reply.text(),
        (status, Some(allow)) => format!("{status} {allow}"),
        (status, None) => status.to_string(),
    }
}

/// Each request meets this route: by itself, as an item, and as a line of a stream.
fn check(gateway: &Gateway, expected: &[(&str, &str)]) {
    for (text, name) in expected {
        let asked = asked(text);
        assert_eq!(of_single(&asked.single(gateway)), *name, "{text}");
        let batch = asked.with_host(Request::batch(&json!({"requests": [asked.item()]})));
        assert_eq!(of_item(&gateway.send(&batch).results()[0]), *name, "{text} as an item");
        let lines = asked.with_host(Request::lines(format!("{}\n", asked.item())));
        let lines = lines.header("Accept", "application/x-ndjson");
        assert_eq!(of_item(&gateway.send(&lines).lines()[0]), *name, "{text} as a line");
    }
}

#[test]
fn the_most_specific_host_wins_whatever_the_order() {
    let mut routes = vec![
        ("any", "/"),
        ("wild", "/ hosts: ['*.example.com']"),
        ("exact", "/ hosts: [api.example.com]"),
        ("longer-wild", "/ hosts: ['*.eu.example.com']"),
        ("orders", "/orders/"),
        ("address", "/ hosts: ['::1', 10.0.0.1]"),
        ("punycode", "/ hosts: [münchen.example]"),
    ];
    for _ in 0..2 {
        let gateway = gateway(&routes);
        check(
            &gateway,
            &[
                ("GET api.example.com/x", "exact"),
                ("GET API.Example.COM:8080/orders/1", "exact"),
                ("GET api.example.com./x", "exact"),
                ("GET www.example.com/x", "wild"),
                ("GET a.b.example.com/orders/1", "wild"),
                ("GET a.eu.example.com/x", "longer-wild"),
                ("GET eu.example.com/x", "wild"),
                ("GET example.com/x", "any"),
                ("GET example.com/orders/1", "orders"),
                ("GET evil-example.com/x", "any"),
                ("GET [::1]:81/x", "address"),
                ("GET [0:0::1]/x", "address"),
                ("GET 10.0.0.1/x", "address"),
                ("GET xn--mnchen-3ya.example/x", "punycode"),
                ("GET /x", "any"),
            ],
        );
        routes.reverse();
    }
}

#[test]
fn an_absolute_url_names_the_host_of_its_request() {
    let gateway = gateway(&[("any", "/"), ("api", "/ hosts: [api.example.com]")]);
    let absolute = Request::get("http://api.example.com/x").header("Host", "other.example");
    assert_eq!(of_single(&gateway.send(&absolute)), "api");
    let item = |host: &str, url: &str| {
        let batch = json!({"requests": [{"method": "GET", "url": url}]});
        of_item(&gateway.send(&Request::batch(&batch).header("Host", host)).results()[0])
    };
    assert_eq!(item("api.example.com", "http://API.example.com/x"), "api");
    assert_eq!(item("other.example", "http://other.example/x"), "any");
    // An item has the host of its batch, and can't name another.
    assert_eq!(item("other.example", "http://api.example.com/x"), "400");
}

#[test]
fn variables_fill_one_segment() {
    let routes = [
        ("orders", "/orders/"),
        ("lines", "/orders/{id}/lines"),
        ("new", "/orders/new"),
        ("parts", "/{kind}/parts/"),
    ];
    let gateway = gateway(&routes);
    check(
        &gateway,
        &[
            ("GET /orders/7/lines", "lines"),
            ("GET /orders/7/lines/3?x=1", "lines"),
            ("GET /orders/7", "orders"),
            ("GET /orders/new/lines", "new"),
            ("GET /orders/parts/1", "orders"),
            ("GET /a/parts/1", "parts"),
            ("GET /a/parts", "404"),
            ("GET /a%20b/parts/1", "parts"),
        ],
    );
}

#[test]
fn conditions_choose_between_routes_of_one_path() {
    let routes = [
        ("rest", "/a"),
        ("reading", "/a match: { methods: [GET] }"),
        ("version", "/a match: { headers: { X-Version: '2' } }"),
        ("both", "/a match: { methods: [PUT], headers: { X-Version: '2' } }"),
        ("only-post", "/b match: { methods: [POST] }"),
        ("allows", "/c methods: [PUT]"),
    ];
    let gateway = gateway(&routes);
    check(
        &gateway,
        &[
            ("GET /a", "reading"),
            ("POST /a", "rest"),
            ("POST /a X-Version=2", "version"),
            ("POST /a X-Version=3", "rest"),
            ("PUT /a x-version=2", "both"),
            ("PUT /a", "rest"),
            ("POST /b", "only-post"),
            ("GET /b", "405 POST"),
            ("GET /c", "405 PUT"),
            ("GET /d", "404"),
        ],
    );
}

#[test]
fn items_match_by_what_they_inherit() {
    let gateway = gateway(&[("rest", "/a"), ("version", "/a match: { headers: { X-Version: '2' } }")]);
    let own = json!({"X-Version": "1"});
    let items =
        json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "GET", "url": "/a", "headers": own}]});
    let results = gateway.send(&Request::batch(&items).header("X-Version", "2")).results();
    assert_eq!([of_item(&results[0]), of_item(&results[1])], ["version", "rest"]);
}

/// No item gets to another route because a server reads its path otherwise.
#[test]
fn paths_that_lead_to_two_routes_are_refused_in_items() {
    let routes = [
        ("items", "/t/{id}/items encoded_slashes: pass"),
        ("private", "/t/{id}/private"),
        ("open", "/t/ encoded_slashes: pass"),
        ("hosted", "/t/hidden hosts: [api.example.com]"),
    ];
    let gateway = gateway(&routes);
    let item = |host: &str, url: &str| {
        let batch = json!({"requests": [{"method": "GET", "url": url}]});
        of_item(&gateway.send(&Request::batch(&batch).header("Host", host)).results()[0])
    };
    for (host, url, expected) in [
        ("gw", "/t/7/items", "items"),
        ("gw", "/t/7;x/items/a", "items"),
        ("gw", "/t/7/items/a%2Fb", "items"),
        ("gw", "/t/7/private;x", "400"),
        ("gw", "/t/7%2Fprivate", "400"),
        ("gw", "/t/a%2Fb/items", "400"),
        ("gw", "/t/hidden;x", "open"),
        ("api.example.com", "/t/hidden;x", "400"),
    ] {
        assert_eq!(item(host, url), expected, "{host}{url}");
    }
}

#[test]
fn records_stay_at_the_route_of_their_template_and_host() {
    let upstream =
        Upstream::answering(|request| Answer::text(200, request.header("X-Route").unwrap_or("none")));
    let set = |name: &str| format!("headers: {{ set: {{ X-Route: {name} }} }}");
    let config = Config::new()
        .upstream("any", upstream.url())
        .with(set("any"))
        .upstream("api", upstream.url())
        .with(set("api"))
        .upstream("lines", upstream.url())
        .with(set("lines"))
        .route("/orders/", "any")
        .route("/orders/", "api")
        .with("hosts: [api.example.com], name: api")
        .route("'/orders/{id}/lines'", "lines")
        .route("/orders/secret", "lines");
    let gateway = config.bulk("/orders", "PATCH").start();
    let bodies = |host: &str| -> Vec<String> {
        let records = r#"[{"id":7},{"id":"secret"},{"id":"7/lines"}]"#;
        let request =
            Request::new("PATCH", "/orders").header("Content-Type", "application/json").body(records);
        gateway.send(&request.header("Host", host)).results().iter().map(of_item).collect()
    };
    // `7/lines` is encoded, and two servers could read it differently.
    assert_eq!(bodies("gw"), ["any", "403", "400"]);
    // The route of this host comes before those of any host.
    assert_eq!(bodies("api.example.com"), ["api", "api", "400"]);
}

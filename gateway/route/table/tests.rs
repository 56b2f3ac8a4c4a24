//! Which route a request meets, and which paths no item may have because they could lead to two routes.

use super::*;
use crate::route::Strictness;

/// A route that is written `[host,host]/path [METHOD,METHOD] [name=value …]`, with `=` before an exact path.
fn route(text: &str) -> Route {
    let (hosts, rest) = text.split_at(text.find(['/', '=']).unwrap());
    let (path, conditions) = rest.split_once(' ').unwrap_or((rest, ""));
    let respond = Respond::default();
    let mut asked = Conditions::default();
    for word in conditions.split(' ').filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some((name, value)) => asked.fields.push((name.parse().unwrap(), value.parse().unwrap())),
            None => {
                asked.methods =
                    Some(MethodSet::Only(word.split(',').map(|name| name.parse().unwrap()).collect()));
            }
        }
    }
    let hosts = hosts.split(',').filter(|host| !host.is_empty());
    let pattern = PathPattern::parse(path.trim_start_matches('=')).unwrap();
    let pattern = if path.starts_with('=') { pattern.exactly() } else { pattern };
    Route {
        name: text.to_owned(),
        hosts: hosts.map(|host| HostPattern::parse(host).unwrap()).collect(),
        conditions: asked,
        ..Route::new(pattern, RouteAction::Respond(respond))
    }
}

fn table(routes: &[&str]) -> RouteTable {
    RouteTable::new(routes.iter().map(|text| route(text)).collect())
}

/// The name of the route for a request that is written `[METHOD ][host]/path[ name=value …]`.
fn met(table: &RouteTable, request: &str) -> Option<String> {
    let (method, rest) = match request.split_once(' ') {
        Some((method, rest)) if !method.contains('/') => (method.parse().unwrap(), rest),
        _ => (Method::GET, request),
    };
    let mut words = rest.split(' ');
    let target = words.next().unwrap();
    let (authority, target) = target.split_at(target.find('/').unwrap());
    let field = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
    };
    let shared = words.map(field).collect();
    let facts = RequestFacts { authority, method: &method, own: &[], shared: &shared };
    let target = CanonicalPath::parse(target, Strictness::Proxied).unwrap();
    match table.route(&target, &facts) {
        Ok((_, route)) => Some(route.name.clone()),
        Err(NotRouted::Method { allowed }) => Some(format!("405 {allowed}")),
        Err(NotRouted::NoRoute) => None,
    }
}

/// Each pair is a request, and the route that it meets, in whatever order the routes are.
fn check(routes: &[&str], expected: &[(&str, &str)]) {
    let backwards: Vec<_> = routes.iter().rev().copied().collect();
    for table in [table(routes), table(&backwards)] {
        for (request, name) in expected {
            let found = met(&table, request);
            assert_eq!(found.as_deref().unwrap_or("404"), *name, "{request}");
        }
    }
}

#[test]
fn the_longest_prefix_of_complete_segments_wins() {
    check(
        &["/", "/orders", "/orders/archive/", "/files/"],
        &[
            ("/orders", "/orders"),
            ("/orders/7", "/orders"),
            ("/orders/archive/7", "/orders/archive/"),
            ("/orders/archive", "/orders"),
            ("/orders//archive/7", "/orders"),
            ("/ordersX", "/"),
            ("/files", "/"),
        ],
    );
    check(&["/a", "/a/"], &[("/a", "/a"), ("/a/", "/a/"), ("/a/b", "/a/"), ("/b", "404")]);
}

#[test]
fn a_variable_is_one_segment_that_any_text_fills() {
    check(
        &["/orders/", "/orders/{id}/lines", "/orders/{id}/lines/", "/orders/{id}/"],
        &[
            ("/orders/7/lines", "/orders/{id}/lines"),
            ("/orders/7/lines/", "/orders/{id}/lines/"),
            ("/orders/7/lines/3", "/orders/{id}/lines/"),
            ("/orders/7/linesX", "/orders/{id}/"),
            ("/orders/7", "/orders/"),
            ("/orders/7/", "/orders/{id}/"),
            ("/orders//lines", "/orders/"),
            ("/orders/%7B/lines", "/orders/{id}/lines"),
        ],
    );
    check(&["/{tenant}"], &[("/a", "/{tenant}"), ("/a/b", "/{tenant}"), ("/", "404")]);
}

#[test]
fn literal_comes_before_variable_and_longer_before_shorter() {
    check(
        &["/orders/{id}/lines", "/orders/new", "/orders/{id}", "/{any}/new/lines", "/{any}/{id}/x"],
        &[
            ("/orders/new", "/orders/new"),
            ("/orders/new/lines", "/orders/new"),
            ("/orders/7/lines", "/orders/{id}/lines"),
            ("/orders/7", "/orders/{id}"),
            ("/orders/7/x", "/orders/{id}"),
            ("/files/new/lines", "/{any}/new/lines"),
            ("/files/7/x", "/{any}/{id}/x"),
            ("/files/7", "404"),
        ],
    );
}

#[test]
fn the_most_specific_host_wins() {
    check(
        &[
            "/",
            "/orders/",
            "api.example.com/",
            "*.example.com/",
            "*.example.com,other.example/files/",
            "*.eu.example.com/",
            "[::1]/",
        ],
        &[
            ("api.example.com/orders/7", "api.example.com/"),
            ("API.example.com:8080/x", "api.example.com/"),
            ("api.example.com./x", "api.example.com/"),
            ("api.example.com/files/x", "api.example.com/"),
            ("www.example.com/files/x", "*.example.com,other.example/files/"),
            ("www.example.com/x", "*.example.com/"),
            ("a.b.example.com/x", "*.example.com/"),
            ("a.eu.example.com/files/x", "*.eu.example.com/"),
            ("eu.example.com/x", "*.example.com/"),
            ("example.com/x", "/"),
            ("other.example/files/x", "*.example.com,other.example/files/"),
            ("other.example/orders/x", "/orders/"),
            ("[0:0::1]:80/x", "[::1]/"),
            ("[::2]/x", "/"),
            ("/x", "/"),
        ],
    );
}

#[test]
fn more_conditions_come_before_fewer() {
    check(
        &["/a GET", "/a GET x=1", "/a x=1 y=2 POST", "/a", "/a/b PUT"],
        &[
            ("/a", "/a GET"),
            ("HEAD /a", "/a GET"),
            ("/a x=1", "/a GET x=1"),
            ("POST /a x=1 y=2", "/a x=1 y=2 POST"),
            ("POST /a x=1", "/a"),
            ("/a/b", "/a GET"),
            ("PUT /a/b", "/a/b PUT"),
        ],
    );
}

#[test]
fn as_many_conditions_are_met_in_the_order_of_the_file() {
    let routes = ["/a GET", "/a x=1"];
    assert_eq!(met(&table(&routes), "/a x=1").as_deref(), Some("/a GET"));
    assert_eq!(met(&table(&[routes[1], routes[0]]), "/a x=1").as_deref(), Some("/a x=1"));
}

#[test]
fn a_request_that_meets_no_route_learns_whether_that_is_for_its_method() {
    check(
        &["/a GET,PUT", "/a/b DELETE", "/b x=1", "/c POST x=1", "only.example/d GET"],
        &[
            ("POST /a", "405 GET, PUT, HEAD"),
            ("POST /a/b", "405 DELETE, GET, PUT, HEAD"),
            ("/b", "404"),
            ("/c", "404"),
            ("/c x=1", "405 POST"),
            ("POST /d", "404"),
            ("POST only.example/d", "405 GET, HEAD"),
        ],
    );
}

#[test]
fn every_server_has_to_read_a_path_as_one_of_its_route() {
    let table = table(&[
        "/",
        "/st",
        "/st/secret",
        "/sap/s",
        "/sap/s;v=2",
        "/t/{id}/lines",
        "/t/private",
        "gw/hosted",
        "/hosted/private",
        "/c GET",
        "/c/private",
    ]);
    for (text, expected) in [
        ("/st/a;v=1/b", None),
        ("/st/x%3Bsecret", None),
        ("/st/secret;x", Some(Ambiguity::Parameters)),
        ("/st/;x/secret", Some(Ambiguity::Parameters)),
        ("/st;x/a", Some(Ambiguity::Parameters)),
        ("/st/x;y%5Csecret", None),
        ("/st%5Csecret", Some(Ambiguity::Slashes)),
        ("/st/secret;x%2Fa", Some(Ambiguity::Parameters)),
        ("/sap/s;v=2/a", None),
        ("/sap/s;v=2/a;x", None),
        ("/sap/s;v=3/a", Some(Ambiguity::Parameters)),
        ("/elsewhere;x", Some(Ambiguity::Parameters)),
        ("/t/7;x/lines", None),
        ("/t/7/lines;x", Some(Ambiguity::Parameters)),
        ("/t/private;x/lines", Some(Ambiguity::Parameters)),
        ("/t/a%2Fb/lines", Some(Ambiguity::Slashes)),
        ("/t/7/lines%2Fa", Some(Ambiguity::Slashes)),
        ("/t/7/lines/%2Fa", None),
        ("/hosted/private;x", None),
        ("/c/private;x", Some(Ambiguity::Parameters)),
    ] {
        let path = CanonicalPath::parse(text, Strictness::ItemWithSlashes).unwrap();
        let shared = http::HeaderMap::new();
        let facts = RequestFacts { authority: "gw", method: &Method::GET, own: &[], shared: &shared };
        let (index, _) = table.find(&path, &facts).unwrap();
        let found = table.ambiguity(&path, index, &facts, |read| read.as_str() == "/elsewhere");
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_rows_stand_in_the_order_in_which_routes_win() {
    let rows = [
        "api.example.com/orders/ GET x=1",
        "api.example.com/orders/ GET",
        "api.example.com/orders/",
        "api.example.com/",
        "*.eu.example.com/",
        "*.example.com/",
        "/orders/new",
        "/orders/{id}/lines/",
        "/orders/{id}/lines",
        "=/orders/",
        "=/orders",
        "/orders/",
        "/orders",
        "/",
    ];
    for backwards in [false, true] {
        let mut routes = rows.to_vec();
        if backwards {
            routes.reverse();
        }
        let table = table(&routes);
        let placed = table.by_precedence();
        assert_eq!(placed.iter().map(|placed| &*placed.route.name).collect::<Vec<_>>(), rows);
        assert_eq!(placed[0].host, Some(HostPattern::Exact("api.example.com".into())));
        assert_eq!(placed[13].host, None);
    }
    let table = table(&["b.example.com,*.example.com,a.example.com/x"]);
    let hosts: Vec<_> =
        table.by_precedence().into_iter().map(|placed| placed.host.unwrap().to_string()).collect();
    assert_eq!(hosts, ["a.example.com", "b.example.com", "*.example.com"]);
}

#[test]
fn an_exact_path_takes_nothing_below_it_and_goes_before_a_prefix() {
    check(
        &["=/", "/", "=/orders", "/orders/", "=/orders/", "=/a/{id}", "/a/", "/b", "=/b GET", "api/b"],
        &[
            ("/", "=/"),
            ("/x", "/"),
            ("/orders", "=/orders"),
            ("/%6Frders", "=/orders"),
            ("/orders/", "=/orders/"),
            ("/orders/7", "/orders/"),
            ("/orders//", "/orders/"),
            ("/a/7", "=/a/{id}"),
            ("/a/7/", "/a/"),
            ("/a/", "/a/"),
            ("/b", "=/b GET"),
            ("POST /b", "/b"),
            ("/b/", "/b"),
            ("api/b", "api/b"),
        ],
    );
    let alone = table(&["=/orders"]);
    for path in ["/orders/", "/orders/7", "/orders%2F", "/order", "/"] {
        assert_eq!(met(&alone, path), None, "{path}");
    }
}

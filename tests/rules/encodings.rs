//! One path, one route: a route, and what it refuses, can't be passed by in another encoding of its path.

use super::path::{Ask, Form, every_path};
use crate::harness::{Config, Upstream};

#[test]
fn every_path_leads_a_resource_to_the_same_route_however_it_is_encoded() {
    let upstream = Upstream::start();
    let config = Config::new().upstream("service", upstream.url()).route("/api", "service");
    let gateway = config.respond("/api/$x'", "status: 403").batch("/batch").bulk("/api", "GET").start();
    for resource in ["$x'", "%24x'", "%24%78%27", "$x%27"] {
        for path in every_path() {
            let ask = Ask { method: "GET", resource: resource.to_owned(), query: "", fields: Vec::new() };
            assert_eq!(path.ask(&gateway, &ask).result.status, 403, "{path}: {resource}");
        }
    }
    assert!(upstream.take_requests().is_empty());
}

#[test]
fn an_item_on_which_route_servers_disagree_is_refused() {
    let upstream = Upstream::start();
    let config = Config::new().upstream("service", upstream.url()).route("/api", "service");
    let config = config.with("encoded_slashes: pass");
    let gateway = config.respond("/api/secret", "status: 403").batch("/batch").bulk("/api", "GET").start();
    let ask = |resource: &str, status| {
        for path in every_path().filter(|path| path.form != Form::Single) {
            let ask = Ask { method: "GET", resource: resource.to_owned(), query: "", fields: Vec::new() };
            assert_eq!(path.ask(&gateway, &ask).result.status, status, "{path}: {resource}");
        }
    };
    for elsewhere in ["secret;x", "secret%3Bx", ";x/secret", "secret%2F", "secret;x%2Fy"] {
        ask(elsewhere, 400);
    }
    assert!(upstream.take_requests().is_empty());
    for here in ["other;secret", "a;v=1/b", "a;v=1%2Fb"] {
        ask(here, 200);
    }
}

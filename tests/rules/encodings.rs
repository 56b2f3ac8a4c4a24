//! One path, one route: a route, and what it refuses, can't be passed by in another encoding of its path.

use super::path::{Ask, every_path};
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

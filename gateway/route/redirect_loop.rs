//! Whether a redirect leads back to itself, found by following it as a client would. For `check`.

use http::{HeaderMap, Method, StatusCode};

use super::authority::AbsoluteUrl;
use super::canonical::CanonicalPath;
use super::facts::RequestFacts;
use super::host::{HostPattern, host_of};
use super::index::RouteIndex;
use super::method::MethodSet;
use super::table::{Route, RouteAction, RouteTable};

/// The redirects that a client of the route at `start` goes round for ever, as they follow each other. A redirect to another
/// server is followed if routes of this table are for that host, and its port is none or one of `ports`, which lead here.
#[must_use]
pub fn redirect_loop(routes: &RouteTable, start: RouteIndex, ports: &[u16]) -> Option<Vec<RouteIndex>> {
    let route = routes.get(start).filter(|route| matches!(route.action, RouteAction::Redirect(_)))?;
    let hosts: Vec<_> = route.hosts.iter().map(one_of).collect();
    let hosts = if hosts.is_empty() { vec![String::new()] } else { hosts };
    hosts.into_iter().find_map(|host| followed(routes, start, ports, host))
}

fn followed(
    routes: &RouteTable,
    start: RouteIndex,
    ports: &[u16],
    mut host: String,
) -> Option<Vec<RouteIndex>> {
    let first = routes.get(start)?;
    let longest = routes.routes().iter().map(|route| route.path.as_str().len()).max().unwrap_or(0);
    // A segment as long as this is none of a route's path.
    let other = "x".repeat(longest + 1);
    let mut path = first.path.filled_with(&other);
    let (mut method, shared) = (method_of(first), HeaderMap::new());
    let mut passed: Vec<(RouteIndex, Method)> = Vec::new();
    loop {
        let facts = RequestFacts {
            authority: &host,
            method: &method,
            own: &first.conditions.fields,
            shared: &shared,
        };
        let (index, route) = routes.find(&CanonicalPath::from(path.clone()), &facts)?;
        let RouteAction::Redirect(redirect) = &route.action else { return None };
        if !route.methods.allows(&method) {
            return None;
        }
        // The way to a circle is none of it: a POST can lead to one of GETs.
        if let Some(begin) = passed.iter().position(|(other, with)| *other == index && *with == method) {
            let circle: Vec<_> = passed.drain(begin..).map(|(index, _)| index).collect();
            return circle.contains(&start).then_some(circle);
        }
        passed.push((index, method.clone()));
        method = method_after(redirect.status, method);
        path = redirect.path_for(&path);
        if let Some(url) = AbsoluteUrl::parse(&redirect.origin) {
            host = host_of(url.authority).into_owned();
            let is_known = |route: &Route| route.hosts.iter().any(|pattern| pattern.fits(&host));
            let leads_here = port_of(url.authority).is_none_or(|port| ports.contains(&port));
            if !leads_here || !routes.routes().iter().any(is_known) {
                return None;
            }
        }
    }
}

/// The method of the request that follows a redirect (RFC 9110 §15.4): after a 303 a client asks for what is there. After a 301 and
/// a 302 browsers make a GET of a POST, and the standard allows it.
fn method_after(status: StatusCode, method: Method) -> Method {
    let is_fetched = match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    };
    if is_fetched { Method::GET } else { method }
}

fn port_of(authority: &str) -> Option<u16> {
    authority.parse::<http::uri::Authority>().ok()?.port_u16()
}

/// A host that a pattern fits.
fn one_of(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.to_string(),
        HostPattern::Below(suffix) => format!("x{suffix}"),
    }
}

fn method_of(route: &Route) -> Method {
    let allowed = |method: &Method| route.methods.allows(method);
    let listed = [&route.methods].into_iter().chain(&route.conditions.methods).rev();
    let mut listed = listed.filter_map(|methods| match methods {
        MethodSet::Only(methods) => methods.iter().find(|method| allowed(method)).cloned(),
        MethodSet::Any => None,
    });
    listed.next().unwrap_or(Method::GET)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::route::{Conditions, PathPattern, Redirect, RedirectQuery, Respond};

    /// Routes that are written `[METHOD ][host]/path -> /target[ status]`. Without a target they answer.
    fn table(routes: &[&str]) -> RouteTable {
        let route = |text: &&str| {
            let (from, to) = text.split_once(" -> ").unwrap_or((text, ""));
            let (method, from) = from.split_once(' ').unwrap_or(("", from));
            let (to, status) = to.split_once(' ').unwrap_or((to, "307"));
            let (host, path) = from.split_at(from.find(['/', '=']).unwrap());
            let (origin, to) =
                AbsoluteUrl::parse(to).map_or(("", to), |url| to.split_at(to.len() - url.rest.len()));
            // An exact path is written with `=` before it.
            let pattern = PathPattern::parse(path.trim_start_matches('=')).unwrap();
            let from = if path.starts_with('=') { pattern.exactly() } else { pattern };
            let action = if to.is_empty() {
                let (body, content_type, headers) = (Bytes::new(), String::new(), Vec::new());
                RouteAction::Respond(Respond { status: StatusCode::OK, body, content_type, headers })
            } else {
                let (to, status) = (PathPattern::parse(to).unwrap(), status.parse().unwrap());
                let query = RedirectQuery::Before("".into());
                RouteAction::Redirect(Redirect {
                    status,
                    from: from.clone(),
                    origin: origin.into(),
                    to,
                    query,
                })
            };
            let methods = (!method.is_empty()).then(|| MethodSet::Only(vec![method.parse().unwrap()]));
            let conditions = Conditions { methods, ..Conditions::default() };
            let hosts = HostPattern::parse(host).into_iter().collect();
            Route { hosts, conditions, ..Route::new(from, action) }
        };
        RouteTable::new(routes.iter().map(route).collect())
    }

    #[test]
    fn redirects_that_never_end_are_found() {
        for (routes, expected) in [
            (&["/a/ -> /b/"][..], None),
            (&["/a/ -> /a/"], Some(vec![0])),
            (&["/ -> /new/"], Some(vec![0])),
            (&["=/ -> /new/"], None),
            (&["=/a -> /a/"], None),
            (&["=/a/ -> /a", "/a -> /a/"], Some(vec![0, 1])),
            (&["/a/ -> /a/b/"], Some(vec![0])),
            (&["/a/ -> /b/", "/b/ -> /a/"], Some(vec![0, 1])),
            (&["/a/ -> /b/", "/b/ -> /b/c/"], None),
            (&["/a/{id} -> /b/{id}", "/b/ -> /c/"], None),
            (&["/{id}/x -> /y/{id}/x"], None),
            (&["/a/ -> https://other.example/a/"], None),
            (&["www.example/ -> https://example/"], None),
            (&["example/ -> https://example/"], Some(vec![0])),
            (&["*.example/ -> https://www.example/"], Some(vec![0])),
            (&["example/ -> https://example:8443/"], Some(vec![0])),
            (&["example/ -> https://example:3000/"], None),
            (&["/a -> https://www.example/a", "*.example/ -> /a"], None),
            (&["/a/ -> /b/", "www.example/b/ -> /a/"], None),
            (&["POST /m -> /m 303", "GET /m"], None),
            (&["PUT /m -> /m 303", "GET /m"], None),
            (&["POST /m -> /m 301", "GET /m"], None),
            (&["POST /m -> /m 302", "GET /m"], None),
            (&["POST /m -> /m 303"], None),
            (&["/m -> /m 303"], Some(vec![0])),
            (&["HEAD /m -> /m 303", "GET /m"], Some(vec![0])),
            (&["PUT /m -> /m 302", "GET /m"], Some(vec![0])),
            (&["POST /m -> /m 307", "GET /m"], Some(vec![0])),
            (&["POST /m -> /m 308", "GET /m"], Some(vec![0])),
            (&["GET /m -> /m", "POST /m -> /m 303"], Some(vec![0])),
            (&["POST /m -> /m 303", "GET /m -> /m"], None),
            (&["POST /a -> /b 303", "/b -> /a 307"], None),
        ] {
            let found = redirect_loop(&table(routes), RouteIndex(0), &[8443]);
            assert_eq!(
                found.map(|found| found.iter().map(|index| index.0).collect()),
                expected,
                "{routes:?}"
            );
        }
    }
}

//! Equal items on routes with `coalesce`: the first of them is called, and the others share its call. An item that waits
//! for others, is in a group that can be undone, or is in a batch that runs one by one, has a call of its own, because it has
//! to see earlier changes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::step::{Plan, PlannedItem, Step};
use crate::batch::ItemIndex;
use crate::route::{OriginText, RouteTable, UpstreamIndex};

/// Everything that makes two calls without a body equal.
#[derive(PartialEq, Eq, Hash)]
struct SharedKey<'plan> {
    method: &'plan Method,
    upstream: UpstreamIndex,
    target: &'plan str,
    /// By name; the values of a name in the order of the item (RFC 9110 §5.3).
    headers: Vec<&'plan (HeaderName, HeaderValue)>,
    references: &'plan [(HeaderName, OriginText)],
    timeout: Option<Duration>,
}

/// Lets each item share the call of the first one that equals it. Only for a batch that runs in parallel.
pub fn coalesce(plan: &mut Plan, routes: &RouteTable) {
    for (number, first) in sharers(plan, routes) {
        if let Some(item) = plan.items.get_mut(number) {
            item.step = Step::Same(first);
        }
    }
}

/// The positions of the items that can share a call, each with the position of the item that is called.
fn sharers(plan: &Plan, routes: &RouteTable) -> Vec<(usize, ItemIndex)> {
    let mut called = HashMap::new();
    let mut sharers = Vec::new();
    for (number, item) in plan.items.iter().enumerate() {
        let route = item.route.and_then(|index| routes.get(index));
        if !route.is_some_and(|route| route.coalesce) || waits(plan, ItemIndex(number)) {
            continue;
        }
        let Some(key) = SharedKey::from_item(item) else { continue };
        match called.entry(key) {
            Entry::Occupied(first) => sharers.push((number, *first.get())),
            Entry::Vacant(place) => {
                place.insert(ItemIndex(number));
            }
        }
    }
    sharers
}

fn waits(plan: &Plan, index: ItemIndex) -> bool {
    plan.dependencies.get(index.0).is_some_and(|on| !on.is_empty())
        || plan.conditions.contains_key(&index)
        || plan.follows.get(index.0).is_some_and(Option::is_some)
        || plan.undo(index).is_some()
}

impl<'plan> SharedKey<'plan> {
    /// `None` for an item that can't share a call: it has a method other than GET and HEAD, or a body.
    fn from_item(item: &'plan PlannedItem) -> Option<Self> {
        let method = &item.subject.method;
        let Step::Call(call) = &item.step else { return None };
        if ![Method::GET, Method::HEAD].contains(method) || call.body.is_some() {
            return None;
        }
        let mut headers: Vec<_> = call.headers.iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        Some(Self {
            method,
            upstream: call.upstream,
            target: &call.target,
            headers,
            references: &call.references,
            timeout: call.timeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::batch::{Batch, BatchItem, Item, ItemForm, Subject};
    use crate::plan::{PlanContext, plan};
    use crate::route::{CanonicalPath, Mapping, PathPattern, Route, RouteAction, Strictness};

    fn routes() -> RouteTable {
        let route = |path: &str, strip: &str, coalesce, upstream| {
            let canonical = |text: &str| CanonicalPath::parse(text, Strictness::Item).unwrap();
            let mapping = Mapping::stripping(&canonical(strip));
            let action = RouteAction::Forward { upstream: UpstreamIndex(upstream), mapping };
            Route { coalesce, ..Route::new(PathPattern::parse(path).unwrap(), action) }
        };
        RouteTable::new(vec![
            route("/same/", "/", true, 0),
            route("/alias/", "/alias", true, 0),
            route("/own/", "/own", false, 0),
            route("/other/", "/other", true, 1),
        ])
    }

    /// An item that is written `METHOD /target Name:value …`, which `change` changes.
    fn item(text: &str, change: impl FnOnce(&mut Item)) -> BatchItem {
        let mut words = text.split(' ');
        let (method, href) = (words.next().unwrap().parse().unwrap(), words.next().unwrap().into());
        let field = |word: &str| {
            let (name, value) = word.split_once(':').unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        };
        let mut content = Item { headers: words.map(field).collect(), ..Item::default() };
        change(&mut content);
        let subject = Subject { id: text.into(), method, href, form: ItemForm::default() };
        BatchItem { subject, content: Ok(content) }
    }

    fn plain(text: &str) -> BatchItem {
        item(text, |_| {})
    }

    /// For each item, the position of the one whose call it shares.
    fn shared(items: Vec<BatchItem>) -> Vec<Option<usize>> {
        let context = PlanContext {
            routes: &routes(),
            own_authority: "gateway",
            is_batch_endpoint: &|_, _| false,
            groups: crate::batch::Groups::Refuse,
            inherited: &http::HeaderMap::new(),
            only_route: None,
        };
        let mut plan = plan(Batch { items, ..Batch::default() }, &context).unwrap();
        coalesce(&mut plan, context.routes);
        let of = |item: &PlannedItem| if let Step::Same(first) = item.step { Some(first.0) } else { None };
        plan.items.iter().map(of).collect()
    }

    fn are_shared(one: BatchItem, other: BatchItem) -> bool {
        shared(vec![one, other]) == [None, Some(0)]
    }

    #[test]
    fn the_first_of_equal_items_is_called_and_the_others_share_its_call() {
        let items = ["GET /same/a", "GET /same/b", "GET /same/a", "GET /same/b", "GET /same/a"];
        assert_eq!(shared(items.map(plain).into()), [None, None, Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn equal_items_have_the_same_method_target_and_fields() {
        for (one, other, same) in [
            ("GET /same/a?x=1", "GET /same/a?x=1", true),
            ("GET /same/a", "GET http://gateway/same/a", true),
            // The service gets another spelling.
            ("GET /same/a", "GET /same/%61", false),
            ("HEAD /same/a", "HEAD /same/a", true),
            ("GET /same/a A:1 B:2", "GET /same/a B:2 A:1", true),
            ("GET /same/a Destination:/same/b", "GET /same/a Destination:/same/b", true),
            ("GET /same/a", "HEAD /same/a", false),
            ("GET /same/a", "GET /same/a?", false),
            ("GET /same/a", "GET /same/A", false),
            ("GET /same/a?x=1", "GET /same/a?x=2", false),
            ("GET /same/a?x=1&y=2", "GET /same/a?y=2&x=1", false),
            ("GET /same/a A:1", "GET /same/a", false),
            ("GET /same/a A:1", "GET /same/a A:2", false),
            ("GET /same/a A:1 A:2", "GET /same/a A:2 A:1", false),
            ("GET /same/a Destination:/same/b", "GET /same/a Destination:/same/c", false),
            // The service gets another prefix, and may make other links.
            ("GET /same/a", "GET /alias/same/a", false),
            ("GET /same/a", "GET /other/same/a", false),
            ("GET /same/a", "GET /own/same/a", false),
            ("GET /own/same/a", "GET /own/same/a", false),
            ("GET /same/%2e%2e", "GET /same/%2e%2e", false),
        ] {
            assert_eq!(are_shared(plain(one), plain(other)), same, "{one} and {other}");
        }
    }

    #[test]
    fn no_other_method_is_shared() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "get"] {
            let text = format!("{method} /same/a");
            assert!(!are_shared(plain(&text), plain(&text)), "{method}");
        }
    }

    #[test]
    fn bodies_and_other_timeouts_make_calls_of_their_own() {
        let one = || plain("GET /same/a");
        let timed = |seconds| item("GET /same/a", |item| item.timeout = Some(Duration::from_secs(seconds)));
        let with_body = |body| item("GET /same/a", |item| item.body = Some(Bytes::from_static(body)));
        assert!(are_shared(timed(1), timed(1)));
        assert!(!are_shared(timed(1), timed(2)) && !are_shared(timed(1), one()));
        assert!(!are_shared(with_body(b"x"), with_body(b"x")) && !are_shared(with_body(b""), one()));
    }

    #[test]
    fn an_item_that_waits_for_others_has_its_own_call() {
        let after = |id: &str| item("GET /same/a", |item| item.depends_on = vec![id.into()]);
        let items =
            vec![plain("GET /same/a"), after("GET /same/a"), plain("GET /same/a"), plain("GET /same/a")];
        assert_eq!(shared(items), [None, None, Some(0), Some(0)]);
    }
}

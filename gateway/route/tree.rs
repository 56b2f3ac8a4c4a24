//! The routes of one host, by the segments of their paths.
//!
//! In: a path. Out: the routes that cover it, the most specific first: where two differ first, a literal segment comes before a
//! variable, a longer path before a shorter one, and an exact path before a prefix. A lookup costs a search for each segment of the path, however many routes there
//! are.

use std::collections::BTreeMap;

use super::canonical::CanonicalPath;
use super::index::RouteIndex;
use super::pattern::{Covers, PathPattern, Segment};

/// The routes below one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PathTree {
    literals: BTreeMap<Box<str>, PathTree>,
    variable: Option<Box<PathTree>>,
    /// The routes whose path ends here with a slash.
    below: Vec<RouteIndex>,
    /// The routes whose path ends here without one.
    itself: Vec<RouteIndex>,
    /// The routes for exactly the path that ends here with a slash.
    exactly_slash: Vec<RouteIndex>,
    /// The routes for exactly the path that ends here without one.
    exactly: Vec<RouteIndex>,
}

impl PathTree {
    /// Adds a route with this path, behind those that are there.
    pub(super) fn add(&mut self, path: &PathPattern, index: RouteIndex) {
        let end = path.segments().iter().fold(self, |tree, segment| match segment {
            Segment::Literal(text) => tree.literals.entry(text.clone()).or_default(),
            Segment::Variable(_) => tree.variable.get_or_insert_default(),
        });
        let routes = match (path.covers(), path.is_exact()) {
            (Covers::Itself, false) => &mut end.itself,
            (Covers::Below, false) => &mut end.below,
            (Covers::Itself, true) => &mut end.exactly,
            (Covers::Below, true) => &mut end.exactly_slash,
        };
        routes.push(index);
    }

    /// Shows all routes, in the order in which [`PathTree::find`] looks at them.
    pub(super) fn visit(&self, show: &mut impl FnMut(RouteIndex)) {
        for tree in self.literals.values().chain(self.variable.as_deref()) {
            tree.visit(show);
        }
        let exact = self.exactly_slash.iter().chain(&self.exactly);
        for index in exact.chain(&self.below).chain(&self.itself) {
            show(*index);
        }
    }

    /// The most specific route that covers a path and that the caller accepts.
    pub(super) fn find(
        &self,
        path: &CanonicalPath,
        mut accepts: impl FnMut(RouteIndex) -> bool,
    ) -> Option<RouteIndex> {
        self.find_below(path.compared().strip_prefix('/'), &mut accepts)
    }

    /// `rest`: what follows the slash behind the path so far; `None` if there is no such slash.
    fn find_below(
        &self,
        rest: Option<&str>,
        accepts: &mut impl FnMut(RouteIndex) -> bool,
    ) -> Option<RouteIndex> {
        let Some(rest) = rest else {
            return first_of(&self.exactly, accepts).or_else(|| first_of(&self.itself, accepts));
        };
        if rest.is_empty()
            && let Some(found) = first_of(&self.exactly_slash, accepts)
        {
            return Some(found);
        }
        if self.literals.is_empty() && self.variable.is_none() {
            return first_of(&self.below, accepts).or_else(|| first_of(&self.itself, accepts));
        }
        let (segment, behind) = match rest.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (rest, None),
        };
        if let Some(literal) = self.literals.get(segment)
            && let Some(found) = literal.find_below(behind, accepts)
        {
            return Some(found);
        }
        if let Some(variable) = self.variable.as_ref().filter(|_| !segment.is_empty())
            && let Some(found) = variable.find_below(behind, accepts)
        {
            return Some(found);
        }
        first_of(&self.below, accepts).or_else(|| first_of(&self.itself, accepts))
    }
}

fn first_of(routes: &[RouteIndex], accepts: &mut impl FnMut(RouteIndex) -> bool) -> Option<RouteIndex> {
    routes.iter().copied().find(|index| accepts(*index))
}

//! `paths`: each is a route, with the methods that it has.

use http::Method;

use super::error::ImportError;
use super::loss::Losses;
use super::operations::{self, Operation};
use super::servers::Upstreams;
use super::source::{Place, Source};
use crate::config::foreign_sign;
use crate::route::PathPattern;

/// What a path may have besides its operations.
const KNOWN: [&str; 5] = ["summary", "description", "parameters", "servers", "$ref"];

/// A path that is a route.
#[derive(Clone, Debug)]
pub(super) struct ImportedPath<'source> {
    /// As the route has it.
    pub(super) pattern: PathPattern,
    /// As the document has it.
    pub(super) written: &'source str,
    /// The index of its upstream.
    pub(super) upstream: usize,
    pub(super) operations: Vec<Operation<'source>>,
}

impl<'source> ImportedPath<'source> {
    pub(super) fn operation(&self, method: &Method) -> Option<&Operation<'source>> {
        self.operations.iter().find(|operation| operation.method == *method)
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Found<'source> {
    pub(super) upstreams: Upstreams,
    pub(super) paths: Vec<ImportedPath<'source>>,
}

/// Reads the paths.
pub(super) fn read<'source>(
    source: &'source Source,
    mut upstreams: Upstreams,
    losses: &mut Losses,
) -> Result<Found<'source>, ImportError> {
    let mut paths: Vec<ImportedPath<'source>> = Vec::new();
    let before = losses.list().len();
    for (written, place) in source.root().get("paths").iter().flat_map(Place::members) {
        if written.starts_with("x-") {
            losses.extension(written);
            continue;
        }
        let pointer = place.pointer.clone();
        beside_reference(&place, losses);
        match one(source, written, place, &paths) {
            Ok((pattern, resolved)) => {
                let upstream = upstreams.of_path(&resolved, losses);
                losses.unknown_keys(&resolved, &[&KNOWN[..], &operations::NAMES].concat());
                let operations = operations::read(source, &resolved, losses);
                if operations.is_empty() {
                    losses.add(pointer, "it has no operation that can be routed; the path is left out");
                } else {
                    paths.push(ImportedPath { pattern, written, upstream, operations });
                }
            }
            Err(problem) => losses.add(pointer, format!("{problem}; the path is left out")),
        }
    }
    if paths.is_empty() {
        let reasons: Vec<_> = losses.list().iter().skip(before).map(|loss| format!("\n  {loss}")).collect();
        return Err(ImportError::NoPaths(reasons.concat()));
    }
    Ok(Found { upstreams, paths })
}

/// What is written beside a `$ref` does not count.
fn beside_reference(place: &Place<'_>, losses: &mut Losses) {
    if place.get("$ref").is_none() {
        return;
    }
    for (name, other) in
        place.members().filter(|(name, _)| !["$ref", "summary", "description"].contains(name))
    {
        losses.add(
            other.pointer,
            format!("`{name}` is beside a `$ref`, so nothing is made of it; put it where that leads"),
        );
    }
}

/// The route's path, and what the document has there.
fn one<'source>(
    source: &'source Source,
    written: &str,
    place: Place<'source>,
    others: &[ImportedPath<'source>],
) -> Result<(PathPattern, Place<'source>), String> {
    if written.contains(['?', '#']) {
        return Err("a route's path has no query and no fragment".to_owned());
    }
    if written == "/" {
        return Err("a route with the path `/` would take every path that has no other route".to_owned());
    }
    let text = with_plain_names(written);
    let pattern =
        PathPattern::parse(&text).map_err(|error| format!("a route's path can't be this: it {error}"))?;
    if let Some(sign) = foreign_sign(&text) {
        return Err(format!("a route's path can't be this: it {sign}"));
    }
    if let Some(other) = others.iter().find(|other| other.pattern.is_same(&pattern)) {
        return Err(format!("it takes the same paths as `{}`", other.written));
    }
    let resolved = source.resolved(place)?;
    Ok((pattern, resolved))
}

/// The path, in whose names of variables `-` and `.` are `_`. What they are called matters to nobody else.
fn with_plain_names(path: &str) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') && segment.ends_with('}') {
            segment.replace(['-', '.'], "_")
        } else {
            segment.to_owned()
        }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

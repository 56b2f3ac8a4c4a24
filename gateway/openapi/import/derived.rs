//! What a document does not say outright: which collections can have a bulk route, and how to undo what a method did.
//!
//! A collection is a path without variables, such as `/pets`, and its items' path has one variable more, `/pets/{petId}`.

use http::{Method, header};

use super::paths::ImportedPath;
use super::source::{Place, Source};

/// The members of schemas that are looked for, one within the other.
const MOST_NESTED: usize = 8;

/// What is derived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    pub(super) bulk: Vec<BulkDraft>,
    /// For each path, in their order.
    pub(super) undo: Vec<Undo>,
}

/// A bulk route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BulkDraft {
    pub(super) path: String,
    pub(super) methods: Vec<Method>,
    pub(super) each: String,
}

/// How to undo what the methods of a path did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Undo {
    pub(super) rules: Vec<(Method, &'static str)>,
    /// POST could be undone if its reply had a Location.
    pub(super) lacks_location: bool,
}

/// Derives what is certain.
pub(super) fn derive<'source>(source: &'source Source, paths: &[ImportedPath<'source>]) -> Derived {
    let bulk = paths.iter().filter_map(|path| bulk(source, path, item_of(path, paths)?)).collect();
    let undo = paths.iter().map(|path| undo(source, path, item_of(path, paths))).collect();
    Derived { bulk, undo }
}

/// The path of a collection's items, if they are at the same upstream.
fn item_of<'all, 'source>(
    collection: &ImportedPath<'source>,
    paths: &'all [ImportedPath<'source>],
) -> Option<&'all ImportedPath<'source>> {
    let above = collection.pattern.as_str().trim_end_matches('/');
    paths.iter().find(|path| {
        let below = path.pattern.as_str().strip_prefix(above).and_then(|rest| rest.strip_prefix("/{"));
        path.upstream == collection.upstream
            && below.is_some_and(|rest| rest.ends_with('}') && !rest.contains('/'))
    })
}

/// A bulk route at a collection that takes new items, for those methods of its items that it does not have itself.
fn bulk<'source>(
    source: &'source Source,
    collection: &ImportedPath<'source>,
    item: &ImportedPath<'source>,
) -> Option<BulkDraft> {
    collection.operation(&Method::POST)?;
    if !collection.pattern.is_literal() {
        return None;
    }
    let of_item = [Method::PATCH, Method::PUT, Method::DELETE].into_iter();
    let methods: Vec<_> = of_item
        .filter(|method| item.operation(method).is_some() && collection.operation(method).is_none())
        .collect();
    let variable = item.pattern.variables().last()?;
    let member = member_of_record(source, item, variable);
    let each = item.pattern.as_str().replace(&format!("{{{variable}}}"), &format!("{{{member}}}"));
    let path = collection.pattern.as_str().to_owned();
    (!methods.is_empty()).then_some(BulkDraft { path, methods, each })
}

/// The member of a record that tells which item it is: that with the variable's name, or else `id` if the items have that.
fn member_of_record<'source, 'name>(
    source: &'source Source,
    item: &ImportedPath<'source>,
    variable: &'name str,
) -> &'name str {
    let schemas = schemas_of(source, item);
    let has = |name: &str| schemas.iter().any(|schema| has_property(source, schema, name, MOST_NESTED));
    if !has(variable) && has("id") { "id" } else { variable }
}

/// The schemas of an item, as it is sent and as it comes back.
fn schemas_of<'source>(source: &'source Source, item: &ImportedPath<'source>) -> Vec<Place<'source>> {
    let sent = [Method::PATCH, Method::PUT].into_iter().filter_map(|method| {
        let body = item.operation(&method)?.place.get("requestBody")?;
        schema_in(&source.resolved(body).ok()?)
    });
    let got = item.operation(&Method::GET).and_then(|get| schema_in(&success(source, &get.place)?));
    sent.chain(got).collect()
}

/// The schema of JSON in a body or a reply.
fn schema_in<'source>(place: &Place<'source>) -> Option<Place<'source>> {
    let content = place.get("content")?;
    let json = content.members().find(|(media_type, _)| media_type.contains("json"));
    json?.1.get("schema")
}

fn has_property(source: &Source, schema: &Place<'_>, name: &str, nested: usize) -> bool {
    let Ok(schema) = source.resolved(schema.clone()) else { return false };
    let own = schema.get("properties").is_some_and(|properties| properties.get(name).is_some());
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key));
    let parts: Vec<_> = parts.flat_map(|list| list.elements().collect::<Vec<_>>()).collect();
    own || (nested > 0 && parts.iter().any(|part| has_property(source, part, name, nested - 1)))
}

/// The first reply of an operation that says it succeeded.
fn success<'source>(source: &'source Source, operation: &Place<'source>) -> Option<Place<'source>> {
    let replies = operation.get("responses")?;
    let (_, reply) = replies.members().find(|(status, _)| status.starts_with('2'))?;
    source.resolved(reply).ok()
}

fn undo<'source>(
    source: &'source Source,
    path: &ImportedPath<'source>,
    item: Option<&ImportedPath<'source>>,
) -> Undo {
    let mut undo = Undo::default();
    let post = path.operation(&Method::POST);
    let is_deleted = item.is_some_and(|item| item.operation(&Method::DELETE).is_some());
    if let Some(post) = post.filter(|_| is_deleted) {
        if names_location(source, &post.place) {
            undo.rules.push((Method::POST, "DELETE {location}"));
        } else {
            undo.lacks_location = true;
        }
    }
    // A snapshot is read by GET and put back by PUT.
    if path.operation(&Method::GET).is_some() && path.operation(&Method::PUT).is_some() {
        let changing = [Method::PUT, Method::PATCH].into_iter();
        let changing = changing.filter(|method| path.operation(method).is_some());
        undo.rules.extend(changing.map(|method| (method, "snapshot")));
    }
    undo
}

/// Whether the reply to an operation says where the new item is.
fn names_location<'source>(source: &'source Source, operation: &Place<'source>) -> bool {
    let headers = success(source, operation).and_then(|reply| reply.get("headers"));
    let is_location = |(name, _): (&str, _)| name.eq_ignore_ascii_case(header::LOCATION.as_str());
    headers.is_some_and(|headers| headers.members().any(is_location))
}

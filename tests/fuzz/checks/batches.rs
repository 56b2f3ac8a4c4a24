//! Batches in all formats: what is read keeps the limits, and independent parsers agree that it was
//! well-formed.

use std::collections::HashSet;

use batchgate::batch::{
    Batch, BatchItem, BatchLimits, BatchRefusal, Bounded, Groups, IdForm, ItemRejection, Place,
};
use batchgate::dialect::Dialect;
use batchgate::format::ndjson::{Line, Lines};
use batchgate::format::{Format, ReadContext};
use batchgate::header::field::is_forbidden_in_item;
use batchgate::plan::{OnlyRoute, Plan, PlanContext, Step, coalesce, plan};
use batchgate::problem::{of_refusal, of_rejection};
use batchgate::route::{
    CanonicalPath, Mapping, PathPattern, Route, RouteAction, RouteIndex, RouteTable, Strictness,
    UpstreamIndex,
};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::first_line;
use super::xml_events::well_formed;

/// Small, so that a short input can go over each.
pub(super) fn limits() -> BatchLimits {
    BatchLimits {
        max_items: 5,
        max_body: 4096,
        max_depth: 8,
        max_id: 16,
        max_url: 100,
        max_headers: 4,
        max_header_bytes: 100,
        ..BatchLimits::default()
    }
}

pub(crate) fn json_batch(input: &[u8]) {
    let Some(batch) = read(Format::Json, None, input) else { return };
    let whole: &RawValue = serde_json::from_slice(input).expect("what was read is JSON");
    // Lone surrogates and huge numbers are JSON by its grammar, and no `Value`.
    if let Ok(value) = serde_json::from_str::<Value>(whole.get()) {
        let items = value["requests"].as_array().expect("a batch has its requests");
        assert_eq!(items.len(), batch.items.len());
    }
}

pub(crate) fn xml_batch(input: &[u8]) {
    let Some(batch) = read(Format::Xml, None, input) else { return };
    let requests = well_formed(input).expect("what was read is XML");
    assert_eq!(requests, batch.items.len(), "elements below the root, and items");
}

/// The first line is the Content-Type.
pub(crate) fn multipart_batch(input: &[u8]) {
    let Some((content_type, body)) = first_line(input) else { return };
    let Some(batch) = read(Format::Multipart, Some(content_type), body) else { return };
    let Some(boundary) = plain_boundary(content_type) else { return };
    let delimiter = format!("\n--{boundary}");
    let text = String::from_utf8_lossy(body);
    let lines = text.split('\n').filter(|line| line.trim_end() == &delimiter[1..]).count();
    assert!(batch.items.len() <= lines, "{lines} delimiters, and {} items", batch.items.len());
    for body in batch.items.iter().filter_map(|item| item.content.as_ref().ok()?.body.as_ref()) {
        let within = String::from_utf8_lossy(body);
        let is_delimiter = |line: &str| {
            let line = line.strip_prefix(&delimiter[1..]).map(|rest| rest.strip_prefix("--").unwrap_or(rest));
            line.is_some_and(|rest| {
                let rest = rest.strip_suffix('\r').unwrap_or(rest);
                rest.trim_end_matches([' ', '\t']).is_empty()
            })
        };
        let held = within.split_inclusive('\n').skip(1).filter_map(|line| line.strip_suffix('\n'));
        assert!(!held.into_iter().any(is_delimiter), "a body reaches beyond its part");
    }
}

/// The boundary, where it is written in the only way that needs no parser.
fn plain_boundary(content_type: &str) -> Option<&str> {
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=")?;
    boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(boundary)
}

/// The first byte says in what pieces the body arrives.
pub(crate) fn ndjson_batch(input: &[u8]) {
    let Some((size, body)) = input.split_first() else { return };
    for limit in [8, 4096] {
        let whole = lines_of([body], limit);
        let pieces = lines_of(body.chunks(usize::from(*size).max(1)), limit);
        assert_eq!(pieces, whole, "the pieces make a difference");
        assert!(whole.iter().all(|line| line.content.as_ref().map_or(0, Bytes::len) <= limit));
        // Each line is where it says.
        for line in &whole {
            let before = &body[..line.offset];
            assert_eq!(before.split(|byte| *byte == b'\n').count(), line.number);
            assert!(before.last().is_none_or(|byte| *byte == b'\n'));
            assert!(line.content.as_ref().map_or(true, |content| body[line.offset..].starts_with(content)));
        }
    }
    let lines = lines_of([body], 4096).len();
    if let Some(batch) = read(Format::Ndjson, None, body) {
        assert_eq!(batch.items.len(), lines);
    }
}

fn lines_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Line> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for piece in pieces {
        lines.push(Bytes::copy_from_slice(piece));
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    lines.end();
    found.extend(std::iter::from_fn(|| lines.next_line()));
    assert!(lines.is_empty());
    found
}

/// Read in the gateway's own dialect, and in all others that have the format.
fn read(format: Format, content_type: Option<&str>, body: &[u8]) -> Option<Batch> {
    let (body, limits) = (Bytes::copy_from_slice(body), limits());
    let in_dialect = |dialect: Dialect, reply: Format| {
        let context = ReadContext {
            limits: &limits,
            content_type,
            endpoint: "/svc/batch",
            query: "",
            own_authority: "gw",
            reply,
        };
        checked(dialect.read(format, &body, &context), &body, &limits, None)
    };
    for other in Dialect::all().skip(1).filter(|dialect| dialect.formats().contains(&format)) {
        in_dialect(other, format);
    }
    // Most replies are keyed by id, whatever the ids of the batch are.
    let keyed = in_dialect(Dialect::default(), Format::Json);
    if let Some(batch) = &keyed {
        let ids: HashSet<_> = batch.items.iter().map(|item| item.subject.id.as_str()).collect();
        assert_eq!(ids.len(), batch.items.len(), "two results have the same id");
    }
    if format == Format::Json { keyed } else { in_dialect(Dialect::default(), format) }
}

/// Checks what a reader made of a body, and what is planned for it.
pub(super) fn checked(
    read: Result<Batch, BatchRefusal>,
    body: &[u8],
    limits: &BatchLimits,
    only_route: Option<RouteIndex>,
) -> Option<Batch> {
    let batch = match read {
        Ok(batch) => batch,
        Err(refusal) => {
            check_refusal(&refusal, body, limits);
            return None;
        }
    };
    assert!(batch.items.len() <= limits.max_items);
    batch.items.iter().for_each(|item| check_item(item, body, limits));
    // An item without a readable id has its position for one, which may be another's id.
    let given =
        batch.items.iter().filter(|item| !has_bad_id(item) && item.subject.form.id != IdForm::Position);
    let mut ids: Vec<_> = given.map(|item| item.subject.id.as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|two| two[0] != two[1]), "an id stands twice");
    match planned(batch.clone(), only_route) {
        Ok(plan) => check_plan(&plan, batch.items.len(), only_route),
        Err(refusal) => check_refusal(&refusal, body, limits),
    }
    Some(batch)
}

fn has_bad_id(item: &BatchItem) -> bool {
    item.subject.form.id_is_cut
        || matches!(
            item.content,
            Err(ItemRejection::BadMember { member: "id", .. }
                | ItemRejection::OverLimit { what: Bounded::Id, .. })
        )
}

fn check_item(item: &BatchItem, body: &[u8], limits: &BatchLimits) {
    let id = item.subject.id.as_str();
    assert!(id.len() <= limits.max_id || item.subject.form.id == IdForm::Position);
    assert!(!id.is_empty() && !id.contains(char::is_control), "the id {id:?}");
    assert!(item.subject.href.len() <= limits.max_url);
    let Ok(content) = &item.content else { return };
    assert!(!item.subject.href.is_empty());
    assert!(content.headers.len() <= limits.max_headers);
    let bytes: usize = content.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    // The media type may be the gateway's own addition.
    assert!(bytes <= limits.max_header_bytes + "content-typeapplication/xml; charset=utf-8".len());
    for (name, value) in &content.headers {
        assert!(!is_forbidden_in_item(name), "{name} can't be an item's");
        assert!(value.as_bytes().iter().all(|byte| *byte == b'\t' || *byte >= 0x20 && *byte != 0x7f));
    }
    // Some charsets need two bytes for what is one in UTF-8; namespaces in scope come on top.
    let body_length = content.body.as_ref().map_or(0, Bytes::len);
    assert!(body_length <= 16 * body.len() + 64, "a body of {body_length} bytes");
}

fn check_refusal(refusal: &BatchRefusal, body: &[u8], limits: &BatchLimits) {
    let verdict = of_refusal(refusal);
    assert!(verdict.problem.status.is_client_error(), "{refusal}");
    assert!(verdict.problem.detail.len() < 1000, "{refusal}");
    if let BatchRefusal::Malformed { place, .. }
    | BatchRefusal::NotABatch { place, .. }
    | BatchRefusal::TooDeep { place, .. }
    | BatchRefusal::ForbiddenXml { place, .. }
    | BatchRefusal::DuplicateMember { place, .. } = refusal
    {
        assert!(place.item.is_none_or(|item| item.0 < limits.max_items));
        let expected = Place { item: place.item, ..Place::at(body, place.offset) };
        assert_eq!(*place, expected, "{refusal}");
    }
}

fn check_plan(plan: &Plan, items: usize, only_route: Option<RouteIndex>) {
    assert_eq!(plan.items.len(), items, "as many items as there were");
    for (index, waits_for) in plan.dependencies.iter().enumerate() {
        assert!(waits_for.iter().all(|on| on.0 < index), "item {index} waits for a later one");
    }
    for (number, item) in plan.items.iter().enumerate() {
        match &item.step {
            Step::Rejected(rejection) => {
                let verdict = of_rejection(rejection);
                assert!(verdict.problem.status.as_u16() >= 400);
                assert!(verdict.problem.detail.len() < 1000, "{rejection}");
            }
            Step::Call(call) => {
                assert!(call.target.bytes().all(|byte| byte.is_ascii_graphic()), "{}", call.target);
                let path = call.target.split('?').next().unwrap_or_default();
                let canonical =
                    CanonicalPath::parse(path, Strictness::ItemWithSlashes).expect("a path that was planned");
                assert_eq!(canonical.as_written(), path);
                assert!(only_route.is_none_or(|only| item.route == Some(only)), "{path} leaves its route");
            }
            Step::Later(_) => assert!(only_route.is_none(), "a record has no references"),
            Step::Same(first) => {
                assert!(first.0 < number, "item {number} shares the call of a later one");
                let called = plan.items.get(first.0).map(|first| &first.step);
                assert!(matches!(called, Some(Step::Call(call)) if call.body.is_none()), "{called:?}");
            }
            Step::Respond(_) => {}
        }
    }
}

fn planned(batch: Batch, only_route: Option<RouteIndex>) -> Result<Plan, BatchRefusal> {
    let route = |path: &str| {
        let action = RouteAction::Forward { upstream: UpstreamIndex(0), mapping: Mapping::default() };
        Route { coalesce: true, ..Route::new(PathPattern::parse(path).expect("a path"), action) }
    };
    let paths = ["/", "/up/records/archive"];
    let routes = RouteTable::new(paths.map(route).into());
    let path = only_route.map(|only| CanonicalPath::parse(paths[only.0], Strictness::Item).expect("a path"));
    let only_route = path.as_ref().map(OnlyRoute::of);
    let is_batch_endpoint = |path: &CanonicalPath, _: &str| path.as_str() == "/svc/batch";
    let context = PlanContext {
        routes: &routes,
        own_authority: "gw",
        is_batch_endpoint: &is_batch_endpoint,
        groups: Groups::Refuse,
        inherited: &http::HeaderMap::new(),
        only_route: only_route.as_ref(),
    };
    let mut plan = plan(batch, &context)?;
    coalesce(&mut plan, &routes);
    Ok(plan)
}

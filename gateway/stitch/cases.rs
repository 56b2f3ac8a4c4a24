//! Runs the golden cases in `tests/cases` through the pure path of a batch: what the server asks
//! of a request in the same order, but without a socket.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::batch::{BatchLimits, BatchRefusal, ItemIndex};
use crate::dialect::{Dialect, ItemSource};
use crate::format::{
    Accept, Bulk, ReadContext, cross_site, decode_batch, is_postable_cross_site, write_problem,
};
use crate::plan::{Plan, PlanContext, PlannedCondition, Step, plan};
use crate::problem::{ErrorReply, of_refusal, of_rejection};
use crate::reference::condition::{Literal, ResultPart};
use crate::route::{
    CanonicalPath, Mapping, MethodSet, Route, RouteAction, RouteIndex, RouteTable, Strictness, UpstreamIndex,
    UrlTemplate,
};

#[path = "../../tests/case.rs"]
mod case;

use case::{Case, ExpectedEnd};

const OWN_AUTHORITY: &str = "gateway.test";

fn headers(case: &Case) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in case.fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(",")
}

fn run(case: &Case) -> Result<Plan, BatchRefusal> {
    let (path, query) = case.target.split_once('?').unwrap_or((&case.target, ""));
    let method: Method = case.method.parse().unwrap();
    let each = UrlTemplate::parse("/up/records/{id}").unwrap();
    let source = match path {
        "/up/records" => ItemSource::Records(Bulk { each: &each, method: &method, query }),
        _ if method != Method::POST => return Err(BatchRefusal::MethodNotAllowed),
        _ => ItemSource::Batch(Dialect::default()),
    };
    let headers = headers(case);
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap());
    if method == Method::POST
        && is_postable_cross_site(content_type)
        && cross_site(&headers, OWN_AUTHORITY, &[])
    {
        return Err(BatchRefusal::CrossSite);
    }
    let limits = BatchLimits::default();
    if case.body.len() > limits.max_body {
        return Err(BatchRefusal::BodyTooLarge { limit: limits.max_body });
    }
    let body = Bytes::copy_from_slice(&case.body);
    let body = decode_batch(&joined(&headers, &header::CONTENT_ENCODING), body, limits.max_body)?;
    let reader = source.recognize(content_type, &body)?;
    Dialect::default().reply_format(&Accept::from_headers(&headers), reader.format().usual_reply())?;
    let reading =
        ReadContext { limits: &limits, content_type, endpoint: "/batch", own_authority: OWN_AUTHORITY };
    let batch = reader.read(&body, &reading)?;
    let context = PlanContext {
        routes: &routes(),
        own_authority: OWN_AUTHORITY,
        is_batch_endpoint: &|path| path.as_str() == "/batch",
        only_route: (!source.is_batch()).then_some(RouteIndex(0)),
    };
    plan(batch, &context)
}

fn routes() -> RouteTable {
    let route = |path: &str| {
        let action = RouteAction::Forward { upstream: UpstreamIndex(0), mapping: Mapping::default() };
        let name = path.to_owned();
        let path = CanonicalPath::parse(path, Strictness::Item).unwrap();
        Route { name, path, methods: MethodSet::Any, batchable: true, coalesce: false, action }
    };
    RouteTable::new(vec![route("/up/"), route("/up/records/archive")])
}

fn kind(error_reply: &ErrorReply) -> &str {
    error_reply.problem.kind.rsplit(':').next().unwrap()
}

/// What is wrong with the outcome of a case, if anything.
fn check(case: &Case) -> Result<(), String> {
    let expected = &case.expected;
    match run(case) {
        Ok(plan) if expected.status == 207 => check_items(case, &plan),
        Ok(_) => Err("the batch is accepted".to_owned()),
        Err(refusal) => {
            let error_reply = of_refusal(&refusal);
            let found = (error_reply.problem.status.as_u16(), Some(kind(&error_reply)));
            if found != (expected.status, expected.kind.as_deref()) {
                return Err(format!("it is refused with {found:?}: {refusal}"));
            }
            if let Some(missing) =
                expected.details.iter().find(|detail| !error_reply.problem.detail.contains(*detail))
            {
                return Err(format!("the detail lacks `{missing}`: {}", error_reply.problem.detail));
            }
            check_content_type(case, &error_reply)
        }
    }
}

fn check_content_type(case: &Case, error_reply: &ErrorReply) -> Result<(), String> {
    let headers = headers(case);
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap());
    let accept = Accept::from_headers(&headers);
    let written = write_problem(&accept, text(header::CONTENT_TYPE), &error_reply.problem);
    match &case.expected.content_type {
        Some(expected) if *expected != written.content_type => {
            Err(format!("the problem is {}", written.content_type))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_items(case: &Case, plan: &Plan) -> Result<(), String> {
    let mut failed = vec![false; plan.items.len()];
    let found: Vec<(String, ExpectedEnd)> = plan
        .items
        .iter()
        .enumerate()
        .map(|(number, item)| {
            let waits_for = plan.dependencies.get(number).map_or(&[][..], Vec::as_slice);
            let condition = plan.conditions.get(&ItemIndex(number));
            let end = match &item.step {
                Step::Rejected(rejection) => {
                    let error_reply = of_rejection(rejection);
                    ExpectedEnd::Settled {
                        status: error_reply.problem.status.as_u16(),
                        outcome: error_reply.made.outcome.as_str().to_owned(),
                        kind: kind(&error_reply).to_owned(),
                    }
                }
                Step::Call(_) | Step::Later(_)
                    if condition.is_some_and(|planned| !holds(planned, &failed)) =>
                {
                    skipped("condition_not_met")
                }
                Step::Call(_) | Step::Later(_) if condition.is_some() => ExpectedEnd::Sent,
                // What is sent is answered with 200.
                Step::Call(_) | Step::Later(_) if waits_for.iter().any(|on| failed[on.0]) => {
                    skipped("dependency_failed")
                }
                Step::Call(_) | Step::Later(_) | Step::Same(_) | Step::Respond(_) => ExpectedEnd::Sent,
            };
            failed[number] = end != ExpectedEnd::Sent;
            (item.subject.id.as_str().to_owned(), end)
        })
        .collect();
    let expected: Vec<_> =
        case.expected.items.iter().map(|item| (item.id.clone(), item.end.clone())).collect();
    if found == expected { Ok(()) } else { Err(format!("the items end otherwise: {found:#?}")) }
}

fn skipped(kind: &str) -> ExpectedEnd {
    ExpectedEnd::Settled { status: 424, outcome: "skipped".to_owned(), kind: kind.to_owned() }
}

/// Whether a condition holds that asks for no more than whether items succeeded.
fn holds(planned: &PlannedCondition, failed: &[bool]) -> bool {
    let told = planned.condition.holds(&mut |part| match part {
        ResultPart::Succeeded(id) => Ok(Some(Literal::Boolean(!failed[planned.source(id).unwrap().0]))),
        ResultPart::Member { .. } | ResultPart::Reference(_) => panic!("{part}: the cases do without bodies"),
    });
    told.unwrap()
}

fn run_folder(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let cases = case::read_folder(&folder).unwrap();
    assert!(!cases.is_empty());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|error| format!("{}: {}\n  {error}", case.name, case.about)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn hostile_batches_are_refused() {
    run_folder("refused");
}

#[test]
fn hostile_items_are_refused_alone() {
    run_folder("item");
}

#[test]
fn hostile_lines_are_refused_alone() {
    run_folder("ndjson");
}

//! Runs the golden cases in `tests/cases` through the way of a batch from its head to its plan, without a socket.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Request, header};

use crate::admission::{Caller, ConnectionInfo};
use crate::batch::{BatchRefusal, ItemIndex};
use crate::config::{self, ReplyFormat, Settings};
use crate::dialect::Dialect;
use crate::plan::{Plan, PlannedCondition, Step};
use crate::problem::{ErrorReply, of_refusal, of_rejection};
use crate::reference::condition::{Literal, ResultPart};
use crate::telemetry::{PhaseTimes, TraceContext};

use super::batch_request::{BatchRequest, Incoming};
use super::error_format::ErrorFormat;
use super::target::Target;

#[path = "../../tests/case.rs"]
mod case;

use case::{Case, ExpectedEnd};

const SETTINGS: &str = "\
listen: 127.0.0.1:80
upstreams: { up: { targets: ['http://up.test'] } }
routes: [{ path: /up/, upstream: up }, { path: /up/records/archive, upstream: up }]
batch: [{ path: /batch }]
bulk: [{ path: /up/records, methods: [PATCH, PUT, POST, GET, DELETE], each: '/up/records/{id}' }]
";

fn settings() -> &'static Settings {
    static PARSED: OnceLock<Settings> = OnceLock::new();
    PARSED.get_or_init(|| {
        let parsed = config::parse(SETTINGS, "cases.yaml", Path::new(""), &|_| None);
        parsed.map_err(|report| panic!("{report}")).unwrap().settings
    })
}

/// The request of a case, its body apart.
fn head(case: &Case) -> http::request::Parts {
    let mut request = Request::builder().method(case.method.as_str()).uri(&case.target);
    for (name, value) in &case.fields {
        request = request.header(name, value);
    }
    let mut head = request.body(()).unwrap().into_parts().0;
    head.headers.entry(header::HOST).or_insert(HeaderValue::from_static("gateway.test"));
    head
}

/// How the items of a case are planned.
#[derive(Clone, Copy)]
enum Planned {
    AsBatch,
    AsStream,
}

fn run(case: &Case, planned: Planned) -> Result<Plan, BatchRefusal> {
    let (settings, head) = (settings(), head(case));
    let target = Target::find(settings, &head).unwrap();
    let entry = target.entry_point().unwrap_or_else(|| panic!("{} is not for items", case.target));
    let caller = Arc::new(Caller::new(
        ConnectionInfo::default(),
        &head,
        &settings.trusted_proxies,
        settings.forwarded,
    ));
    let trace = TraceContext::default();
    let incoming = Incoming { settings, entry, caller: &caller, trace, head: &head, as_sent: None };
    incoming.check()?;
    let request = BatchRequest::new(&incoming, Bytes::copy_from_slice(&case.body))?;
    // A batch that was stored and read back is planned alike.
    let stored = serde_json::to_vec(&request).unwrap();
    let request: BatchRequest = serde_json::from_slice(&stored).unwrap();
    match planned {
        Planned::AsBatch => request.plan(settings, entry, &mut PhaseTimes::default()),
        Planned::AsStream => request.plan_to_explain(settings, entry, &mut PhaseTimes::default()),
    }
}

fn kind(error_reply: &ErrorReply) -> &str {
    error_reply.problem.kind.rsplit(':').next().unwrap()
}

/// Compares the outcome of a case with what it expects.
fn check(case: &Case, planned: Planned) -> Result<(), String> {
    let expected = &case.expected;
    match run(case, planned) {
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
    let format =
        ErrorFormat::Batch { dialect: Dialect::default(), reply: ReplyFormat::default(), input: None };
    let written = format.body(error_reply, &head(case).headers);
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
                // Every item that is sent gets a 200.
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
    if found != expected {
        return Err(format!("the items end otherwise: {found:#?}"));
    }
    check_item_details(case, plan)
}

/// Compares the details of rejected items. Those of items that are not started are known only once the batch runs.
fn check_item_details(case: &Case, plan: &Plan) -> Result<(), String> {
    for (expected, item) in case.expected.items.iter().zip(&plan.items) {
        let Step::Rejected(rejection) = &item.step else { continue };
        let detail = of_rejection(rejection).problem.detail;
        if let Some(missing) = expected.details.iter().find(|part| !detail.contains(part.as_str())) {
            return Err(format!("the detail of {} lacks `{missing}`: {detail}", expected.id));
        }
    }
    Ok(())
}

fn skipped(kind: &str) -> ExpectedEnd {
    ExpectedEnd::Settled { status: 424, outcome: "skipped".to_owned(), kind: kind.to_owned() }
}

/// Whether a condition holds that asks for no more than whether items succeeded.
fn holds(planned: &PlannedCondition, failed: &[bool]) -> bool {
    let holds = planned.condition.holds(&mut |part| match part {
        ResultPart::Succeeded(id) => Ok(Some(Literal::Boolean(!failed[planned.source(id).unwrap().0]))),
        ResultPart::Member { .. } | ResultPart::Reference(_) => panic!("{part}: the cases do without bodies"),
    });
    holds.unwrap()
}

fn run_folder(folder: &str, planned: Planned) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let cases = case::read_folder(&folder).unwrap();
    assert!(!cases.is_empty());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            check(case, planned).err().map(|error| format!("{}: {}\n  {error}", case.name, case.about))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn hostile_batches_are_refused() {
    run_folder("refused", Planned::AsBatch);
}

#[test]
fn hostile_items_are_refused_alone() {
    run_folder("item", Planned::AsBatch);
}

#[test]
fn hostile_lines_are_refused_alone() {
    run_folder("ndjson", Planned::AsBatch);
}

#[test]
fn lines_of_a_stream_wait_for_earlier_ones() {
    run_folder("stream", Planned::AsStream);
}

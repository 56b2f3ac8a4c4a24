//! How long the phases of a batch take that need no network: parse, plan, stitch and write, for 1 to 1000 items.
//!
//! `cargo bench` runs them all, `cargo bench -- parse` those with this in their name. `README.md` says what the figures are for.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on must stop and say so")]

use batchgate::batch::{Batch, BatchLimits, Groups, MultiStatus, Subject};
use batchgate::clock::Stopwatch;
use batchgate::dialect::{Decider, Dialect};
use batchgate::dispatch::{DispatchedItem, Outcome, Timeline, UpstreamReply};
use batchgate::format::multipart::SetReply;
use batchgate::format::{EncodedBody, Format, ReadContext};
use batchgate::header::spelling::Spellings;
use batchgate::header::variables::Variables;
use batchgate::plan::{Plan, PlanContext, plan};
use batchgate::route::{Mapping, PathPattern, Route, RouteAction, RouteIndex, RouteTable, UpstreamIndex};
use batchgate::stitch::{BodyBudget, ItemReport, StitchContext, stitch};
use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [1, 10, 100, 1000];

fn main() {
    divan::main();
}

/// Bytes become items.
#[divan::bench_group]
mod parse {
    use super::{Bencher, Format, ItemsCount, SIZES, batch_in, parsed};

    #[divan::bench(args = SIZES)]
    fn json(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Json, items);
    }

    #[divan::bench(args = SIZES)]
    fn xml(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Xml, items);
    }

    #[divan::bench(args = SIZES)]
    fn multipart(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Multipart, items);
    }

    #[divan::bench(args = SIZES)]
    fn ndjson(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Ndjson, items);
    }

    fn measure(bencher: Bencher<'_, '_>, format: Format, items: usize) {
        let body = batch_in(format, items);
        bencher.counter(ItemsCount::new(items)).bench(|| parsed(format, &body));
    }
}

/// Items meet their routes.
#[divan::bench(args = SIZES, name = "plan")]
fn planning(bencher: Bencher<'_, '_>, items: usize) {
    let batch = parsed(Format::Json, &batch_in(Format::Json, items));
    let routes = routes();
    bencher
        .counter(ItemsCount::new(items))
        .with_inputs(|| batch.clone())
        .bench_values(|batch| planned(batch, &routes));
}

/// Replies become results.
#[divan::bench(args = SIZES, name = "stitch")]
fn stitching(bencher: Bencher<'_, '_>, items: usize) {
    let routes = routes();
    let answered = |subjects: Vec<Subject>| subjects.into_iter().map(answered).collect::<Vec<_>>();
    let subjects = subjects(items);
    bencher
        .counter(ItemsCount::new(items))
        .with_inputs(|| answered(subjects.clone()))
        .bench_values(|items| stitched(items, &routes));
}

/// Results become bytes.
#[divan::bench_group]
mod write {
    use super::{Bencher, Format, ItemsCount, SIZES, answered, routes, stitched, subjects, written};

    #[divan::bench(args = SIZES)]
    fn json(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Json, items);
    }

    #[divan::bench(args = SIZES)]
    fn xml(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Xml, items);
    }

    #[divan::bench(args = SIZES)]
    fn multipart(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Multipart, items);
    }

    #[divan::bench(args = SIZES)]
    fn ndjson(bencher: Bencher<'_, '_>, items: usize) {
        measure(bencher, Format::Ndjson, items);
    }

    fn measure(bencher: Bencher<'_, '_>, format: Format, items: usize) {
        let dispatched = subjects(items).into_iter().map(answered).collect();
        let (results, _) = stitched(dispatched, &routes());
        bencher
            .counter(ItemsCount::new(items))
            .with_inputs(|| results.clone())
            .bench_values(|results| written(format, results));
    }
}

/// A batch of GETs, as `batches.py` writes it.
fn batch_in(format: Format, items: usize) -> Bytes {
    let items: Vec<_> = (1..=items).map(|number| item_in(format, number)).collect();
    match format {
        Format::Json => format!(r#"{{"requests":[{}]}}"#, items.join(",")),
        Format::Xml => format!("<batch>{}</batch>", items.concat()),
        Format::Multipart => format!("{}--b--\r\n", items.concat()),
        Format::Ndjson => items.concat(),
    }
    .into()
}

fn item_in(format: Format, number: usize) -> String {
    let json = format!(r#"{{"id":"{number}","method":"GET","url":"/items/{number}"}}"#);
    let head = format!("--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n");
    match format {
        Format::Json => json,
        Format::Ndjson => json + "\n",
        Format::Xml => format!(r#"<request id="{number}" method="GET" href="/items/{number}"/>"#),
        Format::Multipart => format!("{head}GET /items/{number} HTTP/1.1\r\n\r\n"),
    }
}

fn parsed(format: Format, body: &Bytes) -> Batch {
    let context = ReadContext {
        limits: &BatchLimits::default(),
        content_type: (format == Format::Multipart).then_some("multipart/mixed; boundary=b"),
        endpoint: "/batch",
        query: "",
        own_authority: "gateway",
        reply: format,
    };
    Dialect::default().read(format, body, &context).unwrap()
}

fn routes() -> RouteTable {
    let route = |path: &str| {
        let action = RouteAction::Forward { upstream: UpstreamIndex(0), mapping: Mapping::default() };
        Route::new(PathPattern::parse(path).unwrap(), action)
    };
    RouteTable::new(["/items/", "/orders/", "/customers/"].map(route).into())
}

fn planned(batch: Batch, routes: &RouteTable) -> Plan {
    let context = PlanContext {
        routes,
        own_authority: "gateway",
        is_batch_endpoint: &|path, _| path.as_str() == "/batch",
        groups: Groups::Refuse,
        inherited: &HeaderMap::new(),
        only_route: None,
    };
    plan(batch, &context).unwrap()
}

fn subjects(items: usize) -> Vec<Subject> {
    let batch = parsed(Format::Json, &batch_in(Format::Json, items));
    batch.items.into_iter().map(|item| item.subject).collect()
}

/// An item with a reply as the upstream of `bench.py` sends it: five fields, and 200 bytes of JSON.
fn answered(subject: Subject) -> DispatchedItem {
    let fields = [
        (header::SERVER, "nginx"),
        (header::DATE, "Fri, 31 Jan 2025 12:00:00 GMT"),
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LENGTH, "200"),
        (header::CONNECTION, "keep-alive"),
    ];
    let headers: HeaderMap =
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    let body = Bytes::from_static(
        br#"{"id":1000,"protocol":"HTTP/1.1","name":"A widget of moderate size","price":{"amount":"12.50","currency":"EUR"},"stock":42,"tags":["blue","steel"],"updated":"2025-01-31T12:00:00Z","self":"/items/1000"}"#,
    );
    let reply = UpstreamReply { status: StatusCode::OK, headers, spellings: Spellings::default(), body };
    DispatchedItem {
        subject,
        route: Some(RouteIndex(0)),
        upstream: Some(UpstreamIndex(0)),
        outcome: Outcome::Answered(reply),
        timeline: Timeline::not_started(Stopwatch::start()),
        coalesced: false,
        undone: None,
    }
}

fn stitched(items: Vec<DispatchedItem>, routes: &RouteTable) -> (MultiStatus, Vec<ItemReport>) {
    let context = StitchContext {
        routes,
        is_upstream: &|_, authority| authority == "upstream",
        own_origin: "http://gateway",
        max_item_reply: 1 << 20,
        max_reply: 1 << 30,
        decider: Decider::default(),
        minimal: false,
        policies: &[],
        variables: Variables::default(),
    };
    stitch(items, &context, &mut BodyBudget::new(context.max_reply))
}

fn written(format: Format, results: MultiStatus) -> EncodedBody {
    Dialect::default().write(format, SetReply::default(), results)
}

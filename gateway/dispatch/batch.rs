//! Dispatches a batch that is complete: one task, from the plan to all outcomes.

use std::future::{Future, poll_fn};

use futures_util::future::FutureExt;

use crate::plan::{Plan, Step};

use super::coalesced::make_copies;
use super::collect::{End, collect};
use super::engine::Engine;
use super::graph::Graph;
use super::items::Items;
use super::outcome::DispatchedItem;
use super::queues::Queues;
use super::resolve::Resolver;
use super::scheduler::Scheduler;
use super::source::{DispatchLimits, Source};

/// Makes a plan's calls. N planned items in, N dispatched items out, in order.
///
/// When `gone` ends (the client has left), nothing more is started and the calls under way are dropped; the items still
/// come out, so that metrics count each of them.
pub async fn dispatch<E: Engine>(
    plan: Plan,
    engine: &E,
    resolver: &dyn Resolver,
    limits: DispatchLimits,
    gone: impl Future<Output = ()> + Send,
) -> Vec<DispatchedItem> {
    let items = Items::new(plan, limits);
    let end = {
        let run = items.deadline.race(run(&items, engine, resolver));
        tokio::select! {
            biased;
            finished = run => if finished.is_some() { End::Finished } else { End::Deadline },
            () = gone => End::ClientGone,
        }
    };
    collect(items, end, engine)
}

/// Makes all calls, and the copies of those that are shared. Dropping the future drops the calls under way.
async fn run<E: Engine>(items: &Items, engine: &E, resolver: &dyn Resolver) {
    if items.dependencies.is_empty() {
        let queues = Queues::new(items);
        drive(&queues, engine, queues.most_channels(engine)).await;
    } else {
        run_graph(items, engine, resolver).boxed().await;
    }
    if items.places.iter().any(|place| matches!(place.item.step, Step::Same(_))) {
        make_copies(items, engine).boxed().await;
    }
}

async fn run_graph<E: Engine>(items: &Items, engine: &E, resolver: &dyn Resolver) {
    let graph = Graph::new(items, engine, resolver);
    drive(&graph, engine, [items.run.limits.most_at_once()]).await;
}

async fn drive<'run, S: Source<'run>, E: Engine>(
    source: &'run S,
    engine: &'run E,
    most: impl IntoIterator<Item = usize>,
) {
    let mut scheduler = Scheduler::new(source, engine, most);
    poll_fn(|context| scheduler.poll(context)).await;
}

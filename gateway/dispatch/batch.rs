//! Dispatches a batch that is complete: one task, from the plan to all outcomes. Groups that fail are undone in that task
//! too, but not within the time of the calls ([`Undoing`]).

use std::future::{Future, poll_fn};
use std::task::Poll;

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
use super::scheduler::{Scheduler, Width};
use super::source::{DispatchLimits, Source};
use super::undoing::Undoing;

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
    let end = if items.groups.is_empty() {
        until_end(&items, run(&items, engine, resolver, None), gone).await
    } else {
        let mut undoing = Undoing::new(&items, engine, resolver);
        let end = until_end(&items, run(&items, engine, resolver, Some(&mut undoing)), gone).boxed().await;
        undoing.finish().boxed().await;
        end
    };
    collect(items, end, engine)
}

/// Goes on until all is done, the deadline comes, or the client leaves.
async fn until_end(items: &Items, run: impl Future<Output = ()>, gone: impl Future<Output = ()>) -> End {
    tokio::select! {
        biased;
        finished = items.deadline.race(run) => if finished.is_some() { End::Finished } else { End::Deadline },
        () = gone => End::ClientGone,
    }
}

/// Makes all calls, and the copies of those that are shared. Dropping the future drops the calls under way.
async fn run<'run, E: Engine>(
    items: &'run Items,
    engine: &'run E,
    resolver: &'run dyn Resolver,
    undoing: Option<&mut Undoing<'run, E>>,
) {
    if items.dependencies.is_empty() {
        let queues = Queues::new(items);
        drive(&queues, engine, queues.widths(engine)).await;
    } else {
        run_graph(items, engine, resolver, undoing).boxed().await;
    }
    if items.places.iter().any(|place| matches!(place.item.step, Step::Same(_))) {
        make_copies(items, engine).boxed().await;
    }
}

async fn run_graph<'run, E: Engine>(
    items: &'run Items,
    engine: &'run E,
    resolver: &'run dyn Resolver,
    undoing: Option<&mut Undoing<'run, E>>,
) {
    let graph = Graph::new(items, engine, resolver);
    let widths = [Width { most: items.run.limits.most_at_once(), upstream: None }];
    let Some(undoing) = undoing else { return drive(&graph, engine, widths).await };
    let mut scheduler = Scheduler::new(&graph, engine, widths);
    poll_fn(|context| {
        loop {
            let calls = scheduler.poll(context);
            match undoing.poll(context) {
                Poll::Ready(Some(group)) => graph.release(group),
                Poll::Ready(None) => return calls,
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

async fn drive<'run, S: Source<'run>, E: Engine>(
    source: &'run S,
    engine: &'run E,
    widths: impl IntoIterator<Item = Width>,
) {
    let mut scheduler = Scheduler::new(source, engine, widths);
    poll_fn(|context| scheduler.poll(context)).await;
}

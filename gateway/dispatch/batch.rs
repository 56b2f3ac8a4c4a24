//! Dispatches a batch that is complete: one task, from the plan to all outcomes. Groups that fail are undone in that task
//! too, but not within the time of the calls ([`Undoing`]).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::future::FutureExt;

use crate::plan::{Plan, Step};

use super::coalesced::make_copies;
use super::collect::End;
use super::engine::Engine;
use super::graph::Graph;
use super::in_order::{Client, InOrder};
use super::items::Items;
use super::outcome::DispatchedItem;
use super::queues::Queues;
use super::resolve::Resolver;
use super::scheduler::{Scheduler, Width};
use super::source::{DispatchLimits, Source};
use super::undoing::Undoing;

/// Makes a plan's calls, while `client` attends to them. N planned items in, N dispatched items out, in order: those that
/// the client has taken, and those that this returns.
///
/// When the client has left, nothing more is started and the calls under way are dropped; the items still come out, so
/// that metrics count each of them.
pub async fn dispatch<E: Engine>(
    plan: Plan,
    engine: &E,
    resolver: &dyn Resolver,
    limits: DispatchLimits,
    client: &mut impl Client,
) -> Vec<DispatchedItem> {
    let items = Items::new(plan, limits);
    let in_order = InOrder::new(&items, engine);
    let end = if items.groups.is_empty() {
        until_end(&items, run(&items, engine, resolver, None), &in_order, client).await
    } else {
        let mut undoing = Undoing::new(&items, engine, resolver);
        let run = run(&items, engine, resolver, Some(&mut undoing));
        let end = until_end(&items, run, &in_order, client).boxed().await;
        undoing.finish().boxed().await;
        end
    };
    let collector = in_order.into_collector();
    collector.take_rest(items, end, engine)
}

/// Goes on until all is done, the deadline comes, or the client leaves. A client that is writing when the calls are over
/// writes to the end.
async fn until_end<E: Engine>(
    items: &Items,
    run: impl Future<Output = ()>,
    in_order: &InOrder<'_, E>,
    client: &mut impl Client,
) -> End {
    let mut calls = pin!(Some(items.deadline.race(run)));
    let mut attended = pin!(client.attend(in_order));
    let mut end = None;
    poll_fn(|context| {
        if let Some(under_way) = calls.as_mut().as_pin_mut()
            && let Poll::Ready(finished) = under_way.poll(context)
        {
            calls.set(None);
            end = Some(if finished.is_some() { End::Finished } else { End::Deadline });
            in_order.end_calls();
        }
        attended.as_mut().poll(context).map(|()| end.unwrap_or(End::ClientGone))
    })
    .await
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

//! The plan of a batch: for each item, what will happen to it.
//!
//! In: a [`Batch`](crate::batch::Batch) by move, and the [`PlanContext`] of its endpoint. Out: a [`Plan`] with one
//! [`PlannedItem`] for each item, in the order of the request. A stream is planned line by line ([`EarlierLines`]). Pure:
//! nothing is sent, and no clock is read.
//!
//! A planned item has one [`Step`]: call an upstream, call it later (once results are there that it refers to), share
//! the call of an equal item, send a route's fixed answer, or be rejected. `dispatch` takes the steps; `explain` shows
//! them and takes none.
//!
//! Decided here, and never again later:
//! - **Where an item goes.** Its url passes the canonicaliser (`url`) and meets a route of the configuration
//!   (`routing`). Nothing that a client writes can name a host, reach a batch endpoint, or leave its bulk route. An
//!   item with references keeps the route that it was planned for (`deferred_call`): results of other items can fill
//!   the gaps in its url and nothing else.
//! - **What it waits for.** Names in `dependsOn`, in references and in conditions become positions in the batch
//!   (`dependencies`, `conditions`; `lines` in a stream). An item can wait only for earlier ones, so there are no cycles to
//!   look for.
//! - **What it shares.** Equal items of routes with `coalesce` share one call (`coalescing`), but only if their
//!   batch runs in parallel.
//! - **What becomes of groups** of several items, which no transaction holds together (`groups`): their members are
//!   rejected, or run one after the other. Where what they did is undone if one fails, `undo` decides how, and rejects a
//!   group of which a member can't be undone.
//! - **What is wrong with it.** A rejected item keeps its place and its reason. It never fails the batch; only
//!   dependencies that can't be resolved refuse the batch as a whole. In a stream they reject their line.
//!
//! Not decided here: the order and the number of calls in flight, retries, time limits, and which target of an
//! upstream is called (`dispatch` and `upstream`); and how a batch is run ([`Preferences`] reads what the client asks
//! for, `serve` settles it).

mod call;
mod call_template;
mod coalescing;
mod conditions;
mod deferred_call;
mod dependencies;
mod groups;
mod lines;
mod planner;
mod preferences;
mod routing;
mod step;
mod undo;
mod url;

pub use call::Call;
pub use call_template::{CallTemplate, Destination, Filled, Sources};
pub use coalescing::coalesce;
pub use conditions::{Conditions, PlannedCondition};
pub use lines::{AwaitedLine, EarlierLines, Needed, PlannedLine, Waits};
pub use planner::plan;
pub use preferences::Preferences;
pub use routing::{OnlyRoute, PlanContext};
pub use step::{Plan, PlannedItem, Step, Undo};
pub use url::{ItemUrl, parse_item_url};

//! Both ends of an exchange: what a batch is when it comes in, and what its results are when they go
//! out. Pure data with no I/O; every other module speaks in these words.

mod admission;
mod bounded;
mod groups;
mod item;
mod limit_text;
mod limits;
mod problem;
mod refusal;
mod rejection;
mod result;

pub use admission::AdmissionRefusal;
pub use bounded::Bounded;
pub use groups::{Changesets, Groups};
pub use item::{
    Batch, BatchItem, ChangeSet, DroppedFields, IdForm, Item, ItemForm, SetAnswer, Subject, Taken,
};
pub(crate) use limit_text::{Unit, limit_text};
pub use limits::{BatchLimits, StreamWindow};
pub use problem::{Problem, ProxyError};
pub use refusal::{BatchRefusal, GroupProblem, IdClash, Place};
pub use rejection::ItemRejection;
pub use result::{GatewayMade, ItemResult, MultiStatus, OutcomeKind, ResultBody, Summary};

pub use crate::reference::item_id::{IdCase, ItemId, ItemIndex};

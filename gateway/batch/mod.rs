//! Both ends of the talk: what a batch is when it comes in, and what its results are when they go
//! out. Pure data with no I/O; every other module speaks in these words.

mod admission;
mod bounded;
mod dialect;
mod condition;
mod expression;
mod field;
mod id;
mod item;
mod limits;
mod problem;
mod refusal;
mod rejection;
mod result;
mod template;

pub use admission::AdmissionRefusal;
pub use bounded::Bounded;
pub use condition::{Comparison, Condition, ConditionError, Literal, Operand, ResultPart, Unresolved};
pub use dialect::Dialect;
pub use expression::{
    EXPRESSION_START, Expression, ExpressionError, Part, TextTemplate, may_have_expressions,
};
pub use field::{FieldError, Fields, checked_field, is_forbidden_in_item, is_hop_by_hop};
pub use id::{IdForm, ItemId, ItemIndex};
pub use item::{Batch, BatchItem, Item, ItemForm, Subject};
pub use limits::BatchLimits;
pub use problem::{Problem, ProxyError};
pub use refusal::{BatchRefusal, Place};
pub use rejection::ItemRejection;
pub use result::{GatewayMade, ItemResult, MultiStatus, OutcomeKind, ResultBody, Summary};
pub use template::{BodyPiece, Template, TemplateLimits, UrlTemplate};

//! References between items of a batch: expressions, templates and conditions.

pub mod condition;
pub mod expression;
pub mod item_id;
pub mod template;

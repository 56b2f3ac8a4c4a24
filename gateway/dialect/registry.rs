//! The dialects there are, a line each. The order is that of messages and of the schema.

use super::rules::Rules;

pub(super) static DIALECTS: &[&dyn Rules] = &[
    &super::batchgate::Batchgate,
    &super::odata::Odata,
    &super::graph::Graph,
    &super::apisix::Apisix,
    &super::tyk::Tyk,
];

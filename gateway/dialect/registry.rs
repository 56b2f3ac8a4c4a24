//! The dialects there are, a line each. The order is that of messages and of the schema.

use super::rules::Rules;

pub(super) static DIALECTS: &[&dyn Rules] = &[
    &super::batchgate::Batchgate,
    &super::odata::Odata,
    &super::odata::Odata3,
    &super::graph::Graph,
    &super::google::Google,
    &super::azure::Azure,
    &super::apisix::Apisix,
    &super::tyk::Tyk,
];

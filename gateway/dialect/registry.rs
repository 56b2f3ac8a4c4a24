//! The dialects there are: one line each. The first is the default.

use super::apisix::Apisix;
use super::batchgate::Batchgate;
use super::graph::Graph;
use super::odata::Odata;
use super::rules::Rules;
use super::tyk::Tyk;

pub(super) static DIALECTS: [&dyn Rules; 5] = [&Batchgate, &Odata, &Graph, &Apisix, &Tyk];

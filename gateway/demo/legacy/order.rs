//! One order and its states.

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Order {
    /// Its number.
    pub(super) id: u32,
    /// The customer.
    pub(super) customer: String,
    /// The article.
    pub(super) article: String,
    /// The quantity.
    pub(super) quantity: u32,
    /// Its state.
    pub(super) status: OrderStatus,
}

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OrderStatus {
    Open,
    Paid,
    Shipped,
    Cancelled,
}

/// A change to an order. Absent members stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderChange {
    id: Option<u32>,
    customer: Option<String>,
    article: Option<String>,
    quantity: Option<u32>,
    status: Option<OrderStatus>,
}

impl OrderStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        }
    }

    fn next(self) -> &'static [Self] {
        match self {
            Self::Open => &[Self::Paid, Self::Cancelled],
            Self::Paid => &[Self::Shipped, Self::Cancelled],
            Self::Shipped | Self::Cancelled => &[],
        }
    }
}

impl Order {
    /// The changed order. `self` stays as it is.
    pub(super) fn changed(&self, change: OrderChange) -> Result<Self, Fault> {
        let status = change.status.unwrap_or(self.status);
        if status != self.status && !self.status.next().contains(&status) {
            return Err(Fault::Conflict { id: self.id, is: self.status.as_str(), wanted: status.as_str() });
        }
        change.check_id(self.id)?;
        Ok(Self {
            id: self.id,
            customer: change.customer.unwrap_or_else(|| self.customer.clone()),
            article: change.article.unwrap_or_else(|| self.article.clone()),
            quantity: change.quantity.unwrap_or(self.quantity),
            status,
        })
    }
}

impl OrderChange {
    /// The change, if it has everything but a status, as a complete order must.
    pub(super) fn complete(self) -> Result<Self, Fault> {
        let absent = [
            ("customer", self.customer.is_none()),
            ("article", self.article.is_none()),
            ("quantity", self.quantity.is_none()),
        ];
        match absent.into_iter().find(|(_, is_absent)| *is_absent) {
            Some((name, _)) => Err(Fault::NotAnOrder(format!("`{name}` is missing"))),
            None => Ok(self),
        }
    }

    /// A new order, open unless the change says otherwise.
    pub(super) fn into_order(self, id: u32) -> Result<Order, Fault> {
        let change = self.complete()?;
        change.check_id(id)?;
        Ok(Order {
            id,
            customer: change.customer.unwrap_or_default(),
            article: change.article.unwrap_or_default(),
            quantity: change.quantity.unwrap_or_default(),
            status: change.status.unwrap_or(OrderStatus::Open),
        })
    }

    fn check_id(&self, id: u32) -> Result<(), Fault> {
        match self.id {
            Some(other) if other != id => Err(Fault::NotAnOrder(format!("this is {id}, not {other}"))),
            Some(_) | None => Ok(()),
        }
    }
}

//! Credit for money, through Stripe: what is sold, the way to Stripe's page, and what became of
//! each payment. A webhook, the buyer's return and the reconciler all end in the same ledger
//! events, whose subject is the payment: whoever writes first is right. It never trusts what a
//! message says of a payment: it asks Stripe.

/// What is sold, and for how much.
mod offer;

/// Calls of Stripe's API.
mod client;

/// To Stripe's page.
mod checkout;

/// What a webhook says, once its signature is known.
mod notice;

/// A payment to credit.
mod credit;

/// A saved card that is charged when credit runs out.
mod recharge;

/// Money that goes back, to credit that goes back.
mod claw_back;

/// What of a purchase has gone back.
mod returns;

/// What Stripe knows and the ledger doesn't.
mod reconcile;

pub use checkout::{Buyer, Order};
pub use client::{CallError, Session};
pub use credit::{Credited, Settled};
pub use notice::{Notice, NoticeObject, Unsigned};
pub use offer::{Offer, OfferError};
pub use recharge::Charged;
pub use reconcile::Reconciled;

use client::Client;
use infra::bus::BusError;
use infra::config::{Config, Plan, Stripe};

/// Everything that is bought passes here.
pub struct Payments {
    client: Client,
    settings: Stripe,
    plans: Vec<Plan>,
}

/// Why a payment can't be dealt with now.
#[derive(Debug, thiserror::Error)]
pub enum PaymentsError {
    /// Stripe.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Stripe knows a payment of ours with facts that we never wrote.
    #[error("the payment {payment} is ours, but its {what} can't be read")]
    Unreadable {
        /// Which payment.
        payment: String,
        /// What of it.
        what: &'static str,
    },
}

impl Payments {
    /// With the configured key; `None` without one: nothing is sold then.
    ///
    /// # Errors
    /// When the key or the base URL can't be used.
    pub fn new(config: &Config) -> Result<Option<Self>, CallError> {
        let Some(key) = &config.stripe.secret_key else { return Ok(None) };
        let client = Client::new(key, &config.stripe)?;
        let (settings, plans) = (config.stripe.clone(), config.plans.clone());
        Ok(Some(Self { client, settings, plans }))
    }
}

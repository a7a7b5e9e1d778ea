//! What a kept answer costs: nothing, or the configured share of what it would cost anew. Either
//! way it is written to the ledger, so that it appears in usage. A charge is durable before the
//! answer is told; once that has begun a client that hangs up has paid for the whole answer.

use super::admit::Admitted;
use super::recall::KeptAnswer;
use crate::cache;
use crate::credits;
use crate::state::Gateway;
use infra::clock;
use infra::config::Model;
use infra::seldom::Seldom;
use schemas::error::Problem;
use schemas::ledger::{EventV1, Fact, Outcome, Use, VoidReason, Writer};
use schemas::money::MicroUsd;
use std::sync::Arc;

impl Gateway {
    /// Charges for a kept answer and says how much.
    ///
    /// # Errors
    /// When the credit doesn't cover it, or when it can't be made durable.
    pub(super) async fn charge_kept(
        self: &Arc<Self>,
        admitted: &Admitted,
        answer: &KeptAnswer,
        model: &Model,
    ) -> Result<MicroUsd, Problem> {
        let percent = self.config.cache.hit_price_percent;
        let charge = cache::share(model.price.charge(&answer.usage), percent);
        let event = event_of(admitted, answer, model, charge);
        let gateway = Arc::clone(self);
        if charge == MicroUsd::ZERO {
            // Nobody has to wait for the record of something free.
            self.settlements.spawn("note a kept answer", async move {
                gateway.write_down(&event).await;
            });
            return Ok(charge);
        }
        if !self.bus.ledger().is_open() {
            return Err(credits::not_recorded());
        }
        let key = &admitted.authenticated.key;
        let request = &admitted.authenticated.received.request;
        let wanted = self.reservation(request, key, charge, charge);
        // From here on it may be charged, whatever its client is told.
        self.exchange.may_be_charged(request);
        let key = Arc::clone(key);
        // A client that leaves in between must not leave a hold behind.
        let paid = self.settlements.spawn("charge a kept answer", async move {
            let reserved = gateway.store.reserve(&wanted).await.map_err(|error| {
                static AWAY: Seldom = Seldom::new();
                AWAY.say(|| tracing::error!(%error, "credit can't be reserved"));
                // The answer of Redis may be lost, and the credit be held.
                if !error.is_refusal() {
                    gateway.core.void(&wanted.request, &key, VoidReason::NotPublished);
                }
                credits::away()
            })?;
            if let Some(problem) = gateway.refusal_of(reserved, charge) {
                return Err(problem);
            }
            let charged = gateway.charge_or_void(&event, &key).await;
            charged.map(|_| ()).ok_or_else(credits::not_recorded)
        });
        paid.await.map_err(|_| credits::not_recorded())??;
        Ok(charge)
    }
}

fn event_of(admitted: &Admitted, answer: &KeptAnswer, model: &Model, charge: MicroUsd) -> EventV1 {
    let key = &admitted.authenticated.key;
    EventV1 {
        account: key.account.clone(),
        at_ms: clock::unix_ms(),
        amount: charge.negated(),
        fact: Fact::Use(Use {
            request: admitted.authenticated.received.request.clone(),
            key: key.key.clone(),
            model: answer.model.clone(),
            usage: answer.usage,
            source: answer.source,
            price: model.price,
            hold: charge,
            outcome: Outcome::Done,
            writer: Writer::Gateway,
            cached: true,
            route: None,
        }),
    }
}

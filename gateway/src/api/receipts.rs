//! `GET /api/receipts/{request_id}`: how a request ended, from the ledger itself. It is there as
//! soon as the client has read the end of its answer.

use super::asked::{Path, Query};
use super::error::ApiError;
use super::shapes::{Buckets, PriceList, Receipt, ReceiptEnd};
use super::usage::{self, Scope, UsageQuery};
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::ledger::{EventV1, Fact, Use, Void};
use schemas::money::{PicoUsdPerToken, Price};
use schemas::subjects;
use schemas::usage::Usage;
use std::sync::Arc;

/// One request's.
pub(super) async fn receipt(
    State(gateway): State<Arc<Gateway>>,
    Path(request): Path<String>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<Receipt>, ApiError> {
    let Scope { account, key } = usage::scope(&gateway, &headers, query)?;
    let request = RequestId::parse(request).map_err(|_| unknown())?;
    let subject = subjects::ledger(&account, "use", request.as_str());
    let event = gateway.bus.recorded(&subject).await.map_err(|error| records_away(&error))?;
    let shown = event.as_ref().and_then(described).ok_or_else(unknown)?;
    let is_wanted = key.is_none_or(|key| shown.key_id == key);
    if is_wanted { Ok(Json(shown)) } else { Err(unknown().into()) }
}

fn unknown() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "このアカウントに、その request_id の終わった処理はありません。x-request-id を確認してください。",
        "No request of this account with that request_id has ended. Look at its x-request-id.",
    )
    .at("request_id")
}

fn described(event: &EventV1) -> Option<Receipt> {
    let request = event.request()?;
    let (key, writer, end) = match &event.fact {
        Fact::Use(fact) => (&fact.key, fact.writer, used(fact)),
        Fact::Void(Void { key, reason, writer, .. }) => {
            (key, *writer, ReceiptEnd::Void { reason: *reason })
        }
        _ => return None,
    };
    let started_ms = made_ms(request);
    Some(Receipt {
        object: "receipt",
        request_id: request.clone(),
        account: event.account.clone(),
        key_id: key.clone(),
        started_at: started_ms.map(clock::rfc3339),
        started_ms,
        recorded_at: clock::rfc3339(event.at_ms),
        recorded_ms: event.at_ms,
        charge_usd: event.amount.negated().as_usd(),
        charge_micro_usd: event.amount.negated().0,
        writer,
        end,
    })
}

fn used(fact: &Use) -> ReceiptEnd {
    ReceiptEnd::Used {
        model: fact.model.clone(),
        usage: Box::new(usage_shown(&fact.usage)),
        token_source: fact.source,
        price: Box::new(price_shown(&fact.price)),
        hold_usd: fact.hold.as_usd(),
        hold_micro_usd: fact.hold.0,
        outcome: fact.outcome,
        cached: fact.cached,
        route_reason: fact.route.clone(),
    }
}

/// When a gateway named the request, which it does first: a UUID of version 7 begins with that
/// moment. Nothing for a name from elsewhere.
fn made_ms(request: &RequestId) -> Option<u64> {
    let digits = request.as_str().strip_prefix("req_").filter(|digits| digits.len() == 32)?;
    let (moment, rest) = digits.split_at_checked(12)?;
    rest.starts_with('7').then(|| u64::from_str_radix(moment, 16).ok()).flatten()
}

/// The buckets as the ledger has them: `null` is what the vendor told nothing about.
fn usage_shown(usage: &Usage) -> Buckets {
    Buckets {
        input_tokens: usage.input,
        cache_read_tokens: usage.cache_read,
        cache_write_tokens: usage.cache_writes(),
        cache_write_hour_tokens: usage.cache_write_hour,
        output_tokens: usage.output,
        reasoning_tokens: usage.reasoning,
    }
}

/// The price that it was charged at, as a price list has it: USD per million tokens.
fn price_shown(price: &Price) -> PriceList {
    // 1 USD per million tokens is 1,000,000 pico-USD per token.
    let per_million = |price: PicoUsdPerToken| price.0 as f64 / 1_000_000.0;
    PriceList {
        unit: "usd_per_million_tokens",
        input: per_million(price.input),
        cached_input: per_million(price.cached_input),
        cache_write: per_million(price.cache_write),
        cache_write_hour: price.cache_write_hour.map(per_million),
        output: per_million(price.output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_ours_tells_when_it_began() {
        let before = clock::unix_ms();
        let made = made_ms(&RequestId::fresh()).unwrap();
        assert!((before..=clock::unix_ms()).contains(&made), "{made}");
        for foreign in ["req_1", "x", "req_0194a0000000400080000000000000zz"] {
            assert_eq!(made_ms(&RequestId::parse(foreign).unwrap()), None, "{foreign}");
        }
    }
}

//! Room within the limits of the key and its account: requests and tokens a minute, requests at
//! once. All or nothing: a refused request takes nothing. When Redis is away nothing passes.

use super::Refused;
use super::authenticate::Authenticated;
use crate::credits;
use crate::state::Gateway;
use infra::store::limits::{Admission, Rates, Refusal, Standing};
use infra::store::spending::Spender;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::records::{AccountLimits, KeyRecordV1};
use std::sync::Arc;

/// How long a place is kept without a sign of its gateway, in milliseconds.
pub(crate) const LEASE_MS: u64 = 20_000;

/// More than anybody takes in a minute: the highest limit that can be given.
const UNLIMITED: u64 = 1_000_000_000_000;

/// A request that passed its key's limits.
pub(super) struct Admitted {
    pub(super) authenticated: Authenticated,
    pub(super) standing: Standing,
    pub(super) place: Place,
}

/// What a request took of its key's and its account's minute.
pub(super) struct Taken(Admission);

impl Taken {
    /// Nothing was started: what was taken is there again, and so the client is told.
    pub(super) async fn give_back(self, gateway: &Gateway, taken: Standing) -> Standing {
        let back = gateway.store.give_back(&self.0).await;
        back.unwrap_or_else(|error| {
            tracing::warn!(%error, "what a refused request took comes back only with the minute");
            taken
        })
    }
}

/// A place among the requests at once; dropping it gives it back.
pub(super) struct Place {
    gateway: Arc<Gateway>,
    key: Arc<KeyRecordV1>,
    request: RequestId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let (gateway, key) = (Arc::clone(&self.gateway), Arc::clone(&self.key));
        let request = self.request.clone();
        self.gateway.settlements.spawn("give a place back", async move {
            if let Err(error) = gateway.store.leave(&key.account, &key.key, &request).await {
                tracing::warn!(%error, "a place comes back only after its lease");
            }
        });
    }
}

/// Asks the limits, and says what the request took of them.
pub(super) async fn admit(
    gateway: &Arc<Gateway>,
    authenticated: Authenticated,
) -> Result<(Admitted, Taken), Refused> {
    let Authenticated { received, key } = &authenticated;
    let limits = &gateway.config.limits;
    let asked = received.chat.answer_tokens_max().unwrap_or(0).min(limits.max_tokens_per_request);
    let answer = asked * u64::from(received.chat.n.unwrap_or(1));
    let admission = Admission {
        request: received.request.clone(),
        account: key.account.clone(),
        key: key.key.clone(),
        tokens: credits::prompt_tokens_estimate(&received.chat) + answer,
        lease_ms: LEASE_MS,
        of_key: Rates {
            requests_max: key.requests_per_minute_max.unwrap_or(limits.requests_per_minute),
            tokens_max: key.tokens_per_minute_max.unwrap_or(limits.tokens_per_minute),
            parallel_max: key.parallel_max.unwrap_or(limits.parallel),
        },
        of_account: gateway.accounts.get(&key.account).and_then(|account| rates(&account.limits)),
    };
    let standing = gateway.store.admit(&admission).await.map_err(|error| {
        tracing::error!(%error, "limits can't be asked");
        Refused::from(credits::away())
    })?;
    if let Some((refusal, whose)) = standing.refusal {
        let problem = refused(refusal, whose, standing.wait_ms);
        return Err(Refused { problem, standing: Some(standing) });
    }
    let place = Place {
        gateway: Arc::clone(gateway),
        key: Arc::clone(key),
        request: received.request.clone(),
    };
    Ok((Admitted { authenticated, standing, place }, Taken(admission)))
}

/// What an account's keys may take together; what isn't limited is as good as endless.
fn rates(limits: &AccountLimits) -> Option<Rates> {
    let all = [limits.requests_per_minute_max, limits.tokens_per_minute_max, limits.parallel_max];
    let [requests_max, tokens_max, parallel_max] = all.map(|max| max.unwrap_or(UNLIMITED));
    all.iter().any(Option::is_some).then_some(Rates { requests_max, tokens_max, parallel_max })
}

fn refused(refusal: Refusal, whose: Spender, wait_ms: u64) -> Problem {
    let (owner_japanese, owner) = match whose {
        Spender::Key => ("キー", "key"),
        Spender::Account => ("アカウント", "account"),
    };
    let (japanese, english) = match refusal {
        Refusal::Requests => ("1分あたりのリクエスト数", "requests a minute"),
        Refusal::Tokens => ("1分あたりのトークン数", "tokens a minute"),
        Refusal::Parallel => ("同時リクエスト数", "requests at once"),
    };
    Problem::new(
        ErrorCode::RateLimitExceeded,
        format!(
            "この{owner_japanese}の上限 ({japanese}) に達しました。\
             retry-after の後にもう一度お試しください。"
        ),
        format!("This {owner}'s limit of {english} is reached. Try again after retry-after."),
    )
    .retry_after_ms(wait_ms.max(1))
}

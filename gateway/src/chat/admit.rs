//! Room within the key's limits: requests and tokens a minute, requests at once. All or nothing: a
//! refused request takes nothing. When Redis is away nothing passes.

use super::Refused;
use super::authenticate::Authenticated;
use crate::credits;
use crate::state::Gateway;
use infra::store::limits::{Admission, Refusal, Standing};
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::records::KeyRecordV1;
use std::sync::Arc;

/// How long a place is kept without a sign of its gateway, in milliseconds.
pub(crate) const LEASE_MS: u64 = 20_000;

/// A request that passed its key's limits.
pub(super) struct Admitted {
    pub(super) authenticated: Authenticated,
    pub(super) standing: Standing,
    pub(super) place: Place,
}

/// What a request took of its key's minute.
pub(super) struct Taken {
    key: Arc<KeyRecordV1>,
    tokens: u64,
}

impl Taken {
    /// Nothing was started: what was taken is there again, and so the client is told.
    pub(super) async fn give_back(self, gateway: &Gateway, taken: Standing) -> Standing {
        let Self { key, tokens } = self;
        let back = gateway.store.give_back(&key.account, &key.key, tokens, taken).await;
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
        request: &received.request,
        account: &key.account,
        key: &key.key,
        requests_max: key.requests_per_minute_max.unwrap_or(limits.requests_per_minute),
        tokens_max: key.tokens_per_minute_max.unwrap_or(limits.tokens_per_minute),
        tokens: credits::prompt_tokens_estimate(&received.chat) + answer,
        parallel_max: key.parallel_max.unwrap_or(limits.parallel),
        lease_ms: LEASE_MS,
    };
    let standing = gateway.store.admit(&admission).await.map_err(|error| {
        tracing::error!(%error, "limits can't be asked");
        Refused::from(credits::away())
    })?;
    if let Some(refusal) = standing.refusal {
        let problem = refused(refusal, standing.wait_ms);
        return Err(Refused { problem, standing: Some(standing) });
    }
    let place = Place {
        gateway: Arc::clone(gateway),
        key: Arc::clone(key),
        request: received.request.clone(),
    };
    let taken = Taken { key: Arc::clone(key), tokens: admission.tokens };
    Ok((Admitted { authenticated, standing, place }, taken))
}

fn refused(refusal: Refusal, wait_ms: u64) -> Problem {
    let (japanese, english) = match refusal {
        Refusal::Requests => ("1分あたりのリクエスト数", "requests a minute"),
        Refusal::Tokens => ("1分あたりのトークン数", "tokens a minute"),
        Refusal::Parallel => ("同時リクエスト数", "requests at once"),
    };
    Problem::new(
        ErrorCode::RateLimitExceeded,
        format!(
            "このキーの上限 ({japanese}) に達しました。retry-after の後にもう一度お試しください。"
        ),
        format!("This key's limit of {english} is reached. Try again after retry-after."),
    )
    .retry_after_ms(wait_ms.max(1))
}

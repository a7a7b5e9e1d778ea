//! Room within the limits of the key and its account: requests and tokens a minute, requests at
//! once. All or nothing: a refused request takes nothing. When Redis is away nothing passes.

use super::Refused;
use super::authenticate::Authenticated;
use crate::credits;
use crate::limits;
use crate::state::Gateway;
use infra::store::limits::{Admission, Standing};
use schemas::ids::{AccountId, KeyId, RequestId};
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
    /// Whoever kept the answer has given it back.
    is_over: bool,
}

impl Place {
    /// Whose it is.
    pub(super) fn owner(&self) -> (&AccountId, &KeyId) {
        (&self.key.account, &self.key.key)
    }

    /// The answer was kept, and with it the place was given back.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
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
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let asked = received.chat.answer_tokens_max().unwrap_or(0).min(max_tokens);
    let answer = asked * u64::from(received.chat.n.unwrap_or(1));
    let tokens = credits::prompt_tokens_estimate(&received.chat) + answer;
    let admission = gateway.admission(key, &received.request, tokens);
    let standing = gateway.store.admit(&admission).await.map_err(|error| {
        tracing::error!(%error, "limits can't be asked");
        Refused::from(credits::away())
    })?;
    if let Some((refusal, whose)) = standing.refusal {
        let problem = limits::refused(refusal, whose, standing.wait_ms);
        return Err(Refused { problem, standing: Some(standing) });
    }
    let place = Place {
        gateway: Arc::clone(gateway),
        key: Arc::clone(key),
        request: received.request.clone(),
        is_over: false,
    };
    Ok((Admitted { authenticated, standing, place }, Taken(admission)))
}

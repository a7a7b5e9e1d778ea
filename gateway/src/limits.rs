//! What a key and its account may take in a minute and at once, and what is told when that is
//! reached. Whether there is room the store says.

use crate::chat::{LEASE_MS, Refused};
use crate::credits;
use crate::state::Gateway;
use infra::store::limits::{Admission, Rates, Refusal};
use infra::store::spending::Spender;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::records::{AccountLimits, KeyRecordV1};

/// More than anybody takes in a minute: the highest limit that can be given.
const UNLIMITED: u64 = 1_000_000_000_000;

impl Gateway {
    /// What is asked of the store for a request that may take so many tokens.
    pub(crate) fn admission(
        &self,
        key: &KeyRecordV1,
        request: &RequestId,
        tokens: u64,
    ) -> Admission {
        let limits = &self.config.limits;
        Admission {
            request: request.clone(),
            account: key.account.clone(),
            key: key.key.clone(),
            tokens,
            lease_ms: LEASE_MS,
            of_key: Rates {
                requests_max: key.requests_per_minute_max.unwrap_or(limits.requests_per_minute),
                tokens_max: key.tokens_per_minute_max.unwrap_or(limits.tokens_per_minute),
                parallel_max: key.parallel_max.unwrap_or(limits.parallel),
            },
            of_account: self.accounts.get(&key.account).and_then(|known| rates(&known.limits)),
        }
    }

    /// Counts a request that is no chat but reads much, or could be used to guess: it takes one of
    /// the key's requests of the minute.
    ///
    /// # Errors
    /// When there is none left, or Redis is away.
    pub(crate) async fn count_request(&self, key: &KeyRecordV1) -> Result<(), Refused> {
        let request = RequestId::fresh();
        let admission = self.admission(key, &request, 0);
        let standing = self.store.admit(&admission).await.map_err(|error| {
            tracing::error!(%error, "limits can't be asked");
            Refused::from(credits::away())
        })?;
        if let Some((refusal, whose)) = standing.refusal {
            let problem = refused(refusal, whose, standing.wait_ms);
            return Err(Refused { problem, standing: Some(standing) });
        }
        if let Err(error) = self.store.leave(&key.account, &key.key, &request).await {
            tracing::warn!(%error, "a place comes back only after its lease");
        }
        Ok(())
    }
}

/// What an account's keys may take together; what isn't limited is as good as endless.
fn rates(limits: &AccountLimits) -> Option<Rates> {
    let all = [limits.requests_per_minute_max, limits.tokens_per_minute_max, limits.parallel_max];
    let [requests_max, tokens_max, parallel_max] = all.map(|max| max.unwrap_or(UNLIMITED));
    all.iter().any(Option::is_some).then_some(Rates { requests_max, tokens_max, parallel_max })
}

/// Says which limit is reached, and when to come back.
pub(crate) fn refused(refusal: Refusal, whose: Spender, wait_ms: u64) -> Problem {
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

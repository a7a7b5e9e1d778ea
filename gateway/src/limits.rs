//! What a key and its account may take in a minute and at once, and what is told when that is
//! reached. Whether there is room the store says.

use crate::chat::{LEASE_MS, Refused};
use crate::credits;
use crate::state::Gateway;
use infra::seldom::Seldom;
use infra::store::limits::{Admission, LimitStanding, Rates, Refusal};
use infra::store::spending::Spender;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::records::KeyRecordV1;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// More than anybody takes in a minute: the highest limit that can be given.
const UNLIMITED: u64 = 1_000_000_000_000;

/// So long a key that had plenty of room is expected to have some.
const ROOMY_FOR: Duration = Duration::from_secs(60);

/// Keys with plenty of room that are remembered; when there are more, all are forgotten.
const ROOMY_KEYS_MAX: usize = 8_192;

/// A key with more than one part in so many of its minute left has plenty of room.
const ROOMY_PARTS: u64 = 4;

/// Keys that had plenty of room within their limits a moment ago. That is a guess, which decides
/// only when the limits are asked.
#[derive(Default)]
pub(crate) struct Roomy(Mutex<HashMap<KeyId, (Instant, u64)>>);

impl Roomy {
    fn known(&self) -> MutexGuard<'_, HashMap<KeyId, (Instant, u64)>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns where a key stands.
    pub(crate) fn learn(&self, key: &KeyId, standing: &LimitStanding) {
        let plenty = |left: u64, max: u64| left.saturating_mul(ROOMY_PARTS) >= max;
        let is_roomy = standing.refusal.is_none()
            && plenty(standing.requests_left, standing.requests_max)
            && plenty(standing.tokens_left, standing.tokens_max);
        let mut known = self.known();
        if !is_roomy {
            known.remove(key);
            return;
        }
        let learnt = (Instant::now(), standing.tokens_left);
        if let Some(before) = known.get_mut(key) {
            *before = learnt;
            return;
        }
        if known.len() >= ROOMY_KEYS_MAX {
            known.clear();
        }
        known.insert(key.clone(), learnt);
    }

    /// Whether a request that may take so many tokens is likely to pass.
    pub(crate) fn has_room(&self, key: &KeyId, tokens: u64) -> bool {
        let known = self.known();
        known.get(key).is_some_and(|(since, left)| {
            since.elapsed() < ROOMY_FOR && tokens.saturating_mul(ROOMY_PARTS) <= *left
        })
    }
}

impl Gateway {
    /// What is asked of the store for a request that may take so many tokens.
    pub(crate) fn admission(
        &self,
        key: &KeyRecordV1,
        request: &RequestId,
        tokens: u64,
    ) -> Admission {
        let (own, limits) = (&key.limits, &self.config.limits);
        Admission {
            request: request.clone(),
            account: key.account.clone(),
            key: key.key.clone(),
            tokens,
            lease_ms: LEASE_MS,
            of_key: Rates {
                requests_max: own.requests_per_minute_max.unwrap_or(limits.requests_per_minute),
                tokens_max: own.tokens_per_minute_max.unwrap_or(limits.tokens_per_minute),
                parallel_max: own.parallel_max.unwrap_or(limits.parallel),
            },
            of_account: self.of_account(&key.account),
        }
    }

    /// What an account's keys may take together; what isn't limited is as good as endless.
    fn of_account(&self, account: &AccountId) -> Option<Rates> {
        let known = self.accounts.get(account);
        let own = known.as_ref().map(|account| &account.limits);
        let of_all = &self.config.limits.account;
        let requests = own.and_then(|own| own.requests_per_minute_max);
        let tokens = own.and_then(|own| own.tokens_per_minute_max);
        let parallel = own.and_then(|own| own.parallel_max);
        let all = [
            requests.or(of_all.requests_per_minute),
            tokens.or(of_all.tokens_per_minute),
            parallel.or(of_all.parallel),
        ];
        let [requests_max, tokens_max, parallel_max] = all.map(|max| max.unwrap_or(UNLIMITED));
        all.iter().any(Option::is_some).then_some(Rates { requests_max, tokens_max, parallel_max })
    }

    /// Counts a request that is no chat but reads much, or could be used to guess: it takes one of
    /// the key's requests of the minute.
    ///
    /// # Errors
    /// When there is none left, or Redis is away.
    pub(crate) async fn count_request(
        self: &Arc<Self>,
        key: &Arc<KeyRecordV1>,
    ) -> Result<(), Refused> {
        let request = RequestId::fresh();
        let admission = self.admission(key, &request, 0);
        let standing = self.together.admit(&admission).await.map_err(|error| {
            static AWAY: Seldom = Seldom::new();
            AWAY.say(|| tracing::error!(%error, "limits can't be asked"));
            Refused::from(credits::away())
        })?;
        if let Some((refusal, whose)) = standing.refusal {
            let problem = refused(refusal, whose, standing.wait_ms);
            return Err(Refused { problem, standing: Some(standing) });
        }
        self.leave(key, request);
        Ok(())
    }

    /// Gives a request's place back, also when its client has left.
    pub(crate) fn leave(self: &Arc<Self>, key: &Arc<KeyRecordV1>, request: RequestId) {
        let (gateway, key) = (Arc::clone(self), Arc::clone(key));
        self.settlements.spawn("give a place back", async move {
            if let Err(error) = gateway.together.leave(&key.account, &key.key, &request).await {
                static AWAY: Seldom = Seldom::new();
                AWAY.say(|| tracing::warn!(%error, "a place may come back only after its lease"));
            }
        });
    }
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
            "この{owner_japanese}の上限（{japanese}）に達しました。\
             retry-after の後にもう一度お試しください。"
        ),
        format!("This {owner}'s limit of {english} is reached. Try again after retry-after."),
    )
    .retry_after_ms(wait_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(requests_left: u64, tokens_left: u64, refusal: Option<Refusal>) -> LimitStanding {
        LimitStanding {
            refusal: refusal.map(|refusal| (refusal, Spender::Key)),
            wait_ms: 0,
            requests_max: 100,
            tokens_max: 1_000,
            requests_left,
            requests_reset_ms: 0,
            tokens_left,
            tokens_reset_ms: 0,
        }
    }

    #[test]
    fn only_a_key_with_plenty_of_room_is_expected_to_have_some() {
        let (roomy, key) = (Roomy::default(), KeyId::fresh());
        assert!(!roomy.has_room(&key, 1), "nothing is known of it");
        roomy.learn(&key, &standing(25, 250, None));
        assert!(roomy.has_room(&key, 62) && !roomy.has_room(&key, 63));
        for (requests_left, tokens_left) in [(24, 250), (25, 249)] {
            roomy.learn(&key, &standing(100, 1_000, None));
            roomy.learn(&key, &standing(requests_left, tokens_left, None));
            assert!(!roomy.has_room(&key, 1), "{requests_left} requests, {tokens_left} tokens");
        }
        roomy.learn(&key, &standing(100, 1_000, None));
        roomy.learn(&key, &standing(100, 1_000, Some(Refusal::Parallel)));
        assert!(!roomy.has_room(&key, 1), "it was refused");
    }

    #[test]
    fn a_bounded_number_of_keys_is_remembered() {
        let roomy = Roomy::default();
        for _ in 0..=ROOMY_KEYS_MAX {
            roomy.learn(&KeyId::fresh(), &standing(100, 1_000, None));
        }
        assert_eq!(roomy.known().len(), 1);
    }
}

//! Requests and tokens a minute and requests at once, for each key and for an account's keys
//! together, in one script that takes all or nothing.

use super::call::{Call, Words};
use super::spending::Spender;
use super::{Store, StoreError, keys};
use redis::{RedisResult, Script};
use schemas::ids::{AccountId, KeyId, RequestId};
use std::sync::LazyLock;

/// What scripts begin with that ask for the time.
pub(super) const CLOCK_TEXT: &str = include_str!("scripts/clock.lua");

/// The functions that let requests pass.
pub(super) const ADMIT_TEXT: &str = include_str!("scripts/admit.lua");

/// Lets one pass.
static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    let pass = include_str!("scripts/pass.lua");
    Script::new(&format!("{CLOCK_TEXT}{ADMIT_TEXT}{pass}"))
});

static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/give_back.lua")));

static STAY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/stay.lua")));

/// What may be taken in a minute and at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute.
    pub requests_max: u64,
    /// Tokens a minute.
    pub tokens_max: u64,
    /// Requests at once.
    pub parallel_max: u64,
}

/// A request that wants to pass.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Which request.
    pub request: RequestId,
    /// Of which account.
    pub account: AccountId,
    /// With which key.
    pub key: KeyId,
    /// Tokens that this request may take.
    pub tokens: u64,
    /// After so long a running request counts as lost, in milliseconds.
    pub lease_ms: u64,
    /// What the key may take.
    pub of_key: Rates,
    /// What all keys of the account may take together; nothing is counted when absent.
    pub of_account: Option<Rates>,
}

/// Keys of the limits, and what their script is given of them.
const WORDS: usize = 8;

/// What the script says of one.
pub(super) type Said = Vec<redis::Value>;

/// Whose limits are asked: with the names of its buckets and of its places.
pub(super) type Owner = (Spender, Rates, String, String);

/// The script's keys.
pub(super) fn write_keys(owners: &[Owner], keys: &mut Words) {
    for (_, _, rate, parallel) in owners {
        keys.add(rate).add(parallel);
    }
}

impl Admission {
    /// Whose limits are asked, in their order.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let (account, key) = (&self.account, &self.key);
        let (rate, parallel) = (keys::rate(account, key), keys::parallel(account, key));
        let mut owners = vec![(Spender::Key, self.of_key, rate, parallel)];
        owners.extend(self.of_account.map(|rates| {
            let (rate, parallel) = (keys::account_rate(account), keys::account_parallel(account));
            (Spender::Account, rates, rate, parallel)
        }));
        owners
    }

    /// How it leaves its place.
    pub(super) fn leaving(&self) -> Leaving {
        Leaving::of(&self.account, &self.key, &self.request)
    }
}

/// What a script is given of the limits.
pub(super) fn write_limits(lease_ms: u64, owners: &[Owner], words: &mut Words) {
    words.add(lease_ms).add(owners.len());
    for (_, rates, ..) in owners {
        words.add(rates.requests_max).add(rates.tokens_max).add(rates.parallel_max);
    }
}

/// A request that wants to pass, as the script is given it.
#[derive(Debug)]
pub(super) struct Passing {
    /// What other requests of its key have in common with it.
    pub(super) shared: [Words; 2],
    own: Words,
}

impl Passing {
    pub(super) fn of(wanted: &Admission, owners: &[Owner]) -> Self {
        let room = Words::with_capacity;
        let (mut keys, mut words, mut own) = (room(WORDS), room(WORDS), room(2));
        write_keys(owners, &mut keys);
        write_limits(wanted.lease_ms, owners, &mut words);
        own.add(wanted.request.as_str()).add(wanted.tokens);
        Self { shared: [keys, words], own }
    }
}

/// A running request that leaves its place.
#[derive(Debug)]
pub(super) struct Leaving {
    /// The running requests of its key, and of its account.
    pub(super) places: [String; 2],
    request: RequestId,
}

impl Leaving {
    pub(super) fn of(account: &AccountId, key: &KeyId, request: &RequestId) -> Self {
        let places = [keys::parallel(account, key), keys::account_parallel(account)];
        Self { places, request: request.clone() }
    }
}

/// Which limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at once.
    Parallel,
}

/// Where a key stands after the request: of its own limits and its account's, what is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStanding {
    /// No, by which limit and whose; nothing was taken then.
    pub refusal: Option<(Refusal, Spender)>,
    /// When the refused request may pass, in milliseconds.
    pub wait_ms: u64,
    /// Requests a minute.
    pub requests_max: u64,
    /// Tokens a minute.
    pub tokens_max: u64,
    /// Requests left.
    pub requests_left: u64,
    /// When all requests are there again, in milliseconds.
    pub requests_reset_ms: u64,
    /// Tokens left.
    pub tokens_left: u64,
    /// When all tokens are there again, in milliseconds.
    pub tokens_reset_ms: u64,
}

impl LimitStanding {
    /// The nearer of several owners' limits; `levels` has four numbers for each.
    fn nearest(owners: &[Owner], levels: &[u64]) -> Option<Self> {
        let mut each = levels.as_chunks::<4>().0.iter().zip(owners).map(
            |([requests_left, requests_reset_ms, tokens_left, tokens_reset_ms], owner)| Self {
                refusal: None,
                wait_ms: 0,
                requests_max: owner.1.requests_max,
                tokens_max: owner.1.tokens_max,
                requests_left: *requests_left,
                requests_reset_ms: *requests_reset_ms,
                tokens_left: *tokens_left,
                tokens_reset_ms: *tokens_reset_ms,
            },
        );
        let first = each.next()?;
        Some(each.fold(first, |mut nearest, other| {
            if other.requests_left < nearest.requests_left {
                nearest.requests_max = other.requests_max;
                nearest.requests_left = other.requests_left;
                nearest.requests_reset_ms = other.requests_reset_ms;
            }
            if other.tokens_left < nearest.tokens_left {
                nearest.tokens_max = other.tokens_max;
                nearest.tokens_left = other.tokens_left;
                nearest.tokens_reset_ms = other.tokens_reset_ms;
            }
            nearest
        }))
    }

    /// What the script says.
    pub(super) fn read(owners: &[Owner], answer: &[redis::Value]) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable("admit".into());
        let (said, numbers) = answer.split_first().ok_or_else(unreadable)?;
        let said: String = redis::from_redis_value(said.clone()).map_err(|_| unreadable())?;
        let numbers = numbers.iter().map(|number| redis::from_redis_value(number.clone()));
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().map_err(|_| unreadable())?;
        let [whose, wait_ms, levels @ ..] = numbers.as_slice() else { return Err(unreadable()) };
        let refusal = match said.as_str() {
            "ok" => None,
            "requests" => Some(Refusal::Requests),
            "tokens" => Some(Refusal::Tokens),
            "parallel" => Some(Refusal::Parallel),
            _ => return Err(unreadable()),
        };
        let whose = if *whose == 2 { Spender::Account } else { Spender::Key };
        let standing = Self::nearest(owners, levels).ok_or_else(unreadable)?;
        let refusal = refusal.map(|refusal| (refusal, whose));
        Ok(Self { refusal, wait_ms: *wait_ms, ..standing })
    }
}

impl Store {
    /// Lets a request pass the limits of its key and its account, or says which one refuses it.
    ///
    /// # Errors
    /// When Redis is away: then the request must not pass.
    pub async fn admit(&self, wanted: &Admission) -> Result<LimitStanding, StoreError> {
        let owners = wanted.owners();
        let said = self.pass_together(&[Passing::of(wanted, &owners)]).await?;
        LimitStanding::read(&owners, said.first().map(Vec::as_slice).unwrap_or_default())
    }

    /// Lets several pass that go with the first, one after the other. As many are answered.
    pub(super) async fn pass_together(&self, all: &[Passing]) -> RedisResult<Vec<Said>> {
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let [keys, words] = &first.shared;
        let mut call = Call::with_keys(&ADMIT, std::iter::once(keys));
        call.arg(all.len()).arg(words);
        for passing in all {
            call.arg(&passing.own);
        }
        call.ask(&mut self.connection()).await
    }

    /// Gives back what a request took that was refused after it had passed, its place among them,
    /// so that the refusal costs nothing; or all but the request of the minute, when it still
    /// counts. Answers where the key stands then.
    ///
    /// # Errors
    /// When Redis is away: then it comes back as the minute goes by.
    pub async fn give_back(
        &self,
        taken: &Admission,
        still_counts: bool,
    ) -> Result<LimitStanding, StoreError> {
        let owners = taken.owners();
        let mut script = GIVE_BACK.prepare_invoke();
        script.arg(taken.request.as_str()).arg(taken.tokens).arg(u8::from(!still_counts));
        for (_, rates, rate, places) in &owners {
            script.key(rate).key(places).arg(rates.requests_max).arg(rates.tokens_max);
        }
        let levels: Vec<u64> = script.invoke_async(&mut self.connection()).await?;
        let standing = LimitStanding::nearest(&owners, &levels);
        standing.ok_or_else(|| StoreError::Unreadable("give_back".into()))
    }

    /// Keeps the places of running requests of one key: a gateway that dies stops doing so.
    ///
    /// # Errors
    /// When Redis is away: the places are kept at the next call.
    pub async fn stay(
        &self,
        account: &AccountId,
        key: &KeyId,
        requests: &[RequestId],
        lease_ms: u64,
    ) -> Result<(), StoreError> {
        let mut script = STAY.prepare_invoke();
        script.key(keys::parallel(account, key)).key(keys::account_parallel(account)).arg(lease_ms);
        for request in requests {
            script.arg(request.as_str());
        }
        script.invoke_async::<i64>(&mut self.connection()).await?;
        Ok(())
    }

    /// Gives a running request's place back, of its key and of its account.
    ///
    /// # Errors
    /// When Redis is away: the place comes back by itself after its lease.
    pub async fn leave(
        &self,
        account: &AccountId,
        key: &KeyId,
        request: &RequestId,
    ) -> Result<(), StoreError> {
        Ok(self.leave_together(&[Leaving::of(account, key, request)]).await?)
    }

    /// Lets several leave that go with the first.
    pub(super) async fn leave_together(&self, all: &[Leaving]) -> RedisResult<()> {
        let Some(first) = all.first() else { return Ok(()) };
        let mut both = redis::pipe();
        for place in &first.places {
            let names = all.iter().map(|leaving| leaving.request.as_str());
            both.cmd("ZREM").arg(place).arg(names.collect::<Vec<_>>());
        }
        both.exec_async(&mut self.connection()).await
    }
}

//! Making, changing and deleting keys, for the API and for the command line alike. The secret
//! exists only in the answer to its maker.

use super::sha256_hex;
use infra::bus::ledger::Recorded;
use infra::bus::records::Stored;
use infra::bus::{Bus, BusError};
use infra::clock;
use infra::secret::Secret;
use rand::RngExt;
use schemas::ids::{AccountId, KeyId};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::privacy::PolicyV1;
use schemas::records::{
    API_KEY_PREFIX, AccountRecordV1, KeyRecordV1, OwnLimits, PeriodBudgets, Priority,
};

/// Letters and digits of a secret: 43 of 62 are 256 bits.
const SECRET_LENGTH: usize = 43;

/// Longest name of a key or an account, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// A name as it is kept, or nothing when it can't be one. It stands on one line of lists.
pub fn checked_name(name: &str) -> Option<String> {
    let name = name.trim();
    let is_one_line = !name.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c));
    let is_short = !name.is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX;
    (is_one_line && is_short).then(|| name.to_owned())
}

/// What a new key should be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// Who pays; a new account with the key's name when absent.
    pub account: Option<AccountId>,
    /// What it may do.
    pub limits: OwnLimits,
    /// How soon its requests have their turn.
    pub priority: Priority,
    /// What is done with personal data; as configured when absent.
    pub privacy: Option<PolicyV1>,
    /// Whether answers to other wordings may serve it.
    pub similar_answers: bool,
}

/// A key just made.
#[derive(Debug)]
pub struct IssuedKey {
    /// Its record.
    pub record: KeyRecordV1,
    /// The revision of its record.
    pub revision: u64,
    /// Its secret, to be shown once.
    pub secret: Secret,
}

/// Makes a key, and its account where none was named.
///
/// # Errors
/// When NATS doesn't confirm the records.
pub async fn issue(bus: &Bus, wanted: NewKey) -> Result<IssuedKey, BusError> {
    let created_ms = clock::unix_ms();
    let account = match wanted.account {
        Some(account) => account,
        None => {
            let account = AccountId::fresh();
            let name = wanted.name.clone();
            let limits = OwnLimits::default();
            let record = AccountRecordV1 { account, name, created_ms, limits, locale: None };
            bus.put_record(&record.account, &record).await?;
            record.account
        }
    };
    let secret = fresh_secret();
    let record = KeyRecordV1 {
        key: KeyId::fresh(),
        account,
        name: wanted.name,
        sha256: sha256_hex(secret.reveal().as_bytes()),
        last_four: last_four(&secret),
        created_ms,
        limits: wanted.limits,
        priority: wanted.priority,
        privacy: wanted.privacy,
        similar_answers: wanted.similar_answers,
        revoked_ms: None,
    };
    let revision = bus.put_record(&record.key, &record).await?;
    Ok(IssuedKey { record, revision, secret })
}

/// Makes the one key of that name for an account, or nothing if it had been made before.
///
/// # Errors
/// When NATS doesn't confirm it: then nobody may ever see the secret.
pub async fn issue_once(
    bus: &Bus,
    key: KeyId,
    account: AccountId,
    name: &str,
) -> Result<Option<IssuedKey>, BusError> {
    let secret = fresh_secret();
    let record = KeyRecordV1 {
        key,
        account,
        name: name.to_owned(),
        sha256: sha256_hex(secret.reveal().as_bytes()),
        last_four: last_four(&secret),
        created_ms: clock::unix_ms(),
        limits: OwnLimits::default(),
        priority: Priority::Normal,
        privacy: None,
        similar_answers: false,
        revoked_ms: None,
    };
    let revision = bus.create_record(&record.key, &record).await?;
    Ok(revision.map(|revision| IssuedKey { record, revision, secret }))
}

/// What changes about a key; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct KeyEdit {
    /// Another name.
    pub name: Option<String>,
    /// What it may do.
    pub limits: LimitsEdit,
    /// How soon its requests have their turn.
    pub priority: Option<Priority>,
    /// Another policy on personal data, or the configuration's.
    pub privacy: Option<Option<PolicyV1>>,
    /// Whether answers to other wordings may serve it.
    pub similar_answers: Option<bool>,
}

/// What changes about the limits of a key or an account; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct LimitsEdit {
    /// Another end, or none.
    pub expires_ms: Option<Option<u64>>,
    /// Other models, or all.
    pub models: Option<Option<Vec<String>>>,
    /// Another budget, or none.
    pub budget_max: Option<Option<MicroUsd>>,
    /// Other budgets of periods.
    pub budgets: BudgetsEdit,
    /// Other requests a minute, or none, as for the next two.
    pub requests_per_minute_max: Option<Option<u64>>,
    /// Other tokens a minute.
    pub tokens_per_minute_max: Option<Option<u64>>,
    /// Another number of requests at once.
    pub parallel_max: Option<Option<u64>>,
}

impl LimitsEdit {
    /// The limits with the change.
    pub fn of(self, limits: OwnLimits) -> OwnLimits {
        let Self { requests_per_minute_max, tokens_per_minute_max, .. } = self;
        OwnLimits {
            expires_ms: self.expires_ms.unwrap_or(limits.expires_ms),
            models: self.models.unwrap_or(limits.models),
            budget_max: self.budget_max.unwrap_or(limits.budget_max),
            budgets: self.budgets.of(limits.budgets),
            requests_per_minute_max: requests_per_minute_max
                .unwrap_or(limits.requests_per_minute_max),
            tokens_per_minute_max: tokens_per_minute_max.unwrap_or(limits.tokens_per_minute_max),
            parallel_max: self.parallel_max.unwrap_or(limits.parallel_max),
        }
    }
}

/// What changes about the budgets of calendar periods: what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct BudgetsEdit {
    /// Another budget of a day, or none, as for the next two.
    pub day_max: Option<Option<MicroUsd>>,
    /// Of a week.
    pub week_max: Option<Option<MicroUsd>>,
    /// Of a month.
    pub month_max: Option<Option<MicroUsd>>,
}

impl BudgetsEdit {
    fn of(self, budgets: PeriodBudgets) -> PeriodBudgets {
        PeriodBudgets {
            day_max: self.day_max.unwrap_or(budgets.day_max),
            week_max: self.week_max.unwrap_or(budgets.week_max),
            month_max: self.month_max.unwrap_or(budgets.month_max),
        }
    }
}

/// What changes about an account; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct AccountEdit {
    /// Another name.
    pub name: Option<String>,
    /// What its keys may do together.
    pub limits: LimitsEdit,
    /// The language of its people.
    pub locale: Option<Option<String>>,
}

/// Changes an account. `None` when it isn't there.
///
/// # Errors
/// When NATS doesn't confirm it.
pub async fn edit_account(
    bus: &Bus,
    account: &AccountId,
    edit: AccountEdit,
) -> Result<Option<Stored<AccountRecordV1>>, BusError> {
    let changed = |record: AccountRecordV1| {
        let edit = edit.clone();
        Some(AccountRecordV1 {
            name: edit.name.unwrap_or(record.name),
            locale: edit.locale.unwrap_or(record.locale),
            limits: edit.limits.of(record.limits),
            ..record
        })
    };
    bus.change_record(account, changed).await
}

/// Changes a live key. `None` when it isn't there or was deleted.
///
/// # Errors
/// When NATS doesn't confirm it.
pub async fn edit(
    bus: &Bus,
    key: &KeyId,
    edit: KeyEdit,
) -> Result<Option<Stored<KeyRecordV1>>, BusError> {
    let changed = |record: KeyRecordV1| {
        let edit = edit.clone();
        live(record).map(|record| KeyRecordV1 {
            name: edit.name.unwrap_or(record.name),
            limits: edit.limits.of(record.limits),
            priority: edit.priority.unwrap_or(record.priority),
            privacy: edit.privacy.unwrap_or(record.privacy),
            similar_answers: edit.similar_answers.unwrap_or(record.similar_answers),
            ..record
        })
    };
    bus.change_record(key, changed).await
}

/// Gives a live key a new secret; the old one opens nothing any more. `None` when the key isn't
/// there or was deleted.
///
/// # Errors
/// When NATS doesn't confirm it: then the old secret may be refused already, and rotating once more
/// gives one that is known.
pub async fn rotate(bus: &Bus, key: &KeyId) -> Result<Option<IssuedKey>, BusError> {
    rotate_if(bus, key, |_| true).await
}

/// The same while the key is as `is_known` wants it: who has seen one secret replaces no other.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_if(
    bus: &Bus,
    key: &KeyId,
    is_known: impl Fn(&KeyRecordV1) -> bool,
) -> Result<Option<IssuedKey>, BusError> {
    let secret = fresh_secret();
    let (sha256, last_four) = (sha256_hex(secret.reveal().as_bytes()), last_four(&secret));
    let rotated = |record| {
        let (sha256, last_four) = (sha256.clone(), last_four.clone());
        let record = live(record).filter(&is_known);
        record.map(|record| KeyRecordV1 { sha256, last_four, ..record })
    };
    let stored = bus.change_record(key, rotated).await?;
    Ok(stored.map(|Stored { record, revision }| IssuedKey { record, revision, secret }))
}

/// Deletes a key: it opens nothing any more, its usage stays. `None` when it isn't there or was
/// deleted before.
///
/// # Errors
/// When NATS doesn't confirm it.
pub async fn revoke(bus: &Bus, key: &KeyId) -> Result<Option<Stored<KeyRecordV1>>, BusError> {
    let revoked = |record| {
        let revoked_ms = Some(clock::unix_ms());
        live(record).map(|record| KeyRecordV1 { revoked_ms, ..record })
    };
    bus.change_record(key, revoked).await
}

fn live(record: KeyRecordV1) -> Option<KeyRecordV1> {
    record.revoked_ms.is_none().then_some(record)
}

fn last_four(secret: &Secret) -> String {
    let secret = secret.reveal();
    secret.chars().skip(secret.chars().count().saturating_sub(4)).collect()
}

/// Gives credit to an account. `unique` names the grant: repeating it gives nothing.
///
/// # Errors
/// When NATS doesn't confirm the ledger event.
pub async fn grant(
    bus: &Bus,
    account: &AccountId,
    amount: MicroUsd,
    unique: &str,
    note: &str,
) -> Result<Recorded, BusError> {
    let event = EventV1 {
        account: account.clone(),
        at_ms: clock::unix_ms(),
        amount,
        fact: Fact::Grant { unique: unique.to_owned(), note: note.to_owned() },
    };
    bus.record(&event).await
}

/// A secret that nobody has.
pub fn fresh_secret() -> Secret {
    let mut random = rand::rng();
    let letters = (0..SECRET_LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric)));
    Secret::new(API_KEY_PREFIX.chars().chain(letters).collect::<String>())
}

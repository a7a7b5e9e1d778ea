//! Making and deleting keys, for the API and for the command line alike. The secret exists only in
//! the answer to its maker.

use super::sha256_hex;
use infra::bus::{Bus, BusError};
use infra::clock;
use infra::secret::Secret;
use rand::RngExt;
use schemas::ids::{AccountId, KeyId};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::records::{API_KEY_PREFIX, AccountRecordV1, KeyRecordV1};

/// Letters and digits of a secret: 43 of 62 are 256 bits.
const SECRET_LENGTH: usize = 43;

/// What a new key should be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// Who pays; a new account with the key's name when absent.
    pub account: Option<AccountId>,
    /// When it ends: milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// The models that it may use.
    pub models: Option<Vec<String>>,
    /// What it may spend in all.
    pub budget_max: Option<MicroUsd>,
}

/// A key just made.
#[derive(Debug)]
pub struct IssuedKey {
    /// Its record.
    pub record: KeyRecordV1,
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
            bus.put_account(&AccountRecordV1 { account: account.clone(), name, created_ms })
                .await?;
            account
        }
    };
    let secret = fresh_secret();
    let record = KeyRecordV1 {
        key: KeyId::fresh(),
        account,
        name: wanted.name,
        sha256: sha256_hex(secret.reveal().as_bytes()),
        last_four: secret
            .reveal()
            .chars()
            .rev()
            .take(4)
            .collect::<String>()
            .chars()
            .rev()
            .collect(),
        created_ms,
        expires_ms: wanted.expires_ms,
        models: wanted.models,
        budget_max: wanted.budget_max,
        revoked_ms: None,
    };
    bus.put_key(&record).await?;
    Ok(IssuedKey { record, secret })
}

/// Deletes a key: it opens nothing any more, its usage stays.
///
/// # Errors
/// When NATS doesn't confirm it.
pub async fn revoke(bus: &Bus, record: &KeyRecordV1) -> Result<KeyRecordV1, BusError> {
    let revoked = KeyRecordV1 { revoked_ms: Some(clock::unix_ms()), ..record.clone() };
    bus.put_key(&revoked).await?;
    Ok(revoked)
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
) -> Result<(), BusError> {
    let event = EventV1 {
        account: account.clone(),
        at_ms: clock::unix_ms(),
        amount,
        fact: Fact::Grant { unique: unique.to_owned(), note: note.to_owned() },
    };
    bus.record(&event).await.map(drop)
}

/// A secret that nobody has.
pub fn fresh_secret() -> Secret {
    let mut random = rand::rng();
    let letters = (0..SECRET_LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric)));
    Secret::new(API_KEY_PREFIX.chars().chain(letters).collect::<String>())
}

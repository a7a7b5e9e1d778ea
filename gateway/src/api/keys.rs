//! `/api/keys`: made, listed, changed and deleted by the operator. A secret is in the answer to its
//! making and nowhere else.

use super::allowance::{checked_name, given, shown, with_limits};
use super::asked::Path;
use super::error::ApiError;
use super::incoming;
use super::shapes::{ApiKey, DeletedKey, List};
use crate::auth::follow::Table as _;
use crate::auth::issue::{self, IssuedKey, KeyEdit, NewKey};
use crate::pii::Kind;
use crate::portal::audit;
use crate::problems::{records_away, wrong};
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::bus::records::Stored;
use infra::clock;
use infra::secret::Secret;
use infra::store::spending::Spending;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, KeyId};
use schemas::privacy::{Media, Mode, PolicyV1};
use schemas::records::{KeyRecordV1, OwnLimits, Priority};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

with_limits! {
    #[schemars(rename = "NewKey")]
    pub(crate) struct WantedKey {
        name: String,
        #[schemars(with = "Option<String>")]
        account: Option<AccountId>,
        priority: Option<Priority>,
        privacy: Option<Privacy>,
        similar_answers: Option<bool>,
    }
}

/// What to do with personal data; what is absent is the configuration's.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyPrivacy")]
#[serde(deny_unknown_fields)]
struct Privacy {
    mode: Option<Mode>,
    #[serde(default)]
    kinds: BTreeMap<String, Mode>,
    media: Option<Media>,
}

with_limits! {
    /// What changes; what is absent stays, and `null` takes a limit away.
    #[schemars(rename = "KeyChange")]
    pub(super) struct Change {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
        #[serde(default, deserialize_with = "given")]
        priority: Option<Option<Priority>>,
        #[serde(default, deserialize_with = "given")]
        privacy: Option<Option<Privacy>>,
        #[serde(default, deserialize_with = "given")]
        similar_answers: Option<Option<bool>>,
    }
}

/// Makes one.
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ApiKey>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let wanted = checked(&gateway, incoming::json(&body)?)?;
    let of = wanted.account.as_ref().map_or("a new account", AccountId::as_str);
    audit(&gateway, format!("create key {:?} of {of}", wanted.name)).await;
    let issued = issued(&gateway, wanted).await?;
    Ok(Json(learnt(&gateway, issued, Spending::default())))
}

async fn issued(gateway: &Gateway, wanted: NewKey) -> Result<IssuedKey, Problem> {
    if let Some(account) = &wanted.account {
        let known = gateway.bus.account(account).await.map_err(|error| records_away(&error))?;
        known.ok_or_else(|| {
            wrong("account", "既存のアカウント（acct_…）", "an account that exists (acct_…)")
        })?;
    }
    issue::issue(&gateway.bus, wanted).await.map_err(|error| records_away(&error))
}

/// How many are being made for each account's owner: no table has them yet.
#[derive(Default)]
pub(crate) struct KeysInMaking(Mutex<HashMap<AccountId, u64>>);

/// One that is being made; dropping it ends that.
struct InMaking<'a> {
    all: &'a KeysInMaking,
    account: &'a AccountId,
}

impl KeysInMaking {
    fn table(&self) -> MutexGuard<'_, HashMap<AccountId, u64>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one. Answers, too, how many others there are.
    fn begin<'a>(&'a self, account: &'a AccountId) -> (InMaking<'a>, u64) {
        let mut table = self.table();
        let count = table.entry(account.clone()).or_default();
        let others = *count;
        *count += 1;
        (InMaking { all: self, account }, others)
    }
}

impl Drop for InMaking<'_> {
    fn drop(&mut self) {
        let mut table = self.all.table();
        let Some(count) = table.get_mut(self.account) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            table.remove(self.account);
        }
    }
}

/// Makes one for its account's owner, who can give it no more than the operator gives: as many a
/// minute and at once as keys have, or as the account has.
///
/// # Errors
/// When it can't be as it is wanted, the account has its keys, or NATS is away.
pub(crate) async fn make_own(
    gateway: &Gateway,
    account: &AccountId,
    wanted: WantedKey,
) -> Result<Secret, Problem> {
    let limits = &gateway.config.limits;
    let keys_max = limits.account.keys_max;
    // It ends after the table has the key.
    let (_in_making, others) = gateway.keys_in_making.begin(account);
    if gateway.keys.live_of(account).len() as u64 + others >= keys_max {
        return Err(no_more_keys(keys_max));
    }
    let own =
        gateway.accounts.get(account).map_or_else(OwnLimits::default, |known| known.limits.clone());
    for (field, asked, of_key, of_account) in [
        (
            "requests_per_minute",
            wanted.requests_per_minute,
            limits.requests_per_minute,
            own.requests_per_minute_max,
        ),
        (
            "tokens_per_minute",
            wanted.tokens_per_minute,
            limits.tokens_per_minute,
            own.tokens_per_minute_max,
        ),
        ("parallel", wanted.parallel, limits.parallel, own.parallel_max),
    ] {
        let most = of_account.unwrap_or(0).max(of_key);
        if asked.flatten().is_some_and(|asked| asked > most) {
            let japanese = format!("1〜{most}の整数");
            return Err(wrong(field, &japanese, &format!("a whole number from 1 to {most}")));
        }
    }
    make(gateway, wanted).await
}

/// Makes one for a page, and answers its secret.
///
/// # Errors
/// When it can't be as it is wanted, or NATS is away.
pub(crate) async fn make(gateway: &Gateway, wanted: WantedKey) -> Result<Secret, Problem> {
    let issued = issued(gateway, checked(gateway, wanted)?).await?;
    let secret = issued.secret.clone();
    learn(gateway, issued);
    Ok(secret)
}

/// Gives one a new secret, which is answered here alone.
///
/// # Errors
/// When there is no such key, or NATS is away.
pub(crate) async fn give_new_secret(gateway: &Gateway, key: &KeyId) -> Result<Secret, Problem> {
    let issued = issue::rotate(&gateway.bus, key).await.map_err(|error| records_away(&error))?;
    let issued = issued.ok_or_else(|| unknown(key.as_str()))?;
    let secret = issued.secret.clone();
    learn(gateway, issued);
    Ok(secret)
}

/// Lets answers to other wordings serve one, or not.
///
/// # Errors
/// When there is no such key, or NATS is away.
pub(crate) async fn let_reword(gateway: &Gateway, key: &KeyId, on: bool) -> Result<(), Problem> {
    let edit = KeyEdit { similar_answers: Some(on), ..KeyEdit::default() };
    let stored =
        issue::edit(&gateway.bus, key, edit).await.map_err(|error| records_away(&error))?;
    gateway.keys.learn(stored.ok_or_else(|| unknown(key.as_str()))?);
    Ok(())
}

/// Ends one.
///
/// # Errors
/// When there is no such key, or NATS is away.
pub(crate) async fn end(gateway: &Gateway, key: &KeyId) -> Result<(), Problem> {
    let revoked = issue::revoke(&gateway.bus, key).await.map_err(|error| records_away(&error))?;
    gateway.keys.learn(revoked.ok_or_else(|| unknown(key.as_str()))?);
    Ok(())
}

/// Takes a secret just made into the table, and shows it once.
fn learnt(gateway: &Gateway, issued: IssuedKey, spent: Spending) -> ApiKey {
    let mut shown = described(&issued.record, spent);
    shown.key = Some(issued.secret.reveal().to_owned());
    learn(gateway, issued);
    shown
}

/// Takes a key just made into the table, so that it opens at once.
pub(super) fn learn(gateway: &Gateway, issued: IssuedKey) {
    let IssuedKey { record, revision, .. } = issued;
    gateway.keys.learn(Stored { record, revision });
}

fn checked(gateway: &Gateway, mut wanted: WantedKey) -> Result<NewKey, Problem> {
    Ok(NewKey {
        name: checked_name(&wanted.name)?,
        limits: wanted.limits().checked(gateway)?.of(OwnLimits::default()),
        account: wanted.account,
        priority: wanted.priority.unwrap_or_default(),
        privacy: wanted.privacy.map(checked_privacy).transpose()?,
        similar_answers: wanted.similar_answers.unwrap_or_default(),
    })
}

fn checked_change(gateway: &Gateway, mut change: Change) -> Result<KeyEdit, Problem> {
    Ok(KeyEdit {
        name: change.name.as_deref().map(checked_name).transpose()?,
        limits: change.limits().checked(gateway)?,
        priority: change.priority.map(Option::unwrap_or_default),
        privacy: change.privacy.map(|own| own.map(checked_privacy).transpose()).transpose()?,
        similar_answers: change.similar_answers.map(Option::unwrap_or_default),
    })
}

fn checked_privacy(privacy: Privacy) -> Result<PolicyV1, Problem> {
    let Privacy { mode, kinds, media } = privacy;
    if let Some(unknown) = kinds.keys().find(|name| Kind::parse(name).is_none()) {
        let shown: String = unknown.chars().take(80).collect();
        let known = Kind::ALL.map(Kind::as_str).join(", ");
        return Err(wrong(
            "privacy.kinds",
            &format!("種類の名前（{known}）。'{shown}' はありません"),
            &format!("names of kinds ({known}); '{shown}' is none"),
        ));
    }
    Ok(PolicyV1 { mode, kinds, media })
}

/// All live ones, newest first, with what they have spent.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<List<ApiKey>>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let keys = gateway.keys.live();
    let asked = keys.iter().map(|record| (&record.account, &record.key));
    let spent = gateway.store.keys_spending(asked, clock::unix_ms()).await;
    let spent = spent.map_err(|error| records_away(&error))?;
    let data = keys.iter().zip(spent).map(|(record, spent)| described(record, spent));
    Ok(Json(List::of(data.collect())))
}

async fn spent(gateway: &Gateway, record: &KeyRecordV1) -> Result<Spending, Problem> {
    let (account, key) = (&record.account, &record.key);
    let spent = gateway.store.key_spending(account, key, clock::unix_ms()).await;
    spent.map_err(|error| records_away(&error))
}

/// Changes one's name, end, models, budget or limits.
pub(super) async fn change(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ApiKey>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let edit = checked_change(&gateway, incoming::json(&body)?)?;
    let record = find(&gateway, &key).ok_or_else(|| unknown(&key))?;
    let spent = spent(&gateway, &record).await?;
    audit(&gateway, format!("change key {}", record.key)).await;
    let stored =
        issue::edit(&gateway.bus, &record.key, edit).await.map_err(|error| records_away(&error))?;
    let stored = stored.ok_or_else(|| unknown(&key))?;
    let shown = described(&stored.record, spent);
    gateway.keys.learn(stored);
    Ok(Json(shown))
}

/// Gives one a new secret, in this answer only; the old one is refused from now on.
pub(super) async fn rotate(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ApiKey>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let record = find(&gateway, &key).ok_or_else(|| unknown(&key))?;
    // Asked before the old secret ends, so that no failure of Redis swallows the new one.
    let spent = spent(&gateway, &record).await?;
    audit(&gateway, format!("rotate key {}", record.key)).await;
    let issued =
        issue::rotate(&gateway.bus, &record.key).await.map_err(|error| records_away(&error))?;
    let issued = issued.ok_or_else(|| unknown(&key))?;
    Ok(Json(learnt(&gateway, issued, spent)))
}

/// Deletes one.
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DeletedKey>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let record = find(&gateway, &key).ok_or_else(|| unknown(&key))?;
    audit(&gateway, format!("revoke {}", record.key)).await;
    end(&gateway, &record.key).await?;
    let key_id = record.key.clone();
    Ok(Json(DeletedKey { key_id, object: "api_key", deleted: true }))
}

/// The key of a name, or of the secret itself (as the first version of the API took it).
pub(super) fn find(gateway: &Gateway, name: &str) -> Option<Arc<KeyRecordV1>> {
    let by_name = KeyId::parse(name).ok().and_then(|key| gateway.keys.get(&key));
    by_name.or_else(|| gateway.keys.open(name, clock::unix_ms()).ok())
}

fn no_more_keys(most: u64) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("キーは{most}個までです。使わないキーを削除してからお試しください。"),
        format!("An account has up to {most} keys. Revoke one that isn't used, then try again."),
    )
}

/// Nobody has that key.
pub(super) fn unknown(name: &str) -> Problem {
    // A wrong name may be a secret by mistake: only its beginning is repeated.
    let shown: String = name.chars().take(8).collect();
    Problem::new(
        ErrorCode::NotFound,
        format!("キー '{shown}…' はありません。GET /api/keys で key_id を確認してください。"),
        format!("There is no key '{shown}…'. GET /api/keys lists every key_id."),
    )
    .at("key_id")
}

fn described(record: &KeyRecordV1, spent: Spending) -> ApiKey {
    ApiKey {
        object: "api_key",
        key_id: record.key.clone(),
        account: record.account.clone(),
        name: record.name.clone(),
        last_four: record.last_four.clone(),
        created_at: clock::rfc3339(record.created_ms),
        priority: record.priority,
        privacy: record.privacy.clone(),
        similar_answers: record.similar_answers,
        allowance: shown(&record.limits, &spent),
        key: None,
    }
}

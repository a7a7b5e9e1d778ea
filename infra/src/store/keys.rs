//! Every Redis key, spelled once. All keys of a part of the ledger share the hash tag `{part}`.
//! The scripts build the keys of a batch from the part's prefix with the same words.

use super::answers::Tenant;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::subjects;
use std::fmt;

/// What all keys of an account's part begin with.
pub fn prefix(account: &AccountId) -> Prefix {
    partition_prefix(subjects::partition(account))
}

/// What all keys of a part begin with.
pub fn partition_prefix(partition: u16) -> Prefix {
    Prefix(partition)
}

/// Shown right into a key: a request writes two dozen of them.
#[derive(Debug, Clone, Copy)]
pub struct Prefix(u16);

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{}}}:", self.0)
    }
}

/// What the operator did lately, the newest first. It belongs to no part.
pub fn audit() -> String {
    "{operator}:audit".to_owned()
}

/// What Stripe told lately, the newest first. It belongs to no part.
pub fn notices() -> String {
    "{operator}:notices".to_owned()
}

/// The sequence of the last ledger event applied to a part.
pub fn watermark(partition: u16) -> String {
    format!("{}watermark", partition_prefix(partition))
}

/// There while a part's view is complete: nothing may be reserved without it.
pub fn live(partition: u16) -> String {
    format!("{}live", partition_prefix(partition))
}

/// An account's `balance` and `held`.
pub fn account(account: &AccountId) -> String {
    format!("{}account:{account}", prefix(account))
}

/// A key's `spent` and `held`.
pub fn key(account: &AccountId, key: &KeyId) -> String {
    format!("{}key:{key}", prefix(account))
}

/// One hold.
pub fn hold(account: &AccountId, request: &RequestId) -> String {
    hold_in(subjects::partition(account), request.as_str())
}

/// One hold of a part, when its account isn't known yet.
pub fn hold_in(partition: u16, request: &str) -> String {
    format!("{}hold:{request}", partition_prefix(partition))
}

/// The open holds of a part by the time they expire.
pub fn holds(partition: u16) -> String {
    format!("{}holds", partition_prefix(partition))
}

/// Bought credit by the time it ends.
pub fn lots(partition: u16) -> String {
    format!("{}lots", partition_prefix(partition))
}

/// What a part's accounts have `spent` and `held` in all.
pub fn total(partition: u16) -> String {
    format!("{}total", partition_prefix(partition))
}

/// What the accounts of a part begin with.
pub fn accounts(partition: u16) -> String {
    format!("{}account:", partition_prefix(partition))
}

/// An account's usage counters, `day|key|model|counter`.
pub fn usage(account: &AccountId) -> String {
    format!("{}usage:{account}", prefix(account))
}

/// An account's last requests by the sequence of the ledger event that ended them.
pub fn requests(account: &AccountId) -> String {
    format!("{}requests:{account}", prefix(account))
}

/// A key's buckets of requests and tokens.
pub fn rate(account: &AccountId, key: &KeyId) -> String {
    format!("{}rate:{key}", prefix(account))
}

/// A key's running requests by the time they count as lost.
pub fn parallel(account: &AccountId, key: &KeyId) -> String {
    format!("{}parallel:{key}", prefix(account))
}

/// An account's buckets of requests and tokens, of all its keys together.
pub fn account_rate(account: &AccountId) -> String {
    format!("{}account_rate:{account}", prefix(account))
}

/// An account's running requests by the time they count as lost.
pub fn account_parallel(account: &AccountId) -> String {
    format!("{}account_parallel:{account}", prefix(account))
}

/// An answer kept for a tenant; `digest` covers everything that changes the answer.
pub fn answer(tenant: &Tenant, digest: &str) -> String {
    format!("{}answer:{tenant}:{digest}", prefix(tenant.name()))
}

/// Which request asks for an answer that is to be kept; equal ones follow it.
pub fn leader(tenant: &Tenant, digest: &str) -> String {
    format!("{}leader:{tenant}:{digest}", prefix(tenant.name()))
}

/// The digests of a tenant's kept answers by the time they end.
pub fn answers(tenant: &Tenant) -> String {
    format!("{}answers:{tenant}", prefix(tenant.name()))
}

/// How large a tenant's kept answers are, each and in `total`.
pub fn answer_sizes(tenant: &Tenant) -> String {
    format!("{}answer_sizes:{tenant}", prefix(tenant.name()))
}

/// Kept answers to one question in several wordings; `digest` covers what they have in common.
pub fn similar(tenant: &Tenant, digest: &str) -> String {
    format!("{}similar:{tenant}:{digest}", prefix(tenant.name()))
}

/// Under which of these each of a tenant's kept answers stands.
pub fn similars(tenant: &Tenant) -> String {
    format!("{}similars:{tenant}", prefix(tenant.name()))
}

/// The last turn of a conversation; `digest` covers all that was said.
pub fn turn(account: &AccountId, digest: &str) -> String {
    format!("{}turn:{account}:{digest}", prefix(account))
}

/// What was said of a request's answer.
pub fn opinion(account: &AccountId, request: &RequestId) -> String {
    format!("{}opinion:{account}:{request}", prefix(account))
}

/// How often a part's answers were liked, `model|task|signal`.
pub fn opinions(partition: u16) -> String {
    format!("{}opinions", partition_prefix(partition))
}

/// The last of them, one row each.
pub fn opinion_rows(partition: u16) -> String {
    format!("{}opinion_rows", partition_prefix(partition))
}

/// A response kept for an account, sealed.
pub fn response(account: &AccountId, id: &str) -> String {
    format!("{}response:{account}:{id}", prefix(account))
}

/// An account's kept responses by the time they end.
pub fn responses(account: &AccountId) -> String {
    format!("{}responses:{account}", prefix(account))
}

/// How many bytes each of an account's kept responses takes.
pub fn response_sizes(account: &AccountId) -> String {
    format!("{}response_sizes:{account}", prefix(account))
}

/// An account's responses that run in the background, by the end of their lease.
pub fn backgrounds(account: &AccountId) -> String {
    format!("{}backgrounds:{account}", prefix(account))
}

/// Those of them that are to be cancelled.
pub fn background_cancels(account: &AccountId) -> String {
    format!("{}background_cancels:{account}", prefix(account))
}

/// What a request's own name stands for; `name` is a digest of the key and the name.
pub fn once(account: &AccountId, name: &str) -> String {
    format!("{}once:{account}:{name}", prefix(account))
}

/// An account's names that have ended, by the time they are forgotten.
pub fn onces(account: &AccountId) -> String {
    format!("{}onces:{account}", prefix(account))
}

/// How many bytes each of their answers takes, and all in `total`.
pub fn once_sizes(account: &AccountId) -> String {
    format!("{}once_sizes:{account}", prefix(account))
}

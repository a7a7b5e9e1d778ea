//! Every Redis key, spelled once. All keys of a part of the ledger share the hash tag `{part}`.
//! The scripts build the keys of a batch from the part's prefix with the same words.

use super::answers::Tenant;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::subjects;

/// What the keys of each part begin with.
const PREFIXES: [&str; subjects::LEDGER_PARTITIONS as usize] = ["{0}:", "{1}:", "{2}:", "{3}:"];

/// What all keys of an account's part begin with.
pub fn prefix(account: &AccountId) -> &'static str {
    partition_prefix(subjects::partition(account))
}

/// What all keys of a part begin with; for a part that isn't there what no key begins with.
pub fn partition_prefix(partition: u16) -> &'static str {
    PREFIXES.get(usize::from(partition)).copied().unwrap_or("{none}:")
}

/// What the operator did lately, the newest first. It belongs to no part.
pub fn audit() -> String {
    "{operator}:audit".to_owned()
}

/// What Stripe told lately, the newest first. It belongs to no part.
pub fn notices() -> String {
    "{operator}:notices".to_owned()
}

/// There while something of the pages is used up; `name` is a digest. It belongs to no part.
pub fn used_up(name: &str) -> String {
    ["{operator}:spent:", name].concat()
}

/// Never there: what is asked of it shows whether Redis may be written. It belongs to no part.
pub fn probe() -> String {
    "{operator}:probe".to_owned()
}

/// The sequence of the last ledger event applied to a part.
pub fn watermark(partition: u16) -> String {
    [partition_prefix(partition), "watermark"].concat()
}

/// There while a part's view is complete: nothing may be reserved without it.
pub fn live(partition: u16) -> String {
    [partition_prefix(partition), "live"].concat()
}

/// An account's `balance` and `held`.
pub fn account(account: &AccountId) -> String {
    [prefix(account), "account:", account.as_str()].concat()
}

/// A key's `spent` and `held`.
pub fn key(account: &AccountId, key: &KeyId) -> String {
    [prefix(account), "key:", key.as_str()].concat()
}

/// One hold.
pub fn hold(account: &AccountId, request: &RequestId) -> String {
    hold_in(subjects::partition(account), request.as_str())
}

/// One hold of a part, when its account isn't known yet.
pub fn hold_in(partition: u16, request: &str) -> String {
    [partition_prefix(partition), "hold:", request].concat()
}

/// The open holds of a part by the time they expire.
pub fn holds(partition: u16) -> String {
    [partition_prefix(partition), "holds"].concat()
}

/// Bought credit by the time it ends.
pub fn lots(partition: u16) -> String {
    [partition_prefix(partition), "lots"].concat()
}

/// What a part's accounts have `spent` and `held` in all.
pub fn total(partition: u16) -> String {
    [partition_prefix(partition), "total"].concat()
}

/// What the accounts of a part begin with.
pub fn accounts(partition: u16) -> String {
    [partition_prefix(partition), "account:"].concat()
}

/// An account's usage counters, `day|key|model|counter`.
pub fn usage(account: &AccountId) -> String {
    [prefix(account), "usage:", account.as_str()].concat()
}

/// An account's last requests by the sequence of the ledger event that ended them.
pub fn requests(account: &AccountId) -> String {
    [prefix(account), "requests:", account.as_str()].concat()
}

/// A key's buckets of requests and tokens.
pub fn rate(account: &AccountId, key: &KeyId) -> String {
    [prefix(account), "rate:", key.as_str()].concat()
}

/// A key's running requests by the time they count as lost.
pub fn parallel(account: &AccountId, key: &KeyId) -> String {
    [prefix(account), "parallel:", key.as_str()].concat()
}

/// An account's buckets of requests and tokens, of all its keys together.
pub fn account_rate(account: &AccountId) -> String {
    [prefix(account), "account_rate:", account.as_str()].concat()
}

/// An account's running requests by the time they count as lost.
pub fn account_parallel(account: &AccountId) -> String {
    [prefix(account), "account_parallel:", account.as_str()].concat()
}

/// An answer kept for a tenant, or which request asks for it now; equal ones follow that. `digest`
/// covers everything that changes the answer.
pub fn answer(tenant: &Tenant, digest: &str) -> String {
    [prefix(tenant.name()), "answer:", tenant.mark(), tenant.name().as_str(), ":", digest].concat()
}

/// The digests of a tenant's kept answers by the time they end.
pub fn answers(tenant: &Tenant) -> String {
    [prefix(tenant.name()), "answers:", tenant.mark(), tenant.name().as_str()].concat()
}

/// What the names of all such lists look like.
pub(super) const ANY_ANSWERS: &str = "{?}:answers:*";

/// Whose list it is.
pub(super) fn tenant_of_answers(name: &str) -> Option<Tenant> {
    Tenant::parse(name.split_once("}:answers:")?.1)
}

/// How large a tenant's kept answers are, each and in `total`.
pub fn answer_sizes(tenant: &Tenant) -> String {
    [prefix(tenant.name()), "answer_sizes:", tenant.mark(), tenant.name().as_str()].concat()
}

/// Kept answers to one question in several wordings; `digest` covers what they have in common.
pub fn similar(tenant: &Tenant, digest: &str) -> String {
    [prefix(tenant.name()), "similar:", tenant.mark(), tenant.name().as_str(), ":", digest].concat()
}

/// Under which of these each of a tenant's kept answers stands.
pub fn similars(tenant: &Tenant) -> String {
    [prefix(tenant.name()), "similars:", tenant.mark(), tenant.name().as_str()].concat()
}

/// The last turn of a conversation; `digest` covers all that was said.
pub fn turn(account: &AccountId, digest: &str) -> String {
    [prefix(account), "turn:", account.as_str(), ":", digest].concat()
}

/// What was said of a request's answer.
pub fn opinion(account: &AccountId, request: &RequestId) -> String {
    [prefix(account), "opinion:", account.as_str(), ":", request.as_str()].concat()
}

/// How often a part's answers were liked, `model|task|signal`.
pub fn opinions(partition: u16) -> String {
    [partition_prefix(partition), "opinions"].concat()
}

/// The last of them, one row each.
pub fn opinion_rows(partition: u16) -> String {
    [partition_prefix(partition), "opinion_rows"].concat()
}

/// A response kept for an account, sealed.
pub fn response(account: &AccountId, id: &str) -> String {
    [prefix(account), "response:", account.as_str(), ":", id].concat()
}

/// An account's kept responses by the time they end.
pub fn responses(account: &AccountId) -> String {
    [prefix(account), "responses:", account.as_str()].concat()
}

/// How many bytes each of an account's kept responses takes.
pub fn response_sizes(account: &AccountId) -> String {
    [prefix(account), "response_sizes:", account.as_str()].concat()
}

/// An account's responses that run in the background, by the end of their lease.
pub fn backgrounds(account: &AccountId) -> String {
    [prefix(account), "backgrounds:", account.as_str()].concat()
}

/// Those of them that are to be cancelled.
pub fn background_cancels(account: &AccountId) -> String {
    [prefix(account), "background_cancels:", account.as_str()].concat()
}

/// What a request's own name stands for; `name` is a digest of the key and the name.
pub fn once(account: &AccountId, name: &str) -> String {
    [prefix(account), "once:", account.as_str(), ":", name].concat()
}

/// An account's names that have ended, by the time they are forgotten.
pub fn onces(account: &AccountId) -> String {
    [prefix(account), "onces:", account.as_str()].concat()
}

/// How many bytes each of their answers takes, and all in `total`.
pub fn once_sizes(account: &AccountId) -> String {
    [prefix(account), "once_sizes:", account.as_str()].concat()
}

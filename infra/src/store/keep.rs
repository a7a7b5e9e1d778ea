//! Answers are kept, and what their requests had is given back.

use super::answers::{ASKS_TEXT, Tenant};
use super::call::{Call, Words};
use super::{Store, StoreError, keys};
use redis::{Cmd, RedisResult, Script};
use schemas::ids::{AccountId, KeyId, RequestId};
use std::sync::LazyLock;

static KEEP: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[ASKS_TEXT, include_str!("scripts/keep_answer.lua")].concat()));

/// Wordings of one question that are told apart; answers to further ones serve equal ones alone.
const WORDINGS_MAX: usize = 8;

/// What the script says of an answer that has no room beside the others of the call.
const ALONE: i64 = -1;

/// Keys and arguments of a call, about.
const WORDS: usize = 8;

/// An answer to keep.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Who shares it.
    pub tenant: &'a Tenant,
    /// Under what.
    pub digest: &'a str,
    /// Which request has asked: if it leads those that ask the same, it ends its lead.
    pub request: &'a RequestId,
    /// The answer.
    pub answer: &'a [u8],
    /// For so many seconds.
    pub ttl_seconds: u64,
    /// All answers of the tenant together take no more, in bytes.
    pub tenant_bytes_max: usize,
    /// Where it is found by other wordings of its question, if it may be.
    pub similar: Option<Similar<'a>>,
    /// Whose request it was, if its place among those at once is to be given back with it.
    pub place: Option<(&'a AccountId, &'a KeyId)>,
}

/// A question among its wordings.
#[derive(Debug, Clone, Copy)]
pub struct Similar<'a> {
    /// What the wordings have in common.
    pub digest: &'a str,
    /// What is its own: a vector.
    pub vector: &'a [u8],
}

impl Similar<'_> {
    /// What a question takes among its wordings.
    fn bytes(&self, own: &str) -> usize {
        self.digest.len() + self.vector.len() + 2 * own.len()
    }
}

/// What is asked for one.
#[derive(Debug)]
pub(super) struct Entry {
    /// What other answers have in common with it, as a rule: names of the tenant's, those of the
    /// request's places, and words.
    pub(super) shared: [Words; 3],
    words: Words,
    /// Its name, and whether it is there to be kept.
    name: String,
    set: Option<Cmd>,
}

impl Keeping<'_> {
    /// What the script is given.
    pub(super) fn write(&self) -> Entry {
        let Self { tenant, digest, answer, tenant_bytes_max, .. } = *self;
        let room = Words::with_capacity;
        let (mut names, mut places, mut shared) = (room(WORDS), room(WORDS), room(WORDS));
        names
            .add(keys::answers(tenant))
            .add(keys::answer_sizes(tenant))
            .add(keys::answer(tenant, ""))
            .add(keys::similar(tenant, ""))
            .add(keys::similars(tenant));
        if let Some((account, key)) = self.place {
            places.add(keys::parallel(account, key)).add(keys::account_parallel(account));
        }
        let ttl_seconds = self.ttl_seconds.max(1);
        shared.add(ttl_seconds).add(tenant_bytes_max).add(WORDINGS_MAX);
        let mut words = room(WORDS);
        let fits = answer.len() <= tenant_bytes_max;
        let bytes = if fits { answer.len().to_string() } else { String::new() };
        words.add(digest).add(bytes).add(self.request.as_str());
        let similar = self.similar.map(|similar| (similar, similar.bytes(digest)));
        match similar.filter(|(_, bytes)| answer.len() + bytes <= tenant_bytes_max) {
            Some((similar, bytes)) => words.add(similar.digest).add(similar.vector).add(bytes),
            None => words.add("").add("").add(""),
        };
        // Lua would look at each byte of it, so it passes by the script.
        let name = keys::answer(tenant, digest);
        let mut set = Cmd::with_capacity(5, name.len() + answer.len() + 32);
        set.arg("SET").arg(&name).arg(answer).arg("EX").arg(ttl_seconds);
        let set = fits.then_some(set);
        Entry { shared: [names, places, shared], words, name, set }
    }
}

impl Store {
    /// Keeps an answer, and gives back what its request had: its lead and its place among the
    /// requests at once. Returns how many of the tenant's others had to go for it.
    ///
    /// # Errors
    /// When Redis is away: the answer is simply not kept, and nothing is given back.
    pub async fn keep_answer(&self, keeping: Keeping<'_>) -> Result<u64, StoreError> {
        let said = self.keep_together(&[keeping.write()]).await?;
        said.first().copied().ok_or_else(|| StoreError::Unreadable("keep_answer".into()))
    }

    /// Keeps several that go with the first. As many are answered.
    pub(super) async fn keep_together(&self, entries: &[Entry]) -> RedisResult<Vec<u64>> {
        let mut said = self.keep_at_once(entries).await?;
        for (entry, said) in entries.iter().zip(&mut said) {
            if *said == ALONE {
                let alone = self.keep_at_once(std::slice::from_ref(entry)).await?;
                *said = alone.first().copied().unwrap_or_default();
            }
        }
        Ok(said.into_iter().map(|gone| u64::try_from(gone).unwrap_or(0)).collect())
    }

    async fn keep_at_once(&self, entries: &[Entry]) -> RedisResult<Vec<i64>> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let [names, places, shared] = &first.shared;
        let mut call = Call::with_keys(&KEEP, [names, places].into_iter());
        call.arg(entries.len()).arg(shared);
        for entry in entries {
            call.arg(&entry.words);
        }
        let mut connection = self.connection();
        let sets = entries.iter().filter_map(|entry| entry.set.clone());
        let kept = call.ask_and(sets, &mut connection).await;
        if kept.is_err() {
            // An index that can't be written knows nothing of the answers: they would outlive a
            // tenant's wish to be forgotten.
            let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
            Cmd::del(names).exec_async(&mut connection).await?;
        }
        kept
    }
}

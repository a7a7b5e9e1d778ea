//! The table of keys in memory, fed by a watch of NATS KV: a request's key is looked up without any
//! I/O. Secrets are never in it, only their SHA-256.

use super::follow::{Followed, Table};
use super::sha256_hex;
use crate::state::Core;
use infra::bus::records::Stored;
use schemas::ids::{AccountId, KeyId};
use schemas::records::KeyRecordV1;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

#[derive(Default)]
struct Known {
    by_id: HashMap<KeyId, (u64, Arc<KeyRecordV1>)>,
    by_sha256: HashMap<String, KeyId>,
}

/// All keys, deleted ones included.
#[derive(Default)]
pub(crate) struct KeyTable(RwLock<Known>, Followed);

impl Known {
    fn learn(&mut self, stored: Stored<KeyRecordV1>) {
        let Stored { record, revision } = stored;
        if let Some((newest, before)) = self.by_id.get(&record.key) {
            if *newest >= revision {
                return;
            }
            let forgotten = before.sha256.clone();
            self.by_sha256.remove(&forgotten);
        }
        self.by_sha256.insert(record.sha256.clone(), record.key.clone());
        self.by_id.insert(record.key.clone(), (revision, Arc::new(record)));
    }
}

/// Why a secret opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Nobody has it.
    Unknown,
    /// It was deleted.
    Revoked,
    /// Its time is over.
    Expired,
}

impl KeyTable {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live key of a secret.
    pub(crate) fn open(&self, secret: &str, now_ms: u64) -> Result<Arc<KeyRecordV1>, Rejection> {
        let known = self.known();
        let key = known.by_sha256.get(&sha256_hex(secret.as_bytes())).ok_or(Rejection::Unknown)?;
        let (_, record) = known.by_id.get(key).ok_or(Rejection::Unknown)?;
        if record.revoked_ms.is_some() {
            return Err(Rejection::Revoked);
        }
        if record.limits.expires_ms.is_some_and(|expires| expires <= now_ms) {
            return Err(Rejection::Expired);
        }
        Ok(Arc::clone(record))
    }

    /// The record of a key, deleted or not.
    pub(crate) fn get(&self, key: &KeyId) -> Option<Arc<KeyRecordV1>> {
        self.known().by_id.get(key).map(|(_, record)| Arc::clone(record))
    }

    /// All live keys, newest first.
    pub(crate) fn live(&self) -> Vec<Arc<KeyRecordV1>> {
        self.live_where(|_| true)
    }

    /// The live keys of an account, newest first.
    pub(crate) fn live_of(&self, account: &AccountId) -> Vec<Arc<KeyRecordV1>> {
        self.live_where(|record| record.account == *account)
    }

    fn live_where(&self, is_meant: impl Fn(&KeyRecordV1) -> bool) -> Vec<Arc<KeyRecordV1>> {
        let known = self.known();
        let records = known.by_id.values().map(|(_, record)| record);
        let live = records.filter(|record| record.revoked_ms.is_none() && is_meant(record));
        let mut records: Vec<_> = live.cloned().collect();
        records.sort_by(|a, b| (b.created_ms, &b.key).cmp(&(a.created_ms, &a.key)));
        records
    }
}

impl Table for KeyTable {
    type Record = KeyRecordV1;

    fn of(core: &Core) -> &Self {
        &core.keys
    }

    /// An old secret must not open again.
    fn learn(&self, stored: Stored<KeyRecordV1>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).learn(stored);
    }

    fn newest(&self) -> u64 {
        self.known().by_id.values().map(|(revision, _)| *revision).max().unwrap_or(0)
    }

    fn replace(&self, records: Vec<Stored<KeyRecordV1>>) {
        let mut known = Known::default();
        records.into_iter().for_each(|stored| known.learn(stored));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn followed(&self) -> &Followed {
        &self.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::records::{OwnLimits, Priority};

    fn record(secret: &str) -> KeyRecordV1 {
        KeyRecordV1 {
            key: KeyId::fresh(),
            account: AccountId::fresh(),
            name: "test".into(),
            sha256: sha256_hex(secret.as_bytes()),
            last_four: "cret".into(),
            created_ms: 1,
            limits: OwnLimits { expires_ms: Some(100), ..OwnLimits::default() },
            privacy: None,
            similar_answers: false,
            priority: Priority::Normal,
            revoked_ms: None,
        }
    }

    #[test]
    fn a_key_opens_until_it_expires_or_is_revoked() {
        let table = KeyTable::default();
        let mut key = record("secret");
        table.learn(Stored { record: key.clone(), revision: 1 });
        assert_eq!(table.open("secret", 99).unwrap().key, key.key);
        assert_eq!(table.open("secret", 100).unwrap_err(), Rejection::Expired);
        assert_eq!(table.open("Secret", 99).unwrap_err(), Rejection::Unknown);
        key.revoked_ms = Some(5);
        table.learn(Stored { record: key.clone(), revision: 2 });
        assert_eq!(table.open("secret", 99).unwrap_err(), Rejection::Revoked);
        assert!(table.live().is_empty() && table.get(&key.key).is_some());
    }

    #[test]
    fn an_old_secret_opens_nothing_even_when_it_is_told_late() {
        let table = KeyTable::default();
        let old = record("old");
        let new = KeyRecordV1 { sha256: sha256_hex(b"new"), ..old.clone() };
        table.learn(Stored { record: old.clone(), revision: 7 });
        table.learn(Stored { record: new, revision: 8 });
        table.learn(Stored { record: old, revision: 7 });
        assert_eq!(table.open("old", 1).unwrap_err(), Rejection::Unknown);
        assert!(table.open("new", 1).is_ok());
        assert_eq!(table.live().len(), 1);
        let account = &table.live()[0].account;
        assert_eq!(table.live_of(account).len(), 1);
        assert!(table.live_of(&AccountId::fresh()).is_empty());
    }
}

//! The table of accounts in memory, fed by a watch of NATS KV: what an account's keys may do
//! together is known without any I/O. An account that isn't known yet has no limits of its own.

use super::follow::{Followed, Table};
use crate::state::Core;
use infra::bus::records::Stored;
use schemas::ids::AccountId;
use schemas::records::AccountRecordV1;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

type Known = HashMap<AccountId, (u64, Arc<AccountRecordV1>)>;

/// All accounts.
#[derive(Default)]
pub(crate) struct AccountTable(RwLock<Known>, Followed);

impl AccountTable {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account's record.
    pub(crate) fn get(&self, account: &AccountId) -> Option<Arc<AccountRecordV1>> {
        self.known().get(account).map(|(_, record)| Arc::clone(record))
    }
}

impl Table for AccountTable {
    type Record = AccountRecordV1;

    fn of(core: &Core) -> &Self {
        &core.accounts
    }

    fn learn(&self, Stored { record, revision }: Stored<AccountRecordV1>) {
        let mut known = self.change();
        if known.get(&record.account).is_some_and(|(newest, _)| *newest >= revision) {
            return;
        }
        known.insert(record.account.clone(), (revision, Arc::new(record)));
    }

    fn newest(&self) -> u64 {
        self.known().values().map(|(revision, _)| *revision).max().unwrap_or(0)
    }

    fn replace(&self, records: Vec<Stored<AccountRecordV1>>) {
        let stored = |Stored { record, revision }: Stored<AccountRecordV1>| {
            (record.account.clone(), (revision, Arc::new(record)))
        };
        let known = records.into_iter().map(stored).collect();
        *self.change() = known;
    }

    fn followed(&self) -> &Followed {
        &self.1
    }
}

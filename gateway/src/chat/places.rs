//! The places of a gateway's requests among those at once, from the moment when the limits are
//! asked: they are kept as long as their requests live, also while these wait for room, for an
//! equal question or for their turn, and have no seat yet.

use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::records::KeyRecordV1;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All of them, with whose they are.
#[derive(Default)]
pub(crate) struct ParallelPlaces(Mutex<HashMap<RequestId, Arc<KeyRecordV1>>>);

impl ParallelPlaces {
    fn table(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<KeyRecordV1>>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has one, or is about to ask for it.
    pub(super) fn keep(&self, request: &RequestId, key: &Arc<KeyRecordV1>) {
        self.table().insert(request.clone(), Arc::clone(key));
    }

    /// It has it no more.
    pub(super) fn forget(&self, request: &RequestId) {
        self.table().remove(request);
    }

    /// The requests of each key.
    pub(crate) fn by_key(&self) -> HashMap<(AccountId, KeyId), Vec<RequestId>> {
        let mut by_key: HashMap<_, Vec<_>> = HashMap::new();
        for (request, key) in self.table().iter() {
            let owner = (key.account.clone(), key.key.clone());
            by_key.entry(owner).or_default().push(request.clone());
        }
        by_key
    }
}

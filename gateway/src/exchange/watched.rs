//! Whether a request was ever on its way to a worker, or its charge to the ledger, for who runs it
//! once: what was not can't be charged, and what was may be, whatever its client was told. It
//! remembers no request by itself.

use schemas::ids::RequestId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that somebody watches, and whether they may be charged.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Arc<Mutex<HashMap<RequestId, bool>>>);

impl Table {
    pub(super) fn watch(&self, request: &RequestId) -> Watched {
        self.with(|table| table.insert(request.clone(), false));
        Watched { table: self.clone(), request: request.clone() }
    }

    /// A request may be charged from now on.
    pub(super) fn expose(&self, request: &RequestId) {
        self.with(|table| {
            if let Some(exposed) = table.get_mut(request) {
                *exposed = true;
            }
        });
    }

    fn with<T>(&self, done: impl FnOnce(&mut HashMap<RequestId, bool>) -> T) -> T {
        // A panic while holding the lock leaves a usable table: every change is one call.
        done(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of them; dropping it forgets the request.
pub(crate) struct Watched {
    table: Table,
    request: RequestId,
}

impl Watched {
    /// Whether it may be charged, or is.
    pub(crate) fn may_be_charged(&self) -> bool {
        self.table.with(|table| table.get(&self.request).copied().unwrap_or(false))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.table.with(|table| table.remove(&self.request));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_watched_is_remembered_and_only_so_long() {
        let (table, request) = (Table::default(), RequestId::fresh());
        table.expose(&request);
        let watched = table.watch(&request);
        assert!(!watched.may_be_charged());
        table.expose(&request);
        assert!(watched.may_be_charged());
        drop(watched);
        assert!(table.with(|table| table.is_empty()));
    }
}

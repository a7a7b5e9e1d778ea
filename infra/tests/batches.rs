//! Batches of ledger events on a real redis-server: however they are added up, a view holds what
//! the events say one by one, exactly, and every hold of theirs is given back once.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::environment::Environment;
use infra::store::Store;
use infra::store::apply::Applied;
use infra::store::holds::{Reservation, Reserved};
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Void, VoidReason, Writer};
use schemas::money::MicroUsd;
use schemas::subjects;
use std::time::Duration;
use tempfile::TempDir;

/// Beyond it a double doesn't tell whole numbers apart.
const EXACT_MAX: i64 = 1 << 53;

struct View {
    _folder: TempDir,
    server: RedisServer,
    store: Store,
    account: AccountId,
    key: KeyId,
}

impl View {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::of_process();
        let server = RedisServer::start(folder.path(), 0, &environment).await.unwrap();
        let store = Store::connect(server.url()).await.unwrap();
        Self { _folder: folder, server, store, account: AccountId::fresh(), key: KeyId::fresh() }
    }

    fn part(&self) -> u16 {
        subjects::partition(&self.account)
    }

    fn entry(&self, sequence: u64, amount: i64, fact: Fact) -> Entry {
        let (account, amount) = (self.account.clone(), MicroUsd(amount));
        Entry { sequence, event: Some(EventV1 { account, at_ms: 1, amount, fact }), late: None }
    }

    fn grant(&self, sequence: u64, amount: i64) -> Entry {
        let fact = Fact::Grant { unique: sequence.to_string(), note: String::new() };
        self.entry(sequence, amount, fact)
    }

    fn void(&self, sequence: u64, request: &RequestId) -> Entry {
        let (request, key) = (request.clone(), self.key.clone());
        let (reason, writer) = (VoidReason::Failed, Writer::Gateway);
        self.entry(sequence, 0, Fact::Void(Void { request, key, reason, writer }))
    }

    async fn apply(&self, before: u64, entries: &[Entry]) -> Applied {
        self.store.apply(self.part(), before, 0, entries).await.unwrap()
    }

    async fn reserve(&self, request: &RequestId, amount: i64) -> Reserved {
        let wanted = Reservation {
            request: request.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            amount: MicroUsd(amount),
            enough: MicroUsd(amount),
            lifetime_ms: 60_000,
            budgets: Vec::new(),
            total_budget: None,
        };
        self.store.reserve(&wanted).await.unwrap()
    }

    async fn stands(&self) -> (i64, i64) {
        let balance = self.store.balance(&self.account).await.unwrap();
        (balance.balance.0, balance.held.0)
    }

    async fn stop(mut self) {
        self.server.stop(Duration::from_secs(10)).await;
    }
}

/// The sum passes what Lua tells exactly, and what Redis counts with, on its way.
#[tokio::test]
async fn a_sum_is_exact_whatever_it_passes_on_its_way() {
    let view = View::start().await;
    let amounts = [i64::MAX, 5, EXACT_MAX + 1, -i64::MAX, -(EXACT_MAX - 8)];
    let entries: Vec<Entry> =
        (1..).zip(amounts).map(|(sequence, amount)| view.grant(sequence, amount)).collect();
    assert_eq!(view.apply(0, &entries).await, Applied::At(5));
    assert_eq!(view.stands().await, (14, 0));
    // What is there is beyond it, and what comes brings it back.
    assert_eq!(view.apply(5, &[view.grant(6, EXACT_MAX)]).await, Applied::At(6));
    assert_eq!(view.apply(6, &[view.grant(7, 3)]).await, Applied::At(7));
    assert_eq!(view.apply(7, &[view.grant(8, -EXACT_MAX)]).await, Applied::At(8));
    assert_eq!(view.stands().await, (17, 0));
    view.stop().await;
}

#[tokio::test]
async fn a_batch_gives_back_what_its_requests_held_once() {
    let view = View::start().await;
    let amounts = [1, 100_000_000_000_001, EXACT_MAX - 1, EXACT_MAX, 0];
    view.apply(0, &[view.grant(1, 4 * EXACT_MAX)]).await;
    assert!(view.store.go_live(view.part(), 1).await.unwrap());
    let requests: Vec<RequestId> = amounts.iter().map(|_| RequestId::fresh()).collect();
    for (request, amount) in requests.iter().zip(amounts) {
        assert_eq!(view.reserve(request, amount).await, Reserved::Held(MicroUsd(amount)));
    }
    assert_eq!(view.stands().await, (4 * EXACT_MAX, amounts.iter().sum()));
    assert_eq!(view.store.open_holds().await.unwrap(), 5);
    // Another that never held anything, and one that is told of twice.
    let never = RequestId::fresh();
    let told = requests.iter().chain([&never, &requests[0]]);
    let entries: Vec<Entry> =
        (2..).zip(told).map(|(sequence, request)| view.void(sequence, request)).collect();
    assert_eq!(view.apply(1, &entries).await, Applied::At(8));
    assert_eq!(view.stands().await, (4 * EXACT_MAX, 0));
    assert_eq!(view.store.open_holds().await.unwrap(), 0);
    for request in requests.iter().chain([&never]) {
        assert_eq!(view.reserve(request, 1).await, Reserved::Settled);
    }
    // A worker that overlaps finds them ended.
    assert_eq!(view.apply(1, &entries).await, Applied::At(8));
    let last = [view.void(8, &requests[0]), view.void(9, &requests[1]), view.grant(10, 1)];
    assert_eq!(view.apply(7, &last).await, Applied::At(10));
    assert_eq!(view.stands().await, (4 * EXACT_MAX + 1, 0));
    let rows = view.store.requests(&view.account).await.unwrap();
    assert_eq!(rows.len(), 6, "each once, by its last end");
    view.stop().await;
}

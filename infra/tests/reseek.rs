//! A view of money that is not where its writer left it, on a real redis-server: nothing is applied
//! on top of it, and starting anew from its watermark makes it exact. Never by timing: each state
//! that a crash could leave is written by hand.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::environment::Environment;
use infra::store::apply::Applied;
use infra::store::{Store, keys};
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::subjects;
use std::time::Duration;
use tempfile::TempDir;

struct View {
    _folder: TempDir,
    server: RedisServer,
    store: Store,
    account: AccountId,
    partition: u16,
}

impl View {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::of_process();
        let server = RedisServer::start(folder.path(), 0, &environment).await.unwrap();
        let store = Store::connect(server.url()).await.unwrap();
        let account = AccountId::fresh();
        let partition = subjects::partition(&account);
        Self { _folder: folder, server, store, account, partition }
    }

    /// Grants by their places in the ledger and their amounts.
    async fn apply(&self, before: u64, grants: &[(u64, i64)]) -> Applied {
        let entry = |(sequence, amount): &(u64, i64)| Entry {
            sequence: *sequence,
            event: Some(EventV1 {
                account: self.account.clone(),
                at_ms: 1,
                amount: MicroUsd(*amount),
                fact: Fact::Grant { unique: sequence.to_string(), note: String::new() },
            }),
            late: None,
        };
        let entries: Vec<Entry> = grants.iter().map(entry).collect();
        self.store.apply(self.partition, before, 0, &entries).await.unwrap()
    }

    /// The watermark and the balance.
    async fn stands(&self) -> (u64, i64) {
        let at = self.store.watermark(self.partition).await.unwrap();
        (at, self.store.balance(&self.account).await.unwrap().balance.0)
    }

    /// As after a restart from an older append-only file.
    async fn falls_back(&self, watermark: u64, balance: i64) {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::pipe()
            .cmd("SET")
            .arg(keys::watermark(self.partition))
            .arg(watermark)
            .cmd("HSET")
            .arg(keys::account(&self.account))
            .arg("balance")
            .arg(balance)
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }

    async fn stop(mut self) {
        self.server.stop(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn nothing_is_applied_to_a_view_that_fell_back_until_its_writer_starts_anew() {
    let view = View::start().await;
    assert_eq!(view.apply(0, &[(3, 100), (7, 20)]).await, Applied::At(7));
    assert_eq!(view.apply(7, &[(9, 3)]).await, Applied::At(9));
    assert_eq!(view.stands().await, (9, 123));
    view.falls_back(7, 120).await;
    assert_eq!(view.apply(9, &[(12, 5)]).await, Applied::Reseek, "9 is missing below 12");
    assert_eq!(view.stands().await, (7, 120), "nothing of the batch was applied");
    assert_eq!(view.apply(7, &[(9, 3), (12, 5)]).await, Applied::At(12));
    assert_eq!(view.stands().await, (12, 128));
    view.stop().await;
}

#[tokio::test]
async fn a_wiped_view_takes_events_from_its_beginning_alone() {
    let view = View::start().await;
    assert_eq!(view.apply(0, &[(3, 100), (7, 20)]).await, Applied::At(7));
    view.store.wipe_view(view.partition).await.unwrap();
    assert_eq!(view.apply(7, &[(9, 3)]).await, Applied::Reseek);
    assert_eq!(view.stands().await, (0, 0));
    let all = [(3, 100), (7, 20), (9, 3)];
    assert_eq!(view.apply(0, &all).await, Applied::At(9));
    assert_eq!(view.stands().await, (9, 123));
    // Another writer, that is behind, finds everything done; one that overlaps adds what is new.
    assert_eq!(view.apply(0, &all).await, Applied::At(9));
    assert_eq!(view.apply(3, &[(7, 20), (9, 3), (14, -50)]).await, Applied::At(14));
    assert_eq!(view.stands().await, (14, 73));
    view.stop().await;
}

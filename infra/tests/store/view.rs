//! A redis-server with the view of an account that a test asks for.

use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::clock;
use infra::environment::Environment;
use infra::store::Store;
use infra::store::answers::{Looking, Tenant};
use infra::store::apply::Applied;
use infra::store::holds::{Reservation, Reserved};
use infra::store::limits::{Admission, Rates};
use redis::aio::MultiplexedConnection;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Void, VoidReason, Writer};
use schemas::money::MicroUsd;
use schemas::subjects;
use std::time::Duration;
use tempfile::TempDir;

/// What each lease and lifetime is.
pub(crate) const LEASE_MS: u64 = 60_000;

/// Far longer than any look takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct View {
    _folder: TempDir,
    server: RedisServer,
    pub(crate) store: Store,
    redis: MultiplexedConnection,
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
    /// When all of its events were.
    at_ms: u64,
}

impl View {
    /// An account of which nothing is known yet.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::of_process();
        let server = RedisServer::start(folder.path(), 0, &environment).await.unwrap();
        let store = Store::connect(server.url()).await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        let (account, key) = (AccountId::fresh(), KeyId::fresh());
        let at_ms = clock::unix_ms();
        Self { _folder: folder, server, store, redis, account, key, at_ms }
    }

    /// An account with a credit.
    pub(crate) async fn with_credit(amount: i64) -> Self {
        let view = Self::start().await;
        view.apply(0, &[view.grant(1, amount)]).await;
        assert!(view.store.go_live(view.part(), 1).await.unwrap());
        view
    }

    /// Where Redis is, password included.
    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn tenant(&self) -> Tenant {
        Tenant::Account(self.account.clone())
    }

    pub(crate) fn part(&self) -> u16 {
        subjects::partition(&self.account)
    }

    pub(crate) fn entry(&self, sequence: u64, amount: i64, fact: Fact) -> Entry {
        let (account, amount, at_ms) = (self.account.clone(), MicroUsd(amount), self.at_ms);
        Entry {
            sequence,
            event: Some(EventV1 { account, at_ms, amount, fact }),
            taken_ms: 1,
            late: None,
        }
    }

    pub(crate) fn grant(&self, sequence: u64, amount: i64) -> Entry {
        let fact = Fact::Grant { unique: sequence.to_string(), note: String::new() };
        self.entry(sequence, amount, fact)
    }

    /// A request's end without a charge.
    pub(crate) fn void(&self, sequence: u64, request: &RequestId) -> Entry {
        let (request, key) = (request.clone(), self.key.clone());
        let (reason, writer) = (VoidReason::Failed, Writer::Gateway);
        self.entry(sequence, 0, Fact::Void(Void { request, key, reason, writer }))
    }

    pub(crate) async fn apply(&self, before: u64, entries: &[Entry]) -> Applied {
        self.store.apply(self.part(), before, 0, entries).await.unwrap()
    }

    /// A reservation that takes nothing less, against no budget.
    pub(crate) fn wanted(&self, request: &RequestId, amount: i64) -> Reservation {
        Reservation {
            request: request.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            amount: MicroUsd(amount),
            enough: MicroUsd(amount),
            lifetime_ms: LEASE_MS,
            budgets: Vec::new(),
            total_budget: None,
        }
    }

    pub(crate) async fn reserve(&self, request: &RequestId, amount: i64) -> Reserved {
        self.store.reserve(&self.wanted(request, amount)).await.unwrap()
    }

    /// A request that wants one token, of a key with limits of its own alone.
    pub(crate) fn admission(&self, request: &RequestId, of_key: Rates) -> Admission {
        Admission {
            request: request.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            tokens: 1,
            lease_ms: LEASE_MS,
            of_key,
            of_account: None,
        }
    }

    /// Asks Redis itself.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        for argument in &command[1..] {
            asked.arg(*argument);
        }
        asked.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// The balance, and how much of it is held.
    pub(crate) async fn stands(&self) -> (i64, i64) {
        let balance = self.store.balance(&self.account).await.unwrap();
        (balance.balance.0, balance.held.0)
    }

    pub(crate) async fn stop(mut self) {
        self.server.stop(Duration::from_secs(10)).await;
    }
}

pub(crate) fn looking<'a>(digest: &'a str, request: &'a RequestId) -> Looking<'a> {
    Looking { digest, request, lease_ms: LEASE_MS, time_max: LONG }
}

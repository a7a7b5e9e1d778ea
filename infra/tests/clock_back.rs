//! Redis's clock goes back by an hour, on a real redis-server: what it keeps with a moment in it
//! lies an hour in the future then, which is written here by hand. Nothing may stay for that hour.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::environment::Environment;
use infra::store::answers::{Looking, Tenant};
use infra::store::holds::{Reservation, Reserved};
use infra::store::limits::{Admission, Rates, Refusal};
use infra::store::once::{Beginning, Once, OnceName};
use infra::store::{Store, keys};
use redis::aio::MultiplexedConnection;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::subjects;
use std::time::Duration;
use tempfile::TempDir;

const HOUR_MS: u64 = 3_600_000;

/// What each lease and lifetime is here.
const LEASE_MS: u64 = 60_000;

struct View {
    _folder: TempDir,
    server: RedisServer,
    store: Store,
    redis: MultiplexedConnection,
    account: AccountId,
    key: KeyId,
}

impl View {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::of_process();
        let server = RedisServer::start(folder.path(), 0, &environment).await.unwrap();
        let store = Store::connect(server.url()).await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        let (account, key) = (AccountId::fresh(), KeyId::fresh());
        Self { _folder: folder, server, store, redis, account, key }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        for argument in &command[1..] {
            asked.arg(*argument);
        }
        asked.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// Adds the hour to the end that a request has in a set.
    async fn later(&self, set: &str, request: &str) {
        let by = HOUR_MS.to_string();
        self.ask::<f64>(&["ZINCRBY", set, &by, request]).await;
    }

    /// Whether a request's end in a set is no later than a lease from now.
    async fn ends_in_time(&self, set: &str, request: &str) -> bool {
        let ends: f64 = self.ask(&["ZSCORE", set, request]).await;
        ends <= (self.store.clock_ms().await.unwrap() + LEASE_MS) as f64
    }

    fn admission(&self, requests_max: u64, parallel_max: u64) -> Admission {
        Admission {
            request: RequestId::fresh(),
            account: self.account.clone(),
            key: self.key.clone(),
            tokens: 1,
            lease_ms: LEASE_MS,
            of_key: Rates { requests_max, tokens_max: 1_000_000, parallel_max },
            of_account: None,
        }
    }
}

#[tokio::test]
async fn places_and_rates_are_given_back_in_their_time() {
    let mut view = View::start().await;
    let (rate, parallel) =
        (keys::rate(&view.account, &view.key), keys::parallel(&view.account, &view.key));
    let first = view.admission(1_000, 1);
    assert_eq!(view.store.admit(&first).await.unwrap().refusal, None);
    view.later(&parallel, first.request.as_str()).await;
    let refused = view.store.admit(&view.admission(1_000, 1)).await.unwrap();
    assert_eq!(refused.refusal.map(|(limit, _)| limit), Some(Refusal::Parallel));
    assert!(view.ends_in_time(&parallel, first.request.as_str()).await);
    // A bucket that is empty fills again, from now on.
    let by = HOUR_MS.to_string();
    view.ask::<f64>(&["HINCRBYFLOAT", &rate, "at", &by]).await;
    view.ask::<i64>(&["HSET", &rate, "requests", "0"]).await;
    let refused = view.store.admit(&view.admission(6_000, 9)).await.unwrap();
    assert_eq!(refused.refusal.map(|(limit, _)| limit), Some(Refusal::Requests));
    let fills = async {
        while view.store.admit(&view.admission(6_000, 9)).await.unwrap().refusal.is_some() {}
    };
    tokio::time::timeout(Duration::from_secs(30), fills).await.unwrap();
    view.server.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_hold_that_nobody_settles_ends_in_its_time() {
    let mut view = View::start().await;
    let part = subjects::partition(&view.account);
    let fact = Fact::Grant { unique: "g".into(), note: String::new() };
    let account = view.account.clone();
    let gift = EventV1 { account, at_ms: 1, amount: MicroUsd(100), fact };
    view.store
        .apply(part, 0, 0, &[Entry { sequence: 1, event: Some(gift), late: None }])
        .await
        .unwrap();
    assert!(view.store.go_live(part, 1).await.unwrap());
    let mut requests = Vec::new();
    for lifetime_ms in [LEASE_MS / 2, LEASE_MS] {
        let wanted = Reservation {
            request: RequestId::fresh(),
            account: view.account.clone(),
            key: view.key.clone(),
            amount: MicroUsd(1),
            enough: MicroUsd(1),
            lifetime_ms,
            budgets: Vec::new(),
            total_budget: None,
        };
        assert_eq!(view.store.reserve(&wanted).await.unwrap(), Reserved::Held(MicroUsd(1)));
        view.later(&keys::holds(part), wanted.request.as_str()).await;
        requests.push(wanted.request);
    }
    assert_eq!(view.store.expired_holds(part).await.unwrap(), []);
    for request in requests {
        assert!(view.ends_in_time(&keys::holds(part), request.as_str()).await);
    }
    view.server.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn leads_of_gateways_that_are_gone_end_in_their_time() {
    let mut view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let name = OnceName { account: view.account.clone(), name: "n".into() };
    let lease = Duration::from_millis(LEASE_MS);
    let begin = async |request| {
        let (lost, anew) = (None, false);
        let beginning = Beginning { body: "b", request, lease, lifetime: lease, lost, anew };
        view.store.begin_once(&name, beginning).await.unwrap()
    };
    assert_eq!(begin(&first).await, Once::Lead);
    let record = keys::once(&view.account, "n");
    let by = HOUR_MS.to_string();
    view.ask::<i64>(&["HINCRBY", &record, "lease", &by]).await;
    assert_eq!(begin(&second).await, Once::Running(first.to_string()));
    let ends: u64 = view.ask(&["HGET", &record, "lease"]).await;
    assert!(ends <= view.store.clock_ms().await.unwrap() + LEASE_MS);

    let tenant = Tenant::Account(view.account.clone());
    let look = async |request| {
        let time_max = Duration::from_secs(30);
        let looking = Looking { digest: "d", request, lease_ms: LEASE_MS, time_max };
        view.store.look_for_answer(&tenant, looking).await.unwrap();
    };
    look(&first).await;
    let leader = keys::leader(&tenant, "d");
    let later = (HOUR_MS + LEASE_MS).to_string();
    view.ask::<i64>(&["PEXPIRE", &leader, &later]).await;
    look(&second).await;
    assert!(view.ask::<u64>(&["PTTL", &leader]).await <= LEASE_MS);

    let running = keys::backgrounds(&view.account);
    assert!(view.store.begin_background(&view.account, "resp").await.unwrap());
    view.later(&running, "resp").await;
    assert!(view.store.runs_background(&view.account, "resp").await.unwrap());
    assert!(view.ends_in_time(&running, "resp").await);
    view.server.stop(Duration::from_secs(10)).await;
}

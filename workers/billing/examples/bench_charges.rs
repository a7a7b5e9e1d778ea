//! Charges a second on real servers: hold, `use` in the ledger, applied by billing workers, with
//! the sums checked at the end. Never part of the product.
//! `bench_charges [CHARGES [AT ONCE [BILLING WORKERS]]]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a tool for a terminal"
)]

use futures::StreamExt;
use infra::bus::Bus;
use infra::bus::ledger::Recorded;
use infra::children::nats::NatsServer;
use infra::children::redis::RedisServer;
use infra::clock;
use infra::config::Config;
use infra::environment::Environment;
use infra::metrics::Metrics;
use infra::store::holds::{Reservation, Reserved};
use infra::store::{Store, apply};
use infra::tasks::Tasks;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Outcome, Use, Writer};
use schemas::money::MicroUsd;
use schemas::subjects;
use schemas::usage::{TokenSource, Usage};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use worker_billing::Billing;

/// Accounts that are charged in turn: they lie in all parts of the ledger.
const ACCOUNTS: usize = 64;

/// What each has at the start.
const CREDIT: MicroUsd = MicroUsd(1_000_000_000_000);

/// How long the servers have to end.
const END_SECONDS_MAX: Duration = Duration::from_secs(5);

struct Bench {
    bus: Bus,
    store: Store,
    accounts: Vec<(AccountId, KeyId)>,
    charge: Use,
}

#[tokio::main]
async fn main() {
    let number = |place: usize, usual: usize| {
        std::env::args().nth(place).map_or(usual, |text| text.parse().unwrap())
    };
    let (charges, at_once, billings) = (number(1, 20_000), number(2, 64), number(3, 1));
    let folder = tempfile::TempDir::new().unwrap();
    let environment = Environment::of_process();
    let config = Config::load(None, &environment).unwrap();
    let nats = NatsServer::start(&folder.path().join("nats"), 0, &environment).await;
    let redis = RedisServer::start(&folder.path().join("redis"), 0, &environment).await;
    let (mut nats, mut redis) = (nats.unwrap(), redis.unwrap());
    let bus = Bus::connect(nats.url(), "bench").await.unwrap();
    bus.apply_streams(&config.queue, &[]).await.unwrap();
    let store = Store::connect(redis.url()).await.unwrap();
    let tasks = Tasks::new();
    for _ in 0..billings {
        let (bus, store) = (bus.clone(), store.clone());
        let billing = Billing { bus, store, metrics: Metrics::new().unwrap(), payments: None };
        tasks.spawn("billing", worker_billing::run(billing, tasks.stop().clone()));
    }
    let price = config.models.get("gpt-4o-mini").unwrap().price;
    let bench = Bench::new(bus, store, charge_at(price)).await;
    let nats_folder = folder.path().join("nats/streams");
    let ids = [nats.process().id(), redis.process().id()];
    let before = Sizes::of(&nats_folder, ids);
    let started = Instant::now();
    futures::stream::iter(0..charges)
        .for_each_concurrent(at_once, |number| bench.charge(number))
        .await;
    let durable = started.elapsed();
    bench.wait_until_applied().await;
    let applied = started.elapsed();
    bench.check(charges).await;
    let sizes = Sizes::of(&nats_folder, ids).for_each(&before, charges);
    let rate = |time: Duration| (charges as f64 / time.as_secs_f64()).round();
    let [durable, applied] = [durable, applied].map(rate);
    let figures = json!({"charges": charges, "at_once": at_once, "billing_workers": billings,
        "held_and_durable_per_second": durable, "applied_per_second": applied,
        "bytes_of_a_charge": {"nats_disk": sizes.disk, "nats_memory": sizes.nats_memory,
            "redis_memory": sizes.redis_memory}});
    println!("{figures}");
    println!(
        "| charges | at once | held and durable a second | applied a second | bytes of one: \
         disk of NATS, memory of NATS, of Redis |"
    );
    println!("|---|---|---|---|---|");
    println!(
        "| {charges} | {at_once} | {durable} | {applied} | {}, {}, {} |",
        sizes.disk, sizes.nats_memory, sizes.redis_memory
    );
    tasks.stop().cancel();
    tasks.finish_or_warn(END_SECONDS_MAX, "billing").await;
    nats.stop(END_SECONDS_MAX).await;
    redis.stop(END_SECONDS_MAX).await;
}

/// What both servers take, in bytes.
struct Sizes {
    disk: u64,
    nats_memory: u64,
    redis_memory: u64,
}

impl Sizes {
    /// Memory is 0 where there is no `/proc`.
    fn of(nats_folder: &Path, [nats, redis]: [Option<u32>; 2]) -> Self {
        let memory = |id: Option<u32>| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", id?)).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1_024)
        };
        Self {
            disk: folder_bytes(nats_folder),
            nats_memory: memory(nats).unwrap_or(0),
            redis_memory: memory(redis).unwrap_or(0),
        }
    }

    /// What each charge has added.
    fn for_each(&self, before: &Self, charges: usize) -> Self {
        let share = |now: u64, before: u64| now.saturating_sub(before) / charges.max(1) as u64;
        Self {
            disk: share(self.disk, before.disk),
            nats_memory: share(self.nats_memory, before.nats_memory),
            redis_memory: share(self.redis_memory, before.redis_memory),
        }
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// What every charge says; a request of its own for each.
fn charge_at(price: schemas::money::Price) -> Use {
    Use {
        request: RequestId::fresh(),
        key: KeyId::fresh(),
        model: "gpt-4o-mini".to_owned(),
        usage: Usage { input: 900, output: 300, ..Usage::default() },
        source: TokenSource::Vendor,
        price,
        hold: MicroUsd(10_000),
        outcome: Outcome::Done,
        writer: Writer::Worker,
        cached: false,
        route: None,
    }
}

impl Bench {
    async fn new(bus: Bus, store: Store, charge: Use) -> Self {
        let accounts: Vec<_> =
            (0..ACCOUNTS).map(|_| (AccountId::fresh(), KeyId::fresh())).collect();
        for (account, _) in &accounts {
            let (unique, note) = ("bench".to_owned(), String::new());
            let fact = Fact::Grant { unique, note };
            let (account, at_ms) = (account.clone(), clock::unix_ms());
            bus.record(&EventV1 { account, at_ms, amount: CREDIT, fact }).await.unwrap();
        }
        let bench = Self { bus, store, accounts, charge };
        bench.wait_until_applied().await;
        for partition in apply::partitions() {
            while !bench.store.is_live(partition).await.unwrap() {
                tokio::task::yield_now().await;
            }
        }
        bench
    }

    async fn charge(&self, number: usize) {
        let (account, key) = &self.accounts[number % ACCOUNTS];
        let request = RequestId::fresh();
        let wanted = Reservation {
            request: request.clone(),
            account: account.clone(),
            key: key.clone(),
            amount: self.charge.hold,
            enough: self.charge.hold,
            lifetime_ms: 600_000,
            budgets: Vec::new(),
            total_budget: None,
        };
        let reserved = self.store.reserve(&wanted).await.unwrap();
        assert_eq!(reserved, Reserved::Held(self.charge.hold));
        let charge = Use { request, key: key.clone(), ..self.charge.clone() };
        let amount = charge.price.charge(&charge.usage).negated();
        let (account, at_ms) = (account.clone(), clock::unix_ms());
        let event = EventV1 { account, at_ms, amount, fact: Fact::Use(charge) };
        assert!(matches!(self.bus.record(&event).await.unwrap(), Recorded::Written(_)));
    }

    async fn wait_until_applied(&self) {
        for partition in apply::partitions() {
            let filter = subjects::ledger_partition(partition);
            let goal = self.bus.last_recorded(&filter).await.unwrap();
            while self.store.watermark(partition).await.unwrap() < goal {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Every account has what it had less its charges, and nothing is held.
    async fn check(&self, charges: usize) {
        let one = self.charge.price.charge(&self.charge.usage).0;
        for (place, (account, _)) in self.accounts.iter().enumerate() {
            let times = i64::try_from((place..charges).step_by(ACCOUNTS).count()).unwrap();
            let balance = self.store.balance(account).await.unwrap();
            assert_eq!((balance.balance.0, balance.held.0), (CREDIT.0 - times * one, 0));
        }
    }
}

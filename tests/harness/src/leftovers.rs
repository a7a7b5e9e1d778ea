//! What must not be left at the end of a test: a job, a hold, a place, a request under way, and any
//! difference between the balances and the ledger. It counts by itself: the ledger is read message
//! by message and Redis field by field, not through what the product computes.

use crate::wait::{wait_for, wait_until};
use crate::world::World;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::Stream;
use infra::bus::Bus;
use infra::store::{apply, keys};
use schemas::ledger::{Event, EventV1, Fact, Use};
use schemas::subjects;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A pool's queue as NATS tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that nobody has taken.
    pub pending: u64,
    /// Jobs taken and not acknowledged.
    pub unacknowledged: usize,
    /// Pulls that wait: the free capacity.
    pub waiting: usize,
}

/// An account as Redis has it, in µUSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Account {
    pub(crate) balance: i64,
    pub(crate) held: i64,
}

pub(crate) async fn queue(bus: &Bus, pool: &str) -> Queue {
    // After a restart of NATS the queue is away until a gateway has made it anew.
    let info = wait_for("the pool's consumer", async || {
        let consumer = subjects::chat_consumer(pool);
        let jetstream = bus.jetstream();
        let asked = jetstream
            .get_consumer_from_stream::<pull::Config, _, _>(consumer, subjects::CHAT_STREAM)
            .await;
        asked.ok().map(|consumer| consumer.cached_info().clone())
    })
    .await;
    Queue {
        pending: info.num_pending,
        unacknowledged: info.num_ack_pending,
        waiting: info.num_waiting,
    }
}

async fn stream(bus: &Bus, name: &str) -> Stream {
    wait_for(name, async || bus.jetstream().get_stream(name).await.ok()).await
}

/// How the subject of an event ends that a test forged: it must count for nothing.
pub const FORGED: &str = "-forged";

/// All ledger events, in order.
pub async fn ledger(bus: &Bus) -> Vec<EventV1> {
    let stream = stream(bus, subjects::LEDGER_STREAM).await;
    let state = &stream.cached_info().state;
    let mut events = Vec::new();
    if state.messages == 0 {
        return events;
    }
    let sealer = bus.sealer().await.unwrap();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.direct_get(sequence).await.unwrap();
        if message.subject.ends_with(FORGED) {
            continue;
        }
        let Event::V1(event) = serde_json::from_slice(&message.payload).unwrap();
        if !event.is_possible() || !sealer.admits(&event, &message.headers, u64::MAX) {
            continue;
        }
        assert!(event.may_stand_on(&message.subject), "an event on a wrong subject");
        let taken_ms = message.time.unix_timestamp_nanos() / 1_000_000;
        // Snapshots are no facts about money, and what came too late counts for nothing.
        if event.is_of_an_account() && !event.is_late(u64::try_from(taken_ms).unwrap()) {
            events.push(event);
        }
    }
    events
}

/// All charges of a ledger, in order, with what was charged in µUSD.
pub fn uses(ledger: &[EventV1]) -> Vec<(Use, i64)> {
    let charge = |event: &EventV1| match &event.fact {
        Fact::Use(charged) => Some((charged.clone(), -event.amount.0)),
        _ => None,
    };
    ledger.iter().filter_map(charge).collect()
}

/// How many requests of a ledger ended without a charge.
pub fn voids(ledger: &[EventV1]) -> usize {
    ledger.iter().filter(|event| matches!(event.fact, Fact::Void(_))).count()
}

/// All accounts as Redis has them.
pub(crate) async fn accounts(world: &World) -> BTreeMap<String, Account> {
    let mut found = BTreeMap::new();
    for part in apply::partitions() {
        let start = keys::accounts(part);
        for (name, fields) in hashes(world, &start).await {
            let field = |name: &str| fields.get(name).copied().unwrap_or(0);
            let account = Account { balance: field("balance"), held: field("held") };
            found.insert(name.trim_start_matches(&start).to_owned(), account);
        }
    }
    found
}

async fn hashes(world: &World, start: &str) -> Vec<(String, HashMap<String, i64>)> {
    let mut connection = world.redis.clone();
    let pattern = format!("{start}*");
    let names: Vec<String> =
        redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    let mut hashes = Vec::new();
    for name in names {
        let fields = redis::cmd("HGETALL").arg(&name).query_async(&mut connection).await.unwrap();
        hashes.push((name, fields));
    }
    hashes
}

/// The whole look.
pub(crate) async fn check(world: &World) {
    nothing_runs(world).await;
    nothing_waits(world).await;
    let ledger = ledger(&world.bus).await;
    check_charges(&ledger);
    let sums = sums_of(&ledger);
    let billing_runs = world.billings.iter().any(Option::is_some);
    assert!(billing_runs, "a test ends with a billing worker, or nobody settles");
    let mut last = BTreeMap::new();
    let equal = tokio::time::timeout(crate::wait::WAIT_MAX, async {
        loop {
            last = accounts(world).await;
            if agrees(&last, &sums) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let equal = equal.await.is_ok();
    assert!(equal, "balances and ledger differ, or credit is still held: {last:?}, not {sums:?}");
    check_budgets(world, &ledger).await;
    if !world.places_may_stay {
        check_places(world).await;
    }
    assert_eq!(sums_of(&self::ledger(&world.bus).await), sums, "something was still charged");
}

fn agrees(accounts: &BTreeMap<String, Account>, sums: &BTreeMap<String, i64>) -> bool {
    let balances = accounts.iter().filter(|(_, account)| account.balance != 0);
    let balances: BTreeMap<&String, i64> =
        balances.map(|(name, account)| (name, account.balance)).collect();
    let sums: BTreeMap<&String, i64> =
        sums.iter().filter(|(_, sum)| **sum != 0).map(|(name, sum)| (name, *sum)).collect();
    balances == sums && accounts.values().all(|account| account.held == 0)
}

fn sums_of(ledger: &[EventV1]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for event in ledger {
        *sums.entry(event.account.to_string()).or_insert(0) += event.amount.0;
    }
    sums
}

/// Every request ended once; no charge is above its hold or its price; no account was overdrawn.
fn check_charges(ledger: &[EventV1]) {
    let mut ended = HashSet::new();
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let mut clawed_back: BTreeMap<String, i64> = BTreeMap::new();
    for event in ledger {
        if let Some(request) = event.request() {
            assert!(ended.insert(request.clone()), "{request} ended twice");
        }
        if let Fact::Use(charged) = &event.fact {
            let price = charged.price.charge(&charged.usage).min(charged.hold);
            assert_eq!(event.amount.negated(), price, "a charge is its price: {charged:?}");
        }
        let account = event.account.to_string();
        let balance = balances.entry(account.clone()).or_insert(0);
        *balance += event.amount.0;
        // Only money that went back to the buyer may leave an account in debt.
        let owed = clawed_back.entry(account.clone()).or_insert(0);
        if matches!(event.fact, Fact::Refund { .. } | Fact::Dispute { .. }) {
            *owed -= event.amount.0;
        }
        assert!(*balance + *owed >= 0, "{account} is overdrawn");
    }
}

/// What each key and all accounts have spent is what the ledger says, and nothing is held.
async fn check_budgets(world: &World, ledger: &[EventV1]) {
    let mut spent: BTreeMap<String, i64> = BTreeMap::new();
    for event in ledger {
        if let Fact::Use(charged) = &event.fact {
            *spent.entry(charged.key.to_string()).or_insert(0) -= event.amount.0;
        }
    }
    let mut of_accounts: BTreeMap<String, i64> = BTreeMap::new();
    for event in ledger.iter().filter(|event| matches!(event.fact, Fact::Use(_))) {
        *of_accounts.entry(event.account.to_string()).or_insert(0) -= event.amount.0;
    }
    let mut total = 0;
    for part in apply::partitions() {
        let prefix = keys::partition_prefix(part);
        for (name, fields) in hashes(world, &format!("{prefix}key")).await {
            let key = name.rsplit_once(':').unwrap().1;
            let wanted = spent.remove(key).unwrap_or(0);
            assert_eq!(fields.get("spent").copied().unwrap_or(0), wanted, "spent of {key}");
            assert_eq!(fields.get("held").copied().unwrap_or(0), 0, "held of {key}");
        }
        for (name, fields) in hashes(world, &keys::accounts(part)).await {
            let account = name.rsplit_once(':').unwrap().1;
            let wanted = of_accounts.remove(account).unwrap_or(0);
            assert_eq!(fields.get("spent").copied().unwrap_or(0), wanted, "spent of {account}");
        }
        for (name, fields) in hashes(world, &keys::total(part)).await {
            total += fields.get("spent").copied().unwrap_or(0);
            assert_eq!(fields.get("held").copied().unwrap_or(0), 0, "held in {name}");
        }
    }
    assert!(spent.values().all(|spent| *spent == 0), "keys that Redis doesn't know: {spent:?}");
    let charged: i64 = uses(ledger).iter().map(|(_, charge)| charge).sum();
    assert_eq!(total, charged, "spent in all");
    assert_eq!(world.store.open_holds().await.unwrap(), 0, "open holds");
}

/// Nobody occupies a place among a key's requests at once.
async fn check_places(world: &World) {
    wait_until("every place among the requests at once is given back", async || {
        let texts = world.redis_texts().await;
        !texts.iter().any(|(name, text)| name.contains("parallel") && !text.is_empty())
    })
    .await;
}

async fn nothing_runs(world: &World) {
    for (number, _) in world.gateways.iter().enumerate().filter(|(_, role)| role.is_some()) {
        let what = format!("gateway {number} has no request under way");
        wait_until(&what, async || {
            world.scrape(number).await.value("fly_llm_requests_running") == 0.0
        })
        .await;
    }
}

async fn nothing_waits(world: &World) {
    wait_until("the queue is empty", async || {
        stream(&world.bus, subjects::CHAT_STREAM).await.cached_info().state.messages == 0
    })
    .await;
    for pool in world.given.config.models.pools() {
        wait_until(&format!("no job of the pool {pool} is unacknowledged"), async || {
            queue(&world.bus, &pool).await.unacknowledged == 0
        })
        .await;
    }
}

//! What is left when all is over: the ledger message by message, the view field by field, the queue
//! and the gateways' own counters. It counts by itself and judges nothing.

use crate::cluster::Cluster;
use crate::load::Seen;
use crate::nemesis::{Story, wipe};
use crate::vendor::Start;
use async_nats::jetstream::consumer::pull;
use futures::StreamExt;
use harness::metrics::Scrape;
use infra::bus::Bus;
use infra::store::{Store, apply};
use infra::tasks::Tasks;
use schemas::ledger::{Event, EventV1};
use schemas::subjects;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long the view may take to agree with the ledger.
const APPLY_SECONDS_MAX: Duration = Duration::from_secs(20);

/// A message of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) subject: String,
    /// What it says.
    pub(crate) event: EventV1,
}

/// Accounts and their amounts in µUSD: balance and held.
pub(crate) type Balances = BTreeMap<String, (i64, i64)>;

/// What was left running or held.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftovers {
    pub(crate) holds: u64,
    pub(crate) jobs: u64,
    pub(crate) unacknowledged: usize,
    pub(crate) running: f64,
}

impl Leftovers {
    fn is_nothing(&self) -> bool {
        self.holds == 0 && self.jobs == 0 && self.unacknowledged == 0 && self.running == 0.0
    }
}

/// The lowest amount that was free in any account, over all looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lowest {
    pub(crate) looks: usize,
    pub(crate) available: i64,
}

/// Everything that the checker knows.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) seen: Vec<Seen>,
    pub(crate) starts: Vec<Start>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) balances: Balances,
    /// The same after Redis was wiped and the ledger replayed.
    pub(crate) rebuilt: Balances,
    pub(crate) leftovers: Leftovers,
    pub(crate) lowest: Lowest,
    pub(crate) story: Story,
    pub(crate) bad_ends: Vec<String>,
    pub(crate) panics: BTreeMap<String, usize>,
    /// From the last fault to a whole answer, at each gateway.
    pub(crate) live_again: Vec<Option<Duration>>,
}

/// The checker's own eyes.
pub(crate) struct Eyes {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) redis: redis::Client,
}

impl Eyes {
    /// Connects as the operator.
    pub(crate) async fn open(cluster: &mut Cluster) -> Self {
        let servers = cluster.servers();
        Self {
            bus: Bus::connect(&servers.nats_url(), "chaos").await.unwrap(),
            store: Store::connect(servers.redis_url()).await.unwrap(),
            redis: redis::Client::open(servers.redis_url()).unwrap(),
        }
    }

    /// Looks at what is free in every account, all the time until `stop`.
    pub(crate) fn watch(&self, tasks: &Tasks, stop: &CancellationToken) -> Arc<Mutex<Lowest>> {
        let lowest = Arc::new(Mutex::new(Lowest { looks: 0, available: i64::MAX }));
        let (store, stop, found) = (self.store.clone(), stop.clone(), Arc::clone(&lowest));
        tasks.spawn("watch", async move {
            while !stop.is_cancelled() {
                if let Some(available) = least_available(&store).await {
                    let mut lowest = found.lock().unwrap();
                    lowest.looks += 1;
                    lowest.available = lowest.available.min(available);
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        });
        lowest
    }

    /// Waits until nothing is left, for a limited time, and says what is.
    pub(crate) async fn leftovers(&self, gateways: &[String], limit: Duration) -> Leftovers {
        let began = Instant::now();
        loop {
            let left = self.leftovers_now(gateways).await;
            match left {
                Some(left) if left.is_nothing() || began.elapsed() > limit => return left,
                None if began.elapsed() > limit * 2 => panic!("nobody can be asked what is left"),
                _ => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    async fn leftovers_now(&self, gateways: &[String]) -> Option<Leftovers> {
        let jetstream = self.bus.jetstream();
        let queue = jetstream.get_stream(subjects::CHAT_STREAM).await.ok()?;
        let consumer = subjects::chat_consumer("cloud");
        let consumer = queue.get_consumer::<pull::Config>(&consumer).await.ok()?;
        let mut running = 0.0;
        for gateway in gateways {
            let text = reqwest_text(&format!("{gateway}/metrics")).await?;
            running += Scrape::read(&text).value("fly_llm_requests_running");
        }
        Some(Leftovers {
            holds: self.store.open_holds().await.ok()?,
            jobs: queue.cached_info().state.messages,
            unacknowledged: consumer.cached_info().num_ack_pending,
            running,
        })
    }

    /// The whole ledger.
    pub(crate) async fn ledger(&self) -> Vec<Entry> {
        let stream = self.bus.jetstream().get_stream(subjects::LEDGER_STREAM).await.unwrap();
        let state = stream.cached_info().state.clone();
        let numbers = futures::stream::iter(state.first_sequence..=state.last_sequence);
        let entries = numbers.map(|number| {
            let stream = &stream;
            async move {
                let message = stream.direct_get(number).await.unwrap();
                let Event::V1(event) = serde_json::from_slice(&message.payload).unwrap();
                Entry { subject: message.subject.to_string(), event }
            }
        });
        entries.buffered(64).collect().await
    }

    /// The balances once they agree with the sums, or after a while as they are.
    pub(crate) async fn balances(&self, sums: &BTreeMap<String, i64>) -> Balances {
        let began = Instant::now();
        loop {
            let late = began.elapsed() > APPLY_SECONDS_MAX;
            if let Ok(found) = self.store.all_balances().await {
                let of = |(name, found): (String, infra::store::balances::Balance)| {
                    (name, (found.balance.0, found.held.0))
                };
                let found: Balances = found.into_iter().map(of).collect();
                let agrees = |(name, sum): (&String, &i64)| {
                    found.get(name).is_some_and(|(balance, _)| balance == sum)
                };
                if late || sums.iter().all(agrees) {
                    return found;
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// The same after Redis has lost everything.
    pub(crate) async fn rebuilt(&self, sums: &BTreeMap<String, i64>) -> Balances {
        wipe(&self.redis).await;
        self.balances(sums).await
    }
}

async fn reqwest_text(url: &str) -> Option<String> {
    let answer = tokio::time::timeout(APPLY_SECONDS_MAX, reqwest_get(url)).await;
    answer.ok().flatten()
}

async fn reqwest_get(url: &str) -> Option<String> {
    let client = reqwest::Client::builder().timeout(APPLY_SECONDS_MAX).tls_certs_only([]);
    let response = client.no_proxy().build().ok()?.get(url).send().await.ok()?;
    response.text().await.ok()
}

/// The least that is free in any account; nothing while the view is away or incomplete.
async fn least_available(store: &Store) -> Option<i64> {
    let is_live = async || {
        for part in apply::partitions() {
            if !store.is_live(part).await.ok()? {
                return None;
            }
        }
        Some(())
    };
    is_live().await?;
    let balances = store.all_balances().await.ok()?;
    is_live().await?;
    balances.values().map(|found| found.balance.0.min(found.balance.0 - found.held.0)).min()
}

/// What each account's events sum to.
pub(crate) fn sums(ledger: &[Entry]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry.event.may_stand_on(&entry.subject)) {
        *sums.entry(entry.event.account.to_string()).or_insert(0) += entry.event.amount.0;
    }
    sums
}

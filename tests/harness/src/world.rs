//! Everything together: servers, roles, vendor, clients, keys. Each test has a world of its own,
//! and ends with [`World::finish`].

/// What it is made of.
mod builder;

/// What befalls it.
mod falls;

pub use builder::{Wires, WorldBuilder};

use crate::client::Client;
use crate::metrics::Scrape;
use crate::role::{ADMIN_KEY, Addresses, Given, Role};
use crate::servers::Servers;
use crate::spy::{self, Spy};
use crate::stripe::{SECRET_KEY, Stripe, WEBHOOK_SECRET};
use crate::vendor::Vendor;
use crate::wait::{wait_for, wait_until};
use crate::{ears, leftovers, settings};
use gateway::auth::issue;
use infra::bus::Bus;
use infra::config::Config;
use infra::crash::{Point, Reached};
use infra::environment::{Environment, FLY_LLM_LOG};
use infra::store::{Store, apply, keys};
use redis::IntoConnectionInfo;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use schemas::ids::{AccountId, KeyId};
use schemas::ledger::{EventV1, Use};
use schemas::money::MicroUsd;
use schemas::subjects;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// An API key and who pays for it.
#[derive(Debug, Clone)]
pub struct Key {
    /// What a client sends.
    pub secret: String,
    /// Its name.
    pub id: KeyId,
    /// Its account.
    pub account: AccountId,
}

/// A connection without Nagle's delay, as all of ours.
async fn redis_connection(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    let info = url.into_connection_info()?;
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    redis::Client::open(info)?.get_multiplexed_async_connection().await
}

/// Once for the whole program of tests.
fn prepare() {
    infra::net::install_cryptography();
    let environment = Environment::of_process();
    ears::start(environment.get(FLY_LLM_LOG).is_some());
    for secret in [ADMIN_KEY, settings::VENDOR_KEY, SECRET_KEY, WEBHOOK_SECRET] {
        ears::learn(secret);
    }
}

/// Everything that one test runs on.
pub struct World {
    pub(crate) folder: TempDir,
    servers: Servers,
    vendor: Vendor,
    stripe: Option<Stripe>,
    pub(crate) given: Given,
    wires: Option<Wires>,
    told: tokio::sync::watch::Sender<Arc<Config>>,
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) redis: MultiplexedConnection,
    http: reqwest::Client,
    pub(crate) gateways: Vec<Option<(Role, Addresses)>>,
    pub(crate) workers: Vec<Option<Role>>,
    pub(crate) billings: Vec<Option<Role>>,
    /// Places among its keys' requests at once may stay until their leases end.
    pub(crate) places_may_stay: bool,
    finished: bool,
}

impl World {
    /// One of each role.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A world that is told what it is made of.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::new()
    }

    /// The text of the configuration, for a process of its own.
    pub fn config_text(vendor: &Vendor) -> String {
        settings::text(&vendor.url())
    }

    /// A vendor alone, for a process of its own.
    pub async fn vendor_alone() -> Vendor {
        prepare();
        Vendor::start().await
    }

    /// A vendor that containers reach.
    pub async fn vendor_for_containers() -> Vendor {
        prepare();
        Vendor::start_for_containers().await
    }

    /// The vendor.
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// Stripe.
    ///
    /// # Panics
    /// In a world that sells nothing.
    pub fn stripe(&self) -> &Stripe {
        self.stripe.as_ref().unwrap()
    }

    /// The servers.
    pub fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    /// The gateways' networks.
    ///
    /// # Panics
    /// In a world that has none.
    pub fn wires(&self) -> &Wires {
        self.wires.as_ref().unwrap()
    }

    /// The harness's own connection to NATS.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The harness's own connection to Redis.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.given.config
    }

    /// Tells the gateways of another configuration, as their process does when its file changes.
    pub fn reconfigure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = (**self.told.borrow()).clone();
        change(&mut config);
        self.told.send_replace(Arc::new(config));
    }

    /// Starts one more gateway.
    pub async fn add_gateway(&mut self) -> usize {
        self.gateways.push(Some(Role::gateway(&self.given).await));
        self.gateways.len() - 1
    }

    /// Starts one more provider worker.
    pub fn add_worker(&mut self) -> usize {
        self.workers.push(Some(Role::provider(&self.given)));
        self.workers.len() - 1
    }

    /// Starts one more billing worker.
    pub fn add_billing(&mut self) -> usize {
        self.billings.push(Some(Role::billing(&self.given)));
        self.billings.len() - 1
    }

    /// Lets the role that passes a point end there: the first gateway, worker or billing worker
    /// that runs. The answer tells when it has come to it; then it is to be killed.
    pub async fn dies_at(&self, point: Point) -> Reached {
        let roles = match point {
            Point::Held | Point::Published | Point::Ended => {
                self.gateways.iter().flatten().map(|(role, _)| role).next()
            }
            Point::Claimed | Point::Answered | Point::Settled => {
                self.workers.iter().flatten().next()
            }
            Point::Followed | Point::Applied => self.billings.iter().flatten().next(),
        };
        roles.expect("it runs").dies_at(point).await
    }

    /// Says that places of requests that are gone may stay until their leases end.
    pub fn let_places_stay(&mut self) {
        self.places_may_stay = true;
    }

    /// Lets the clock of every role jump, to so many milliseconds from the true time.
    pub async fn shift_clocks(&self, by_ms: i64) {
        let gateways = self.gateways.iter().flatten().map(|(role, _)| role);
        let others = self.workers.iter().chain(&self.billings).flatten();
        for role in gateways.chain(others) {
            role.shift_clock(by_ms).await;
        }
    }

    /// Lets all holds come to their time, as if the requests' lives were over.
    pub async fn let_holds_expire(&self) {
        for part in apply::partitions() {
            let mut redis = self.redis.clone();
            let mut open = redis::cmd("ZRANGE");
            open.arg(keys::holds(part)).arg(0).arg(-1);
            let open: Vec<String> = open.query_async(&mut redis).await.unwrap();
            for request in open {
                let mut expire = redis::cmd("ZADD");
                expire.arg(keys::holds(part)).arg("XX").arg(1).arg(request);
                expire.query_async::<i64>(&mut redis).await.unwrap();
            }
        }
    }

    /// Somebody with a key, at the first gateway.
    pub fn client(&self, key: &Key) -> Client {
        self.client_at(0, key)
    }

    /// Somebody with a key, at one of the gateways.
    pub fn client_at(&self, gateway: usize, key: &Key) -> Client {
        self.client_with(gateway, Some(&key.secret))
    }

    /// Somebody with any secret or none, at one of the gateways.
    pub fn client_with(&self, gateway: usize, secret: Option<&str>) -> Client {
        Client::new(self.http.clone(), self.addresses(gateway).api, secret)
    }

    /// The operator, at the first gateway.
    pub fn admin(&self) -> Client {
        self.client_with(0, Some(ADMIN_KEY))
    }

    /// Somebody at a gateway's metrics port.
    pub fn metrics_client(&self, gateway: usize) -> Client {
        Client::new(self.http.clone(), self.addresses(gateway).metrics, None)
    }

    fn addresses(&self, gateway: usize) -> Addresses {
        self.gateways[gateway].as_ref().expect("it runs").1
    }

    /// A gateway's counters, read from its metrics port.
    pub async fn scrape(&self, gateway: usize) -> Scrape {
        Scrape::read(&self.metrics_client(gateway).get("/metrics").await.text)
    }

    /// A provider worker's counters.
    pub fn worker_metrics(&self, worker: usize) -> Scrape {
        Scrape::read(&self.workers[worker].as_ref().expect("it runs").metrics().text())
    }

    /// A billing worker's counters.
    pub fn billing_metrics(&self, billing: usize) -> Scrape {
        Scrape::read(&self.billings[billing].as_ref().expect("it runs").metrics().text())
    }

    /// Waits until all balances are complete.
    pub async fn wait_until_live(&self) {
        for part in apply::partitions() {
            let what = format!("part {part} of the balances is complete");
            wait_until(&what, async || self.store.is_live(part).await.unwrap_or(false)).await;
        }
    }

    /// Waits until every gateway is ready, as far as it can be without billing, and knows every
    /// worker.
    pub async fn wait_until_ready(&self) {
        let workers = self.workers.iter().flatten().count();
        let bills = self.billings.iter().any(Option::is_some);
        for (number, _) in self.gateways.iter().enumerate().filter(|(_, role)| role.is_some()) {
            let client = self.client_with(number, None);
            wait_until("a gateway knows its workers", async || {
                let ready = client.get("/ready").await;
                (ready.status == 200 || !bills) && ready.json()["workers"] == workers
            })
            .await;
        }
    }

    /// A new account's key, with so much credit in µUSD, which is in the balance already.
    pub async fn key(&self, credit_micro_usd: i64) -> Key {
        self.key_like(json!({"name": "test"}), credit_micro_usd).await
    }

    /// The same, made from a body of `POST /api/keys`.
    pub async fn key_like(&self, body: Value, credit_micro_usd: i64) -> Key {
        let made = self.admin().post("/api/keys", &body).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let made = made.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let (secret, id) = (text("key"), KeyId::parse(text("key_id")).unwrap());
        ears::learn(&secret);
        let key = Key { secret, id, account: AccountId::parse(text("account")).unwrap() };
        if credit_micro_usd > 0 {
            self.grant(&key.account, credit_micro_usd, "first").await;
        }
        key
    }

    /// Gives credit in µUSD and waits until it is in the balance, unless it had been given before.
    pub async fn grant(&self, account: &AccountId, micro_usd: i64, unique: &str) {
        issue::grant(&self.bus, account, MicroUsd(micro_usd), unique, "test").await.unwrap();
        self.wait_until_applied().await;
    }

    /// Waits until the balances have reached the ledger's end.
    pub async fn wait_until_applied(&self) {
        let goal: i64 = self.ledger().await.iter().map(|event| event.amount.0).sum();
        wait_until("the ledger is applied", async || {
            let accounts = leftovers::accounts(self).await;
            accounts.values().map(|account| account.balance).sum::<i64>() == goal
        })
        .await;
    }

    /// An account's balance in µUSD, as Redis has it.
    pub async fn balance(&self, key: &Key) -> i64 {
        self.store.balance(&key.account).await.unwrap().balance.0
    }

    /// What is held for an account's running requests in µUSD, as Redis has it.
    pub async fn held(&self, key: &Key) -> i64 {
        self.store.balance(&key.account).await.unwrap().held.0
    }

    /// All ledger events, in order.
    pub async fn ledger(&self) -> Vec<EventV1> {
        leftovers::ledger(&self.bus).await
    }

    /// All charges of the ledger, in order, with what was charged in µUSD.
    pub async fn uses(&self) -> Vec<(Use, i64)> {
        leftovers::uses(&self.ledger().await)
    }

    /// How many requests ended without a charge.
    pub async fn voids(&self) -> usize {
        leftovers::voids(&self.ledger().await)
    }

    /// Waits until the ledger holds so many charges and so many ends without one.
    pub async fn wait_for_ends(&self, uses: usize, voids: usize) {
        let what = format!("the ledger holds {uses} charges and {voids} ends without one");
        wait_until(&what, async || {
            let ledger = self.ledger().await;
            leftovers::uses(&ledger).len() == uses && leftovers::voids(&ledger) == voids
        })
        .await;
    }

    /// Jobs in the queue, jobs in workers' hands without an acknowledgement, and pulls that wait.
    pub async fn queue(&self, pool: &str) -> leftovers::Queue {
        leftovers::queue(&self.bus, pool).await
    }

    /// Begins to listen to everything that passes through NATS.
    pub async fn spy(&self) -> Spy {
        Spy::start(self.bus.client().clone()).await
    }

    /// Every key of Redis with everything in it, as text.
    pub async fn redis_texts(&self) -> BTreeMap<String, String> {
        spy::redis_texts(&mut self.redis.clone()).await
    }

    /// The answers that are kept. Who is asked for one stands in its place until then, with this
    /// sign before it.
    pub async fn kept_answers(&self) -> Vec<String> {
        const ASKS: char = '\0';
        let texts = self.redis_texts().await.into_iter();
        let kept =
            texts.filter(|(name, text)| name.contains(":answer:") && !text.starts_with(ASKS));
        kept.map(|(_, text)| text).collect()
    }

    /// Whether a file of the servers holds a text.
    pub fn is_on_disk(&self, text: &str) -> bool {
        spy::on_disk(self.folder.path(), text)
    }

    /// Connects the harness's own eyes to Redis again, after a restart.
    pub async fn reconnect_to_redis(&mut self) {
        let url = self.servers.redis_url().to_owned();
        self.redis = wait_for("Redis", async || redis_connection(&url).await.ok()).await;
        self.store = wait_for("Redis", async || Store::connect(&url).await.ok()).await;
    }

    /// Wipes Redis.
    pub async fn wipe_redis(&self) {
        redis::cmd("FLUSHALL").query_async::<()>(&mut self.redis.clone()).await.unwrap();
    }

    /// Makes a key's part of the view what an older program would have written: without what its
    /// account has spent.
    pub async fn age_view(&self, key: &Key) {
        let total = keys::total(subjects::partition(&key.account));
        let mut aged = redis::pipe();
        aged.hdel(total, "version").hdel(keys::account(&key.account), "spent");
        aged.exec_async(&mut self.redis.clone()).await.unwrap();
    }

    /// Puts something unreadable in the place of what Redis keeps under such names. Returns how
    /// many there were.
    pub async fn break_redis(&self, part: &str) -> usize {
        let names = self.redis_texts().await.into_keys().filter(|name| name.contains(part));
        let names: Vec<String> = names.collect();
        for name in &names {
            let mut broken = redis::pipe();
            broken.del(name).set(name, "broken").expire(name, 300);
            broken.exec_async(&mut self.redis.clone()).await.unwrap();
        }
        names.len()
    }

    /// Puts what commands fail on in the place of what Redis keeps under such names. Returns how
    /// many there were.
    pub async fn spoil_redis(&self, part: &str) -> usize {
        let names = self.redis_texts().await.into_keys().filter(|name| name.contains(part));
        let names: Vec<String> = names.collect();
        for name in &names {
            let mut spoiled = redis::pipe();
            spoiled.del(name).rpush(name, "spoiled").expire(name, 300);
            spoiled.exec_async(&mut self.redis.clone()).await.unwrap();
        }
        names.len()
    }

    /// Forgets what Redis keeps under such names. Returns how many there were.
    pub async fn forget_redis(&self, part: &str) -> usize {
        let names = self.redis_texts().await.into_keys().filter(|name| name.contains(part));
        let names: Vec<String> = names.collect();
        for name in &names {
            redis::pipe().del(name).exec_async(&mut self.redis.clone()).await.unwrap();
        }
        names.len()
    }

    /// Redis answers nobody for so many milliseconds.
    pub async fn pause_redis(&self, milliseconds: u64) {
        let mut pause = redis::cmd("CLIENT");
        let pause = pause.arg("PAUSE").arg(milliseconds).arg("ALL");
        pause.query_async::<()>(&mut self.redis.clone()).await.unwrap();
    }

    /// Ends the test: nothing may be left, and everything must end in good order.
    ///
    /// # Panics
    /// When something is left, naming it.
    pub async fn finish(mut self) {
        leftovers::check(&self).await;
        ears::check();
        for role in self.gateways.drain(..).flatten() {
            role.0.stop().await;
        }
        for role in self.workers.drain(..).chain(self.billings.drain(..)).flatten() {
            role.stop().await;
        }
        self.finished = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let is_unfinished = !self.finished && !std::thread::panicking();
        assert!(!is_unfinished, "a test ends with world.finish().await");
    }
}

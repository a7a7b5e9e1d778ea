//! The product as an operator runs it: nats-server, redis-server and the shipped program, in a
//! process for each role or as `fly-llm up`; and what it has charged.

use crate::Arguments;
use crate::cell::{Answer, Arrival, Cell};
use crate::load::Target;
use crate::processes::{self, Spent};
use crate::share::Share;
use crate::vendor::{INPUT_TOKENS, Vendor};
use clap::ValueEnum;
use futures::{StreamExt, stream};
use gateway::auth::issue::{self, NewKey};
use infra::bus::Bus;
use infra::children::nats::NatsServer;
use infra::children::redis::RedisServer;
use infra::children::{ChildProcess, Launch};
use infra::clock;
use infra::environment::Environment;
use infra::net::free_port;
use infra::store::Store;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The account's credit: a million dollars.
const CREDIT: MicroUsd = MicroUsd(1_000_000_000_000);

/// What an input and an output token cost, in millionths of a dollar.
const PRICES: (u64, u64) = (1, 2);

/// Calls at once of a worker, as by default.
const SLOTS_MIN: usize = 1_000;

/// How long anything may take to become ready, or charges to be applied.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same after events of others, which billing applies first.
const PATIENCE_FILLED: Duration = Duration::from_secs(600);

/// Keys or events of others that are written at once.
const FILLED_AT_ONCE: usize = 256;

/// Accounts that the events of others are of.
const OTHER_ACCOUNTS: usize = 1_000;

/// The roles of which there may be more.
const GROWING: [&str; 2] = ["gateway", "worker"];

/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// How long a process that has just started is left alone, before its memory is read.
const SETTLED: Duration = Duration::from_secs(2);

/// How long a process may take to end.
const END_SECONDS_MAX: Duration = Duration::from_secs(10);

/// What is not as by default: no limit is in the way, and the models are the double's.
const CONFIG: &str = "\
limits: {requests_per_minute: 100000000, tokens_per_minute: 100000000000, parallel: 100000}
budget: {per_key_usd: 1000000, total_usd: 1000000}
fallbacks: {}
auto: {candidates: [bench-fast], default: bench-fast}
workers: {provider_slots: SLOTS}
models:
";

/// How the roles run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Each in a process of its own.
    Processes,
    /// All in one, with `fly-llm up`.
    Up,
}

/// Everything that runs.
pub(crate) struct Product {
    _folder: TempDir,
    servers: Option<(NatsServer, RedisServer)>,
    roles: Vec<(String, ChildProcess)>,
    targets: Vec<Target>,
    store: Store,
    bus: Bus,
    account: AccountId,
    /// The double's process, which is none of ours.
    vendor: u32,
    /// What was resident before the first question, in megabytes.
    fresh: BTreeMap<String, f64>,
}

/// Where the parts are.
struct Places {
    nats_url: String,
    redis_url: String,
    gateways: Vec<SocketAddr>,
}

impl Product {
    /// Starts it, with one key that has credit.
    pub(crate) async fn start(arguments: &Arguments, vendor: &Vendor) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("bench.yaml");
        std::fs::write(&config, config_text(vendor.address, arguments)).unwrap();
        let (servers, roles, places) = match arguments.form {
            Form::Processes => start_processes(arguments, folder.path(), &config).await,
            Form::Up => start_up(arguments, folder.path(), &config).await,
        };
        let bus = Bus::connect(&places.nats_url, "bench").await.unwrap();
        let store = Store::connect(&places.redis_url).await.unwrap();
        fill(&bus, arguments).await;
        let issued = issue::issue(&bus, new_key("bench", None)).await.unwrap();
        let account = issued.record.account;
        let fact = Fact::Grant { unique: "bench".to_owned(), note: String::new() };
        let at_ms = clock::unix_ms();
        let grant = EventV1 { account: account.clone(), at_ms, amount: CREDIT, fact };
        bus.record(&grant).await.unwrap();
        let authorization = format!("Bearer {}", issued.secret.reveal());
        let target = |address| Target { address, authorization: authorization.clone() };
        let targets = places.gateways.into_iter().map(target).collect();
        let (_folder, vendor) = (folder, vendor.id());
        let fresh = BTreeMap::new();
        let mut product =
            Self { _folder, servers, roles, targets, store, bus, account, vendor, fresh };
        product.wait_until_it_listens().await;
        product.fresh = product.memory();
        product.wait_until_it_answers().await;
        product
    }

    /// Its gateways.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// CPU time up to now.
    pub(crate) fn spent(&self) -> Spent {
        processes::spent(&self.processes())
    }

    /// What is resident now, in megabytes.
    pub(crate) fn memory(&self) -> BTreeMap<String, f64> {
        processes::memory(&self.processes())
    }

    /// The same while a cell's load is at its height.
    pub(crate) async fn memory_within(&self, cell: &Cell, time: Duration) -> BTreeMap<String, f64> {
        let whole =
            cell.answer.pace().unwrap_or_default() * u32::try_from(cell.answer.tokens()).unwrap();
        let half = match cell.arrival {
            Arrival::Once(_) => whole * 2 / 3,
            Arrival::Closed(_) | Arrival::Open(_) => time,
        };
        tokio::time::sleep(half).await;
        self.memory()
    }

    /// What was resident before anything was asked, in megabytes.
    pub(crate) fn fresh(&self) -> &BTreeMap<String, f64> {
        &self.fresh
    }

    /// Holds each gateway and each provider worker to so many hundredths of a processor.
    ///
    /// # Errors
    /// As [`Share::of`].
    pub(crate) fn hold_to(&self, percent: u32) -> io::Result<Vec<Share>> {
        let growing = self.roles.iter().filter(|(name, _)| GROWING.contains(&name.as_str()));
        let ids = growing.filter_map(|(_, child)| child.id());
        ids.map(|id| Share::of(id, percent)).collect()
    }

    /// The first process of a role.
    pub(crate) fn process_of(&self, role: &str) -> Option<u32> {
        let named = |(name, id): (String, u32)| (name == role).then_some(id);
        self.processes().into_iter().find_map(named)
    }

    fn processes(&self) -> Vec<(String, u32)> {
        let ours = std::process::id();
        let names: BTreeMap<u32, &String> =
            self.roles.iter().filter_map(|(name, child)| Some((child.id()?, name))).collect();
        let mut all = Vec::new();
        for (comm, id) in processes::children(ours) {
            if id == self.vendor {
                continue;
            }
            all.push((names.get(&id).map_or(comm, |name| (*name).clone()), id));
            all.extend(processes::children(id));
        }
        all
    }

    /// Until every gateway takes connections, and has settled.
    async fn wait_until_it_listens(&self) {
        let until = Instant::now() + PATIENCE;
        for target in &self.targets {
            while let Err(error) = tokio::net::TcpStream::connect(target.address).await {
                assert!(Instant::now() < until, "no gateway: {error}");
                tokio::time::sleep(POLL).await;
            }
        }
        tokio::time::sleep(SETTLED).await;
    }

    /// Until a gateway that has just started knows the key, its credit and a worker.
    async fn wait_until_it_answers(&self) {
        let until = Instant::now() + PATIENCE_FILLED;
        for (number, target) in self.targets.iter().enumerate() {
            // A question of its own: a kept answer would cost nothing.
            let question = u64::MAX - u64::try_from(number).unwrap();
            loop {
                let asked = async {
                    let mut connection = crate::exchange::Connection::open(target).await?;
                    connection.ask(target, Answer::Plain, question).await
                };
                match asked.await {
                    Ok(_) => break,
                    Err(error) => assert!(Instant::now() < until, "no answer: {error}"),
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Whether every answer was charged once and the ledger agrees: `answers`, and the first of
    /// each gateway.
    pub(crate) async fn check_sums(&self, answers: &[(Cell, u64)]) -> Result<(), String> {
        let charge = |answer: Answer| PRICES.0 * INPUT_TOKENS + PRICES.1 * answer.tokens();
        let first = charge(Answer::Plain) * self.targets.len() as u64;
        let others = answers.iter().map(|(cell, count)| charge(cell.answer) * count);
        let expected = i64::try_from(first + others.sum::<u64>()).unwrap_or(i64::MAX);
        let until = Instant::now() + PATIENCE;
        loop {
            let balance = self.store.balance(&self.account).await;
            let balance = balance.map_err(|error| error.to_string())?;
            let charged = CREDIT.0 - balance.balance.0;
            if charged == expected && balance.held.0 == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                let held = balance.held.0;
                return Err(format!("charged {charged}, expected {expected}, still held {held}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        drop(self.bus);
        for (_, mut child) in self.roles {
            child.stop(END_SECONDS_MAX).await;
        }
        if let Some((mut nats, mut redis)) = self.servers {
            nats.stop(END_SECONDS_MAX).await;
            redis.stop(END_SECONDS_MAX).await;
        }
    }
}

/// What the product has grown to: keys and events of others, which cost a request nothing.
async fn fill(bus: &Bus, arguments: &Arguments) {
    let keys = (0..arguments.other_keys).map(|_| issue::issue(bus, new_key("other", None)));
    let keys = stream::iter(keys).buffer_unordered(FILLED_AT_ONCE);
    keys.for_each(|issued| async { drop(issued.unwrap()) }).await;
    let others: Vec<AccountId> = (0..OTHER_ACCOUNTS).map(|_| AccountId::fresh()).collect();
    let events = (0..arguments.ledger_events).map(|number| {
        let account = others[usize::try_from(number).unwrap() % others.len()].clone();
        let fact = Fact::Grant { unique: format!("{number}"), note: String::new() };
        let event = EventV1 { account, at_ms: clock::unix_ms(), amount: MicroUsd(1), fact };
        async move { bus.record(&event).await.unwrap() }
    });
    let events = stream::iter(events).buffer_unordered(FILLED_AT_ONCE);
    events.for_each(|_| async {}).await;
}

fn new_key(name: &str, account: Option<AccountId>) -> NewKey {
    NewKey { name: name.to_owned(), account, ..NewKey::default() }
}

fn config_text(vendor: SocketAddr, arguments: &Arguments) -> String {
    let slots = SLOTS_MIN.max(arguments.slow_streams);
    let mut text = CONFIG.replace("SLOTS", &slots.to_string());
    let names =
        [Answer::Plain, Answer::Paced, Answer::Slow].map(|answer| answer.model().to_owned());
    for name in
        names.into_iter().chain((0..arguments.other_models).map(|number| format!("other-{number}")))
    {
        let (input, output) = PRICES;
        write!(
            text,
            "  - name: {name}\n    pool: cloud\n    vendor: compatible\n    \
             api_base: http://{vendor}/v1\n    \
             price: {{input: {input}, cached_input: {input}, cache_write: {input}, \
             output: {output}}}\n    context: 100000\n    max_output: 1000\n    tier: economy\n"
        )
        .unwrap();
    }
    text
}

type Started = (Option<(NatsServer, RedisServer)>, Vec<(String, ChildProcess)>, Places);

async fn start_processes(arguments: &Arguments, folder: &Path, config: &Path) -> Started {
    let environment = Environment::of_process();
    let nats = NatsServer::start(&folder.join("nats"), 0, &environment).await.unwrap();
    let redis = RedisServer::start(&folder.join("redis"), 0, &environment).await.unwrap();
    let (nats_url, redis_url) = (nats.url().to_owned(), redis.url().to_owned());
    // Each role as its own user of NATS, as it is deployed.
    let url_of = |user: &str| nats.url_of(user).unwrap();
    let start = |name: &str, nats_url: String, words: &[&str], more: Vec<OsString>| {
        let config = ["--config".into(), config.as_os_str().to_owned()];
        let words = words.iter().map(OsString::from);
        let launch = Launch {
            name: "fly-llm",
            program: arguments.program.clone(),
            arguments: words.chain(config).chain(more).collect(),
            environment: vec![
                ("NATS_URL", nats_url),
                ("REDIS_URL", redis_url.clone()),
                ("ADMIN_API_KEY", "admin-key-of-the-bench".to_owned()),
            ],
            error_file: Some(folder.join(format!("{name}.log"))),
        };
        (name.trim_end_matches(char::is_numeric).to_owned(), ChildProcess::start(launch).unwrap())
    };
    let (_, mut streams) = start("streams", nats_url.clone(), &["streams", "apply"], Vec::new());
    assert!(streams.wait().await.unwrap().success(), "streams apply");
    let billing = url_of("billing");
    let mut roles = vec![start("billing", billing, &["worker", "billing"], Vec::new())];
    for number in 0..arguments.workers {
        let (name, worker) = (format!("worker{number}"), url_of("worker-cloud"));
        roles.push(start(&name, worker, &["worker", "provider"], Vec::new()));
    }
    let mut gateways = Vec::new();
    for number in 0..arguments.gateways {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (api, metrics) = (address(free_port().unwrap()), address(free_port().unwrap()));
        let more = ["--listen".into(), api.to_string().into(), "--metrics-listen".into()];
        let more = more.into_iter().chain([metrics.to_string().into()]).collect();
        let (name, gateway) = (format!("gateway{number}"), url_of("gateway"));
        roles.push(start(&name, gateway, &["gateway"], more));
        gateways.push(api);
    }
    let places = Places { nats_url, redis_url, gateways };
    (Some((nats, redis)), roles, places)
}

async fn start_up(arguments: &Arguments, folder: &Path, config: &Path) -> Started {
    let data = folder.join("data");
    let (api, metrics) = (free_port().unwrap(), free_port().unwrap());
    let launch = Launch {
        name: "fly-llm",
        program: arguments.program.clone(),
        arguments: vec![
            "up".into(),
            "--json".into(),
            "--config".into(),
            config.into(),
            "--data".into(),
            data.clone().into(),
            "--listen".into(),
            format!("127.0.0.1:{api}").into(),
            "--metrics-listen".into(),
            format!("127.0.0.1:{metrics}").into(),
        ],
        environment: Vec::new(),
        error_file: Some(folder.join("up.log")),
    };
    let child = ChildProcess::start(launch).unwrap();
    let file = data.join("run.json");
    let until = Instant::now() + PATIENCE;
    let running = loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Ok(running) = serde_json::from_str::<serde_json::Value>(&text) {
            break running;
        }
        assert!(Instant::now() < until, "`fly-llm up` did not come up");
        tokio::time::sleep(POLL).await;
    };
    let text = |name: &str| running[name].as_str().unwrap().to_owned();
    let places = Places {
        nats_url: text("nats_url"),
        redis_url: text("redis_url"),
        gateways: vec![SocketAddr::from(([127, 0, 0, 1], api))],
    };
    (None, vec![("up".to_owned(), child)], places)
}

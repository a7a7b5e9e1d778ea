//! Chaos: the shipped program in several processes under load, a seeded nemesis that kills and
//! halts everything in it, and a checker that says whether what the queue and the money promise
//! still holds. `make chaos SEED=n SECONDS=s` runs it; a short run is a test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test tool ends by a panic when it can't do its work"
)]

/// The one right answer to each question.
mod answer;

/// The invariants.
mod check;

/// The processes.
mod cluster;

/// Chance that can be repeated.
mod dice;

/// What is left when all is over.
mod evidence;

/// The clients.
mod load;

/// What goes wrong.
mod nemesis;

/// Faults that the checker must find.
mod planted;

/// The vendor.
mod vendor;

pub use check::Finding;
pub use nemesis::Nemesis;
pub use planted::Planted;

use cluster::{ADMIN_KEY, Cluster, REQUEST_SECONDS_MAX, SETTLE_GRACE_SECONDS};
use evidence::{Evidence, Eyes, sums};
use gateway::auth::issue;
use harness::{Client, wait_until};
use infra::tasks::Tasks;
use load::Load;
use nemesis::Stage;
use planted::Sabotage;
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use vendor::Vendor;

/// What everybody's credit is, and what that of one who runs out of it, in µUSD.
const CREDITS: [i64; 4] = [1_000_000_000, 1_000_000_000, 1_000_000_000, 8_000];

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// What chance comes from.
    pub seed: u64,
    /// How long things go wrong.
    pub time: Duration,
    /// What goes wrong.
    pub nemesis: Nemesis,
    /// A fault that the checker must find.
    pub planted: Option<Planted>,
    /// Clients at once.
    pub clients: usize,
    /// Tells what happens while it happens.
    pub loud: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Each invariant.
    pub findings: Vec<Finding>,
    /// Requests that were not answered whole, and how they ended.
    pub unanswered: Vec<String>,
    /// What went wrong, and when in milliseconds.
    pub acts: Vec<(u64, String)>,
    /// Where the logs are, when an invariant is broken.
    pub logs: Option<PathBuf>,
}

impl Report {
    /// The invariants that don't hold.
    pub fn broken(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.broken > 0).collect()
    }
}

/// Tells a line.
pub fn say(line: &str) {
    use std::io::Write;
    // Nobody is left to tell when standard output is gone.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A key and whose it is.
struct Key {
    secret: String,
    id: KeyId,
    account: AccountId,
}

/// Runs a plan to its end.
///
/// # Panics
/// When the servers or the program can't be started at all.
pub async fn run(plan: &Plan) -> Report {
    infra::net::install_cryptography();
    let vendor =
        Vendor::start(plan.seed, matches!(plan.nemesis, Nemesis::All | Nemesis::EachOnce)).await;
    let mut cluster = Cluster::start(&plan.program, &vendor).await;
    let (apis, counters): (Vec<_>, Vec<_>) = cluster.gateways().into_iter().unzip();
    for api in &apis {
        wait_until_ready(api).await;
    }
    let eyes = Eyes::open(&mut cluster).await;
    let keys = make_keys(&apis, &eyes).await;
    let secrets = keys.iter().map(|key| key.secret.clone()).collect();
    let patient = plan.nemesis == Nemesis::RollingRestart;
    let load = Load::new(plan.seed, apis.clone(), secrets, patient);
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    load.start(plan.clients, &tasks, &stop);
    let watchers = Tasks::new();
    let lowest = eyes.watch(&watchers, &stop);
    let mut stage = Stage {
        cluster: &mut cluster,
        vendor: &vendor,
        redis: eyes.redis.clone(),
        began: Instant::now(),
        loud: plan.loud,
    };
    let story = stage.play(plan.nemesis, plan.seed, plan.time).await;
    if let Some(planted) = plan.planted {
        let Key { account, id, .. } = &keys[0];
        let sabotage = Sabotage { eyes: &eyes, vendor: &vendor, account, key: id };
        sabotage.commit(planted).await;
        tokio::time::sleep(plan.time).await;
    }
    let live_again = live_again(&load, plan.seed, apis.len()).await;
    stop.cancel();
    tasks.finish().await;
    watchers.finish().await;
    let life = Duration::from_secs(REQUEST_SECONDS_MAX + SETTLE_GRACE_SECONDS + 10);
    let limit = if plan.planted.is_some() { Duration::from_secs(3) } else { life };
    let leftovers = eyes.leftovers(&counters, limit).await;
    let ledger = eyes.ledger().await;
    let sums = sums(&ledger);
    let balances = eyes.balances(&sums).await;
    let rebuilt = eyes.rebuilt(&sums).await;
    cluster.heal();
    let lowest = *lowest.lock().unwrap();
    let evidence = Evidence {
        seen: load.seen(),
        starts: vendor.starts(),
        ledger,
        balances,
        rebuilt,
        leftovers,
        lowest,
        story,
        bad_ends: cluster.bad_ends.clone(),
        panics: cluster.panics(),
        live_again,
    };
    report(&evidence, &mut cluster)
}

fn report(evidence: &Evidence, cluster: &mut Cluster) -> Report {
    let findings = check::check(evidence);
    let is_broken = findings.iter().any(|finding| finding.broken > 0);
    let unanswered = evidence.seen.iter().filter(|seen| seen.end != load::End::Done);
    let is_poor = |end: &load::End| match end {
        load::End::Error(status, code) => *status == 429 && code == "insufficient_quota",
        _ => false,
    };
    Report {
        findings,
        unanswered: unanswered
            .filter(|seen| !is_poor(&seen.end))
            .map(|seen| format!("{}: {:?} after {} ms", seen.id, seen.end, seen.took.as_millis()))
            .collect(),
        acts: evidence.story.acts.clone(),
        logs: is_broken.then(|| cluster.keep_logs()),
    }
}

/// Waits until a gateway is ready and knows both workers.
pub(crate) async fn wait_until_ready(base: &str) {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).tls_certs_only([]);
    let http = http.no_proxy().build().unwrap();
    wait_until("a gateway is ready and knows two workers", async || {
        let Ok(answer) = http.get(format!("{base}/ready")).send().await else { return false };
        let ready = answer.json::<serde_json::Value>().await.unwrap_or_default();
        ready["ready"] == true && ready["workers"] == 2
    })
    .await;
}

async fn make_keys(apis: &[String], eyes: &Eyes) -> Vec<Key> {
    let admin = Client::of(&apis[0], ADMIN_KEY);
    let mut keys = Vec::new();
    for credit in CREDITS {
        let made = admin.post("/api/keys", &json!({"name": "chaos"})).await.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let account = AccountId::parse(text("account")).unwrap();
        issue::grant(&eyes.bus, &account, MicroUsd(credit), "first", "chaos").await.unwrap();
        keys.push(Key { secret: text("key"), id: KeyId::parse(text("key_id")).unwrap(), account });
    }
    for api in apis {
        for key in &keys {
            let client = Client::of(api, &key.secret);
            wait_until("a gateway knows a key and its credit", async || {
                let credits = client.get("/api/credits").await;
                credits.status == 200 && credits.json()["balance_micro_usd"] != 0
            })
            .await;
        }
    }
    keys
}

/// From now until each gateway has given a whole answer.
async fn live_again(load: &Load, seed: u64, gateways: usize) -> Vec<Option<Duration>> {
    let (began, patience) = (Instant::now(), Duration::from_secs(60));
    let mut took = Vec::new();
    for gateway in 0..gateways {
        let mut count = 0;
        let answered = loop {
            count += 1;
            if load.is_answered(gateway, &format!("s{seed}g{gateway}n{count}")).await {
                break Some(began.elapsed());
            }
            if began.elapsed() > patience {
                break None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        took.push(answered);
    }
    took
}

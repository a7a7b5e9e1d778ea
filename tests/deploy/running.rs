//! docker-compose.yml run for real: clients ask while workers come and go and servers fall, and
//! at the end every sum agrees. What a client was told, and what nobody may ever read in a log,
//! is checked.

use crate::collector::Collector;
use crate::compose::Variables;
use crate::engine::{self, Engine};
use crate::files;
use futures::future::join_all;
use harness::fetched::demo_model;
use harness::{Client, Script, Vendor, World, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

/// What a client asks, which must stand in no log.
const SECRET_PROMPT: &str = "the-planted-prompt-4711 of taro.planted@example.com";

/// What the vendor answers, which must stand in no log either.
const SECRET_ANSWER: &str = "the-planted-answer-0815";

/// A vendor's key, as a careless log would show it.
const VENDOR_KEY: &str = "sk-planted-vendor-key";

/// Clients at once.
const CLIENTS: usize = 8;

/// The local model beside the vendor's.
const RAKUTEN: &str = "
  - name: rakuten-llm
    pool: rakuten
    vendor: llama
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 512
    max_output: 64
    capabilities: [chat, json_schema]
    tier: economy
    llama: {file: '${RAKUTEN_MODEL_PATH}', slots: 1}
auto:";

/// .env as its script makes it, with a vendor's key and our configuration.
fn variables(folder: &Path, vendor: &Vendor) -> Variables {
    let file = folder.join(".env");
    let made = Command::new(files::root("scripts/make-env")).arg(&file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = folder.join("config.yaml");
    let text = World::config_text(vendor).replace("\nauto:", RAKUTEN);
    std::fs::write(&config, text.replace("vendor-secret-key", "${OPENAI_API_KEY}")).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let mut variables: Variables =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    variables.insert("CONFIG_FILE".into(), config.to_str().unwrap().into());
    variables.insert("OPENAI_API_KEY".into(), VENDOR_KEY.into());
    variables
}

/// Everything that runs, and whom it serves.
pub(crate) struct Run {
    pub(crate) engine: Engine,
    variables: Variables,
    _folder: TempDir,
    pub(crate) vendor: Vendor,
    collector: Collector,
    key: String,
    account: String,
}

impl Run {
    /// Everything runs, and there is a key with credit.
    pub(crate) async fn start() -> Self {
        let vendor = match engine::is_docker() {
            true => World::vendor_for_containers().await,
            false => World::vendor_alone().await,
        };
        let folder = TempDir::new().unwrap();
        let (listens, host) = match engine::is_docker() {
            true => ("0.0.0.0", "host.docker.internal"),
            false => ("127.0.0.1", "127.0.0.1"),
        };
        let collector = Collector::start(listens).await;
        let mut variables = variables(folder.path(), &vendor);
        let endpoint = format!("http://{host}:{}", collector.port());
        variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint);
        let mut engine = Engine::new(&variables, &demo_model());
        engine.up().await;
        let mut run = Self {
            engine,
            variables,
            _folder: folder,
            vendor,
            collector,
            key: String::new(),
            account: String::new(),
        };
        let admin = run.client(0).with_secret(&run.variables["ADMIN_API_KEY"]);
        let made = admin.post("/api/keys", &json!({"name": "compose"})).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
        (run.key, run.account) = (text("key"), text("account"));
        let given = run.engine.tool(&["credits", "grant", &run.account, "100"]).await;
        assert!(given.status.success(), "{given:?}");
        run
    }

    /// Somebody with the key at one of the gateways.
    pub(crate) fn client(&self, gateway: usize) -> Client {
        Client::of(&self.engine.addresses("gateway", 8080)[gateway], &self.key)
    }

    /// Waits until both gateways answer again.
    async fn answers(&self, after: &str) {
        for gateway in 0..2 {
            let client = self.client(gateway);
            wait_until(&format!("gateway {gateway} answers after {after}"), async || {
                client.ask("fast", SECRET_PROMPT).await.status == 200
            })
            .await;
        }
    }

    /// The ledger, as its own tool checks it.
    async fn check(&self) -> Value {
        let said = self.engine.tool(&["ledger", "check", "--json"]).await;
        serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_answers_scales_and_loses_nothing() {
    let mut run = Run::start().await;
    for model in ["fast", "keyed", "backup"] {
        run.vendor.always(model, Script::says([SECRET_ANSWER, " and more"]));
    }
    each_role_serves(&run).await;
    one_trace_leads_from_the_client_to_the_vendor(&run).await;
    workers_come_and_go_under_load(&mut run).await;
    for name in ["provider", "billing", "gateway", "nats", "redis"] {
        run.engine.kill(name, 0).await;
        run.answers(&format!("a fall of {name}")).await;
    }
    nothing_is_owed(&run).await;
    no_secret_is_told(&run);
    run.engine.down().await;
}

/// Both gateways answer, each kind of worker works, and counters are where they belong.
async fn each_role_serves(run: &Run) {
    for gateway in 0..2 {
        let client = run.client(gateway);
        let answer = client.ask("keyed", SECRET_PROMPT).await;
        assert_eq!(answer.content(), format!("{SECRET_ANSWER} and more"));
        let mut stream = client.ask_stream("fast", SECRET_PROMPT).await;
        stream.rest().await;
        assert!(stream.is_done(), "{:?}", stream.events());
    }
    let question = json!({"model": "rakuten-llm", "max_tokens": 4,
        "messages": [{"role": "user", "content": SECRET_PROMPT}]});
    let answer = run.client(0).chat(&question).await;
    let expected = if cfg!(feature = "rakuten") { 200 } else { 404 };
    assert_eq!(answer.status, expected, "{}", answer.text);
    let seen = run.vendor.seen();
    let keyed = seen.iter().find(|seen| seen.model == "keyed").unwrap();
    assert_eq!(keyed.headers["authorization"], format!("Bearer {VENDOR_KEY}").as_str());
    assert_eq!(run.client(0).get("/metrics").await.status, 404, "not on the public port");
    let families = [
        ("gateway", "fly_llm_requests_total{"),
        ("gateway", "fly_llm_redis_connected 1"),
        ("provider", "fly_llm_jobs_total{"),
        ("provider", "fly_llm_worker_slots{pool=\"cloud\"} 16"),
        ("rakuten", "fly_llm_worker_slots{pool=\"rakuten\"} 1"),
        ("rakuten", "fly_llm_nats_connected 1"),
        ("billing", "fly_llm_ledger_applied_total{"),
        ("billing", "fly_llm_ledger_lag{"),
    ];
    for (role, family) in families {
        for address in run.engine.addresses(role, 9464) {
            let port = Client::of(&address, "");
            wait_until(&format!("{role} tells {family}"), async || {
                port.get("/metrics").await.text.contains(family)
            })
            .await;
        }
    }
}

/// The client's own trace goes on through gateway, queue and worker to the vendor.
async fn one_trace_leads_from_the_client_to_the_vendor(run: &Run) {
    let (trace, top) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let question = json!({"model": "backup", "messages": [{"role": "user", "content": "hi"}]});
    let request = run.client(1).request(reqwest::Method::POST, "/v1/chat/completions");
    let request = request.header("traceparent", format!("00-{trace}-{top}-01")).json(&question);
    assert_eq!(request.send().await.unwrap().status(), 200);
    wait_until("all spans have come", async || run.collector.spans(trace).len() >= 4).await;
    let spans = run.collector.spans(trace);
    let mut parent = top.to_owned();
    for (service, name, attributes) in [
        (
            "fly-llm-gateway",
            "POST /v1/chat/completions",
            &[("http.response.status_code", "200"), ("gen_ai.request.model", "backup")][..],
        ),
        ("fly-llm-gateway", "send chat.cloud.backup", &[("messaging.system", "nats")]),
        ("fly-llm-provider", "process chat.cloud", &[("gen_ai.operation.name", "chat")]),
        (
            "fly-llm-provider",
            "chat backup",
            &[("gen_ai.provider.name", "openai_compatible"), ("gen_ai.request.model", "backup")],
        ),
    ] {
        let of_name: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(of_name.len(), 1, "{name}: {spans:#?}");
        assert_eq!((&*of_name[0].service, &of_name[0].parent), (service, &parent), "{name}");
        for (key, value) in attributes {
            assert_eq!(of_name[0].attributes[*key], *value, "{name}: {key}");
        }
        parent.clone_from(&of_name[0].id);
    }
    assert!(spans.iter().any(|span| span.attributes.contains_key("gen_ai.usage.output_tokens")));
    let seen = run.vendor.seen().into_iter().find(|seen| seen.model == "backup").unwrap();
    assert_eq!(seen.headers["traceparent"], format!("00-{trace}-{parent}-01").as_str());
}

/// 1 → 3 → 1 provider workers while clients ask: every one is answered.
async fn workers_come_and_go_under_load(run: &mut Run) {
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients: Vec<Client> = (0..CLIENTS).map(|number| run.client(number % 2)).collect();
    let load = join_all(clients.iter().map(async |client| {
        while !stop.load(Ordering::Relaxed) {
            let answer = client.ask("fast", SECRET_PROMPT).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let more = async |goal: usize| {
        let from = answered.load(Ordering::Relaxed);
        wait_until("clients are answered", async || {
            answered.load(Ordering::Relaxed) >= from + goal
        })
        .await;
    };
    let scaling = async {
        more(4 * CLIENTS).await;
        for count in [3, 1] {
            run.engine.scale("provider", count).await;
            more(4 * CLIENTS).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, scaling);
    assert_eq!(run.engine.addresses("provider", 9464).len(), 1);
}

/// No hold is open, and every balance is the sum of its events.
pub(crate) async fn nothing_is_owed(run: &Run) {
    let client = run.client(0);
    wait_until("nothing is held any more", async || {
        let credits = client.get("/api/credits").await;
        credits.status == 200 && credits.json()["held_micro_usd"] == 0
    })
    .await;
    wait_until("the ledger agrees with every balance", async || run.check().await["ok"] == true)
        .await;
    let check = run.check().await;
    assert_eq!(check["accounts"], 1, "{check}");
    assert!(check["events"].as_u64().unwrap() > 10, "{check}");
}

/// Every line is JSON, and none holds a prompt, an answer, a key or a password.
fn no_secret_is_told(run: &Run) {
    let mut planted = vec![SECRET_PROMPT, SECRET_ANSWER, VENDOR_KEY, &run.key, "taro.planted"];
    let secrets = run
        .variables
        .iter()
        .filter(|(name, _)| name.ends_with("PASSWORD") || name.ends_with("API_KEY"));
    planted.extend(secrets.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()));
    for role in ["gateway", "provider", "rakuten", "billing"] {
        let log = run.engine.log(role);
        assert!(!log.is_empty(), "{role} says nothing at all");
        for line in log.lines() {
            let parsed: Result<Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok_and(|line| line["level"].is_string()), "{role}: {line}");
        }
        for secret in &planted {
            assert!(!log.contains(secret), "{role} tells {secret}");
        }
    }
    for secret in &planted {
        assert!(!run.collector.holds(secret), "a trace tells {secret}");
    }
    assert!(run.collector.holds("gen_ai.request.model"), "no trace came");
}

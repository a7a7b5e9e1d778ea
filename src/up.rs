//! Everything on one machine: nats-server and redis-server as children unless they are given, every
//! role in this process, the local model in a supervised child (llama.cpp can abort its process).
//! The same roles as in a cluster: there is no second implementation of anything.

use crate::command_line;
use crate::endpoints::{self, Endpoints, RUN_FILE, Running};
use crate::local_models;
use crate::provider;
use crate::reload::Reload;
use crate::role::{self, Failure};
use gateway::auth::issue::{self, NewKey};
use gateway::{Dependencies, Listeners};
use infra::bus::{Bus, Tls};
use infra::children::nats::NatsServer;
use infra::children::redis::RedisServer;
use infra::children::write_private;
use infra::config::Config;
use infra::environment::{Environment, NATS_URL, OTEL_EXPORTER_OTLP_HEADERS};
use infra::metrics::Metrics;
use infra::net::PromptListener;
use infra::secret::Secret;
use infra::store::Store;
use infra::tasks::Tasks;
use schemas::catalogue::Capability;
use schemas::ids::AccountId;
use schemas::money::MicroUsd;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use worker_provider::Given;

/// Where keys are kept between two starts, in the data folder.
const SECRETS_FILE: &str = "secrets.json";

/// The credit of the first key.
const WELCOME_CREDIT: MicroUsd = MicroUsd(10_000_000);

/// How long running answers may take at the end.
const DRAIN_SECONDS_MAX: u64 = 1;

/// How long the gateway, the workers and billing may take at the end, one after the other.
const ROLE_END_MAX: [Duration; 3] =
    [Duration::from_millis(2_200), Duration::from_millis(1_300), Duration::from_millis(400)];

/// How long a child may take at the end.
pub(crate) const CHILD_END_MAX: Duration = Duration::from_millis(700);

/// How long balances and workers may take to be known before the banner is printed without them.
const READY_MAX: Duration = Duration::from_secs(30);

/// Between two looks whether they are.
const READY_POLL: Duration = Duration::from_millis(20);

/// What is kept between two starts.
#[derive(Serialize, Deserialize)]
struct Secrets {
    admin_key: String,
    api_key: String,
    account: String,
}

impl Secrets {
    /// Those of an earlier start, if there was one. New ones in the place of some that can't be
    /// read would lock out whoever holds the old.
    fn kept(data: &Path) -> Result<Option<Self>, Failure> {
        let file = data.join(SECRETS_FILE);
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::new(format!(
                "{0} can't be read: {error}; it holds the admin key and the API key: put back what \
                 stood there, or move the file away and start again, which makes new keys",
                file.display()
            ))
        };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        let kept: Self = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        AccountId::parse(&kept.account).map_err(|error| unreadable(&error))?;
        Ok(Some(kept))
    }
}

/// The servers that are ours.
#[derive(Default)]
struct Servers {
    nats: Option<NatsServer>,
    redis: Option<RedisServer>,
}

/// Runs until a signal.
pub(crate) async fn up(
    arguments: command_line::Up,
    environment: Environment,
) -> Result<ExitCode, Failure> {
    let config = Arc::new(own_config(&arguments, &environment)?);
    let admin_key = role::admin_key(&environment)?;
    let api = role::address(arguments.listen, &config.gateway.listen)?;
    let metrics = role::address(arguments.metrics_listen, &config.gateway.metrics_listen)?;
    let listeners = Listeners {
        api: PromptListener::bind(api).await?,
        metrics: PromptListener::bind_as("--metrics-listen", metrics).await?,
    };
    let _lock = lock(&arguments.data)?;
    let kept = Secrets::kept(&arguments.data)?;
    let stop = role::stopped_by_signal();
    let (mut servers, endpoints) = start_servers(&arguments.data, &environment).await?;
    let bus = endpoints.bus("up").await?;
    bus.apply_streams(&config.queue, &config.models.pools()).await?;
    let store = endpoints.store().await?.in_time_zone(config.budget.time_zone);
    let secrets = secrets(&arguments.data, kept, &bus, admin_key.as_ref()).await?;
    let running = Running {
        base_url: format!("http://{}/v1", listeners.api.local_address()?),
        metrics_url: format!("http://{}/metrics", listeners.metrics.local_address()?),
        admin_key: secrets.admin_key,
        api_key: secrets.api_key,
        nats_url: endpoints.nats_url.clone(),
        redis_url: endpoints.redis_url.clone(),
        pid: std::process::id(),
    };
    let reload = Reload {
        file: role::config_path(&arguments.config),
        environment: environment.clone(),
        running: Arc::clone(&config),
        adjust: drain_soon,
        check: |config| worker_provider::check(config).map_err(Failure::new),
        goes_on: None,
        metrics: None,
    };
    let roles = Roles::start(reload, (bus.clone(), store), listeners, &running, &stop)?;
    let tasks = &roles.workers;
    let of_workers = |pool: &str| servers.environment_of_workers(pool, &endpoints, &environment);
    let models = local_models::start(&config, &arguments.config, of_workers, tasks)?;
    let run_file = arguments.data.join(RUN_FILE);
    write_private(&run_file, &serde_json::to_string(&running)?)?;
    let mut workers = pools_of_vendors(&config);
    for model in &models {
        workers += usize::from(local_models::wait_for(&bus, model, &stop).await);
    }
    wait_until_ready(&endpoints.store().await?, &running, workers, &stop).await?;
    if !stop.is_cancelled() {
        let chats = models.iter().find(|model| model.can(Capability::Chat));
        banner(&running, arguments.json, chats.map_or("auto", |model| &model.name))?;
    }
    let fallen = tokio::select! {
        () = stop.cancelled() => None,
        name = servers.fall() => Some(name),
    };
    roles.end().await;
    // Tools must not find a program that has ended.
    let _ = std::fs::remove_file(run_file);
    servers.end().await;
    match fallen {
        None => Ok(ExitCode::SUCCESS),
        Some(name) => Err(Failure::new(format!(
            "{name} ended by itself, so everything was ended in order: see its log in {}, \
             then start again",
            arguments.data.display()
        ))),
    }
}

fn own_config(arguments: &command_line::Up, environment: &Environment) -> Result<Config, Failure> {
    let mut config = role::read_config(&arguments.config, environment)?;
    drain_soon(&mut config);
    Ok(config)
}

/// Whoever ends everything on one machine waits for nothing long.
fn drain_soon(config: &mut Config) {
    config.gateway.leave_notice_seconds = 0;
    config.gateway.drain_seconds_max = DRAIN_SECONDS_MAX;
    config.workers.drain_seconds_max = DRAIN_SECONDS_MAX;
}

/// Makes the data folder, and holds it: two programs on the same data would corrupt it.
fn lock(data: &Path) -> Result<std::fs::File, Failure> {
    let file = lock_file(data).map_err(|error| {
        Failure::new(format!(
            "{}: {error}: choose a folder that can be written with --data",
            data.display()
        ))
    })?;
    file.try_lock().map_err(|_| {
        Failure::new(format!(
            "{} is in use by another fly-llm: stop it, or choose another folder with --data",
            data.display()
        ))
    })?;
    Ok(file)
}

fn lock_file(data: &Path) -> std::io::Result<std::fs::File> {
    std::fs::create_dir_all(data)?;
    #[cfg(unix)]
    std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    std::fs::File::create(data.join("lock"))
}

async fn start_servers(
    data: &Path,
    environment: &Environment,
) -> Result<(Servers, Endpoints), Failure> {
    let mut servers = Servers::default();
    let told = (endpoints::nats_url(environment)?, endpoints::redis_url(environment)?);
    let (nats_url, tls) = match told.0 {
        Some(url) => (url, endpoints::tls(environment)?),
        None => {
            let server = NatsServer::start(&data.join("nats"), 0, environment).await?;
            (servers.nats.insert(server).url().to_owned(), Tls::default())
        }
    };
    let redis_url = match told.1 {
        Some(url) => url,
        None => {
            let server = RedisServer::start(&data.join("redis"), 0, environment).await?;
            servers.redis.insert(server).url().to_owned()
        }
    };
    Ok((servers, Endpoints { nats_url, redis_url, tls }))
}

impl Servers {
    /// What a child that serves a pool is told. In a NATS of ours it has the user that may do what
    /// the pool's workers do and no more; elsewhere, and for a pool of one's own, it is us.
    fn environment_of_workers(
        &self,
        pool: &str,
        endpoints: &Endpoints,
        environment: &Environment,
    ) -> Vec<(&'static str, String)> {
        let nats = self.nats.as_ref();
        let own = nats.and_then(|nats| nats.url_of(&format!("worker-{pool}")));
        let headers = environment.get(OTEL_EXPORTER_OTLP_HEADERS);
        let headers = headers.map(|headers| (OTEL_EXPORTER_OTLP_HEADERS, headers.to_owned()));
        let nats_url = own.unwrap_or_else(|| endpoints.nats_url.clone());
        [(NATS_URL, nats_url)].into_iter().chain(headers).collect()
    }

    /// Resolves with the name of a server of ours that ended by itself.
    async fn fall(&mut self) -> &'static str {
        let nats = async {
            match &mut self.nats {
                Some(server) => drop(server.process().wait().await),
                None => std::future::pending().await,
            }
        };
        let redis = async {
            match &mut self.redis {
                Some(server) => drop(server.process().wait().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = nats => "nats-server",
            () = redis => "redis-server",
        }
    }

    async fn end(&mut self) {
        let nats = async {
            if let Some(server) = &mut self.nats {
                server.stop(CHILD_END_MAX).await;
            }
        };
        let redis = async {
            if let Some(server) = &mut self.redis {
                server.stop(CHILD_END_MAX).await;
            }
        };
        tokio::join!(nats, redis);
    }
}

/// The keys of the first start, kept for the next.
async fn secrets(
    data: &Path,
    kept: Option<Secrets>,
    bus: &Bus,
    admin_key: Option<&Secret>,
) -> Result<Secrets, Failure> {
    // Beside a NATS that doesn't know the account the kept key would open nothing.
    let known = match kept.as_ref().and_then(|kept| AccountId::parse(&kept.account).ok()) {
        Some(account) => bus.account(&account).await?.is_some(),
        None => false,
    };
    let mut secrets = match kept {
        Some(secrets) if known => secrets,
        kept => {
            if kept.is_some() {
                tracing::warn!(
                    "this NATS doesn't know the account of the kept keys: new ones are made"
                );
            }
            let wanted = NewKey { name: "first key".to_owned(), ..NewKey::default() };
            let issued = issue::issue(bus, wanted).await?;
            let account = issued.record.account;
            issue::grant(bus, &account, WELCOME_CREDIT, "welcome", "the first start").await?;
            let secrets = Secrets {
                admin_key: issue::fresh_secret().reveal().to_owned(),
                api_key: issued.secret.reveal().to_owned(),
                account: account.to_string(),
            };
            write_private(&data.join(SECRETS_FILE), &serde_json::to_string(&secrets)?)?;
            secrets
        }
    };
    if let Some(admin_key) = admin_key {
        secrets.admin_key = admin_key.reveal().to_owned();
    }
    Ok(secrets)
}

/// The roles of this process. They end in the order gateway, workers, billing.
struct Roles {
    gateway: (Tasks, CancellationToken),
    workers: (Tasks, CancellationToken),
    billing: (Tasks, CancellationToken),
}

impl Roles {
    fn start(
        reload: Reload,
        (bus, store): (Bus, Store),
        listeners: Listeners,
        running: &Running,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let group = || (Tasks::new(), CancellationToken::new());
        let roles = Self { gateway: group(), workers: group(), billing: group() };
        let metrics = Metrics::new()?;
        let config = Arc::clone(&reload.running);
        let reload = Reload { metrics: Some(metrics.clone()), ..reload };
        let configs = reload.watch(&roles.gateway.0);
        let billing = worker_billing::Billing {
            bus: bus.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            payments: payments::Payments::new(&config).map_err(Failure::new)?,
        };
        let ended = stop.clone();
        let until = roles.billing.1.clone();
        roles.billing.0.spawn("billing", async move {
            worker_billing::run(billing, until).await;
            ended.cancel();
        });
        let (changing, given) =
            (configs.clone(), Given { bus: bus.clone(), metrics: metrics.clone() });
        let (until, ended) = (roles.workers.1.clone(), stop.clone());
        roles.workers.0.spawn("provider", async move {
            // One that the operator drained has a successor, as under every supervisor.
            while !until.is_cancelled() {
                let served = provider::serve(changing.clone(), given.clone(), until.child_token());
                if let Err(error) = served.await {
                    tracing::error!(%error, "the provider worker ended");
                    break;
                }
            }
            ended.cancel();
        });
        let dependencies = Dependencies {
            config,
            configs,
            bus,
            store,
            metrics,
            admin_key: Some(Secret::new(running.admin_key.clone())),
        };
        let (until, ended) = (roles.gateway.1.clone(), stop.clone());
        roles.gateway.0.spawn("gateway", async move {
            if let Err(error) = gateway::run(listeners, dependencies, until).await {
                tracing::error!(%error, "the gateway ended");
            }
            ended.cancel();
        });
        Ok(roles)
    }

    async fn end(self) {
        let in_order = [self.gateway, self.workers, self.billing];
        let names = ["the gateway", "the workers", "billing"];
        let in_order = in_order.into_iter().zip(ROLE_END_MAX).zip(names);
        for (((tasks, stop), limit), name) in in_order {
            stop.cancel();
            tasks.stop().cancel();
            tasks.finish_or_warn(limit, name).await;
        }
    }
}

/// How many pools the provider worker serves: it advertises itself in each.
fn pools_of_vendors(config: &Config) -> usize {
    let pools = config.models.iter().filter(|model| model.can_be_called()).map(|model| &model.pool);
    pools.collect::<std::collections::BTreeSet<_>>().len()
}

/// Waits until the balances are there and the gateway knows its workers: before, requests are
/// refused.
async fn wait_until_ready(
    store: &Store,
    running: &Running,
    workers: usize,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let client = infra::net::http_client(READY_MAX)?;
    let url = running.metrics_url.replace("/metrics", "/ready");
    let known = async || {
        let answer = client.get(&url).send().await.ok()?.json::<serde_json::Value>().await.ok()?;
        answer["workers"].as_u64()
    };
    let ready = async {
        for partition in infra::store::apply::partitions() {
            while !store.is_live(partition).await.unwrap_or(false) {
                tokio::time::sleep(READY_POLL).await;
            }
        }
        while known().await.is_none_or(|known| known < workers as u64) {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ready = tokio::time::timeout(READY_MAX, ready) => if ready.is_err() {
            tracing::warn!("not everything is ready yet; requests are refused until then");
        }
    }
    Ok(())
}

fn banner(running: &Running, json: bool, name: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(running)?)?;
        return Ok(out.flush()?);
    }
    let Running { base_url, metrics_url, admin_key, api_key, .. } = running;
    let pages = base_url.trim_end_matches("/v1");
    writeln!(
        out,
        "\nFly-LLM が起動しました / Fly-LLM is up\n\n  \
         API        {base_url}\n  \
         pages      {pages}  (/account, /admin)\n  \
         metrics    {metrics_url}\n  \
         admin key  {admin_key}\n  \
         API key    {api_key}\n\n\
         試す / try it:\n\n  \
         curl -N {base_url}/chat/completions -H 'Authorization: Bearer {api_key}' \
         -H 'Content-Type: application/json' -d '{{\"model\":\"{name}\",\"stream\":true,\
         \"messages\":[{{\"role\":\"user\",\
         \"content\":\"Tell me a short story about Mount Fuji.\"}}]}}'\n\n\
         Ctrl-C で終了 / ends it\n"
    )?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_cannot_be_read_are_never_replaced() {
        let data = tempfile::tempdir().unwrap();
        assert!(Secrets::kept(data.path()).unwrap().is_none(), "a first start");
        let file = data.path().join(SECRETS_FILE);
        let account = "{\"admin_key\": \"a\", \"api_key\": \"b\", \"account\": \"\"}";
        for broken in ["", "{\"admin_key\": \"a\"", account] {
            std::fs::write(&file, broken).unwrap();
            let told = Secrets::kept(data.path()).err().unwrap().to_string();
            assert!(told.contains("secrets.json can't be read") && told.contains("move"), "{told}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
        }
    }
}

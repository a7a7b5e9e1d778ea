//! Where NATS and Redis are: the environment says, or the file that a running `fly-llm up` leaves
//! in its data folder. Connections are tried for a while, because servers may start after us.

use crate::role::Failure;
use infra::bus::{Bus, BusError, Tls};
use infra::environment::{Environment, NATS_TLS_CERT, NATS_TLS_KEY, NATS_URL, REDIS_URL};
use infra::store::Store;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// The file that a running `up` leaves.
pub(crate) const RUN_FILE: &str = "run.json";

/// How long servers may take to come.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Between two attempts.
const CONNECT_PAUSE: Duration = Duration::from_millis(250);

/// What a running `up` tells: its banner with `--json`, and its file for tools.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The API, `…/v1`.
    pub(crate) base_url: String,
    /// Prometheus.
    pub(crate) metrics_url: String,
    /// The operator's key.
    pub(crate) admin_key: String,
    /// A ready API key.
    pub(crate) api_key: String,
    /// NATS, password included.
    pub(crate) nats_url: String,
    /// Redis, password included.
    pub(crate) redis_url: String,
    /// The process.
    pub(crate) pid: u32,
}

impl Running {
    /// What a running `up` with this data folder tells, if there is one.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data.join(RUN_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Both servers.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    /// NATS.
    pub(crate) nats_url: String,
    /// Redis.
    pub(crate) redis_url: String,
    /// How NATS is reached.
    pub(crate) tls: Tls,
}

impl Endpoints {
    /// Finds them.
    ///
    /// # Errors
    /// When neither the environment nor a running `up` names them.
    pub(crate) fn find(environment: &Environment, data: &Path) -> Result<Self, Failure> {
        let told = (environment.get(NATS_URL), environment.get(REDIS_URL));
        if let (Some(nats_url), Some(redis_url)) = told {
            let (nats_url, redis_url) = (nats_url.to_owned(), redis_url.to_owned());
            return Ok(Self { nats_url, redis_url, tls: tls(environment)? });
        }
        let file = data.join(RUN_FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::usage(format!(
                "no running fly-llm found ({}: {error}): start `fly-llm up`, name its folder with \
                 --data, or set NATS_URL and REDIS_URL",
                file.display()
            ))
        })?;
        let running: Running = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let or = |told: Option<&str>, found: String| told.map_or(found, str::to_owned);
        Ok(Self {
            nats_url: or(told.0, running.nats_url),
            redis_url: or(told.1, running.redis_url),
            tls: tls(environment)?,
        })
    }

    /// From the environment alone.
    ///
    /// # Errors
    /// When a variable is missing.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Failure> {
        let redis_url = required(environment, REDIS_URL, "redis://HOST:6379/")?;
        let nats_url = required(environment, NATS_URL, "nats://HOST:4222")?;
        Ok(Self { nats_url, redis_url, tls: tls(environment)? })
    }

    /// NATS alone, for a worker that has nothing to do with Redis.
    ///
    /// # Errors
    /// When the variable is missing, NATS doesn't come, or is too old.
    pub(crate) async fn bus_from_environment(
        environment: &Environment,
        name: &str,
    ) -> Result<Bus, Failure> {
        let nats_url = required(environment, NATS_URL, "nats://HOST:4222")?;
        Self { nats_url, redis_url: String::new(), tls: tls(environment)? }.bus(name).await
    }

    /// Connects to NATS, waiting up to 30 s for it.
    ///
    /// # Errors
    /// When it doesn't come, or is too old.
    pub(crate) async fn bus(&self, name: &str) -> Result<Bus, Failure> {
        let final_ones =
            |error: &BusError| matches!(error, BusError::Unauthorized(_) | BusError::TooOld(_));
        patient(|| Bus::connect_over(&self.nats_url, name, &self.tls), final_ones).await
    }

    /// Connects to Redis, waiting up to 30 s for it.
    ///
    /// # Errors
    /// When it doesn't come.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        patient(|| Store::connect(&self.redis_url), |_| false).await
    }
}

/// What TLS to NATS needs.
///
/// # Errors
/// When half of it is missing.
pub(crate) fn tls(environment: &Environment) -> Result<Tls, Failure> {
    Tls::of(environment).ok_or_else(|| {
        Failure::usage(format!("{NATS_TLS_CERT} and {NATS_TLS_KEY} belong together: set both"))
    })
}

fn required(environment: &Environment, name: &str, example: &str) -> Result<String, Failure> {
    let hint = format!("{name} is not set: write {name}={example}");
    environment.get(name).map(str::to_owned).ok_or_else(|| Failure::usage(hint))
}

/// Tries until it works, an error is final, or the time is over.
async fn patient<T, E, F>(
    mut attempt: impl FnMut() -> F,
    is_final: impl Fn(&E) -> bool,
) -> Result<T, Failure>
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let limit = tokio::time::Instant::now() + CONNECT_SECONDS_MAX;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(connected) => return Ok(connected),
            Err(error) if is_final(&error) || tokio::time::Instant::now() >= limit => {
                return Err(Failure::new(error));
            }
            Err(error) if !told => tracing::info!(%error, "waiting"),
            Err(_) => {}
        }
        told = true;
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

//! Where NATS and Redis are: the environment says, or the file that a running `fly-llm up` leaves
//! in its data folder. Connections are tried for a while, because servers may start after us.

use crate::role::Failure;
use infra::bus::{Bus, BusError, Tls};
use infra::environment::{Environment, NATS_TLS_CERT, NATS_TLS_KEY, NATS_URL, REDIS_URL};
use infra::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// The file that a running `up` leaves.
pub(crate) const RUN_FILE: &str = "run.json";

/// How long servers may take to come.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(30);

/// How the addresses are written.
const NATS_EXAMPLE: &str = "nats://HOST:4222";
const REDIS_EXAMPLE: &str = "redis://HOST:6379/";

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
    ///
    /// # Errors
    /// When its file can't be read, or says something else.
    pub(crate) fn read(data: &Path) -> Result<Option<Self>, Failure> {
        let file = data.join(RUN_FILE);
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(format!("can't read {}: {error}", file.display()))
        };
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| broken(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(broken(&error)),
        }
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
        let told = (nats_url(environment)?, redis_url(environment)?);
        if let (Some(nats_url), Some(redis_url)) = told.clone() {
            return Ok(Self { nats_url, redis_url, tls: tls(environment)? });
        }
        let running = Running::read(data)?.ok_or_else(|| {
            Failure::usage(format!(
                "no running fly-llm found ({} isn't there): start `fly-llm up`, name its folder \
                 with --data, or set NATS_URL and REDIS_URL",
                data.join(RUN_FILE).display()
            ))
        })?;
        // One of another installation would be taken for this one's.
        let differs =
            |told: &Option<String>, own: &str| told.as_ref().is_some_and(|told| told != own);
        if differs(&told.0, &running.nats_url) || differs(&told.1, &running.redis_url) {
            return Err(Failure::usage(format!(
                "{NATS_URL} or {REDIS_URL} is set to another server than that of the fly-llm that \
                 runs in {}: set both, or none",
                data.display()
            )));
        }
        let Running { nats_url, redis_url, .. } = running;
        Ok(Self { nats_url, redis_url, tls: tls(environment)? })
    }

    /// From the environment alone.
    ///
    /// # Errors
    /// When a variable is missing.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Failure> {
        let (nats_url, redis_url) = (nats_url(environment)?, redis_url(environment)?);
        let redis_url = required(redis_url, REDIS_URL, REDIS_EXAMPLE)?;
        let nats_url = required(nats_url, NATS_URL, NATS_EXAMPLE)?;
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
        let nats_url = required(nats_url(environment)?, NATS_URL, NATS_EXAMPLE)?;
        connect_nats(&nats_url, &tls(environment)?, name).await
    }

    /// Connects to NATS, waiting up to 30 s for it.
    ///
    /// # Errors
    /// When it doesn't come, or is too old.
    pub(crate) async fn bus(&self, name: &str) -> Result<Bus, Failure> {
        connect_nats(&self.nats_url, &self.tls, name).await
    }

    /// Connects to Redis, waiting up to 30 s for it.
    ///
    /// # Errors
    /// When it doesn't come, or wants another password.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        let is_final = |error: &StoreError| matches!(error, StoreError::Unauthorized(_));
        patient(|| Store::connect(&self.redis_url), is_final).await
    }
}

async fn connect_nats(url: &str, tls: &Tls, name: &str) -> Result<Bus, Failure> {
    let is_final =
        |error: &BusError| matches!(error, BusError::Unauthorized(_) | BusError::TooOld(_));
    patient(|| Bus::connect_over(url, name, tls), is_final).await
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

fn required(told: Option<String>, name: &str, example: &str) -> Result<String, Failure> {
    told.ok_or_else(|| Failure::usage(format!("{name} is not set: write {name}={example}")))
}

/// Where the environment says that NATS is.
///
/// # Errors
/// When that can't be an address: no waiting would help.
pub(crate) fn nats_url(environment: &Environment) -> Result<Option<String>, Failure> {
    address(environment, NATS_URL, "NATS", NATS_EXAMPLE, Bus::is_address)
}

/// Where the environment says that Redis is.
///
/// # Errors
/// When that can't be an address: no waiting would help.
pub(crate) fn redis_url(environment: &Environment) -> Result<Option<String>, Failure> {
    address(environment, REDIS_URL, "Redis", REDIS_EXAMPLE, Store::is_address)
}

fn address(
    environment: &Environment,
    name: &str,
    server: &str,
    example: &str,
    is_one: fn(&str) -> bool,
) -> Result<Option<String>, Failure> {
    match environment.get(name) {
        // What stands there may be a password: it isn't shown.
        Some(url) if !is_one(url) => Err(Failure::usage(format!(
            "{name} can't be an address of {server}: write {name}={example}"
        ))),
        told => Ok(told.map(str::to_owned)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_running_one_left_is_read_and_what_is_broken_is_told() {
        let data = tempfile::tempdir().unwrap();
        let found = || Endpoints::find(&Environment::default(), data.path());
        assert!(Running::read(data.path()).unwrap().is_none());
        assert!(found().unwrap_err().to_string().contains("no running fly-llm found"));
        std::fs::write(data.path().join(RUN_FILE), "{").unwrap();
        for failure in [Running::read(data.path()).map(drop), found().map(drop)] {
            let told = failure.unwrap_err().to_string();
            assert!(told.starts_with("can't read ") && told.contains(RUN_FILE), "{told}");
        }
    }

    #[test]
    fn one_server_of_another_installation_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let (nats, redis) = ("nats://a:pw@host:4222", "redis://:pw@host:6379/");
        let running = serde_json::json!({"base_url": "", "metrics_url": "", "admin_key": "",
            "api_key": "", "nats_url": nats, "redis_url": redis, "pid": 1});
        std::fs::write(data.path().join(RUN_FILE), running.to_string()).unwrap();
        let found = |pairs| Endpoints::find(&Environment::of(pairs), data.path());
        for same in [[(NATS_URL, nats), ("", "")], [(REDIS_URL, redis), ("", "")]] {
            assert_eq!(found(same).unwrap().redis_url, redis);
        }
        let other = "redis://:pw@other:6379/";
        let refused = found([(REDIS_URL, other), ("", "")]).unwrap_err().to_string();
        assert!(refused.contains("set both, or none"), "{refused}");
        assert_eq!(found([(REDIS_URL, other), (NATS_URL, nats)]).unwrap().redis_url, other);
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_at_once_and_not_shown() {
        let refused = |nats: &str, redis: &str| {
            let environment = Environment::of([(NATS_URL, nats), (REDIS_URL, redis)]);
            let found = [
                Endpoints::from_environment(&environment),
                Endpoints::find(&environment, Path::new("nowhere")),
            ];
            found.map(|found| found.err().map(|failure| failure.to_string()))
        };
        let (nats, redis) = ("nats://a:pw@host:4222,host:4223", "redis://:pw@host:6379/");
        assert_eq!(refused(nats, redis), [None, None]);
        for wrong in ["foo", "http://:pw@host:6379", "redis//:pw@host"] {
            for told in refused(nats, wrong) {
                let told = told.unwrap();
                assert!(told.contains("REDIS_URL=redis://HOST:6379/"), "{wrong}: {told}");
                assert!(!told.contains("pw"), "{told}");
            }
        }
        for told in refused("http://host:4222", redis) {
            assert!(told.unwrap().contains("NATS_URL=nats://HOST:4222"));
        }
    }
}

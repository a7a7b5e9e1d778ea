//! The connection to Redis that all commands share. A network that swallows what is sent breaks no
//! connection: the library would wait with it for the kernel, which asks again after pauses that
//! double up to two minutes. Here it is given up as soon as a command's whole time has passed
//! without an answer to anything: what hasn't reached Redis's machine by then is never executed.
//! What has is executed when a halted Redis wakes, after what came later over another connection:
//! whoever undoes a command must do so whatever the order. No command is repeated here.

use super::{COMMAND_TIME_MAX, CONNECT_TIME_MAX, RECONNECT_ATTEMPTS_MAX, RECONNECT_DELAY_MAX};
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, IntoConnectionInfo, Pipeline, RedisError, RedisFuture, RedisResult, Value,
};
use socket2::TcpKeepalive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long sent bytes may stay without the other side's word that they came, for a connection on
/// which nobody waits any more.
#[cfg(target_os = "linux")]
const UNHEARD_TIME_MAX: Duration = Duration::from_secs(3);

/// After so long a silence the other side is asked whether it is there, and again as often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Such questions without an answer before a connection counts as broken.
#[cfg(not(windows))]
const KEEPALIVES_MAX: u32 = 3;

/// The connection of a process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

struct Shared {
    client: Client,
    began: Instant,
    /// Whether the last command got no answer.
    is_away: AtomicBool,
    held: RwLock<Held>,
}

/// The connection that is used now.
#[derive(Clone)]
struct Held {
    manager: ConnectionManager,
    /// Grows with each that is given up.
    number: u64,
    /// When Redis last answered on it, in milliseconds since we began.
    heard_ms: Arc<AtomicU64>,
}

impl Link {
    /// Connects.
    pub(super) async fn connect(url: &str) -> RedisResult<Self> {
        let info = url.into_connection_info()?.set_tcp_settings(tcp_settings());
        let client = Client::open(info)?;
        let manager = ConnectionManager::new_with_config(client.clone(), settings()).await?;
        let held = RwLock::new(Held { manager, number: 0, heard_ms: Arc::default() });
        Ok(Self(Arc::new(Shared {
            client,
            began: Instant::now(),
            is_away: AtomicBool::new(false),
            held,
        })))
    }

    fn held(&self) -> Held {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Judges a connection by what came of a command that was sent on it at a moment.
    fn judge<T>(&self, used: &Held, sent_ms: u64, answer: &RedisResult<T>) {
        match answer {
            Err(error) if error.is_timeout() => {
                self.tell_away(error);
                // Something was answered meanwhile: the command is slow, not the network silent.
                if used.heard_ms.load(Ordering::Relaxed) <= sent_ms {
                    self.give_up(used.number);
                }
            }
            // The library itself connects anew.
            Err(error) if error.is_io_error() => self.tell_away(error),
            _ => {
                used.heard_ms.store(self.now_ms(), Ordering::Relaxed);
                if self.0.is_away.load(Ordering::Relaxed)
                    && self.0.is_away.swap(false, Ordering::Relaxed)
                {
                    tracing::info!("Redis answers again");
                }
            }
        }
    }

    fn tell_away(&self, error: &RedisError) {
        if !self.0.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis doesn't answer");
        }
    }

    fn give_up(&self, number: u64) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.number != number {
            return;
        }
        match ConnectionManager::new_lazy_with_config(self.0.client.clone(), settings()) {
            Ok(manager) => {
                let heard_ms = Arc::new(AtomicU64::new(self.now_ms()));
                *held = Held { manager, number: number + 1, heard_ms };
                tracing::debug!(number, "Redis is silent: its connection is given up");
            }
            Err(error) => tracing::debug!(%error, "no other connection can be made"),
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (mut used, sent_ms) = (self.held(), self.now_ms());
            let answer = used.manager.send_packed_command(command).await;
            self.judge(&used, sent_ms, &answer);
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (mut used, sent_ms) = (self.held(), self.now_ms());
            let answer = used.manager.send_packed_commands(pipeline, offset, count).await;
            self.judge(&used, sent_ms, &answer);
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.held().manager.get_db()
    }
}

/// Without `nodelay` Nagle's delay costs 40 ms on small commands. What is still unsent when a
/// connection is given up must not arrive later: requests that it is of were refused.
fn tcp_settings() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_INTERVAL).with_interval(KEEPALIVE_INTERVAL);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(KEEPALIVES_MAX);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_linger_time(Duration::ZERO);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNHEARD_TIME_MAX);
    settings
}

fn settings() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIME_MAX))
        .set_response_timeout(Some(COMMAND_TIME_MAX))
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_min_delay(RECONNECT_DELAY_MAX)
        .set_number_of_retries(RECONNECT_ATTEMPTS_MAX)
}

//! The gateway: HTTP in, jobs out, tokens back. Read `chat/` for the way of a request; the domain
//! folders beside it know neither HTTP nor NATS.

/// One file for each public surface: its JSON in and out, errors in its shape.
pub mod api;

/// The way of a chat request, step by step.
pub mod chat;

/// Keys: making them, knowing them.
pub mod auth;

/// `"model": "auto"`.
pub mod auto;

/// Which upstreams are well.
mod breaker;

/// What clients are told of problems.
mod problems;

/// What came before in a conversation, and what users think of answers.
mod conversation;

/// What models can't honour.
mod abilities;

/// What equal questions are.
mod cache;

/// What no request may say.
mod guards;

/// Words that wait for their client alone.
mod seal;

/// What a request may cost at worst.
mod credits;

/// About how many tokens a prompt has.
mod estimate;

/// Ends of requests, in the ledger.
mod settlement;

/// Tokens as a model's own tokenizer counts them.
mod tokens;

/// How many begin at once.
mod entrance;

/// Room for large requests.
mod heavy;

/// What may be taken in a minute and at once.
mod limits;

/// What may be spent, and what is told when it is.
mod budgets;

/// Requests under way: claims answered, frames handed to whoever waits.
mod exchange;

/// Who serves what: the workers' adverts.
mod fleet;

/// Taking a worker out of service.
mod dismissal;

/// Who waits for a turn.
mod line;

/// Another configuration while it runs.
mod reload;

/// Ledger events that are written again.
mod unconfirmed;

/// Personal data.
pub mod pii;

/// The auto-router.
pub mod routing;

/// What requests under way keep while their gateway lives.
mod renewal;

/// Where credit is sold.
mod desk;

/// Pages for people.
mod portal;

/// Jobs that no worker survives.
mod poison;

/// HTTP connections.
mod serve;

/// What all requests share.
mod state;

/// Gauges of the queue and of upstreams.
mod gauges;

/// The work queue, made anew.
mod queue_mending;

/// The description of the API in OpenAPI 3.1.
pub fn openapi() -> serde_json::Value {
    api::openapi::description()
}

pub use cache::semantic;
pub use state::{Core, Dependencies, Gateway, privacy_settings};

use infra::net::PromptListener;
use infra::tasks::Tasks;
use serve::Places;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long settling may take at the end, after the answers.
const END_SECONDS_MAX: Duration = Duration::from_secs(2);

/// At the end, for the ledger to take what it hasn't taken.
const UNCONFIRMED_SECONDS_MAX: Duration = Duration::from_secs(5);

/// Pause before NATS is listened to anew after an error.
const ASK_PAUSE: Duration = Duration::from_millis(500);

/// Between two looks whether all is settled.
const SETTLE_POLL: Duration = Duration::from_millis(10);

/// A gateway that could not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// NATS.
    #[error(transparent)]
    Bus(#[from] infra::bus::BusError),
    /// Stripe's key or address.
    #[error("stripe: {0}")]
    Payments(#[from] payments::CallError),
    /// A kind of personal data that masking doesn't know.
    #[error("privacy.kinds: '{0}' is no kind: write one of {kinds}", kinds = kinds())]
    Kind(String),
    /// Masking.
    #[error(transparent)]
    Privacy(#[from] pii::SettingsError),
    /// Another configuration: making it panicked.
    #[error("the other configuration couldn't be set up")]
    Reload,
}

/// Where a gateway listens.
pub struct Listeners {
    /// The API.
    pub api: PromptListener,
    /// Prometheus.
    pub metrics: PromptListener,
}

/// Serves until `stop`; then it isn't ready any more, accepts nothing new after its notice, lets
/// running answers finish within their limit, and settles what is left.
///
/// # Errors
/// When NATS refuses what a gateway needs, or masking can't be set up.
pub async fn run(
    listeners: Listeners,
    dependencies: Dependencies,
    stop: CancellationToken,
) -> Result<(), GatewayError> {
    let background = Tasks::new();
    let configs = dependencies.configs.clone();
    let sealer = dependencies.bus.sealer().await?;
    let gateway = Gateway::new(dependencies, &sealer, background.clone(), stop.clone())?;
    let listening = [&listeners.api, &listeners.metrics].map(PromptListener::local_address);
    let listening = listening.map(|address| address.map_or_else(|_| "–".into(), |a| a.to_string()));
    gateway.front.listening.get_or_init(|| listening);
    let core = &gateway.core;
    auth::follow::watch::<auth::keys::KeyTable>(core).await?;
    auth::follow::watch::<auth::accounts::AccountTable>(core).await?;
    fleet::watch(core).await?;
    exchange::serve(core).await?;
    poison::watch(core).await?;
    watch_beside(core);
    let drain_max = Duration::from_secs(gateway.config.gateway.drain_seconds_max);
    let notice = Duration::from_secs(gateway.config.gateway.leave_notice_seconds);
    let closed = CancellationToken::new();
    let closing = closed.clone();
    let ended = background.stop().clone();
    background.spawn("closing", async move {
        let asked = async {
            stop.cancelled().await;
            tokio::time::sleep(notice).await;
            closing.cancel();
        };
        ended.run_until_cancelled(asked).await;
    });
    let routes = reload::Served::new(&gateway);
    let until = background.stop().clone();
    let metrics = (listeners.metrics, routes.metrics.clone(), Places::of_metrics());
    background.spawn("metrics", serve::serve(metrics.0, metrics.1, metrics.2, until));
    let api = routes.api.clone();
    let places = Places::of_api(gateway.config.gateway.client_address_header.is_some());
    reload::follow(&gateway, routes, configs);
    fleet::first_advert(core).await;
    let served = async {
        serve::serve(listeners.api, api, places, closed.clone()).await;
        gateway.detached.finish().await;
    };
    let late = async {
        closed.cancelled().await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        () = served => {}
        () = late => {
            tracing::warn!("the drain took too long; open answers are cut");
            gateway.exchange.cut_all();
        }
        () = background.stop().cancelled() => tracing::error!("a vital task ended"),
    }
    if tokio::time::timeout(END_SECONDS_MAX, settle(core)).await.is_err() {
        tracing::warn!("some requests are left to the sweeper");
    }
    write_unconfirmed(core).await;
    background.stop().cancel();
    if !background.finish_within(END_SECONDS_MAX).await {
        tracing::warn!("some background work did not end in time");
    }
    gateway.bus.flush().await;
    Ok(())
}

/// Keeps asking NATS whether it is there.
fn listen_to_nats(core: &Arc<Core>) {
    let asks = Arc::clone(core);
    core.background.spawn_vital("listening to NATS", async move {
        let stop = asks.background.stop().clone();
        while !stop.is_cancelled() {
            if let Err(error) = asks.bus.keep_asking(&stop).await {
                tracing::warn!(%error, "NATS can't be asked whether it is there");
                tokio::time::sleep(ASK_PAUSE).await;
            }
        }
    });
}

/// Begins what runs beside requests.
fn watch_beside(core: &Arc<Core>) {
    gauges::watch(core);
    listen_to_nats(core);
    queue_mending::watch(core);
    unconfirmed::watch(core);
    renewal::watch(core);
    chat::keep_leads(core);
}

/// Waits until nothing is owed any more. An answer that was cut notices it only when it is looked
/// at, so its settling may not have begun yet.
async fn settle(core: &Core) {
    while !core.exchange.is_empty() {
        tokio::time::sleep(SETTLE_POLL).await;
    }
    core.detached.finish_or_warn(END_SECONDS_MAX, "responses without a client").await;
    core.settlements.finish_or_warn(END_SECONDS_MAX, "settlements").await;
}

/// Waits until the ledger has what it didn't take before: what is delivered and not written down by
/// then is never charged.
async fn write_unconfirmed(core: &Core) {
    let written = async {
        while core.unconfirmed.count() > 0 {
            tokio::time::sleep(SETTLE_POLL).await;
        }
    };
    if tokio::time::timeout(UNCONFIRMED_SECONDS_MAX, written).await.is_err() {
        let count = core.unconfirmed.count();
        tracing::error!(count, "ledger events were never confirmed: the sweeper ends their holds");
    }
}

/// The names of all kinds of personal data.
fn kinds() -> String {
    pii::Kind::ALL.map(pii::Kind::as_str).join(", ")
}

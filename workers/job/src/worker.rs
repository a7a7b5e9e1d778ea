//! The worker's side of the queue: pullers for its pools, adverts, cancellations, and an orderly
//! end in which no new job is pulled and running ones finish.

use crate::patience::Thinkers;
use crate::running::Running;
use crate::{Backend, advertise, orphans, run_job};
use futures::StreamExt;
use infra::bus::delivery::Delivery;
use infra::bus::direct::Direct;
use infra::bus::pull::{Puller, Slots};
use infra::bus::{Bus, BusError};
use infra::metrics::Metrics;
use infra::tasks::Tasks;
use schemas::frame::Cancel;
use schemas::ids::WorkerId;
use schemas::subjects;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long jobs may take to settle after the drain's end, before the process leaves anyway.
const SETTLE_SECONDS_MAX: Duration = Duration::from_secs(2);

/// How long the last pulls may take to end beyond their own life: round trips.
const PULLS_END_SECONDS_MAX: Duration = Duration::from_secs(5);

/// One pool that a worker serves.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Jobs at once.
    pub slots: u32,
    /// The catalogue names of its models.
    pub models: Vec<String>,
}

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The pools it serves.
    pub pools: Vec<Pool>,
    /// How long running jobs may take at the end.
    pub drain_max: Duration,
    /// How often the queue is told that a job without a first token is alive; well below the
    /// queue's acknowledgement wait.
    pub alive_interval: Duration,
    /// How long a pull waits before it is renewed.
    pub pull_lifetime: Duration,
}

/// A worker that could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// NATS.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// There is nothing that it could serve.
    #[error("{0}")]
    NothingToServe(String),
}

/// One worker process's state.
pub struct Worker {
    id: WorkerId,
    bus: Bus,
    backend: Arc<dyn Backend>,
    metrics: Metrics,
    running: Running,
    thinkers: Thinkers,
    settings: WorkerSettings,
    draining: CancellationToken,
    /// The operator wants it to leave.
    dismissed: CancellationToken,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(
        bus: Bus,
        backend: Arc<dyn Backend>,
        metrics: Metrics,
        settings: WorkerSettings,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: WorkerId::fresh(),
            bus,
            backend,
            metrics,
            running: Running::default(),
            thinkers: Thinkers::default(),
            settings,
            draining: CancellationToken::new(),
            dismissed: CancellationToken::new(),
        })
    }

    /// Its name.
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) fn thinkers(&self) -> &Thinkers {
        &self.thinkers
    }

    pub(crate) fn settings(&self) -> &WorkerSettings {
        &self.settings
    }

    /// Waits until no new job is taken any more.
    pub(crate) async fn begins_to_drain(&self) {
        self.draining.cancelled().await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Works until `stop`; then pulls no more, lets running jobs finish, and leaves.
    ///
    /// # Errors
    /// When NATS refuses what a worker needs.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), WorkerError> {
        self.run_until_retired(stop, CancellationToken::new()).await
    }

    /// The same; at `retired`, or when the operator drains it, it takes no more jobs, and lets
    /// running ones take their time until `stop`.
    ///
    /// # Errors
    /// When NATS refuses what a worker needs.
    pub async fn run_until_retired(
        self: Arc<Self>,
        stop: CancellationToken,
        retired: CancellationToken,
    ) -> Result<(), WorkerError> {
        let (loops, adverts, jobs) = (Tasks::new(), Tasks::new(), Tasks::new());
        let pulls = Tasks::new();
        self.listen_for_cancellations(&loops).await?;
        self.listen_for_dismissal(&loops).await?;
        loops.spawn("orphans", orphans::watch(Arc::clone(&self), loops.stop().clone()));
        for pool in &self.settings.pools {
            self.serve_pool(pool, &pulls, &adverts, &jobs);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.is_to_leave(&retired) => {
                self.draining.cancel();
                let ended = async {
                    // A job that is on its way is none of the running ones yet.
                    pulls.finish().await;
                    jobs.finish().await;
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = ended => {}
                }
            }
            () = loops.stop().cancelled() => {
                tracing::error!("a worker lost one of its loops and ends");
            }
            () = pulls.stop().cancelled() => {}
        }
        self.draining.cancel();
        let began = Instant::now();
        // A job that was on its way must be among the running ones before these are waited for.
        let pulls_end = self.settings.pull_lifetime + PULLS_END_SECONDS_MAX;
        pulls.finish_or_warn(pulls_end, "the last pulls").await;
        let left = self.settings.drain_max.saturating_sub(began.elapsed());
        if !jobs.finish_within(left).await {
            tracing::warn!(running = jobs.running(), "the drain took too long; jobs are stopped");
            self.running.stop_all();
            jobs.finish_or_warn(SETTLE_SECONDS_MAX, "stopped jobs").await;
        }
        adverts.stop().cancel();
        adverts.finish_or_warn(SETTLE_SECONDS_MAX, "adverts").await;
        loops.stop().cancel();
        self.bus.flush().await;
        Ok(())
    }

    fn serve_pool(self: &Arc<Self>, pool: &Pool, pulls: &Tasks, adverts: &Tasks, jobs: &Tasks) {
        let (puller, mut deliveries) =
            Puller::new(self.bus.clone(), &pool.name, pool.slots, self.settings.pull_lifetime);
        let slots = puller.slots();
        let stop_pulling = self.draining.clone();
        pulls.spawn("pull", {
            let broken = pulls.stop().clone();
            async move {
                if let Err(error) = puller.run(stop_pulling).await {
                    tracing::error!(%error, "pulling jobs ended");
                    broken.cancel();
                }
            }
        });
        let start = self.starter(pool, jobs);
        pulls.spawn("direct", self.take_direct(pool, slots.clone(), start.clone()));
        pulls.spawn("deliveries", async move {
            while let Some(delivery) = deliveries.recv().await {
                start(delivery);
            }
        });
        let gone = adverts.stop().clone();
        let advertised = advertise::advertise(Arc::clone(self), pool.clone(), slots, gone);
        adverts.spawn("advertise", async move {
            if let Err(error) = advertised.await {
                tracing::error!(%error, "advertising ended");
            }
        });
    }

    /// How a job of a pool is started.
    fn starter(
        self: &Arc<Self>,
        pool: &Pool,
        jobs: &Tasks,
    ) -> impl Fn(Delivery) + Clone + Send + Sync + 'static {
        let (worker, jobs, name) = (Arc::clone(self), jobs.clone(), pool.name.clone());
        move |delivery| {
            let (worker, name) = (Arc::clone(&worker), name.clone());
            jobs.spawn("job", async move {
                // Boxed: a future is copied several times while it is spawned; a box is a pointer.
                let outcome = Box::pin(run_job(Arc::clone(&worker), delivery)).await;
                worker.metrics.jobs_total.with_label_values(&[&name, outcome.as_str()]).inc();
            });
        }
    }

    /// Jobs that gateways hand over past the queue. Without them the queue brings all.
    fn take_direct(
        self: &Arc<Self>,
        pool: &Pool,
        slots: Slots,
        start: impl Fn(Delivery) + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let subject = subjects::direct(&pool.name, &self.id);
        let (bus, stop) = (self.bus.clone(), self.draining.clone());
        let linger = self.settings.pull_lifetime;
        async move {
            match Direct::listen(bus, subject, slots, linger).await {
                Ok(direct) => direct.run(stop, start).await,
                Err(error) => tracing::warn!(%error, "no job comes past the queue"),
            }
        }
    }

    async fn is_to_leave(&self, retired: &CancellationToken) {
        tokio::select! {
            () = retired.cancelled() => {}
            () = self.dismissed.cancelled() => {}
        }
    }

    /// The operator's word comes through a gateway. Where nats.conf is older than it, the worker is
    /// drained by a signal to its process alone.
    async fn listen_for_dismissal(self: &Arc<Self>, loops: &Tasks) -> Result<(), BusError> {
        let subscribed = self.bus.client().subscribe(subjects::drain(&self.id)).await;
        let mut words =
            subscribed.map_err(|error| BusError::request("listening for a drain", error))?;
        let (worker, stop) = (Arc::clone(self), loops.stop().clone());
        loops.spawn("dismissal", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                word = words.next() => if word.is_some() {
                    tracing::info!(worker = %worker.id, "the operator drains this worker");
                    worker.dismissed.cancel();
                },
            }
        });
        Ok(())
    }

    async fn listen_for_cancellations(self: &Arc<Self>, loops: &Tasks) -> Result<(), BusError> {
        let subscribed = self.bus.client().subscribe(subjects::CANCEL_SUBJECTS).await;
        let mut cancellations =
            subscribed.map_err(|error| BusError::request("listening for cancellations", error))?;
        let (running, stop) = (self.running.clone(), loops.stop().clone());
        loops.spawn("cancellations", async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    message = cancellations.next() => match message {
                        Some(message) => match serde_json::from_slice(&message.payload) {
                            Ok(Cancel::V1 { request, attempt, delivered, replaced }) => {
                                running.heed(&request, attempt, delivered, replaced);
                            }
                            Err(error) => tracing::warn!(%error, "a cancellation can't be read"),
                        },
                        None => return stop.cancel(),
                    },
                }
            }
        });
        Ok(())
    }
}

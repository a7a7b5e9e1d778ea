//! The provider worker under changing configurations: another one starts a new worker, and the old
//! one takes no more jobs but finishes what it has, however long that takes. When the operator
//! drains the worker, all of it ends in the same way.

use infra::config::{Config, Model, Workers};
use infra::tasks::Tasks;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use worker_provider::{Given, RunError};

/// What is left for settling when the drain is over.
const SETTLE_SECONDS_MAX: Duration = Duration::from_secs(15);

/// Models that went from the configuration and are still served to jobs that wait for them; of more
/// than these the longest gone are forgotten.
const FORMER_MODELS_MAX: usize = 1_000;

/// Models that nobody is offered any more, but for which a job may still be queued.
#[derive(Default)]
struct Former(Vec<(Arc<Model>, Instant)>);

impl Former {
    /// Adds models that are gone since `now`. Nobody can wait any more for those that went longer
    /// ago than a job lives.
    fn add(&mut self, gone: impl Iterator<Item = Arc<Model>>, now: Instant, job_life: Duration) {
        for model in gone {
            self.0.retain(|(former, _)| former.name != model.name);
            self.0.push((model, now));
        }
        self.0.retain(|(_, since)| now.duration_since(*since) <= job_life);
        let beyond = self.0.len().saturating_sub(FORMER_MODELS_MAX);
        self.0.drain(..beyond);
    }

    fn models(&self) -> Vec<Arc<Model>> {
        self.0.iter().map(|(model, _)| Arc::clone(model)).collect()
    }
}

/// A worker of one configuration.
struct Generation {
    config: Arc<Config>,
    retired: CancellationToken,
}

/// Serves until `stop`, or until the operator drained it, with whatever configuration counts. When
/// no model can be called it waits for a configuration with one.
///
/// # Errors
/// When NATS refuses what a worker needs.
pub(crate) async fn serve(
    mut configs: watch::Receiver<Arc<Config>>,
    given: Given,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let workers = Tasks::new();
    let (failed, mut failure) = tokio::sync::mpsc::channel::<RunError>(1);
    let dismissed = CancellationToken::new();
    let begin = |config: Arc<Config>, former: &Former| {
        let former = former.models();
        let retired = CancellationToken::new();
        let generation = Generation { config: Arc::clone(&config), retired: retired.clone() };
        let (given, until, failed) = (given.clone(), stop.clone(), failed.clone());
        let dismissed = dismissed.clone();
        if config.models.iter().any(|model| model.can_be_called()) {
            workers.spawn("provider", async move {
                let (ended, another) = (until.clone(), retired.clone());
                let served =
                    worker_provider::run_until_retired(&config, &former, given, until, retired);
                match served.await {
                    // The first failure counts; nobody waits for a second.
                    Err(error) => drop(failed.try_send(error)),
                    Ok(()) if ended.is_cancelled() || another.is_cancelled() => {}
                    Ok(()) => dismissed.cancel(),
                }
            });
        }
        generation
    };
    let first = Arc::clone(&configs.borrow_and_update());
    let drain_max = Duration::from_secs(first.workers.drain_seconds_max);
    // Jobs that are queued by a former name must find their model, wherever they come from.
    let mut former = Former::default();
    let mut current = begin(first, &former);
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            error = failure.recv() => break error,
            () = dismissed.cancelled() => {
                // Workers of former configurations may still finish what they have.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = workers.finish() => {}
                }
                break None;
            }
            () = changed(&mut configs) => {
                let next = Arc::clone(&configs.borrow_and_update());
                if matters(&current.config, &next) {
                    let models = current.config.models.iter();
                    let models = models.filter(|model| model.can_be_called()).cloned();
                    let job_life = current.config.gateway.request_seconds_max;
                    former.add(models, Instant::now(), Duration::from_secs(job_life));
                    let before = std::mem::replace(&mut current, begin(next, &former));
                    before.retired.cancel();
                }
            }
        }
    };
    stop.cancel();
    workers.finish_or_warn(drain_max + SETTLE_SECONDS_MAX, "the provider worker").await;
    ended.map_or(Ok(()), Err)
}

/// Ends at another configuration; never when nobody can tell of one.
async fn changed(configs: &mut watch::Receiver<Arc<Config>>) {
    if configs.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Whether a worker works otherwise with another configuration.
fn matters(before: &Config, after: &Config) -> bool {
    let of = |config: &Config| -> (Vec<Arc<Model>>, Workers, u64) {
        let models = config.models.iter().filter(|model| model.can_be_called()).cloned().collect();
        (models, config.workers.clone(), config.gateway.request_seconds_max)
    };
    of(before) != of(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::environment::Environment;

    fn models(names: impl Iterator<Item = String>) -> Vec<Arc<Model>> {
        let one = |name: String| {
            format!(
                "  - {{name: {name}, pool: p, vendor: openai, upstream: gpt-4.1, context: 9, \
                 max_output: 9}}\n"
            )
        };
        let text = format!("models:\n{}", names.map(one).collect::<String>());
        let config = Config::parse(&text, "c", &Environment::default()).unwrap();
        config.models.iter().cloned().collect()
    }

    #[test]
    fn former_models_are_forgotten_after_a_jobs_life_and_beyond_their_limit() {
        let (mut former, life) = (Former::default(), Duration::from_secs(600));
        let begun = Instant::now();
        let names = |range: std::ops::Range<usize>| models(range.map(|at| format!("m{at}")));
        former.add(names(0..10).into_iter(), begun, life);
        former.add(names(5..10).into_iter(), begun + life, life);
        assert_eq!(former.models().len(), 10, "a job for each may still wait");
        former.add(names(9..10).into_iter(), begun + life + life / 2, life);
        let left: Vec<String> = former.models().iter().map(|model| model.name.clone()).collect();
        assert_eq!(left, ["m5", "m6", "m7", "m8", "m9"], "the first five went long ago");
        former.add(names(10..1_000).into_iter(), begun + life * 2, life);
        assert_eq!(former.models().len(), 995);
        former.add(names(2_000..2_010).into_iter(), begun + life * 2, life);
        assert_eq!(former.models().len(), FORMER_MODELS_MAX);
        let left = former.models();
        assert!(left.iter().all(|model| model.name != "m5"), "the longest gone is forgotten");
        assert!(left.iter().any(|model| model.name == "m2009"));
    }
}

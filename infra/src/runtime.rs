//! The threads that a process keeps busy. One core is left for the others of NATS, Redis and us,
//! which share most machines: threads that only wake each other cost more than they do.

use crate::environment::{Environment, TOKIO_WORKER_THREADS};
use std::num::NonZeroUsize;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

/// Threads that an operator may ask for.
const THREADS_MAX: usize = 1_024;

/// A runtime with one thread less than there are cores, at least one; or with as many as the
/// operator says: tokio, which would read that by itself, panics at what it can't read.
///
/// # Errors
/// When the operator says what is no number of threads, or the system gives no threads or no way
/// to wait on sockets.
pub fn build(environment: &Environment) -> Result<Runtime, RuntimeError> {
    let wanted = match environment.get(TOKIO_WORKER_THREADS) {
        Some(said) => said.trim().parse().ok().filter(|wanted| (1..=THREADS_MAX).contains(wanted)),
        None => Some(busy_threads()),
    };
    let wanted = wanted.ok_or(RuntimeError::Variable(TOKIO_WORKER_THREADS))?;
    Ok(Builder::new_multi_thread().worker_threads(wanted).enable_all().build()?)
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A variable of the environment isn't what it should be.
    #[error("environment variable {0}: write a number of threads from 1 to {THREADS_MAX}")]
    Variable(&'static str),
    /// The system doesn't give what is needed.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// How many threads a process of ours keeps busy on this machine.
pub(crate) fn busy_threads() -> usize {
    threads(std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// Does what keeps a core busy for long without keeping other tasks of its thread waiting.
pub fn long_work<T>(work: impl FnOnce() -> T) -> T {
    // A runtime with one thread for everything (as in tests) has nobody to take over.
    let can_hand_over = Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if can_hand_over { tokio::task::block_in_place(work) } else { work() }
}

fn threads(cores: usize) -> usize {
    cores.saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_left_for_the_servers() {
        assert_eq!([1, 2, 4, 64].map(threads), [1, 1, 3, 63]);
    }

    #[test]
    fn what_is_no_number_of_threads_is_refused_with_what_to_write() {
        for said in ["0", "abc", "-1", "1.5", "100000"] {
            let refused = build(&Environment::of([(TOKIO_WORKER_THREADS, said)])).unwrap_err();
            let told = refused.to_string();
            assert!(matches!(refused, RuntimeError::Variable(_)), "{said}: {told}");
            assert!(told.contains("TOKIO_WORKER_THREADS: write"), "{told}");
        }
        let three = build(&Environment::of([(TOKIO_WORKER_THREADS, "3")])).unwrap();
        assert_eq!(three.metrics().num_workers(), 3);
    }

    #[test]
    fn long_work_lets_others_go_on_where_it_can() {
        assert_eq!(long_work(|| 1), 1);
        let alone = Builder::new_current_thread().build().unwrap();
        assert_eq!(alone.block_on(async { long_work(|| 2) }), 2);
        let one = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        // The only worker thread waits for a task that another thread has to run then.
        let long = one.spawn(async move {
            #[expect(clippy::disallowed_methods, reason = "a test has no task list")]
            tokio::spawn(async move { tell.send(3).unwrap() });
            long_work(move || told.recv().unwrap())
        });
        assert_eq!(one.block_on(long).unwrap(), 3);
    }
}

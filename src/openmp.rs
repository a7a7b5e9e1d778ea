//! How llama.cpp's threads wait for one another. OpenMP reads it before `main` begins, so a process
//! that lacks it starts itself anew, once. What the operator has set stays as it is.

use infra::environment::{Environment, GGML_NO_BACKTRACE, GOMP_SPINCOUNT, OMP_WAIT_POLICY};
use std::process::Command;

/// What a process with llama.cpp inside needs.
///
/// A waiting thread sleeps, because others need its processor: a spinning one beside four busy
/// processes on two cores made prompts three times slower, on older kernels 80 times. But it looks
/// a thousand times before it goes to sleep, about five microseconds: on a quiet machine one stream
/// was 2.5 times as fast with it, on the busy one nothing was lost.
pub(crate) const SETTINGS: [(&str, &str); 3] = [
    (OMP_WAIT_POLICY, "passive"),
    (GOMP_SPINCOUNT, "1000"),
    // ggml would start a debugger when it aborts.
    (GGML_NO_BACKTRACE, "1"),
];

/// What is not set yet.
fn missing(environment: &Environment) -> Vec<(&'static str, &'static str)> {
    // Who wants spinning threads gets them: a count of our own would take them away.
    let spins = environment.get(OMP_WAIT_POLICY).is_some_and(|policy| policy != "passive");
    let is_missing = |(name, _): &(&str, &str)| {
        environment.get(name).is_none() && !(spins && *name == GOMP_SPINCOUNT)
    };
    SETTINGS.into_iter().filter(is_missing).collect()
}

/// Starts this process anew with what is missing, in its place. Returns when nothing is, or when
/// that can't be done: the model is only slower then.
pub(crate) fn settle(environment: &Environment) {
    use std::os::unix::process::CommandExt;

    let missing = missing(environment);
    if missing.is_empty() {
        return;
    }
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).args(std::env::args_os().skip(1)).envs(missing).exec(),
        Err(error) => error,
    };
    tracing::warn!(%error, "set OMP_WAIT_POLICY=passive and GOMP_SPINCOUNT=1000 by hand");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_set_is_set_and_a_second_start_lacks_nothing() {
        assert_eq!(missing(&Environment::default()), SETTINGS);
        assert_eq!(missing(&Environment::of(SETTINGS)), []);
        let own = Environment::of([(GOMP_SPINCOUNT, "0"), (GGML_NO_BACKTRACE, "0")]);
        assert_eq!(missing(&own), [(OMP_WAIT_POLICY, "passive")]);
        let active = Environment::of([(OMP_WAIT_POLICY, "active")]);
        assert_eq!(missing(&active), [(GGML_NO_BACKTRACE, "1")]);
    }
}

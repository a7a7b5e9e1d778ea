//! How long something that fails is left alone: longer each time. The breaker of the gateway and
//! the deployments of a provider worker go by the same rule.

use std::time::Duration;

/// Doublings at most: beyond, the longest pause has long been reached.
const DOUBLINGS_MAX: u32 = 16;

/// The pause after so many before it: the first one doubles each time, up to the longest.
pub fn cool_down(first: Duration, longest: Duration, before: u32) -> Duration {
    first.saturating_mul(1 << before.min(DOUBLINGS_MAX)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        let pause = |before| cool_down(Duration::from_secs(5), Duration::from_secs(60), before);
        let seconds = [0, 1, 2, 3, 4, 17, u32::MAX].map(|before| pause(before).as_secs());
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60, 60]);
    }
}

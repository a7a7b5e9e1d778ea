//! The sales desk: payments, if anything is sold here, and how many strangers may ask for Stripe's
//! page. It must never open the page without a limit for people that nobody knows.

use infra::config::Config;
use payments::{CallError, Payments};
use std::sync::Mutex;

/// Pages of Stripe's that one gateway opens for strangers in a minute.
pub(crate) const STRANGERS_PER_MINUTE_MAX: u32 = 60;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// Where credit is sold.
pub(crate) struct Desk {
    payments: Option<Payments>,
    /// The minute, and how many strangers came in it.
    strangers: Mutex<(u64, u32)>,
}

impl Desk {
    pub(crate) fn new(config: &Config) -> Result<Self, CallError> {
        Ok(Self { payments: Payments::new(config)?, strangers: Mutex::default() })
    }

    /// Payments; `None` when nothing is sold here.
    pub(crate) fn payments(&self) -> Option<&Payments> {
        self.payments.as_ref()
    }

    /// Counts a stranger; says whether he may pass, or in how many milliseconds.
    pub(crate) fn admit_stranger(&self, now_ms: u64) -> Result<(), u64> {
        let mut strangers = self.strangers.lock().unwrap_or_else(|poison| poison.into_inner());
        let minute = now_ms / MINUTE_MS;
        if strangers.0 != minute {
            *strangers = (minute, 0);
        }
        if strangers.1 >= STRANGERS_PER_MINUTE_MAX {
            return Err((minute + 1) * MINUTE_MS - now_ms);
        }
        strangers.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::environment::Environment;

    #[test]
    fn strangers_are_limited_by_the_minute() {
        let config = Config::load(None, &Environment::default()).unwrap();
        let desk = Desk::new(&config).unwrap();
        assert!(desk.payments().is_none());
        for _ in 0..STRANGERS_PER_MINUTE_MAX {
            assert_eq!(desk.admit_stranger(MINUTE_MS + 5), Ok(()));
        }
        assert_eq!(desk.admit_stranger(MINUTE_MS + 5), Err(MINUTE_MS - 5));
        assert_eq!(desk.admit_stranger(2 * MINUTE_MS), Ok(()));
    }
}

//! The sales desk: payments, if anything is sold here, and how often strangers may make us ask
//! Stripe. Nothing is asked without a limit for people that nobody knows: Stripe limits us, too,
//! and then nobody can buy.

use infra::config::Config;
use payments::{CallError, Payments};
use std::collections::HashMap;
use std::sync::Mutex;

/// Pages of Stripe's that one gateway opens for strangers in a minute.
pub(crate) const STRANGERS_PER_MINUTE_MAX: u32 = 60;

/// Of these, for strangers of one place.
pub(crate) const STRANGERS_PER_PLACE_MAX: u32 = 10;

/// Buyers that come back from it to one gateway in a minute: each is looked up at Stripe, with up
/// to three attempts, of the 100 requests that Stripe takes in a second
/// (docs.stripe.com/rate-limits).
pub(crate) const RETURNS_PER_MINUTE_MAX: u32 = 300;

/// Of these, from one place.
pub(crate) const RETURNS_PER_PLACE_MAX: u32 = 30;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// Where credit is sold.
pub(crate) struct Desk {
    payments: Option<Payments>,
    strangers: Counter<STRANGERS_PER_MINUTE_MAX, STRANGERS_PER_PLACE_MAX>,
    returns: Counter<RETURNS_PER_MINUTE_MAX, RETURNS_PER_PLACE_MAX>,
}

/// Who came in a minute: at most so many, and so many of each place.
#[derive(Default)]
struct Counter<const MAX: u32, const PLACE_MAX: u32>(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    minute: u64,
    all: u32,
    places: HashMap<String, u32>,
}

impl<const MAX: u32, const PLACE_MAX: u32> Counter<MAX, PLACE_MAX> {
    /// Counts one more; says whether he may pass, or in how many milliseconds.
    fn admit(&self, place: &str, now_ms: u64) -> Result<(), u64> {
        let mut counted = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        let minute = now_ms / MINUTE_MS;
        if counted.minute != minute {
            *counted = Counted { minute, ..Counted::default() };
        }
        let of_place = counted.places.get(place).copied().unwrap_or(0);
        if counted.all >= MAX || of_place >= PLACE_MAX {
            return Err((minute + 1) * MINUTE_MS - now_ms);
        }
        counted.all += 1;
        counted.places.insert(place.to_owned(), of_place + 1);
        Ok(())
    }
}

impl Desk {
    pub(crate) fn new(config: &Config) -> Result<Self, CallError> {
        Ok(Self {
            payments: Payments::new(config)?,
            strangers: Counter::default(),
            returns: Counter::default(),
        })
    }

    /// Payments; `None` when nothing is sold here.
    pub(crate) fn payments(&self) -> Option<&Payments> {
        self.payments.as_ref()
    }

    /// Counts a stranger who wants Stripe's page; says whether he may pass, or in how many
    /// milliseconds.
    pub(crate) fn admit_stranger(&self, place: &str, now_ms: u64) -> Result<(), u64> {
        self.strangers.admit(place, now_ms)
    }

    /// Counts somebody who says that he has paid; the same.
    pub(crate) fn admit_return(&self, place: &str, now_ms: u64) -> Result<(), u64> {
        self.returns.admit(place, now_ms)
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
        let now_ms = MINUTE_MS + 5;
        for number in 0..STRANGERS_PER_MINUTE_MAX {
            assert_eq!(desk.admit_stranger(&number.to_string(), now_ms), Ok(()));
        }
        assert_eq!(desk.admit_stranger("another", now_ms), Err(MINUTE_MS - 5));
        assert_eq!(desk.admit_return("a", now_ms), Ok(()), "each has a limit of its own");
        for _ in 0..STRANGERS_PER_PLACE_MAX {
            assert_eq!(desk.admit_stranger("a", 2 * MINUTE_MS), Ok(()));
        }
        assert_eq!(desk.admit_stranger("a", 2 * MINUTE_MS), Err(MINUTE_MS));
        assert_eq!(
            desk.admit_stranger("b", 2 * MINUTE_MS),
            Ok(()),
            "nobody is kept out by another"
        );
    }
}

//! The limits, the look for a kept answer and the reservation in one round trip, for requests of
//! which it is known that they come to the last of them.

use super::answers::{Looking, Tenant};
use super::call::{Call, Words};
use super::holds::{Reservation, Reserved, Sought};
use super::limits::{Admission, LimitStanding, Owner};
use super::{Store, StoreError, answers, holds, keys, limits};
use redis::{RedisResult, Script};
use std::iter;
use std::sync::LazyLock;

static ENTER: LazyLock<Script> = LazyLock::new(|| {
    let enter = include_str!("scripts/enter.lua");
    let look = [answers::ASKS_TEXT, answers::LOOK_TEXT].concat();
    let functions = [limits::ADMIT_TEXT, &look, holds::RESERVE_TEXT].concat();
    Script::new(&[limits::CLOCK_TEXT, &functions, enter].concat())
});

/// Keys and arguments that requests of one key have in common, about.
const SHARED_WORDS: usize = 16;

/// Arguments of one request.
const OWN_WORDS: usize = 4;

/// The name of an answer or of a hold takes as much as two words.
const KEY_WORDS: usize = 2;

/// What came of it, with where the key stands if the limits were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// The limits refuse the request; nothing else was done.
    Refused(LimitStanding),
    /// It has passed.
    Passed(Option<LimitStanding>, Sought),
}

/// A request that wants to reserve credit.
#[derive(Debug, Clone, Copy)]
pub struct Entering<'a> {
    /// Its limits; nothing when it has passed them.
    pub admission: Option<&'a Admission>,
    /// Its look for a kept answer and who shares that; nothing when it may have none.
    pub looking: Option<(&'a Tenant, Looking<'a>)>,
    /// What it reserves.
    pub wanted: &'a Reservation,
}

/// What the script says of one.
pub(super) type Said = (Vec<redis::Value>, (String, Vec<u8>, i64, usize));

/// What the script is given of one.
#[derive(Debug)]
pub(super) struct Entry {
    /// What other requests of its key have in common with it, as a rule.
    pub(super) shared: [Words; 2],
    /// The name of its answer, or again of its hold when it looks for none.
    answer: Words,
    hold: Words,
    words: Words,
}

impl Entering<'_> {
    /// What the script is given, and whose limits are asked.
    pub(super) fn write(&self, store: &Store) -> (Entry, Vec<Owner>) {
        let Self { admission, looking, wanted } = *self;
        let owners = admission.map(Admission::owners).unwrap_or_default();
        let room = Words::with_capacity;
        let (mut names, mut words) = (room(SHARED_WORDS), room(SHARED_WORDS));
        limits::write_keys(&owners, &mut names);
        limits::write_limits(
            admission.map_or(0, |admission| admission.lease_ms),
            &owners,
            &mut words,
        );
        wanted.write_purse_keys(&mut names);
        words.add(looking.map_or(0, |(_, looking)| looking.lease_ms));
        wanted.write_purse(store.time_zone, &mut words);
        let (mut answer, mut hold, mut own) = (room(KEY_WORDS), room(KEY_WORDS), room(OWN_WORDS));
        wanted.write_hold_key(&mut hold);
        match looking {
            Some((tenant, looking)) => answer.add(keys::answer(tenant, looking.digest)),
            None => answer.add(&hold),
        };
        own.add(wanted.request.as_str());
        own.add(admission.map_or(0, |admission| admission.tokens));
        wanted.write_amounts(&mut own);
        (Entry { shared: [names, words], answer, hold, words: own }, owners)
    }

    /// What the script said, which asked those limits.
    pub(super) fn read(
        &self,
        owners: &[Owner],
        (standing, sought): Said,
    ) -> Result<Entered, StoreError> {
        let standing =
            self.admission.map(|_| LimitStanding::read(owners, &standing)).transpose()?;
        match (sought.0.as_str(), standing) {
            ("refused", Some(standing)) => Ok(Entered::Refused(standing)),
            _ => Ok(Entered::Passed(standing, holds::sought(self.wanted, sought)?)),
        }
    }
}

impl Store {
    /// Lets a request pass as [`Store::admit`] does, and looks as [`Store::look_for_answer`] does;
    /// who passes and finds no answer, and nobody to follow, reserves. For the look Redis has as
    /// long as for the reservation. Repeating it is safe, but for the limits.
    ///
    /// # Errors
    /// When Redis is away: then nothing may be started.
    pub async fn enter(&self, entering: Entering<'_>) -> Result<Entered, StoreError> {
        let (entry, owners) = entering.write(self);
        let mut said = self.enter_together(&[entry]).await?;
        let said = said.pop().ok_or_else(|| StoreError::Unreadable("enter".into()))?;
        entering.read(&owners, said)
    }

    /// Reserves the worst case of a request. Repeating it is safe.
    ///
    /// # Errors
    /// When Redis is away: then nothing may be started.
    pub async fn reserve(&self, wanted: &Reservation) -> Result<Reserved, StoreError> {
        match self.enter(Entering { admission: None, looking: None, wanted }).await? {
            Entered::Passed(_, Sought::Lead(reserved)) => Ok(reserved),
            _ => Err(StoreError::Unreadable("reserve".into())),
        }
    }

    /// Asks for several that go with the first, one after the other in this order. As many are
    /// answered.
    pub(super) async fn enter_together(&self, entries: &[Entry]) -> RedisResult<Vec<Said>> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let [keys, words] = &first.shared;
        let answers = entries.iter().map(|entry| &entry.answer);
        let holds = entries.iter().map(|entry| &entry.hold);
        let mut call = Call::with_keys(&ENTER, iter::once(keys).chain(answers).chain(holds));
        call.arg(entries.len()).arg(words);
        for entry in entries {
            call.arg(&entry.words);
        }
        call.ask(&mut self.connection()).await
    }
}

//! The limits, the look for a kept answer and the reservation in one round trip, for requests of
//! which it is known that they come to all three.

use super::answers::{Looking, Tenant};
use super::call::{Call, Words};
use super::holds::{Reservation, Sought};
use super::limits::{Admission, Owner, Standing};
use super::{Store, StoreError, answers, holds, limits};
use redis::{RedisResult, Script};
use std::sync::LazyLock;

static ENTER: LazyLock<Script> = LazyLock::new(|| {
    let enter = include_str!("scripts/enter.lua");
    let functions = [limits::ADMIT_TEXT, answers::LOOK_TEXT, holds::RESERVE_TEXT].concat();
    Script::new(&format!("{}{functions}{enter}", limits::CLOCK_TEXT))
});

/// Keys and arguments that requests of one key have in common, about.
const SHARED_WORDS: usize = 16;

/// Those of one request.
const OWN_WORDS: usize = 4;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// The limits refuse the request; nothing else was done.
    Refused(Standing),
    /// It has passed.
    Passed(Standing, Sought),
    /// It has passed, and what is kept can't be read: nothing is reserved.
    Spoiled(Standing),
}

/// A request that wants to pass.
#[derive(Debug, Clone, Copy)]
pub struct Entering<'a> {
    /// Its limits.
    pub admission: &'a Admission,
    /// Who shares its answer.
    pub tenant: &'a Tenant,
    /// Its look for a kept answer.
    pub looking: Looking<'a>,
    /// What it reserves.
    pub wanted: &'a Reservation,
}

/// What the script says of one.
pub(super) type Said = (Vec<redis::Value>, (String, Vec<u8>, i64, usize));

/// What the script is given of one.
#[derive(Debug)]
pub(super) struct Entry {
    /// What other requests of its key have in common with it, as a rule.
    shared: [Words; 2],
    own: [Words; 2],
}

impl Entering<'_> {
    /// What the script is given, and whose limits are asked.
    pub(super) fn write(&self, store: &Store) -> (Entry, Vec<Owner>) {
        let Self { admission, tenant, looking, wanted } = self;
        let owners = admission.owners();
        let room = Words::with_capacity;
        let (mut keys, mut words) = (room(SHARED_WORDS), room(SHARED_WORDS));
        limits::write_keys(&owners, &mut keys);
        admission.write_limits(&owners, &mut words);
        wanted.write_purse_keys(&mut keys);
        words.add(looking.lease_ms);
        wanted.write_purse(store.time_zone, &mut words);
        let (mut own_keys, mut own_words) = (room(OWN_WORDS), room(OWN_WORDS));
        looking.write_keys(tenant, &mut own_keys);
        wanted.write_hold_key(&mut own_keys);
        admission.write_request(&mut own_words);
        wanted.write_amounts(&mut own_words);
        (Entry { shared: [keys, words], own: [own_keys, own_words] }, owners)
    }

    /// What the script said, which asked those limits.
    pub(super) fn read(
        &self,
        owners: &[Owner],
        (standing, sought): Said,
    ) -> Result<Entered, StoreError> {
        let standing = Standing::read(owners, &standing)?;
        match sought.0.as_str() {
            "refused" => Ok(Entered::Refused(standing)),
            "spoiled" => Ok(Entered::Spoiled(standing)),
            _ => Ok(Entered::Passed(standing, holds::sought(self.wanted, sought)?)),
        }
    }
}

impl Entry {
    /// Whether both may be asked for in one call.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.shared == other.shared
    }
}

impl Store {
    /// Does what [`Store::admit`] and then [`Store::seek`] do.
    ///
    /// # Errors
    /// When Redis is away: then nothing may be started.
    pub async fn enter(&self, entering: Entering<'_>) -> Result<Entered, StoreError> {
        let (entry, owners) = entering.write(self);
        let mut said = self.enter_together(&[entry]).await?;
        let said = said.pop().ok_or_else(|| StoreError::Unreadable("enter".into()))?;
        entering.read(&owners, said)
    }

    /// Asks for several that go with the first, one after the other in this order. As many are
    /// answered.
    pub(super) async fn enter_together(&self, entries: &[Entry]) -> RedisResult<Vec<Said>> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let [keys, words] = &first.shared;
        let own = entries.iter().map(|entry| &entry.own[0]);
        let mut call = Call::with_keys(&ENTER, std::iter::once(keys).chain(own));
        call.arg(entries.len()).arg(words);
        for entry in entries {
            call.arg(&entry.own[1]);
        }
        call.ask(&mut self.connection()).await
    }
}

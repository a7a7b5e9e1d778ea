//! The limits, the look for a kept answer and the reservation in one round trip, for a request of
//! which it is known that it comes to all three.

use super::answers::{Looking, Tenant};
use super::call::Call;
use super::holds::{Reservation, Sought};
use super::limits::{Admission, Standing};
use super::{Store, StoreError, holds, limits};
use redis::Script;
use std::sync::LazyLock;

static ENTER: LazyLock<Script> = LazyLock::new(|| {
    let (seek, then) = (holds::seek_text(), include_str!("scripts/enter.lua"));
    Script::new(&format!("{}{}{seek}{then}", limits::CLOCK_TEXT, limits::ADMIT_TEXT))
});

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

impl Store {
    /// Does what [`Store::admit`] and then [`Store::seek`] do.
    ///
    /// # Errors
    /// When Redis is away: then nothing may be started.
    pub async fn enter(
        &self,
        admission: &Admission,
        tenant: &Tenant,
        looking: Looking<'_>,
        wanted: &Reservation,
    ) -> Result<Entered, StoreError> {
        let owners = admission.owners();
        let mut named = limits::keys_of(&owners);
        named.extend(holds::seek_keys(tenant, looking, wanted));
        let mut call = Call::new(&ENTER, &named);
        admission.write(&owners, &mut call);
        self.write_seek(&mut call, looking, wanted);
        let (standing, sought): (Vec<redis::Value>, (String, Vec<u8>, i64, usize)) =
            call.ask(&mut self.connection()).await?;
        let standing = Standing::read(&owners, &standing)?;
        match sought.0.as_str() {
            "refused" => Ok(Entered::Refused(standing)),
            "spoiled" => Ok(Entered::Spoiled(standing)),
            _ => Ok(Entered::Passed(standing, holds::sought(wanted, sought)?)),
        }
    }
}

//! What several requests ask of Redis at the same time, asked together: who comes while others are
//! being asked for waits for those, and all who wait are asked for at once. Who comes alone waits
//! for nobody. A script that serves a dozen requests of one key reads and writes what they share
//! once.

use super::call::Words;
use super::enter::{self, Entered, Entering};
use super::keep::{self, Keeping};
use super::limits::{self, Admission, Leaving, LimitStanding, Passing};
use super::room::Room;
use super::{COMMAND_TIME_MAX, Store, StoreError};
use crate::tasks::Tasks;
use futures::future::join_all;
use redis::{RedisError, RedisResult};
use schemas::ids::{AccountId, KeyId, RequestId};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Requests that one script is asked for at most: nobody else is served meanwhile.
const TOGETHER_MAX: usize = 32;

/// Requests of all keys that are asked for in one round of calls: the next round waits for it.
const ROUND_MAX: usize = 256;

/// Requests that wait at most; who finds no room is asked for alone.
const WAITING_MAX: usize = 1_024;

/// What may be asked for together with others of its kind.
trait Asked: Sized + Send + Sync + 'static {
    /// What all have in common that are asked for in one call.
    type Shared: PartialEq;

    /// What is said of one.
    type Said: Send + 'static;

    /// Whether one is not asked for when nobody waits for it any more.
    const IS_LEFT_OUT: bool = true;

    fn shared(&self) -> &Self::Shared;

    /// Asks for all of them, which go with the first. As many are answered, in this order.
    fn ask(
        store: &Store,
        all: &[Self],
    ) -> impl Future<Output = RedisResult<Vec<Self::Said>>> + Send;
}

impl Asked for Passing {
    type Shared = [Words; 2];
    type Said = limits::Said;

    fn shared(&self) -> &[Words; 2] {
        &self.shared
    }

    async fn ask(store: &Store, all: &[Self]) -> RedisResult<Vec<limits::Said>> {
        store.pass_together(all).await
    }
}

impl Asked for enter::Entry {
    type Shared = [Words; 2];
    type Said = enter::Said;

    fn shared(&self) -> &[Words; 2] {
        &self.shared
    }

    async fn ask(store: &Store, all: &[Self]) -> RedisResult<Vec<enter::Said>> {
        store.enter_together(all).await
    }
}

impl Asked for keep::Entry {
    type Shared = [Words; 3];
    type Said = u64;

    fn shared(&self) -> &[Words; 3] {
        &self.shared
    }

    async fn ask(store: &Store, all: &[Self]) -> RedisResult<Vec<u64>> {
        store.keep_together(all).await
    }
}

impl Asked for Leaving {
    type Shared = [String; 2];
    type Said = ();

    /// A place comes back however long Redis takes.
    const IS_LEFT_OUT: bool = false;

    fn shared(&self) -> &[String; 2] {
        &self.places
    }

    async fn ask(store: &Store, all: &[Self]) -> RedisResult<Vec<()>> {
        store.leave_together(all).await?;
        Ok(vec![(); all.len()])
    }
}

/// Asks for several at once.
pub struct Together {
    store: Store,
    passing: Gathering<Passing>,
    entering: Gathering<enter::Entry>,
    keeping: Gathering<keep::Entry>,
    leaving: Gathering<Leaving>,
    room: Arc<Room>,
}

impl Together {
    /// Asks for those who wait in tasks, until these are to end. After that everybody is asked for
    /// alone.
    pub fn start(store: &Store, tasks: &Tasks) -> Self {
        Self {
            store: store.clone(),
            passing: Gathering::start("pass together", store, tasks),
            entering: Gathering::start("enter together", store, tasks),
            keeping: Gathering::start("keep together", store, tasks),
            leaving: Gathering::start("leave together", store, tasks),
            room: Room::watch(store, tasks),
        }
    }

    /// Does what [`Store::admit`] does. Who doesn't hear its end keeps no place.
    ///
    /// # Errors
    /// When Redis is away, or takes too long: then the request must not pass.
    pub async fn admit(&self, wanted: &Admission) -> Result<LimitStanding, StoreError> {
        let mut unheard = Unheard { leaving: &self.leaving, wanted: Some(wanted) };
        let owners = wanted.owners();
        let passing = Passing::of(wanted, &owners);
        let said = self.passing.ask(&self.store, passing, || Some(wanted.leaving())).await?;
        let standing = LimitStanding::read(&owners, &said)?;
        unheard.wanted = None;
        Ok(standing)
    }

    /// Does what [`Store::enter`] does. Who doesn't wait for its end gives back what it may have
    /// got: a place that Redis gives only after that comes back by itself.
    ///
    /// # Errors
    /// When Redis is away, or takes too long: then nothing may be started.
    pub async fn enter(&self, entering: Entering<'_>) -> Result<Entered, StoreError> {
        let (entry, owners) = entering.write(&self.store);
        let undo = || entering.admission.map(Admission::leaving);
        entering.read(&owners, self.entering.ask(&self.store, entry, undo).await?)
    }

    /// Does what [`Store::keep_answer`] does; while Redis is nearly full the answer isn't kept, but
    /// what its request had is given back.
    ///
    /// # Errors
    /// When Redis is away, or takes too long: then the answer is as a rule not kept.
    pub async fn keep_answer(&self, keeping: Keeping<'_>) -> Result<u64, StoreError> {
        let keeping = match self.room.is_scarce() {
            true => Keeping { tenant_bytes_max: 0, ..keeping },
            false => keeping,
        };
        self.keeping.ask(&self.store, keeping.write(), || None).await
    }

    /// Does what [`Store::leave`] does.
    ///
    /// # Errors
    /// When Redis is away, or takes too long: the place comes back by itself after its lease.
    pub async fn leave(
        &self,
        account: &AccountId,
        key: &KeyId,
        request: &RequestId,
    ) -> Result<(), StoreError> {
        self.leaving.ask(&self.store, Leaving::of(account, key, request), || None).await
    }
}

/// A request whose limits are being asked. When it is dropped before they have answered it leaves:
/// it may have got a place that nobody else would give back.
struct Unheard<'a> {
    leaving: &'a Gathering<Leaving>,
    wanted: Option<&'a Admission>,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        let Some(wanted) = self.wanted else { return };
        let (teller, _) = oneshot::channel();
        let waiting = Waiting { asked: wanted.leaving(), teller, undo: None };
        // Without room its lease ends.
        self.leaving.waiting.try_send(waiting).ok();
    }
}

/// Those who ask for the same.
struct Gathering<A: Asked> {
    /// Who has it, asks.
    asking: Arc<Semaphore>,
    waiting: mpsc::Sender<Waiting<A>>,
}

/// One that waits, and where it hears what was said.
struct Waiting<A: Asked> {
    asked: A,
    teller: oneshot::Sender<RedisResult<A::Said>>,
    /// What is to be given back when nobody hears that it was given: whoever left while it was
    /// asked for may have done so too early.
    undo: Option<Leaving>,
}

impl<A: Asked> Gathering<A> {
    fn start(name: &'static str, store: &Store, tasks: &Tasks) -> Self {
        let (waiting, inbox) = mpsc::channel(WAITING_MAX);
        let asking = Arc::new(Semaphore::new(1));
        let (store, permits, stop) = (store.clone(), Arc::clone(&asking), tasks.stop().clone());
        tasks.spawn(name, async move { ask_on(&store, &permits, inbox, &stop).await });
        Self { asking, waiting }
    }

    async fn ask(
        &self,
        store: &Store,
        asked: A,
        undo: impl FnOnce() -> Option<Leaving>,
    ) -> Result<A::Said, StoreError> {
        if let Ok(_permit) = self.asking.try_acquire() {
            return alone(store, asked).await;
        }
        let (teller, told) = oneshot::channel();
        let waiting = Waiting { asked, teller, undo: undo() };
        if let Err(refused) = self.waiting.try_send(waiting) {
            return alone(store, refused.into_inner().asked).await;
        }
        match tokio::time::timeout(COMMAND_TIME_MAX, told).await {
            Ok(Ok(said)) => Ok(said?),
            Ok(Err(_)) | Err(_) => Err(StoreError::Slow),
        }
    }
}

async fn alone<A: Asked>(store: &Store, asked: A) -> Result<A::Said, StoreError> {
    let said = A::ask(store, &[asked]).await?.pop();
    said.ok_or_else(|| StoreError::Unreadable("what was asked alone".into()))
}

/// Asks for those who wait, again and again; from `stop` on only for those who wait already.
async fn ask_on<A: Asked>(
    store: &Store,
    asking: &Semaphore,
    mut inbox: mpsc::Receiver<Waiting<A>>,
    stop: &CancellationToken,
) {
    let mut all = Vec::with_capacity(ROUND_MAX);
    loop {
        let came = tokio::select! {
            () = stop.cancelled(), if !inbox.is_closed() => {
                inbox.close();
                continue;
            }
            came = inbox.recv_many(&mut all, 1) => came,
        };
        if came == 0 {
            return;
        }
        // It is closed nowhere.
        let Ok(_permit) = asking.acquire().await else { return };
        while all.len() < ROUND_MAX
            && let Ok(next) = inbox.try_recv()
        {
            all.push(next);
        }
        all.retain(|waiting| !A::IS_LEFT_OUT || !waiting.teller.is_closed());
        join_all(groups(&mut all).into_iter().map(|group| ask_for(store, group))).await;
    }
}

/// Those that can be asked for in one call each, in the order in which they came.
fn groups<A: Asked>(all: &mut Vec<Waiting<A>>) -> Vec<Vec<Waiting<A>>> {
    let mut groups: Vec<Vec<Waiting<A>>> = Vec::new();
    for waiting in all.drain(..) {
        let takes = |group: &&mut Vec<Waiting<A>>| {
            let shared = group.first().map(|first| first.asked.shared());
            group.len() < TOGETHER_MAX && shared == Some(waiting.asked.shared())
        };
        match groups.iter_mut().find(takes) {
            Some(group) => group.push(waiting),
            None => groups.push(vec![waiting]),
        }
    }
    groups
}

async fn ask_for<A: Asked>(store: &Store, group: Vec<Waiting<A>>) {
    let waiting = group.into_iter().map(|one| (one.asked, (one.teller, one.undo)));
    let (all, tellers): (Vec<A>, Vec<_>) = waiting.unzip();
    let said: Box<dyn Iterator<Item = RedisResult<A::Said>> + Send> =
        match A::ask(store, &all).await {
            Ok(said) => Box::new(said.into_iter().map(Ok)),
            Err(error) => Box::new(std::iter::repeat_with(move || Err(RedisError::clone(&error)))),
        };
    let mut unheard = Vec::new();
    for ((teller, undo), said) in tellers.into_iter().zip(said) {
        // Who hears nothing has left.
        if teller.send(said).is_err() {
            unheard.extend(undo);
        }
    }
    // They share their key. Without an answer their leases end.
    store.leave_together(&unheard).await.ok();
}

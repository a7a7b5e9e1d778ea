//! Who may send a job to the queue, and who waits here for a turn. The queue hands jobs out in the
//! order in which they came, so only as many are sent as can be taken soon; the others wait in this
//! gateway, where the order is ours: fair between accounts, weighted between classes. While there
//! is a free slot nobody waits and nothing is asked. It knows neither HTTP nor NATS.

/// Whose turn it is.
mod fair;

/// How fast the line moves.
mod rhythm;

use fair::{Fair, Spot, Weights, class_of};
use infra::config::Queue;
use rhythm::Rhythm;
use schemas::ids::AccountId;
use schemas::records::Priority;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Of so many slots one job is sent ahead: a slot that becomes free finds it without a round trip,
/// and who comes later waits a fraction of one answer more.
const SLOTS_PER_JOB_AHEAD: u32 = 16;

/// A retry makes no sense sooner, …
const RETRY_MIN: Duration = Duration::from_secs(1);

/// … and needn't come later.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// When nothing is known of the line's rhythm.
const RETRY_UNKNOWN: Duration = Duration::from_secs(2);

/// While nobody can give a turn, a retry needn't come later: nobody knows how long that lasts, and
/// then all slots are free.
const RETRY_UNSERVED_MAX: Duration = Duration::from_secs(5);

/// Of a full line one such part shall have moved on before a retry.
const RETRY_PART: u64 = 8;

/// All lines of this gateway.
pub(crate) struct Line {
    queue: Queue,
    pools: Mutex<HashMap<String, Pool>>,
}

struct Pool {
    waiting: Fair<oneshot::Sender<LinePlace>>,
    rhythm: Rhythm,
    next_number: u64,
    /// Jobs sent that no worker has claimed.
    ahead: u32,
    /// Slots that all workers advertise.
    slots: u32,
    /// Free slots at the last advert, less what was sent since.
    free: u32,
}

/// The right to have a job in the queue; it ends when a worker claims the job, or when it is
/// dropped.
pub(crate) struct LinePlace {
    line: Arc<Line>,
    pool: String,
}

/// Somebody who waits; dropping it leaves the line.
pub(crate) struct Ticket {
    line: Arc<Line>,
    pool: String,
    spot: Spot,
    place: oneshot::Receiver<LinePlace>,
}

/// Who asks for a turn.
pub(crate) struct Asking<'a> {
    pub(crate) pool: &'a str,
    pub(crate) account: &'a AccountId,
    pub(crate) priority: Priority,
    /// The longest wait that makes sense.
    pub(crate) patience: Duration,
}

/// What one gets.
pub(crate) enum LineTurn {
    /// A place at once.
    Now(LinePlace),
    /// A place later.
    Later(Ticket),
}

/// No room, or not in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// When it may be otherwise.
    pub(crate) retry_after: Duration,
}

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinePosition {
    /// The next one stands at 1.
    pub position: u64,
    /// The wait for a turn, if the line's rhythm is known.
    pub expected: Option<Duration>,
}

impl Pool {
    fn new(queue: &Queue) -> Self {
        let (high, normal, low) = (queue.weight_high, queue.weight_normal, queue.weight_low);
        let weights = Weights { high: high.into(), normal: normal.into(), low: low.into() };
        Self {
            waiting: Fair::new(weights),
            rhythm: Rhythm::default(),
            next_number: 0,
            ahead: 0,
            slots: 0,
            free: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.free > 0 || self.ahead < (self.slots / SLOTS_PER_JOB_AHEAD).max(1)
    }

    fn take_room(&mut self) {
        self.ahead += 1;
        self.free = self.free.saturating_sub(1);
    }

    fn standing(&self, spot: &Spot, now: Instant) -> LinePosition {
        let position = self.waiting.before(spot) + 1;
        let times = u32::try_from(position).unwrap_or(u32::MAX);
        let interval = self.rhythm.interval(now);
        LinePosition { position, expected: interval.map(|interval| interval.saturating_mul(times)) }
    }

    fn new_spot(&self, asking: &Asking<'_>) -> Spot {
        let class = class_of(asking.priority);
        Spot { class, account: asking.account.clone(), number: self.next_number }
    }

    /// When a place in a full line may be free.
    fn retry_after(&self, now: Instant) -> Duration {
        let part = (self.waiting.len() as u64 / RETRY_PART).max(1);
        let times = u32::try_from(part).unwrap_or(u32::MAX);
        let interval = self.rhythm.interval(now);
        self.bounded(interval.map(|interval| interval.saturating_mul(times)))
    }

    fn bounded(&self, wait: Option<Duration>) -> Duration {
        let longest = if self.rhythm.is_resting() { RETRY_UNSERVED_MAX } else { RETRY_MAX };
        wait.unwrap_or(RETRY_UNKNOWN).clamp(RETRY_MIN, longest)
    }
}

impl Line {
    pub(crate) fn new(queue: Queue) -> Arc<Self> {
        Arc::new(Self { queue, pools: Mutex::default() })
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<String, Pool>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, pool: &str, change: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pools = self.pools();
        if let Some(known) = pools.get_mut(pool) {
            return change(known);
        }
        change(pools.entry(pool.to_owned()).or_insert_with(|| Pool::new(&self.queue)))
    }

    /// Asks for a turn.
    ///
    /// # Errors
    /// When the line is full, or its end can't be reached in time.
    pub(crate) fn enter(self: &Arc<Self>, asking: &Asking<'_>) -> Result<LineTurn, Full> {
        let now = Instant::now();
        let waiting_max = self.queue.waiting_max_of(asking.pool);
        self.with(asking.pool, |pool| {
            if pool.waiting.is_empty() && pool.has_room() {
                pool.take_room();
                let place = LinePlace { line: Arc::clone(self), pool: asking.pool.to_owned() };
                return Ok(LineTurn::Now(place));
            }
            if pool.waiting.len() >= waiting_max {
                return Err(Full { retry_after: pool.retry_after(now) });
            }
            let spot = pool.new_spot(asking);
            let expected = pool.standing(&spot, now).expected;
            if let Some(late) = expected.and_then(|wait| wait.checked_sub(asking.patience)) {
                return Err(Full { retry_after: pool.bounded(Some(late)) });
            }
            if pool.waiting.is_empty() {
                pool.rhythm.begin(now);
            }
            let (sender, place) = oneshot::channel();
            pool.waiting.push(&spot, sender);
            pool.next_number += 1;
            let ticket =
                Ticket { line: Arc::clone(self), pool: asking.pool.to_owned(), spot, place };
            Ok(LineTurn::Later(ticket))
        })
    }

    /// How long somebody who asked now would wait; `None` when nobody can say.
    pub(crate) fn expected(&self, asking: &Asking<'_>) -> Option<Duration> {
        self.with(asking.pool, |pool| {
            if pool.waiting.is_empty() && pool.has_room() {
                return Some(Duration::ZERO);
            }
            let spot = pool.new_spot(asking);
            pool.standing(&spot, Instant::now()).expected
        })
    }

    /// When a retry may find room.
    pub(crate) fn retry_after(&self, pool: &str) -> Duration {
        self.with(pool, |pool| pool.retry_after(Instant::now()))
    }

    /// How many wait for a turn.
    pub(crate) fn len(&self, pool: &str) -> usize {
        self.with(pool, |pool| pool.waiting.len())
    }

    /// Nobody can give a turn in a pool: NATS is silent.
    pub(crate) fn rest(&self, pool: &str) {
        self.with(pool, |pool| pool.rhythm.rest(Instant::now()));
    }

    /// Learns what the workers of a pool advertise.
    pub(crate) fn learn(self: &Arc<Self>, pool: &str, slots: u32, free: u32) {
        let now = Instant::now();
        self.with(pool, |pool| {
            if slots == 0 {
                pool.rhythm.rest(now);
            } else {
                pool.rhythm.go_on(now);
            }
            pool.slots = slots;
            pool.free = free.saturating_sub(pool.ahead);
        });
        self.hand_out(pool);
    }

    /// Gives turns as long as there is room.
    fn hand_out(self: &Arc<Self>, name: &str) {
        let now = Instant::now();
        let mut turns = Vec::new();
        self.with(name, |pool| {
            while pool.has_room() {
                let Some(next) = pool.waiting.pop() else { break };
                pool.take_room();
                pool.rhythm.turn(now);
                if pool.waiting.is_empty() {
                    pool.rhythm.end(now);
                }
                turns.push(next);
            }
        });
        for next in turns {
            // Who has left in this moment gives the place back by dropping it.
            drop(next.send(LinePlace { line: Arc::clone(self), pool: name.to_owned() }));
        }
    }
}

impl LinePlace {
    /// Whose queue it is in.
    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }
}

impl Drop for LinePlace {
    fn drop(&mut self) {
        self.line.with(&self.pool, |pool| pool.ahead = pool.ahead.saturating_sub(1));
        let line = Arc::clone(&self.line);
        line.hand_out(&self.pool);
    }
}

impl Ticket {
    /// Waits for the turn. Safe to drop at any point.
    pub(crate) async fn turn(&mut self) -> LinePlace {
        match (&mut self.place).await {
            Ok(place) => place,
            // The line outlives its tickets: the other end is dropped only with this one.
            Err(_) => std::future::pending().await,
        }
    }

    /// The turn of one who may wait; never, for one who doesn't.
    pub(crate) async fn turn_of(ticket: &mut Option<Self>) -> LinePlace {
        match ticket {
            Some(ticket) => ticket.turn().await,
            None => std::future::pending().await,
        }
    }

    /// Where it stands.
    pub(crate) fn standing(&self) -> LinePosition {
        self.line.with(&self.pool, |pool| pool.standing(&self.spot, Instant::now()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let left = self.line.with(&self.pool, |pool| {
            let left = pool.waiting.remove(&self.spot);
            if left.is_some() && pool.waiting.is_empty() {
                pool.rhythm.end(Instant::now());
            }
            left
        });
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn asking<'a>(account: &'a AccountId, patience: Duration) -> Asking<'a> {
        Asking { pool: "p", account, priority: Priority::Normal, patience }
    }

    fn later(line: &Arc<Line>, account: &AccountId) -> Ticket {
        match line.enter(&asking(account, MINUTE)).unwrap() {
            LineTurn::Later(ticket) => ticket,
            LineTurn::Now(_) => panic!("there was room"),
        }
    }

    fn now(line: &Arc<Line>, account: &AccountId) -> LinePlace {
        match line.enter(&asking(account, MINUTE)).unwrap() {
            LineTurn::Now(place) => place,
            LineTurn::Later(_) => panic!("there was no room"),
        }
    }

    #[tokio::test]
    async fn free_slots_are_taken_at_once_then_one_is_sent_ahead_and_claims_bring_turns() {
        let (line, account) = (Line::new(Queue::default()), AccountId::fresh());
        line.learn("p", 2, 2);
        let (first, second) = (now(&line, &account), now(&line, &account));
        let mut third = later(&line, &account);
        assert_eq!(third.standing().position, 1);
        assert_eq!(line.expected(&asking(&account, MINUTE)), None, "nothing is known yet");
        drop(first);
        assert_eq!(line.len("p"), 1, "one is ahead already");
        drop(second);
        let place = third.turn().await;
        drop(third);
        let fourth = later(&line, &account);
        line.learn("p", 2, 1);
        assert_eq!(line.len("p"), 1, "the free slot is for the one that was sent ahead");
        line.learn("p", 4, 2);
        assert_eq!(line.len("p"), 0, "a new worker brings turns");
        drop((fourth, place));
        assert_eq!(line.expected(&asking(&account, MINUTE)), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn who_leaves_makes_room_and_a_turn_that_nobody_takes_is_the_next_ones() {
        let (line, account) = (Line::new(Queue::default()), AccountId::fresh());
        let place = now(&line, &account);
        let (gone, sent, mut next) =
            (later(&line, &account), later(&line, &account), later(&line, &account));
        drop(gone);
        drop(place);
        assert_eq!(line.len("p"), 1, "its turn has come");
        drop(sent);
        drop(next.turn().await);
        drop(next);
        assert_eq!(line.len("p"), 0);
        drop(now(&line, &account));
    }

    #[test]
    fn a_full_line_and_a_wait_beyond_patience_are_refused_with_a_measured_retry() {
        let queue = Queue { waiting_max: 3, ..Queue::default() };
        let (line, account) = (Line::new(queue), AccountId::fresh());
        let _place = now(&line, &account);
        let _tickets: Vec<Ticket> = (0..3).map(|_| later(&line, &account)).collect();
        let full = line.enter(&asking(&account, MINUTE)).err();
        assert_eq!(full, Some(Full { retry_after: RETRY_UNKNOWN }));
        let line = Line::new(Queue::default());
        let _place = now(&line, &account);
        let _ticket = later(&line, &account);
        let long_ago = Instant::now().checked_sub(40 * MINUTE).unwrap();
        line.with("p", |pool| {
            pool.rhythm.begin(long_ago);
            (1..=4).for_each(|turn| pool.rhythm.turn(long_ago + turn * 10 * MINUTE));
        });
        let full = line.enter(&asking(&account, MINUTE)).err();
        assert_eq!(full, Some(Full { retry_after: RETRY_MAX }), "two turns of ten minutes");
        assert!(line.enter(&asking(&account, 60 * MINUTE)).is_ok());
    }

    #[test]
    fn while_no_worker_is_there_nobody_is_told_to_come_back_in_minutes() {
        let (line, account) = (Line::new(Queue::default()), AccountId::fresh());
        line.learn("p", 1, 0);
        let _place = now(&line, &account);
        let _tickets: Vec<Ticket> = (0..7).map(|_| later(&line, &account)).collect();
        let long_ago = Instant::now().checked_sub(9 * MINUTE).unwrap();
        line.with("p", |pool| {
            pool.rhythm.begin(long_ago);
            (1..=8).for_each(|turn| pool.rhythm.turn(long_ago + turn * MINUTE));
        });
        let refused = |line: &Arc<Line>| line.enter(&asking(&account, MINUTE)).err();
        assert_eq!(refused(&line), Some(Full { retry_after: RETRY_MAX }));
        line.learn("p", 0, 0);
        assert_eq!(refused(&line), Some(Full { retry_after: RETRY_UNSERVED_MAX }));
        line.learn("p", 1, 0);
        assert_eq!(refused(&line), Some(Full { retry_after: RETRY_MAX }));
        line.rest("p");
        assert_eq!(refused(&line), Some(Full { retry_after: RETRY_UNSERVED_MAX }));
    }
}

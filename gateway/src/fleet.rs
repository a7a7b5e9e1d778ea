//! Who serves what, learned from the workers' adverts, and from NATS when a connection is lost. A
//! worker that is silent for two seconds counts as dead; a model that somebody served a moment ago
//! still counts as offered, so that a restart of its workers makes requests wait instead of fail.

use crate::state::Core;
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::direct::DIRECT_SLOTS_FREE_MIN;
use schemas::advert::{ADVERT_INTERVAL_MS, ADVERT_LIFETIME_MS, Advert, AdvertV1, Departure};
use schemas::ids::WorkerId;
use schemas::subjects;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How long a model stays offered after its last worker was seen.
const OFFER_MEMORY: Duration = Duration::from_secs(60);

/// An advert that comes so soon after a claim may not know of it.
const CLAIM_SHADOW: Duration = Duration::from_millis(250);

/// A gateway that comes to its sweep so long after the last one got no processor between them.
const LATE: Duration = Duration::from_millis(2 * ADVERT_INTERVAL_MS);

/// How long a connection may take to take a question.
const LISTEN_MAX: Duration = Duration::from_millis(ADVERT_INTERVAL_MS);

/// How long a gateway that starts waits for the first advert.
const FIRST_ADVERT_MAX: Duration = Duration::from_millis(1_000);

/// Between two looks whether it has come.
const FIRST_ADVERT_POLL: Duration = Duration::from_millis(5);

/// Workers that are known at once; adverts beyond are ignored.
const WORKERS_MAX: usize = 10_000;

/// A worker as it was last seen.
struct Seen {
    /// What it says of itself; of free slots as many as it had at the least.
    advert: AdvertV1,
    at: Instant,
    connected: bool,
    /// Jobs of ours that it has.
    ours: Arc<AtomicU32>,
    /// How many they were at its last advert.
    ours_then: u32,
    /// When it took the last of them: its next advert may not know of these.
    claimed: VecDeque<Instant>,
    /// How often its connection was lost.
    losses: u64,
}

impl Seen {
    fn new(advert: AdvertV1) -> Self {
        Self {
            advert,
            at: Instant::now(),
            connected: true,
            ours: Arc::default(),
            ours_then: 0,
            claimed: VecDeque::new(),
            losses: 0,
        }
    }

    /// At least so many of its slots are free: those that it had, but for jobs that came since.
    fn slots_free(&self) -> u32 {
        let came = self.ours.load(Ordering::Relaxed).saturating_sub(self.ours_then);
        self.advert.slots_free.saturating_sub(came)
    }

    fn take_slot(&mut self) -> Slot {
        self.leave_shadow();
        self.claimed.push_back(Instant::now());
        self.ours.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(&self.ours))
    }

    fn leave_shadow(&mut self) {
        while self.claimed.front().is_some_and(|moment| moment.elapsed() >= CLAIM_SHADOW) {
            self.claimed.pop_front();
        }
    }

    /// It advertises itself anew. The advert may have been written before the last claims; but
    /// what has ended since takes no slot any more, and what the last advert left is still there.
    fn hear(&mut self, mut advert: AdvertV1) {
        self.leave_shadow();
        let ours = self.ours.load(Ordering::Relaxed);
        let unknown = u32::try_from(self.claimed.len()).unwrap_or(u32::MAX).min(ours);
        let least = advert.slots_free.saturating_sub(unknown);
        advert.slots_free = least.max(self.slots_free().min(advert.slots_free));
        (self.advert, self.ours_then) = (advert, ours);
        (self.at, self.connected) = (Instant::now(), true);
    }
}

/// A slot of a worker that a job of ours has. Dropping it says that the job has it no more.
#[derive(Debug, Default)]
pub(crate) struct Slot(Arc<AtomicU32>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker that takes a job past the queue.
#[derive(Debug)]
pub(crate) struct Taker {
    pub(crate) worker: WorkerId,
    /// The slot that is the job's.
    pub(crate) slot: Slot,
    /// How often its connection had been lost.
    pub(crate) losses: u64,
}

struct Known {
    workers: HashMap<(String, WorkerId), Seen>,
    offers: HashMap<String, Instant>,
    /// When the gateway itself last listened in time: who is late can't say who is silent.
    listened: Instant,
    /// When NATS last spoke. While it says nothing the connection is silent, and not the workers.
    heard: Instant,
    /// Since when it was never silent.
    heard_since: Instant,
}

impl Default for Known {
    fn default() -> Self {
        let now = Instant::now();
        let (listened, heard, heard_since) = (now, now, now);
        let (workers, offers) = (HashMap::new(), HashMap::new());
        Self { workers, offers, listened, heard, heard_since }
    }
}

impl Known {
    /// Whether a worker is heard. What it said while we got no processor isn't read yet.
    fn hears(&self, seen: &Seen, now: Instant) -> bool {
        let is_late = now.saturating_duration_since(self.listened) > LATE;
        let until = if is_late { self.listened } else { now };
        until.saturating_duration_since(seen.at) < Duration::from_millis(ADVERT_LIFETIME_MS)
    }
}

/// All workers seen.
pub(crate) struct Fleet {
    known: RwLock<Known>,
    departures: watch::Sender<u64>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { known: RwLock::default(), departures: watch::Sender::new(0) }
    }
}

impl Fleet {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever a worker's connection is gone.
    pub(crate) fn departures(&self) -> watch::Receiver<u64> {
        self.departures.subscribe()
    }

    /// Learns an advert; whether the worker was unknown.
    fn learn(&self, advert: AdvertV1) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let name = (advert.pool.clone(), advert.worker.clone());
        if advert.leaving {
            known.workers.remove(&name);
            return false;
        }
        if known.workers.len() >= WORKERS_MAX && !known.workers.contains_key(&name) {
            return false;
        }
        let now = Instant::now();
        for model in &advert.models {
            known.offers.insert(model.clone(), now);
        }
        match known.workers.entry(name) {
            Entry::Occupied(mut seen) => {
                seen.get_mut().hear(advert);
                false
            }
            Entry::Vacant(place) => {
                place.insert(Seen::new(advert));
                true
            }
        }
    }

    /// A worker has taken a job of ours: one of its slots is not free any more, whatever its last
    /// advert says.
    pub(crate) fn claimed(&self, pool: &str, worker: &WorkerId) -> Option<Slot> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.workers.get_mut(&(pool.to_owned(), worker.clone())).map(Seen::take_slot)
    }

    /// Nobody is judged while NATS is away, nor until an advert had time to come afterwards.
    fn pardon(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.heard_since = now;
        for seen in known.workers.values_mut() {
            seen.at = now;
        }
        for at in known.offers.values_mut() {
            *at = now;
        }
    }

    /// NATS has said something.
    fn hear(&self, now: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(known.heard) > LATE {
            known.heard_since = now;
        }
        known.heard = now;
    }

    /// Since when NATS is heard without a break; nothing while it is silent.
    pub(crate) fn heard_since(&self) -> Option<Instant> {
        self.heard_since_at(Instant::now())
    }

    fn heard_since_at(&self, now: Instant) -> Option<Instant> {
        let known = self.known();
        let is_heard = now.saturating_duration_since(known.heard) <= LATE;
        is_heard.then_some(known.heard_since)
    }

    /// Whether NATS has said nothing for half an interval: so it is asked at every sweep, and its
    /// answer is there long before it would be late.
    fn hears_nothing(&self, now: Instant) -> bool {
        let half = Duration::from_millis(ADVERT_INTERVAL_MS / 2);
        now.saturating_duration_since(self.known().heard) >= half
    }

    /// Who is silent is gone. The time that we were late, or heard nothing at all, is nobody's
    /// silence.
    fn sweep(&self, now: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        if now.saturating_duration_since(known.heard) > LATE {
            known.listened = known.listened.min(known.heard);
            return;
        }
        let since = now.saturating_duration_since(known.listened);
        if since > LATE {
            known.workers.values_mut().for_each(|seen| seen.at = (seen.at + since).min(now));
        }
        known.listened = now;
        let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
        known.workers.retain(|_, seen| now.saturating_duration_since(seen.at) < lifetime);
        known.offers.retain(|_, at| now.saturating_duration_since(*at) < OFFER_MEMORY);
    }

    /// Whether somebody serves a model, or did a moment ago.
    pub(crate) fn offers(&self, model: &str) -> bool {
        self.known().offers.contains_key(model)
    }

    /// Whether no worker has been heard for a while: then nobody knows what is offered.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.known().offers.is_empty()
    }

    /// Whether a worker gives signs of life.
    pub(crate) fn is_alive(&self, pool: &str, worker: &WorkerId) -> bool {
        self.is_alive_at(pool, worker, Instant::now())
    }

    fn is_alive_at(&self, pool: &str, worker: &WorkerId, now: Instant) -> bool {
        let (known, name) = (self.known(), (pool.to_owned(), worker.clone()));
        known.workers.get(&name).is_some_and(|seen| known.hears(seen, now))
    }

    /// Whether a known worker's connection was lost since its last sign of life, or since it had
    /// been lost so often: what was on its way to it then is gone.
    pub(crate) fn has_lost(&self, pool: &str, worker: &WorkerId, losses: Option<u64>) -> bool {
        let name = (pool.to_owned(), worker.clone());
        self.known().workers.get(&name).is_some_and(|seen| {
            !seen.connected || losses.is_some_and(|before| seen.losses > before)
        })
    }

    /// How often a worker's connection was lost.
    pub(crate) fn losses(&self, pool: &str, worker: &WorkerId) -> Option<u64> {
        let name = (pool.to_owned(), worker.clone());
        self.known().workers.get(&name).map(|seen| seen.losses)
    }

    /// The worker with the most free slots that takes jobs of a model past the queue, if it has
    /// more than enough of them; one is taken at once.
    pub(crate) fn take_ample(&self, pool: &str, model: &str) -> Option<Taker> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
        let takes = |(name, seen): &(&(String, WorkerId), &mut Seen)| {
            name.0 == pool
                && seen.advert.direct
                && !seen.advert.draining
                && seen.connected
                && seen.slots_free() >= DIRECT_SLOTS_FREE_MIN
                && seen.at.elapsed() < lifetime
                && seen.advert.models.iter().any(|served| served == model)
        };
        let ample = known.workers.iter_mut().filter(takes);
        let ((_, worker), seen) = ample.max_by_key(|(_, seen)| seen.slots_free())?;
        let (worker, slot, losses) = (worker.clone(), seen.take_slot(), seen.losses);
        Some(Taker { worker, slot, losses })
    }

    /// A connection is gone. A worker that only lost its network advertises itself again soon.
    fn departed(&self, connection: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut lost = false;
        for seen in known.workers.values_mut() {
            if seen.advert.connection.as_deref() == Some(connection) {
                seen.connected = false;
                seen.losses += 1;
                lost = true;
            }
        }
        drop(known);
        if lost {
            self.departures.send_modify(|count| *count += 1);
        }
    }

    /// All workers as they last advertised themselves, and whether their connection holds.
    pub(crate) fn workers(&self) -> Vec<(AdvertV1, bool)> {
        let known = self.known();
        let shown = |seen: &Seen| {
            let advert = AdvertV1 { slots_free: seen.slots_free(), ..seen.advert.clone() };
            (advert, seen.connected)
        };
        let mut workers: Vec<_> = known.workers.values().map(shown).collect();
        workers.sort_by(|(a, _), (b, _)| {
            (&a.pool, a.worker.as_str()).cmp(&(&b.pool, b.worker.as_str()))
        });
        workers
    }

    /// Whether a worker takes no more jobs; nothing when it isn't there. One that serves several
    /// pools drains when it does so in all of them.
    pub(crate) fn is_draining(&self, worker: &WorkerId) -> Option<bool> {
        let known = self.known();
        let own = known.workers.iter().filter(|((_, name), _)| name == worker);
        own.map(|(_, seen)| seen.advert.draining).reduce(|all, drains| all && drains)
    }

    /// How many workers there are.
    pub(crate) fn size(&self) -> usize {
        self.known().workers.len()
    }

    /// Workers, slots and free slots of a pool.
    pub(crate) fn pool(&self, pool: &str) -> (usize, u32, u32) {
        let known = self.known();
        let in_pool = known.workers.iter().filter(|((name, _), _)| name == pool);
        in_pool.fold((0, 0, 0), |(count, slots, free), (_, seen)| {
            let usable = if seen.advert.draining { 0 } else { seen.slots_free() };
            (count + 1, slots + seen.advert.slots, free + usable)
        })
    }
}

/// Listens to adverts and asks for them once.
pub(crate) async fn watch(core: &Arc<Core>) -> Result<(), BusError> {
    let client = core.bus.client();
    let listening = |error| BusError::request("listening for adverts", error);
    let mut adverts = client.subscribe(subjects::HEALTH_SUBJECTS).await.map_err(listening)?;
    let mut departures = client.subscribe(subjects::DEPARTURES).await.map_err(listening)?;
    client
        .publish(subjects::HEALTH_POLL, bytes::Bytes::new())
        .await
        .map_err(|error| BusError::request("asking for adverts", error))?;
    let echo = client.new_inbox();
    let mut echoes = client.subscribe(echo.clone()).await.map_err(listening)?;
    let watched = Arc::clone(core);
    core.background.spawn_vital("fleet", async move {
        let stop = watched.background.stop().clone();
        let mut sweep = tokio::time::interval(Duration::from_millis(ADVERT_INTERVAL_MS));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweep.tick() => {
                    let now = Instant::now();
                    if !watched.bus.is_connected() {
                        watched.fleet.hear(now);
                        watched.fleet.pardon();
                    } else if watched.fleet.hears_nothing(now) {
                        listen(&watched, &echo).await;
                    }
                    watched.fleet.sweep(now);
                    for pool in watched.latest_config().models.pools() {
                        tell_line(&watched, &pool);
                    }
                }
                said = echoes.next() => {
                    if said.is_none() { return }
                    watched.fleet.hear(Instant::now());
                }
                message = adverts.next() => {
                    let Some(message) = message else { return };
                    watched.fleet.hear(Instant::now());
                    match serde_json::from_slice(&message.payload) {
                        Ok(Advert::V1(advert)) => heard(&watched, advert),
                        Err(error) => tracing::warn!(%error, "an advert can't be read"),
                    }
                }
                message = departures.next() => {
                    let Some(message) = message else { return };
                    match serde_json::from_slice::<Departure>(&message.payload) {
                        Ok(departure) => watched.fleet.departed(&departure.client.name),
                        Err(error) => tracing::warn!(%error, "a departure can't be read"),
                    }
                }
            }
        }
    });
    Ok(())
}

/// Lets NATS say something: a question that it always answers.
async fn listen(core: &Core, echo: &str) {
    let subject = subjects::stream_info(subjects::CHAT_STREAM);
    let asked = core.bus.client().publish_with_reply(subject, echo.to_owned(), "".into());
    // With a connection that takes nothing there is soon no room for a question.
    match tokio::time::timeout(LISTEN_MAX, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "NATS can't be listened to"),
        Err(_) => tracing::debug!("NATS takes no question"),
    }
}

/// Waits until a worker has told what it serves, for a limited time: a gateway that takes requests
/// before would say that their models don't exist.
pub(crate) async fn first_advert(core: &Core) {
    let heard = async {
        while core.fleet.knows_nothing() {
            tokio::time::sleep(FIRST_ADVERT_POLL).await;
        }
    };
    if tokio::time::timeout(FIRST_ADVERT_MAX, heard).await.is_err() {
        tracing::warn!("no worker has been heard yet");
    }
}

/// What a worker says; whoever waits for one is told at once.
fn heard(core: &Core, advert: AdvertV1) {
    let pool = advert.pool.clone();
    let is_new = core.fleet.learn(advert);
    if is_new || core.line.len(&pool) > 0 {
        tell_line(core, &pool);
    }
}

fn tell_line(core: &Core, pool: &str) {
    if !core.bus.is_heard() {
        return core.line.rest(pool);
    }
    let (_, slots, free) = core.fleet.pool(pool);
    core.line.learn(pool, slots, free);
}

#[cfg(test)]
mod tests;

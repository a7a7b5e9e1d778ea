//! Who serves what, learned from the workers' adverts, and from NATS when a connection is lost. A
//! worker that is silent for two seconds counts as dead; a model that somebody served a moment ago
//! still counts as offered, so that a restart of its workers makes requests wait instead of fail.

use crate::state::Gateway;
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

/// How long a model stays offered after its last worker was seen.
const OFFER_MEMORY: Duration = Duration::from_secs(60);

/// An advert that comes so soon after a claim may not know of it.
const CLAIM_SHADOW: Duration = Duration::from_millis(250);

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

#[derive(Default)]
struct Known {
    workers: HashMap<(String, WorkerId), Seen>,
    offers: HashMap<String, Instant>,
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
        for seen in known.workers.values_mut() {
            seen.at = now;
        }
        for at in known.offers.values_mut() {
            *at = now;
        }
    }

    fn forget_silent(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
        known.workers.retain(|_, seen| seen.at.elapsed() < lifetime);
        known.offers.retain(|_, seen| seen.elapsed() < OFFER_MEMORY);
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
        let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
        let name = (pool.to_owned(), worker.clone());
        self.known().workers.get(&name).is_some_and(|seen| seen.at.elapsed() < lifetime)
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
pub(crate) async fn watch(gateway: &Arc<Gateway>) -> Result<(), BusError> {
    let client = gateway.bus.client();
    let listening = |error| BusError::request("listening for adverts", error);
    let mut adverts = client.subscribe(subjects::HEALTH_SUBJECTS).await.map_err(listening)?;
    let mut departures = client.subscribe(subjects::DEPARTURES).await.map_err(listening)?;
    client
        .publish(subjects::HEALTH_POLL, bytes::Bytes::new())
        .await
        .map_err(|error| BusError::request("asking for adverts", error))?;
    let watched = Arc::clone(gateway);
    gateway.background.spawn_vital("fleet", async move {
        let stop = watched.background.stop().clone();
        let mut sweep = tokio::time::interval(Duration::from_millis(ADVERT_INTERVAL_MS));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweep.tick() => {
                    if !watched.bus.is_connected() {
                        watched.fleet.pardon();
                    }
                    watched.fleet.forget_silent();
                    for pool in watched.config.models.pools() {
                        tell_line(&watched, &pool);
                    }
                }
                message = adverts.next() => {
                    let Some(message) = message else { return };
                    match serde_json::from_slice(&message.payload) {
                        Ok(Advert::V1(advert)) => heard(&watched, advert),
                        Err(error) => tracing::warn!(%error, "an advert can't be read"),
                    }
                }
                message = departures.next() => {
                    let Some(message) = message else { return };
                    if let Ok(departure) = serde_json::from_slice::<Departure>(&message.payload) {
                        watched.fleet.departed(&departure.client.name);
                    }
                }
            }
        }
    });
    Ok(())
}

/// Waits until a worker has told what it serves, for a limited time: a gateway that takes requests
/// before would say that their models don't exist.
pub(crate) async fn first_advert(gateway: &Gateway) {
    let heard = async {
        while gateway.fleet.knows_nothing() {
            tokio::time::sleep(FIRST_ADVERT_POLL).await;
        }
    };
    if tokio::time::timeout(FIRST_ADVERT_MAX, heard).await.is_err() {
        tracing::warn!("no worker has been heard yet");
    }
}

/// What a worker says; whoever waits for one is told at once.
fn heard(gateway: &Gateway, advert: AdvertV1) {
    let pool = advert.pool.clone();
    let is_new = gateway.fleet.learn(advert);
    if is_new || gateway.line.len(&pool) > 0 {
        tell_line(gateway, &pool);
    }
}

fn tell_line(gateway: &Gateway, pool: &str) {
    let (_, slots, free) = gateway.fleet.pool(pool);
    gateway.line.learn(pool, slots, free);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert(leaving: bool) -> AdvertV1 {
        AdvertV1 {
            worker: WorkerId::parse("wk_1").unwrap(),
            pool: "cloud".into(),
            models: vec!["m".into()],
            slots: 4,
            slots_free: 3,
            draining: false,
            connection: Some("worker 1".into()),
            direct: true,
            leaving,
            version: "0".into(),
        }
    }

    #[test]
    fn a_claim_takes_a_slot_at_once_and_an_advert_in_its_shadow_gives_none_back() {
        let fleet = Fleet::default();
        assert!(fleet.learn(advert(false)), "it was unknown");
        let slot = fleet.claimed("cloud", &advert(false).worker);
        assert_eq!(fleet.pool("cloud"), (1, 4, 2));
        assert!(!fleet.learn(advert(false)));
        assert_eq!(fleet.pool("cloud"), (1, 4, 2));
        drop(slot);
        assert_eq!(fleet.pool("cloud"), (1, 4, 2), "only its worker knows when it is free");
        assert!(!fleet.learn(advert(false)));
        assert_eq!(fleet.pool("cloud"), (1, 4, 3));
    }

    #[test]
    fn what_has_ended_takes_no_slot_however_much_there_was() {
        let fleet = Fleet::default();
        let roomy = || AdvertV1 { slots: 1_000, slots_free: 900, ..advert(false) };
        fleet.learn(roomy());
        let long: Vec<_> = (0..100).map(|_| fleet.take_ample("cloud", "m").unwrap()).collect();
        for round in 0..3 {
            let short: Vec<_> = (0..64).map(|_| fleet.take_ample("cloud", "m").unwrap()).collect();
            assert_eq!(fleet.pool("cloud").2, 900 - 100 - 64, "round {round}");
            drop(short);
        }
        // It knows of none of them, or of all.
        fleet.learn(roomy());
        assert_eq!(fleet.pool("cloud").2, 800);
        fleet.learn(AdvertV1 { slots_free: 800, ..roomy() });
        assert_eq!(fleet.pool("cloud").2, 800);
        drop(long);
        fleet.learn(roomy());
        assert_eq!(fleet.pool("cloud").2, 900);
    }

    #[test]
    fn a_job_past_the_queue_is_for_a_worker_with_many_free_slots() {
        let fleet = Fleet::default();
        let with = |free, worker: &str| AdvertV1 {
            worker: WorkerId::parse(worker).unwrap(),
            slots: 1_000,
            slots_free: free,
            ..advert(false)
        };
        fleet.learn(with(DIRECT_SLOTS_FREE_MIN + 1, "wk_1"));
        fleet.learn(with(DIRECT_SLOTS_FREE_MIN, "wk_2"));
        fleet.learn(with(DIRECT_SLOTS_FREE_MIN - 1, "wk_3"));
        fleet.learn(AdvertV1 { draining: true, ..with(900, "wk_4") });
        fleet.learn(AdvertV1 { direct: false, ..with(900, "wk_5") });
        assert!(fleet.take_ample("cloud", "another model").is_none());
        assert!(fleet.take_ample("elsewhere", "m").is_none());
        let taken: Vec<_> = (0..4).map(|_| fleet.take_ample("cloud", "m")).collect();
        let taken: Vec<_> = taken.iter().flatten().map(|taker| taker.worker.as_str()).collect();
        assert_eq!(taken.len(), 3, "each taken slot counts");
        assert!(taken.contains(&"wk_1") && taken.contains(&"wk_2"));
        assert_eq!(taken[0], "wk_1");
    }

    #[test]
    fn a_goodbye_ends_the_worker_but_not_its_offer_at_once() {
        let fleet = Fleet::default();
        assert!(!fleet.offers("m"));
        fleet.learn(advert(false));
        assert!(fleet.offers("m") && fleet.is_alive("cloud", &advert(false).worker));
        assert_eq!(fleet.pool("cloud"), (1, 4, 3));
        fleet.departed("worker 2");
        assert!(!fleet.has_lost("cloud", &advert(false).worker, Some(0)));
        fleet.departed("worker 1");
        assert!(fleet.has_lost("cloud", &advert(false).worker, Some(0)));
        assert!(fleet.is_alive("cloud", &advert(false).worker), "its next advert may still come");
        fleet.learn(advert(false));
        assert!(!fleet.has_lost("cloud", &advert(false).worker, Some(1)), "it is here again");
        assert!(
            fleet.has_lost("cloud", &advert(false).worker, Some(0)),
            "what it was sent before is not"
        );
        fleet.learn(advert(true));
        assert!(fleet.offers("m") && !fleet.is_alive("cloud", &advert(false).worker));
        assert_eq!(fleet.size(), 0);
    }
}

//! What the fleet makes of adverts, claims and lost connections.

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
fn who_is_late_itself_calls_nobody_silent() {
    let fleet = Fleet::default();
    fleet.learn(advert(false));
    let worker = advert(false).worker;
    let (begun, interval) = (Instant::now(), Duration::from_millis(ADVERT_INTERVAL_MS));
    let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
    fleet.sweep(begun);
    // For long nothing of ours ran, neither this nor what reads adverts.
    let late = begun + 20 * lifetime;
    assert!(fleet.is_alive_at("cloud", &worker, late));
    fleet.hear(late);
    fleet.sweep(late);
    assert!(fleet.is_alive_at("cloud", &worker, late));
    // From then on it has its whole time to be heard, and no more.
    let mut now = late;
    while now + interval < late + lifetime {
        now += interval;
        fleet.hear(now);
        fleet.sweep(now);
        assert!(fleet.is_alive_at("cloud", &worker, now));
    }
    assert!(!fleet.is_alive_at("cloud", &worker, now + interval), "at once, before a sweep");
    fleet.hear(now + interval);
    fleet.sweep(now + interval);
    assert_eq!(fleet.size(), 0);
}

#[test]
fn while_nats_says_nothing_no_worker_is_silent() {
    let fleet = Fleet::default();
    fleet.learn(advert(false));
    let worker = advert(false).worker;
    let (begun, interval) = (Instant::now(), Duration::from_millis(ADVERT_INTERVAL_MS));
    let lifetime = Duration::from_millis(ADVERT_LIFETIME_MS);
    fleet.hear(begun);
    assert!(!fleet.hears_nothing(begun) && fleet.hears_nothing(begun + interval));
    let mut now = begun;
    while now < begun + 5 * lifetime {
        now += interval;
        fleet.sweep(now);
        assert!(fleet.is_alive_at("cloud", &worker, now), "the connection is silent");
    }
    // From the first word on it has its whole time to be heard, and no more.
    fleet.hear(now);
    fleet.sweep(now);
    assert!(fleet.is_alive_at("cloud", &worker, now + lifetime - interval));
    let mut then = now;
    while then < now + lifetime {
        then += interval;
        fleet.hear(then);
        fleet.sweep(then);
    }
    assert_eq!(fleet.size(), 0);
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

#[test]
fn nobody_is_unheard_while_nothing_is_heard_at_all() {
    let fleet = Fleet::default();
    let began = Instant::now();
    let beat = Duration::from_millis(ADVERT_INTERVAL_MS);
    let since = |at| fleet.heard_since_at(at).map(|since| since.saturating_duration_since(began));
    fleet.hear(began + beat);
    assert!(since(began + beat).is_some_and(|since| since < beat), "without a break");
    assert_eq!(since(began + 9 * beat), None);
    fleet.hear(began + 10 * beat);
    assert_eq!(since(began + 10 * beat), Some(10 * beat), "all before is forgotten");
}

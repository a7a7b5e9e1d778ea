//! A short, seeded run of chaos over the real program, and the proof that its checker finds what it
//! is there to find. The long run is `make chaos`.

use chaos::{Nemesis, Plan, Planted};
use futures::StreamExt;
use std::path::PathBuf;
use std::time::Duration;

fn plan(nemesis: Nemesis, seconds: u64) -> Plan {
    Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_fly-llm")),
        seed: 7,
        time: Duration::from_secs(seconds),
        nemesis,
        planted: None,
        clients: 8,
        loud: false,
    }
}

#[tokio::test]
async fn what_is_promised_holds_when_each_role_and_server_is_killed_and_halted() {
    let report = chaos::run(&plan(Nemesis::EachOnce, 0)).await;
    assert!(report.broken().is_empty(), "{report:#?}");
    assert_eq!(report.acts.len(), 11);
}

#[tokio::test]
async fn a_rolling_restart_of_every_role_loses_no_request() {
    let report = chaos::run(&plan(Nemesis::RollingRestart, 0)).await;
    assert!(report.broken().is_empty(), "{:#?}", report);
    assert_eq!(report.acts.len(), 6);
    assert!(report.unanswered.is_empty(), "{:#?}", report.unanswered);
}

#[tokio::test]
async fn the_checker_finds_every_planted_fault_and_nothing_else() {
    let mut calm = plan(Nemesis::None, 1);
    calm.clients = 2;
    let nothing = chaos::run(&calm).await;
    assert!(nothing.broken().is_empty(), "{:#?}", nothing.broken());
    let runs = futures::stream::iter(Planted::ALL).map(|planted| {
        let plan = Plan { planted: Some(planted), ..calm.clone() };
        async move { (planted, chaos::run(&plan).await) }
    });
    let reports: Vec<_> = runs.buffer_unordered(3).collect().await;
    for (planted, report) in reports {
        let broken: Vec<&str> = report.broken().iter().map(|finding| finding.name).collect();
        let expected = planted.breaks();
        assert!(!broken.is_empty(), "{planted:?} was not found");
        assert!(broken.iter().all(|name| expected.contains(name)), "{planted:?}: {broken:?}");
    }
}

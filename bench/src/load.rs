//! Who sends when: clients that wait for their answers, and clients that come at random times.

use crate::cell::{Arrival, Cell};
use crate::exchange::{Connection, Told};
use crate::figures::Figures;
use rand::RngExt;
use std::cell::{Cell as Shared, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Sent before the counted part.
const WARM_UP: Duration = Duration::from_secs(1);

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The header.
    pub(crate) authorization: String,
}

impl Target {
    /// The vendor itself.
    pub(crate) fn direct(address: SocketAddr) -> Self {
        Self { address, authorization: "Bearer none".to_owned() }
    }
}

/// What one request came to.
struct Outcome {
    /// When it was sent, or due.
    began: Instant,
    ended: Instant,
    told: Result<Told, String>,
}

/// Puts a load on targets, each in its turn, for this time and the second before it.
pub(crate) async fn run(targets: &[Target], cell: &Cell, time: Duration) -> Figures {
    let start = Instant::now();
    let (counted, end) = (start + WARM_UP, start + WARM_UP + time);
    // Each client is a task of this thread.
    let local = LocalSet::new();
    let outcomes = local.run_until(async {
        match cell.arrival {
            Arrival::Closed(clients) => closed(targets, cell, clients, end).await,
            Arrival::Open(rate) => open(targets, cell, rate, end).await,
            // Over before the first of them has ended: nobody asks twice.
            Arrival::Once(clients) => closed(targets, cell, clients, start).await,
        }
    });
    let mut figures = Figures::new();
    figures.time = time;
    for Outcome { began, ended, told } in outcomes.await {
        let told = match told {
            Ok(told) => told,
            Err(what) => {
                *figures.errors.entry(what).or_insert(0) += 1;
                continue;
            }
        };
        figures.complete += 1;
        if !matches!(cell.arrival, Arrival::Once(_)) && (ended < counted || ended > end) {
            continue;
        }
        figures.answers += 1;
        figures.total.add(ended - began);
        told.first.into_iter().for_each(|first| figures.first.add(first));
        told.gaps.into_iter().for_each(|gap| figures.gap.add(gap));
        told.ways.into_iter().for_each(|way| figures.way.add(way));
    }
    figures
}

async fn closed(targets: &[Target], cell: &Cell, clients: usize, end: Instant) -> Vec<Outcome> {
    let mut all = JoinSet::new();
    let numbers = Rc::new(Shared::new(fresh_number()));
    for client in 0..clients {
        let (target, answer) = (targets[client % targets.len()].clone(), cell.answer);
        let numbers = Rc::clone(&numbers);
        all.spawn_local(async move {
            let (mut outcomes, mut connection) = (Vec::new(), None);
            loop {
                let number = numbers.replace(numbers.get() + 1);
                let began = Instant::now();
                let told = ask(&mut connection, &target, answer, number).await;
                outcomes.push(Outcome { began, ended: Instant::now(), told });
                if Instant::now() >= end {
                    return outcomes;
                }
            }
        });
    }
    all.join_all().await.into_iter().flatten().collect()
}

/// Where a cell's questions are numbered from: no two are equal, so that no answer is a kept one.
fn fresh_number() -> u64 {
    u64::from(rand::rng().random::<u32>()) << 24
}

async fn open(targets: &[Target], cell: &Cell, rate: u32, end: Instant) -> Vec<Outcome> {
    let mut all = JoinSet::new();
    let idle = targets.iter().map(|_| Vec::new()).collect::<Vec<Vec<Connection>>>();
    let idle = Rc::new(RefCell::new(idle));
    let (mut number, mut due) = (fresh_number(), Instant::now());
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        let place = usize::try_from(number).unwrap_or_default() % targets.len();
        let (target, answer, began) = (targets[place].clone(), cell.answer, due);
        let idle = Rc::clone(&idle);
        all.spawn_local(async move {
            let mut connection = idle.borrow_mut()[place].pop();
            let told = ask(&mut connection, &target, answer, number).await;
            idle.borrow_mut()[place].extend(connection);
            Outcome { began, ended: Instant::now(), told }
        });
        number += 1;
        // Between two arrivals of a Poisson process.
        let chance: f64 = rand::rng().random_range(f64::MIN_POSITIVE..1.0);
        due += Duration::from_secs_f64(-chance.ln() / f64::from(rate));
    }
    all.join_all().await
}

/// Asks on an open connection, or a new one; one that has failed is not used again.
async fn ask(
    connection: &mut Option<Connection>,
    target: &Target,
    answer: crate::cell::Answer,
    number: u64,
) -> Result<Told, String> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(target).await?,
    };
    let told = open.ask(target, answer, number).await?;
    *connection = Some(open);
    Ok(told)
}

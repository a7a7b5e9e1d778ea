//! `make bench`: what the whole product costs beside the direct way to the vendor, in one run.
//!
//! The shipped program runs in a process for each role, with everything on: authentication, limits,
//! masking, hold, ledger and metrics. Each cell is a load; it is put on the double of the vendor
//! alone, then on the product before that double. Every answer is read whole and checked, and at
//! the end the ledger must have charged each of them once. A line of JSON for each measurement goes
//! to standard output, then a table.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a tool for a terminal, which ends by a panic when it can't do its work"
)]

/// What is measured.
mod cell;

/// One request and its checked answer.
mod exchange;

/// What was seen, as histograms.
mod figures;

/// Who sends when.
mod load;

/// CPU time and memory of processes.
mod processes;

/// The product as it is deployed.
mod product;

/// JSON lines and the table.
mod report;

/// Shares of a processor.
mod share;

/// The double of a vendor.
mod vendor;

use cell::{Answer, Arrival, Cell};
use clap::Parser;
use load::Target;
use product::{Form, Product};
use report::Measured;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vendor::Vendor;

/// Measures Fly-LLM beside the direct way to the vendor.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program: a release build.
    #[arg(long)]
    program: PathBuf,
    /// How long each cell is measured, in seconds; one second before it isn't counted.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only the cell of this name, such as "plain 64"; may be given several times.
    #[arg(long = "only", value_name = "CELL")]
    only: Vec<String>,
    /// Prints the number of the first process of this role, such as "gateway", when the load on it
    /// begins: for a profiler.
    #[arg(long, value_name = "ROLE")]
    profile: Option<String>,
    /// A process for each role, or `fly-llm up`.
    #[arg(long, value_enum, default_value_t = Form::Processes)]
    form: Form,
    /// Gateways, in the form of processes.
    #[arg(long, default_value_t = 1)]
    gateways: usize,
    /// Provider workers, in the form of processes.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Hundredths of a processor that each gateway and each worker gets at most, from 10 on: what
    /// they would do on machines of their own. Linux and an administrator's rights are needed.
    #[arg(long)]
    share: Option<u32>,
    /// Models that are configured beside those in use.
    #[arg(long, default_value_t = 0)]
    other_models: usize,
    /// Slow streams that are held at once, for the memory of each; nothing else is measured then.
    #[arg(long, default_value_t = 0)]
    slow_streams: usize,
    /// Keys that exist beside the one in use.
    #[arg(long, default_value_t = 0)]
    other_keys: usize,
    /// Events that stand in the ledger before anything is measured.
    #[arg(long, default_value_t = 0)]
    ledger_events: u64,
}

fn main() -> ExitCode {
    processes::open_many_files();
    if std::env::args().nth(1).as_deref() == Some(vendor::FLAG) {
        vendor::be();
        return ExitCode::SUCCESS;
    }
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(measure(&Arguments::parse()))
}

async fn measure(arguments: &Arguments) -> ExitCode {
    let vendor = Vendor::start();
    let product = Product::start(arguments, &vendor).await;
    let shares = match arguments.share.map(|percent| product.hold_to(percent)).transpose() {
        Ok(shares) => shares,
        Err(error) => {
            eprintln!("no share of a processor can be given: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", serde_json::json!({"fresh_mb": product.fresh()}));
    let direct = Target::direct(vendor.address);
    let time = Duration::from_secs(arguments.seconds);
    let mut rows = Vec::new();
    for cell in cells(arguments) {
        let alone = load::run(std::slice::from_ref(&direct), &cell, time).await;
        if let Some(role) = &arguments.profile {
            let Some(process) = product.process_of(role) else {
                eprintln!("no process is a {role}");
                product.stop().await;
                return ExitCode::FAILURE;
            };
            println!("{}", serde_json::json!({"profiled": process}));
        }
        let (before, idle) = (product.spent(), product.memory());
        let load = load::run(product.targets(), &cell, time);
        let (through, memory) = tokio::join!(load, product.memory_within(&cell, time));
        let spent = product.spent() - before;
        let measured = Measured { cell, alone, through, spent, idle, memory };
        println!("{}", measured.json());
        rows.push(measured);
    }
    let answers: Vec<_> = rows.iter().map(|row| (row.cell, row.through.complete)).collect();
    let sums = product.check_sums(&answers).await;
    let count: u64 = answers.iter().map(|(_, count)| count).sum();
    println!("{}", serde_json::json!({"answers": count, "difference": sums.as_ref().err()}));
    println!("\n{}", report::table(&rows));
    product.stop().await;
    drop(shares);
    let wrong: u64 = rows.iter().map(|row| row.through.failed()).sum();
    if let Err(difference) = &sums {
        eprintln!("the sums don't agree: {difference}");
    }
    if wrong == 0 && sums.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is asked for, in the order of the table.
fn cells(arguments: &Arguments) -> Vec<Cell> {
    if arguments.slow_streams > 0 {
        let arrival = Arrival::Once(arguments.slow_streams);
        return vec![Cell { answer: Answer::Slow, arrival }];
    }
    let is_wanted = |cell: &Cell| {
        let name = cell.name();
        arguments.only.is_empty() || arguments.only.contains(&name)
    };
    Cell::all().filter(is_wanted).collect()
}

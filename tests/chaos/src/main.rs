//! `make chaos`: one run, told line by line; exit code 1 when an invariant is broken.

use chaos::{Nemesis, Plan, say};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Kills and halts everything in a running Fly-LLM, and checks what it promises.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test.
    #[arg(long)]
    program: PathBuf,
    /// What chance comes from: the same seed plans the same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long things go wrong.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Clients at once.
    #[arg(long, default_value_t = 24)]
    clients: usize,
    /// Restarts each process once in good order instead.
    #[arg(long)]
    rolling: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { program, seed, seconds, clients, rolling } = Arguments::parse();
    let nemesis = if rolling { Nemesis::RollingRestart } else { Nemesis::All };
    let time = Duration::from_secs(seconds);
    let plan = Plan { program, seed, time, nemesis, planted: None, clients, loud: true };
    let report = chaos::run(&plan).await;
    for finding in &report.findings {
        let word = if finding.broken == 0 { "ok" } else { "BROKEN" };
        say(&format!("{word:<7} {}: {}", finding.name, finding.figure));
        for example in &finding.examples {
            say(&format!("        {example}"));
        }
    }
    if rolling {
        say(&format!("requests without a whole answer: {:?}", report.unanswered));
    }
    let broken = report.broken().len();
    say(&format!("seed {seed}: {} faults, {broken} broken", report.acts.len()));
    if let Some(logs) = &report.logs {
        say(&format!("logs: {}", logs.display()));
    }
    let lost = rolling && !report.unanswered.is_empty();
    if broken == 0 && !lost { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

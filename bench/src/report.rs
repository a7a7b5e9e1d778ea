//! What was measured, for programs and for people.

use crate::cell::{Answer, Cell};
use crate::figures::{Figures, Times};
use crate::processes::Spent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A cell, on both ways.
pub(crate) struct Measured {
    pub(crate) cell: Cell,
    /// The vendor alone.
    pub(crate) alone: Figures,
    /// The product before it.
    pub(crate) through: Figures,
    /// The product's CPU time, warm-up included.
    pub(crate) spent: Spent,
    /// Its memory before, in megabytes.
    pub(crate) idle: BTreeMap<String, f64>,
    /// And at the height of the load.
    pub(crate) memory: BTreeMap<String, f64>,
}

impl Measured {
    /// CPU time of all processes for an answer, in microseconds.
    fn cpu_us(&self) -> f64 {
        self.spent.seconds() * 1e6 / self.through.complete.max(1) as f64
    }

    /// One line for programs.
    pub(crate) fn json(&self) -> Value {
        let answers = self.through.complete.max(1) as f64;
        let cpu: BTreeMap<&String, f64> =
            self.spent.0.iter().map(|(name, s)| (name, rounded(s * 1e6 / answers))).collect();
        json!({
            "cell": self.cell.name(),
            "direct": side(&self.alone),
            "product": side(&self.through),
            "cpu_us_per_request": rounded(self.cpu_us()),
            "cpu_us_per_request_by_process": cpu,
            "cpu_us_per_token": rounded(self.cpu_us() / self.cell.answer.tokens() as f64),
            "memory_before_mb": self.idle,
            "memory_mb": self.memory,
        })
    }
}

fn side(figures: &Figures) -> Value {
    json!({
        "answers": figures.answers,
        "per_second": rounded(figures.per_second()),
        "total_ms": quantiles(&figures.total),
        "first_token_ms": quantiles(&figures.first),
        "gap_ms": quantiles(&figures.gap),
        "one_way_ms": quantiles(&figures.way),
        "errors": figures.errors,
    })
}

fn quantiles(times: &Times) -> Value {
    let ms = |share| times.ms(share).map(rounded);
    json!({"p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99)})
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The table of all cells.
pub(crate) fn table(rows: &[Measured]) -> String {
    let mut text = String::from(
        "| load | answers/s | × direct | added ms p50 / p95 / p99 \
         | first token added ms p50 / p99 | gap added ms p99 | one way ms p50 / p99 \
         | CPU µs a request | CPU µs a token | MB | wrong |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (direct, product) = (&row.alone, &row.through);
        let added = |of: fn(&Figures) -> &Times, share| {
            Some(of(product).ms(share)? - of(direct).ms(share)?)
        };
        let total = [0.5, 0.95, 0.99].map(|share| number(added(|side| &side.total, share)));
        let streams = row.cell.answer.is_stream();
        let first = [0.5, 0.99].map(|share| number(added(|side| &side.first, share)));
        let paced = row.cell.answer == Answer::Paced;
        let way = [0.5, 0.99].map(|share| number(product.way.ms(share).filter(|_| paced)));
        let gap = added(|side| &side.gap, 0.99).filter(|_| paced);
        let token = streams.then(|| row.cpu_us() / row.cell.answer.tokens() as f64);
        let parts: Vec<String> = row
            .spent
            .0
            .iter()
            .map(|(name, s)| format!("{name} {:.0}", s * 1e6 / product.complete.max(1) as f64))
            .collect();
        let memory: f64 = row.memory.values().sum();
        writeln!(
            text,
            "| {} | {:.0} | {:.3} | {} | {} | {} | {} | {:.0} ({}) | {} | {memory:.0} | {} |",
            row.cell.name(),
            product.per_second(),
            product.per_second() / direct.per_second(),
            total.join(" / "),
            first.join(" / "),
            number(gap),
            way.join(" / "),
            row.cpu_us(),
            parts.join(", "),
            number(token),
            product.failed(),
        )
        .unwrap();
    }
    text
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.2}"))
}

//! Bars by day, drawn here as SVG: no script, nothing loaded. The same numbers are told as a table
//! by whoever shows the chart.

use super::look::{dollars, grouped};
use maud::{Markup, PreEscaped, html};
use schemas::money::MicroUsd;

/// Colours of series; further ones are told together.
pub(crate) const SERIES_MAX: usize = 5;

/// The picture's size in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 84.0;
const FOOT: f64 = 22.0;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Micro-USD.
    Money,
    /// Things.
    Count,
}

impl Measure {
    /// An amount in words.
    pub(crate) fn told(self, amount: u64) -> String {
        match self {
            Self::Money => dollars(micro(amount)),
            Self::Count => grouped(amount),
        }
    }
}

/// One day.
pub(crate) struct Bar {
    /// As `2026-11-25`.
    pub(crate) day: String,
    /// What each series has on it.
    pub(crate) parts: Vec<u64>,
}

/// A chart by day; `names` has a name for each series.
pub(crate) fn bars(label: &str, names: &[String], bars: &[Bar], measure: Measure) -> Markup {
    let total = |bar: &Bar| bar.parts.iter().sum::<u64>();
    let top = round_up(bars.iter().map(total).max().unwrap_or(0));
    let step = (WIDTH - LEFT) / bars.len().max(1) as f64;
    // A label about each hundred units, the last day's included.
    let apart = (100.0 / step).ceil().max(1.0) as usize;
    let series = |place: usize| bars.iter().filter_map(|bar| bar.parts.get(place)).sum::<u64>();
    html! {
        div.card.chart {
            svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + FOOT)) role="img" aria-label=(label) {
                @for quarter in 0..=4u32 {
                    @let y = HEIGHT - HEIGHT * f64::from(quarter) / 4.0 + 2.0;
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                    @if quarter % 2 == 0 {
                        text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" {
                            (measure.told(top / 4 * u64::from(quarter)))
                        }
                    }
                }
                @for (place, bar) in bars.iter().enumerate() {
                    (column(bar, names, (LEFT + step * place as f64, step, top), measure))
                    @if place % apart == bars.len().saturating_sub(1) % apart {
                        text x=(LEFT + step * (place as f64 + 0.5)) y=(HEIGHT + FOOT - 2.0)
                            text-anchor="middle" { (bar.day.get(5..).unwrap_or_default()) }
                    }
                }
            }
            ul.legend {
                @for (place, name) in names.iter().enumerate() {
                    li {
                        i class=(format!("s{place}")) {}
                        (name) strong { (measure.told(series(place))) }
                    }
                }
            }
        }
    }
}

/// One day's column, and what a pointer above it is told.
fn column(
    bar: &Bar,
    names: &[String],
    (x, step, top): (f64, f64, u64),
    measure: Measure,
) -> Markup {
    let mut base = HEIGHT + 2.0;
    let mut shown = Vec::new();
    for (place, part) in bar.parts.iter().enumerate().filter(|(_, part)| **part > 0) {
        let height = (*part as f64 / top.max(1) as f64 * HEIGHT).max(1.0);
        base -= height;
        shown.push((place, part, base, height));
    }
    html! {
        g.day {
            title {
                (bar.day) " · " (measure.told(bar.parts.iter().sum()))
                @for (place, part, ..) in &shown {
                    "\n" (names.get(*place).map_or("", String::as_str)) " " (measure.told(**part))
                }
            }
            path.hit d=(format!("M{x:.1} 2h{step:.1}v{HEIGHT}h-{step:.1}z")) {}
            @for (place, _, y, height) in shown {
                rect class=(format!("s{place}")) x=(format!("{:.1}", x + step * 0.14))
                    y=(format!("{y:.1}")) width=(format!("{:.1}", step * 0.72))
                    height=(format!("{height:.1}")) rx="2" {}
            }
        }
    }
}

/// A bar for a share of a whole.
pub(crate) fn meter(part: u64, whole: u64) -> Markup {
    let width = (part as f64 / whole.max(1) as f64 * 100.0).clamp(0.0, 100.0);
    html! {
        div.meter aria-hidden="true" {
            (PreEscaped("<svg viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\">"))
            rect width=(format!("{width:.1}")) height="1" {}
            (PreEscaped("</svg>"))
        }
    }
}

fn micro(amount: u64) -> MicroUsd {
    MicroUsd(i64::try_from(amount).unwrap_or(i64::MAX))
}

/// The next 4, 8, 20 or 40 of a power of ten, so that quarters of it are easy to read.
fn round_up(highest: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [4, 8, 20] {
            let top = power.saturating_mul(step);
            if top >= highest || top == u64::MAX {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_never_below_the_highest() {
        assert_eq!([0, 4, 5, 9, 39, 41].map(round_up), [4, 4, 8, 20, 40, 80]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_name_is_text_in_the_picture() {
        let bar = Bar { day: "2026-11-25".into(), parts: vec![5, 0] };
        let names = ["<b>".to_owned(), "x".to_owned()];
        let shown = bars("a \"chart\"", &names, &[bar], Measure::Money).into_string();
        assert!(!shown.contains("<b>") && shown.contains("&lt;b&gt;"), "{shown}");
        assert_eq!(shown.matches("<rect").count(), 1, "{shown}");
    }
}

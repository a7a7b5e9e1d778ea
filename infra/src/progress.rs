//! How far long work is. On a terminal it is a bar that is drawn over itself and wiped at its end;
//! elsewhere it is a plain line now and then. It goes to standard error, so that what a command
//! prints stays whole, and work never waits for it or fails by it.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two pictures on a terminal.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Between two lines elsewhere.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Cells of the bar.
const CELLS: u64 = 28;

/// Back to the line's beginning, and nothing in it.
const WIPE: &str = "\r\u{1b}[2K";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things that are called so.
    Things(&'static str),
}

/// Work that is under way.
pub struct Progress {
    what: String,
    unit: Unit,
    whole: u64,
    began: Instant,
    told: Option<Instant>,
    on_terminal: bool,
}

impl Progress {
    /// Work that begins. `whole` is 0 when nobody knows how much there is.
    pub fn begin(what: impl Into<String>, unit: Unit, whole: u64) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let mut progress =
            Self { what: what.into(), unit, whole, began: Instant::now(), told: None, on_terminal };
        progress.at(0);
        progress
    }

    /// So much of it is done.
    pub fn at(&mut self, done: u64) {
        let interval = if self.on_terminal { DRAW_INTERVAL } else { LINE_INTERVAL };
        if self.told.is_some_and(|told| told.elapsed() < interval) {
            return;
        }
        // Short work needs no line where it would stay.
        if !self.on_terminal && self.told.is_none() {
            self.told = Some(Instant::now());
            return;
        }
        self.told = Some(Instant::now());
        let told = match self.on_terminal {
            true => format!("{WIPE}{}", self.picture(done)),
            false => format!("{}\n", self.line(done)),
        };
        say(&told);
    }

    /// It is over: the bar goes.
    pub fn end(self) {
        if self.on_terminal {
            say(WIPE);
        }
    }

    fn picture(&self, done: u64) -> String {
        let Some(share) = share(done, self.whole) else {
            return format!("{}: {}", self.what, self.amount(done));
        };
        let full = share * CELLS / 100;
        let bar: String = (0..CELLS).map(|cell| if cell < full { '█' } else { '░' }).collect();
        let left = left(self.began.elapsed(), done, self.whole);
        let left = left.map_or_else(String::new, |left| format!(" · {left}"));
        let (done, whole) = (self.amount(done), self.amount(self.whole));
        format!("{} {bar} {share:>3} % · {done} / {whole}{left}", self.what)
    }

    fn line(&self, done: u64) -> String {
        match share(done, self.whole) {
            Some(share) => {
                let (done, whole) = (self.amount(done), self.amount(self.whole));
                format!("{}: {share} % ({done} of {whole})", self.what)
            }
            None => format!("{}: {}", self.what, self.amount(done)),
        }
    }

    fn amount(&self, count: u64) -> String {
        match self.unit {
            Unit::Things(name) => format!("{count} {name}"),
            Unit::Bytes if count < 1_000_000 => format!("{} kB", count / 1_000),
            Unit::Bytes => format!("{:.1} MB", count as f64 / 1e6),
        }
    }
}

fn say(text: &str) {
    let mut out = std::io::stderr().lock();
    // Nobody is left to tell when standard error is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// In percent; nothing when nobody knows the whole.
fn share(done: u64, whole: u64) -> Option<u64> {
    (done.min(whole) * 100).checked_div(whole)
}

/// How long the rest takes if it goes on like this; nothing before that can be said.
fn left(elapsed: Duration, done: u64, whole: u64) -> Option<String> {
    let rest = whole.checked_sub(done).filter(|_| done > 0 && elapsed.as_secs() > 0)?;
    let seconds = (elapsed.as_secs_f64() * rest as f64 / done as f64).round() as u64;
    Some(match seconds {
        0..=99 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(unit: Unit, whole: u64) -> Progress {
        let (began, what) = (Instant::now(), "downloading".to_owned());
        Progress { what, unit, whole, began, told: None, on_terminal: false }
    }

    #[test]
    fn a_bar_fills_from_nothing_to_all() {
        let progress = of(Unit::Bytes, 98_000_000);
        let cells = |done| progress.picture(done).matches('█').count() as u64;
        assert_eq!([0, 49_000_000, 98_000_000, u64::MAX / 100].map(cells), [0, 14, 28, 28]);
        let half = progress.picture(49_000_000);
        assert!(half.starts_with("downloading █"), "{half}");
        assert!(half.contains(" 50 % · 49.0 MB / 98.0 MB"), "{half}");
        assert_eq!(progress.line(500_000), "downloading: 0 % (500 kB of 98.0 MB)");
        assert!(!progress.line(1).contains('\u{1b}') && !progress.line(1).contains('\r'));
    }

    #[test]
    fn without_a_whole_only_what_is_done_is_told() {
        let progress = of(Unit::Things("events"), 0);
        assert_eq!(progress.picture(7), "downloading: 7 events");
        assert_eq!(progress.line(7), "downloading: 7 events");
        assert_eq!(share(5, 0), None);
    }

    #[test]
    fn the_rest_is_told_once_something_is_known() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(10), 50, 100).as_deref(), Some("10 s"));
        assert_eq!(left(seconds(10), 1, 100).as_deref(), Some("17 min"));
        assert_eq!(left(seconds(10), 0, 100), None);
        assert_eq!(left(Duration::ZERO, 5, 100), None);
    }
}

//! Prometheus's text, read strictly: a line that no scraper would take is a failure.

use std::collections::{BTreeMap, BTreeSet};

/// The values of one scrape.
#[derive(Debug, Default)]
pub struct Scrape {
    /// By name with labels, as they stand in the text.
    pub values: BTreeMap<String, f64>,
    /// The names that have a HELP and a TYPE line.
    pub described: BTreeSet<String>,
}

impl Scrape {
    /// Reads a text.
    ///
    /// # Panics
    /// When a line can't be read.
    pub fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a HELP line has a text");
                assert!(!help.is_empty(), "{line}");
                helped.insert(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a TYPE line has a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "{name} has a TYPE without HELP");
                scrape.described.insert(name.to_owned());
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
                let value = value.parse().expect("a sample's value is a number");
                scrape.values.insert(name.to_owned(), value);
            }
        }
        scrape
    }

    /// A value by its name with labels; 0 when there is none yet.
    pub fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// The sum over all labels of a name.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |full: &str| full.split('{').next() == Some(name);
        self.values.iter().filter(|(full, _)| of_name(full)).map(|(_, value)| value).sum()
    }
}

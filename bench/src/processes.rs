//! CPU time and memory of processes, as Linux tells them in `/proc` (proc(5)). Elsewhere there is
//! nothing to tell: the columns are empty.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::ops::Sub;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU time, user and system, by the name of the part.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Spent(pub(crate) BTreeMap<String, f64>);

impl Spent {
    /// Of all parts.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.values().sum()
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(mut self, before: Self) -> Self {
        for (name, seconds) in &mut self.0 {
            *seconds -= before.0.get(name).copied().unwrap_or(0.0);
        }
        self
    }
}

/// What these processes have spent, added up by name.
pub(crate) fn spent(processes: &[(String, u32)]) -> Spent {
    let mut spent = Spent::default();
    for (name, id) in processes {
        *spent.0.entry(name.clone()).or_insert(0.0) += seconds(*id).unwrap_or(0.0);
    }
    spent
}

fn seconds(id: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may have blanks and brackets in it: fields count from behind it, the state first.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// What is resident, in megabytes, by the name of the part.
pub(crate) fn memory(processes: &[(String, u32)]) -> BTreeMap<String, f64> {
    let mut memory = BTreeMap::new();
    for (name, id) in processes {
        *memory.entry(name.clone()).or_insert(0.0) += megabytes(*id).unwrap_or(0.0);
    }
    memory
}

fn megabytes(id: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes / 1000.0)
}

/// The children of a process, with their names.
pub(crate) fn children(parent: u32) -> Vec<(String, u32)> {
    let folder = format!("/proc/{parent}/task");
    let threads = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let ids: Vec<u32> = lists
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>())
        .collect();
    let name = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/comm")).ok();
    ids.iter().filter_map(|id| Some((name(id)?.trim().to_owned(), *id))).collect()
}

/// As many open files as we may have: a connection is one.
pub(crate) fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        eprintln!("open files stay limited: {error}");
    }
}

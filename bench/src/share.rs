//! A share of a processor for a process, so that one machine shows what more processes would bring
//! on more machines. Linux's control groups hold a process to it (cgroups(7)): version 2 by
//! `cpu.max`, version 1 by `cpu.cfs_quota_us`. Both need an administrator's rights.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where control groups are, and those of version 1 for processors.
const ROOT: &str = "/sys/fs/cgroup";
const FIRST_ROOT: &str = "/sys/fs/cgroup/cpu";

/// A share is given anew so often, in microseconds: pauses are shorter than what is measured.
const PERIOD_US: u32 = 10_000;

/// The smallest share, in hundredths of a processor: Linux gives no less than 1 ms at a time.
const PERCENT_MIN: u32 = 10;

/// A group with one process in it. It can go once that has ended.
pub(crate) struct Share(PathBuf);

impl Share {
    /// Holds a process to so many hundredths of a processor.
    ///
    /// # Errors
    /// When there are no control groups for processors, or we may not make one.
    pub(crate) fn of(process: u32, percent: u32) -> io::Result<Self> {
        if percent < PERCENT_MIN {
            return Err(io::Error::other(format!("a share is at least {PERCENT_MIN} hundredths")));
        }
        let quota_us = PERIOD_US * percent / 100;
        let name = format!("fly-llm-bench-{process}");
        let is_first = Path::new(FIRST_ROOT).join("cpu.cfs_quota_us").exists();
        if !is_first {
            fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+cpu")?;
        }
        let folder = Path::new(if is_first { FIRST_ROOT } else { ROOT }).join(name);
        fs::create_dir(&folder)?;
        let share = Self(folder);
        if is_first {
            share.set("cpu.cfs_period_us", &PERIOD_US.to_string())?;
            share.set("cpu.cfs_quota_us", &quota_us.to_string())?;
        } else {
            share.set("cpu.max", &format!("{quota_us} {PERIOD_US}"))?;
        }
        share.set("cgroup.procs", &process.to_string())?;
        Ok(share)
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.0.join(file), value)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

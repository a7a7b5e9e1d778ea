//! .env.sample, and the script that makes .env out of it.

use crate::files;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn read(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut pairs = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert_eq!(pairs.insert(name.to_owned(), value.to_owned()), None, "{name} stands twice");
    }
    pairs
}

fn make(file: &Path) {
    let made = Command::new(files::root("scripts/make-env")).arg(file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn every_password_is_made_once_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    make(&file);
    let first = read(&file);
    let sample = read(&files::root(".env.sample"));
    assert_eq!(first.keys().collect::<Vec<_>>(), sample.keys().collect::<Vec<_>>());
    let is_secret = |name: &str| name.ends_with("PASSWORD") || name == "ADMIN_API_KEY";
    let secrets: Vec<&String> =
        first.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value).collect();
    assert_eq!(secrets.len(), 8);
    for secret in &secrets {
        assert_eq!(secret.len(), 49, "24 random bytes after a letter");
        assert!(secret.starts_with('k') && secret.chars().all(|c| c.is_ascii_alphanumeric()));
    }
    let mut different = secrets.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), secrets.len());
    for (name, value) in sample.iter().filter(|(name, _)| !is_secret(name)) {
        assert_eq!(&first[name], value, "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read it");
    }
    make(&file);
    assert_eq!(read(&file), first, "a second run changes nothing");
}

#[test]
fn what_somebody_wrote_stays_and_what_is_missing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    std::fs::write(&file, "OPENAI_API_KEY=sk-mine\nREDIS_PASSWORD=mine\nNATS_PASSWORD=\n").unwrap();
    make(&file);
    let made = read(&file);
    assert_eq!((&*made["OPENAI_API_KEY"], &*made["REDIS_PASSWORD"]), ("sk-mine", "mine"));
    assert!(made["NATS_PASSWORD"].starts_with('k'));
    assert!(made["GRAFANA_PASSWORD"].starts_with('k'));
}

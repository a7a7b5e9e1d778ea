//! The bill of materials: whole, with licences and checksums, and without what only tests use.

use crate::files;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn every_part_is_told_with_licence_and_checksum() {
    let ran = Command::new(files::root("scripts/sbom")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let bill: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "fly-llm");
    let parts = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    for name in ["tokio", "async-nats", "rustls", "ring", "llama-cpp-sys-2", "gateway"] {
        assert!(names.contains(name), "{name} is missing");
    }
    for name in ["promql-parser", "toml", "harness"] {
        assert!(!names.contains(name), "{name} is for tests");
    }
    let lock = files::text("Cargo.lock");
    for part in parts {
        assert!(part["licenses"][0]["expression"].is_string(), "{part}");
        match part["hashes"][0]["content"].as_str() {
            Some(sum) => assert!(lock.contains(&format!("checksum = \"{sum}\"")), "{part}"),
            // Only our own crates come from nowhere.
            None => assert!(files::root("Cargo.toml").exists() && is_ours(part), "{part}"),
        }
    }
    let told: BTreeSet<&str> = parts.iter().map(|part| part["bom-ref"].as_str().unwrap()).collect();
    for dependency in bill["dependencies"].as_array().unwrap() {
        for below in files::words(&dependency["dependsOn"]) {
            assert!(told.contains(below.as_str()), "{below} is named and not told");
        }
    }
}

fn is_ours(part: &Value) -> bool {
    let name = part["name"].as_str().unwrap();
    let workspace = files::text("Cargo.toml");
    workspace.lines().any(|line| line.starts_with(&format!("{name} = {{ path = ")))
}

//! The wire as it was: every file of `golden/v1` was written by an older program and must be read,
//! and written again to the same JSON. A golden file is never edited; a new form gets a new file.

#![expect(clippy::panic, reason = "a test ends by panicking")]

use schemas::advert::Advert;
use schemas::frame::{Cancel, Frame};
use schemas::job::{Claim, ClaimAnswer, Job};
use schemas::ledger::Event;
use schemas::recharge::RechargeRecord;
use schemas::records::{AccountRecord, CouponRecord, KeyRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn round_trip<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value.clone())?)
}

/// The type is the file's name up to the first dash.
fn again(kind: &str, value: &Value) -> Result<Value, serde_json::Error> {
    match kind {
        "advert" => round_trip::<Advert>(value),
        "cancel" => round_trip::<Cancel>(value),
        "claim" => round_trip::<Claim>(value),
        "claim_answer" => round_trip::<ClaimAnswer>(value),
        "event" => round_trip::<Event>(value),
        "frame" => round_trip::<Frame>(value),
        "job" => round_trip::<Job>(value),
        "key" => round_trip::<KeyRecord>(value),
        "account" => round_trip::<AccountRecord>(value),
        "coupon" => round_trip::<CouponRecord>(value),
        "recharge" => round_trip::<RechargeRecord>(value),
        other => panic!("no type is known for golden files named {other}-*.json"),
    }
}

#[test]
fn what_was_written_once_is_read_for_ever() {
    let mut seen = Vec::new();
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        let kind = name.split('-').next().unwrap().to_owned();
        let read = again(&kind, &written).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read, written, "{name}");
        seen.push(kind);
    }
    for kind in [
        "advert",
        "cancel",
        "claim",
        "claim_answer",
        "event",
        "frame",
        "job",
        "key",
        "account",
        "coupon",
        "recharge",
    ] {
        assert!(seen.iter().any(|known| known == kind), "there is no golden file for {kind}");
    }
}

#[test]
fn a_field_of_a_later_version_is_ignored() {
    let file = folder().join("advert-busy.json");
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    value["v1"]["a_later_field"] = true.into();
    assert!(again("advert", &value).is_ok());
}

//! Versions side by side, as in a rolling upgrade: what a later program writes is read by this
//! one, and what an earlier one wrote without the fields that came after it. A field is only
//! ever added.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]
#![expect(clippy::panic, reason = "a test ends by panicking")]

use schemas::advert::Advert;
use schemas::frame::{Cancel, Frame};
use schemas::job::{Claim, ClaimAnswer, Job};
use schemas::ledger::Event;
use schemas::recharge::RechargeRecord;
use schemas::records::{AccountRecord, CouponRecord, KeyRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Parts whose form is a client's or a vendor's: whatever stands there is theirs and is kept.
const NOT_OURS: [&str; 4] = ["chat", "choices", "usage", "context"];

/// Maps, whose names are words or identities and not fields, with a name that a later version may
/// write there: it is kept.
const MAPS: [(&str, &str); 2] =
    [("kinds", LATER), ("redeemed", "acct_01a211b4ac9e7781af173795cc0715f0")];

/// What a later version might add.
const LATER: &str = "a_field_of_a_later_version";

/// The wire's messages by the names of their golden files.
fn read(kind: &str, value: &Value) -> Result<Value, serde_json::Error> {
    fn through<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_value::<T>(value.clone())?)
    }
    match kind {
        "advert" => through::<Advert>(value),
        "cancel" => through::<Cancel>(value),
        "claim" => through::<Claim>(value),
        "claim_answer" => through::<ClaimAnswer>(value),
        "event" => through::<Event>(value),
        "frame" => through::<Frame>(value),
        "job" => through::<Job>(value),
        "key" => through::<KeyRecord>(value),
        "account" => through::<AccountRecord>(value),
        "coupon" => through::<CouponRecord>(value),
        "recharge" => through::<RechargeRecord>(value),
        other => panic!("{other} is new: say here what it is read as"),
    }
}

/// All golden files: kind, name, content.
fn golden() -> Vec<(String, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let all: Vec<_> = files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            (name.split('-').next().unwrap().to_owned(), name, value)
        })
        .collect();
    assert!(all.len() > 20, "the golden files are gone");
    all
}

/// Puts a later version's field into every object that is ours, and counts them. An object with one
/// object in it is a variant under its name, which has no other.
fn add_later_fields(value: &mut Value) -> usize {
    let Value::Object(fields) = value else { return 0 };
    let is_variant = fields.len() == 1 && fields.values().all(Value::is_object);
    let ours = fields.iter_mut().filter(|(name, _)| {
        !NOT_OURS.contains(&name.as_str()) && MAPS.iter().all(|(map, _)| map != name)
    });
    let below: usize = ours.map(|(_, inner)| add_later_fields(inner)).sum();
    if is_variant {
        return below;
    }
    fields.insert(LATER.to_owned(), Value::Bool(true));
    below + 1
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let mut added = 0;
    for (kind, name, value) in golden() {
        let mut later = value.clone();
        added += add_later_fields(&mut later);
        let seen = read(&kind, &later).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(seen, value, "{name}: what is known is read as before");
    }
    assert!(added > 30, "a later version's field was put into {added} objects only");
}

#[test]
fn a_name_of_a_later_version_is_kept() {
    for (map, later) in MAPS {
        let mut added = 0;
        for (kind, name, mut value) in golden() {
            added += add_later_name(&mut value, map, later);
            assert_eq!(read(&kind, &value).unwrap(), value, "{name}");
        }
        assert!(added > 0, "no golden file has the map '{map}'");
    }
}

/// Puts a later version's name into every map that is called so, and counts them.
fn add_later_name(value: &mut Value, map: &str, later: &str) -> usize {
    let Value::Object(fields) = value else { return 0 };
    let mut added = 0;
    for (name, inner) in fields {
        match inner.as_object_mut().filter(|_| name == map) {
            Some(names) => {
                let meaning = names.values().next().unwrap().clone();
                names.insert(later.to_owned(), meaning);
                added += 1;
            }
            None => added += add_later_name(inner, map, later),
        }
    }
    added
}

#[test]
fn an_unknown_version_is_an_error_and_never_another_message() {
    for (kind, name, value) in golden() {
        let Some(fields) = value.as_object().filter(|fields| fields.len() == 1) else { continue };
        let (version, content) = fields.iter().next().unwrap();
        let mut later = Map::new();
        later.insert(format!("{version}_of_a_later_version"), content.clone());
        assert!(read(&kind, &later.into()).is_err(), "{name}");
    }
}

/// The objects of a message by their places, with their fields.
fn places(value: &Value, at: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let Value::Object(fields) = value else { return };
    found.entry(at.to_owned()).or_default().extend(fields.keys().cloned());
    for (name, inner) in fields.iter().filter(|(name, _)| !NOT_OURS.contains(&name.as_str())) {
        places(inner, &format!("{at}/{name}"), found);
    }
}

#[test]
fn what_an_earlier_version_did_not_write_is_not_missed() {
    let golden = golden();
    let mut tried = 0;
    for (kind, name, value) in &golden {
        let mut mine = BTreeMap::new();
        places(value, "", &mut mine);
        // A file of the same message that lacks a field was written before it, or without it.
        for (_, other, before) in golden.iter().filter(|(k, n, _)| k == kind && n != name) {
            let mut theirs = BTreeMap::new();
            places(before, "", &mut theirs);
            for (place, fields) in &mine {
                let Some(known) = theirs.get(place).filter(|known| known.len() > 1) else {
                    continue;
                };
                for field in fields.difference(known) {
                    let mut older = value.clone();
                    let object = older.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
                    object.remove(field);
                    tried += 1;
                    let seen = read(kind, &older);
                    assert!(seen.is_ok(), "{name} without {place}/{field}, as {other}: {seen:?}");
                }
            }
        }
    }
    assert!(tried > 10, "only {tried} fields were left out");
}

//! Patterns that one text has to match all at once. llguidance intersects them, looking at every
//! combination of their states, and asks no limit: few short patterns are enough for ever. So a
//! schema in which too many apply to one text is refused before llguidance sees it.
//!
//! Must never count fewer than llguidance intersects: names, `$ref` and alternatives are followed,
//! and where it isn't known whether two patterns apply to the same text, both count.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// Ways in which the parts of patterns that meet may be combined: about 0.1 s of work.
const FORM_WAYS_MAX: u64 = 4_096;
/// As many always may meet, whatever they say: what that costs is bounded by their length.
const FREE_PATTERNS: usize = 2;
/// Ways of a `format`, which llguidance knows as a pattern of its own.
const FORMAT_WAYS: u64 = 16;

/// Where a text is below what is looked at: its last two names. Deeper ones with the same two
/// count as one place.
type Place = [String; 2];
/// A place whose name is not told: of further properties, and of items.
const ANY: &str = "*";
/// What a text has to match there.
type Patterns = BTreeSet<Pattern>;
type Places = BTreeMap<Place, Patterns>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    Written(String),
    Format(String),
}

impl Pattern {
    fn ways(&self) -> u64 {
        match self {
            Self::Written(text) => {
                let parts = text.chars().filter(|letter| "|*+?{".contains(*letter)).count();
                1 + u64::try_from(parts).unwrap_or(u64::MAX - 1)
            }
            Self::Format(_) => FORMAT_WAYS,
        }
    }
}

/// Whether so many patterns meet somewhere that nobody could wait for it.
pub(super) fn too_many_meet(schema: &Value) -> bool {
    let mut look = Look { root: schema, known: HashMap::new(), open: HashSet::new() };
    look.places(schema);
    look.known.values().any(|places| places.values().any(are_too_many))
}

fn are_too_many(patterns: &Patterns) -> bool {
    patterns.len() > FREE_PATTERNS && ways(patterns) > FORM_WAYS_MAX
}

fn ways(patterns: &Patterns) -> u64 {
    patterns.iter().map(Pattern::ways).fold(1, u64::saturating_mul)
}

struct Look<'schema> {
    root: &'schema Value,
    /// By the address of a part.
    known: HashMap<*const Value, Rc<Places>>,
    /// Parts that are being looked at: a `$ref` may lead back.
    open: HashSet<*const Value>,
}

impl<'schema> Look<'schema> {
    /// Which patterns meet where, at a part of the schema and below it.
    fn places(&mut self, part: &'schema Value) -> Rc<Places> {
        let address = std::ptr::from_ref(part);
        if let Some(known) = self.known.get(&address) {
            return Rc::clone(known);
        }
        let (Some(fields), true) = (part.as_object(), self.open.insert(address)) else {
            return Rc::default();
        };
        let mut places = self.own(fields);
        let list = |name: &str| fields.get(name).and_then(Value::as_array).into_iter().flatten();
        for part in list("allOf") {
            meet(&mut places, &self.places(part));
        }
        for name in ["anyOf", "oneOf"] {
            let mut alternatives = Places::new();
            for part in list(name) {
                either(&mut alternatives, &self.places(part), None);
            }
            meet(&mut places, &alternatives);
        }
        if let Some(part) = fields.get("$ref").and_then(|name| self.named(name)) {
            meet(&mut places, &self.places(part));
        }
        self.open.remove(&address);
        let places = Rc::new(places);
        self.known.insert(address, Rc::clone(&places));
        places
    }

    /// What a part says itself: of its own text, and of what is in it.
    fn own(&mut self, fields: &'schema Map<String, Value>) -> Places {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let here: Patterns =
            [text("pattern").map(Pattern::Written), text("format").map(Pattern::Format)]
                .into_iter()
                .flatten()
                .collect();
        let mut places = Places::new();
        if !here.is_empty() {
            places.insert(Place::default(), here);
        }
        for (name, part) in
            fields.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            either(&mut places, &self.places(part), Some(name));
        }
        for (_, part) in
            fields.get("patternProperties").and_then(Value::as_object).into_iter().flatten()
        {
            either(&mut places, &self.places(part), Some(ANY));
        }
        for name in ["additionalProperties", "items", "prefixItems"] {
            let parts = match fields.get(name) {
                Some(Value::Array(parts)) => parts.as_slice(),
                Some(part) => std::slice::from_ref(part),
                None => &[],
            };
            for part in parts {
                either(&mut places, &self.places(part), Some(ANY));
            }
        }
        places
    }

    /// The part that a `$ref` names, by a path or by the name that a part has given itself.
    fn named(&self, name: &Value) -> Option<&'schema Value> {
        let (document, fragment) = name.as_str()?.split_once('#').unwrap_or((name.as_str()?, ""));
        let base = match document {
            "" => self.root,
            _ => found(self.root, &["$id"], document)?,
        };
        match decoded(fragment) {
            path if path.is_empty() || path.starts_with('/') => base.pointer(&path),
            anchor => found(base, &["$anchor", "$dynamicAnchor"], &anchor),
        }
    }
}

/// The part that calls itself so.
fn found<'schema>(part: &'schema Value, fields: &[&str], name: &str) -> Option<&'schema Value> {
    match part {
        Value::Object(map) => {
            let is_it = |field: &&str| {
                map.get(*field).and_then(Value::as_str).is_some_and(|own| own.ends_with(name))
            };
            if fields.iter().any(is_it) {
                return Some(part);
            }
            map.values().find_map(|part| found(part, fields, name))
        }
        Value::Array(list) => list.iter().find_map(|part| found(part, fields, name)),
        _ => None,
    }
}

/// A fragment without its percent signs.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Adds what may stand at a place instead of what is known there: the one with more ways counts.
fn either(places: &mut Places, others: &Places, below: Option<&str>) {
    for (place, patterns) in others {
        let place = below.map_or_else(|| place.clone(), |name| inside(place, name));
        let known = places.entry(place).or_default();
        if (ways(patterns), patterns.len()) > (ways(known), known.len()) {
            known.clone_from(patterns);
        }
    }
}

/// A place seen from one level above.
fn inside([outer, inner]: &Place, name: &str) -> Place {
    match (outer.is_empty(), inner.is_empty()) {
        (true, true) => [String::new(), name.to_owned()],
        (true, false) => [name.to_owned(), inner.clone()],
        (false, _) => [outer.clone(), inner.clone()],
    }
}

/// Adds what has to be matched as well.
fn meet(places: &mut Places, others: &Places) {
    if others.is_empty() {
        return;
    }
    let before = std::mem::take(places);
    for place in before.keys().chain(others.keys()) {
        if !places.contains_key(place) {
            let both = at(&before, place).union(&at(others, place)).cloned().collect();
            places.insert(place.clone(), both);
        }
    }
}

/// What is said of a place by its name, else of all places that it may be.
fn at(places: &Places, wanted: &Place) -> Patterns {
    if let Some(patterns) = places.get(wanted) {
        return patterns.clone();
    }
    let fits = |place: &&Place| {
        let level =
            |name: &String, wanted: &String| name == wanted || (name == ANY && !wanted.is_empty());
        level(&place[0], &wanted[0]) && level(&place[1], &wanted[1])
    };
    let fitting = places.keys().filter(fits).filter_map(|place| places.get(place));
    fitting.max_by_key(|patterns| ways(patterns)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn searching(letters: &str) -> Vec<Value> {
        let pattern = |letter| json!({"type": "string", "pattern": format!(".*{letter}.*")});
        letters.chars().map(pattern).collect()
    }

    #[test]
    fn many_that_meet_are_refused_however_they_meet() {
        let letters = "abcdefghij";
        let several = searching(letters);
        let of = |name: &str, part: &Value| json!({"type": "object", "properties": {name: part}});
        let objects: Vec<Value> = several.iter().map(|part| of("a", part)).collect();
        let deep: Vec<Value> =
            objects.iter().map(|part| of("b", &of("c", &of("d", part)))).collect();
        let further: Vec<Value> =
            several.iter().map(|part| json!({"additionalProperties": part})).collect();
        let chained = several.iter().fold(json!({}), |inner, part| json!({"allOf": [inner, part]}));
        let choices: Vec<Value> =
            several.iter().map(|part| json!({"anyOf": [part, {"type": "null"}]})).collect();
        let defined: Map<String, Value> =
            letters.chars().map(String::from).zip(several.clone()).collect();
        let named: Vec<Value> =
            letters.chars().map(|letter| json!({"$ref": format!("#/$defs/{letter}")})).collect();
        for schema in [
            json!({"allOf": several}),
            json!({"allOf": objects}),
            json!({"allOf": deep}),
            json!({"allOf": further}),
            json!({"allOf": [of("a", &several[0]), {"allOf": further}]}),
            chained,
            json!({"allOf": choices}),
            json!({"$defs": defined, "allOf": named}),
            json!({"type": "array", "items": {"allOf": several}}),
            json!({"%": {"$anchor": "x", "allOf": several}, "$ref": "#/%25"}),
            json!({"%": {"$anchor": "x", "allOf": several}, "$ref": "#x"}),
        ] {
            assert!(too_many_meet(&schema), "{schema}");
        }
    }

    #[test]
    fn many_that_do_not_meet_are_no_matter() {
        let several = searching("abcdefghijklmnop");
        let names: Map<String, Value> =
            (0..several.len()).map(|at| format!("field_{at}")).zip(several.clone()).collect();
        let object = json!({"type": "object", "properties": names});
        for schema in [
            object.clone(),
            json!({"anyOf": several}),
            json!({"allOf": [object, {"type": "object", "properties": {"other": several[0]}}]}),
            json!({"allOf": [several[0], several[1]], "minLength": 3}),
            json!({"allOf": [{"pattern": "^a"}, {"pattern": "b$"}, {"pattern": "c"}]}),
            json!({"allOf": vec![several[0].clone(); 30]}),
            json!({"$ref": "#"}),
            json!({"type": "string", "pattern": "a|".repeat(5_000)}),
        ] {
            assert!(!too_many_meet(&schema), "{schema}");
        }
    }
}

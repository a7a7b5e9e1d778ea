//! Names of end users and of cached prefixes that a server finds too long. Each becomes its digest:
//! still one name for one user, and the same in every request. It never cuts, as two names may
//! begin alike.

use super::quirks::Quirks;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The fields that hold one: the server compares them and never reads them.
const IDENTIFIERS: [&str; 3] = ["user", "safety_identifier", "prompt_cache_key"];

/// Writes the too long ones as digests of 64 characters.
pub(super) fn shorten(fields: &mut Map<String, Value>, quirks: &Quirks) {
    let Some(chars_max) = quirks.identifier_chars_max else { return };
    for name in IDENTIFIERS {
        if let Some(Value::String(text)) = fields.get_mut(name)
            && text.chars().nth(chars_max).is_some()
        {
            *text = digest(text);
        }
    }
}

fn digest(text: &str) -> String {
    infra::hexadecimal(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::quirks::{ITSELF, compatible};
    use super::*;
    use serde_json::json;

    fn shortened(quirks: &Quirks, text: &str) -> Vec<String> {
        let mut fields = Map::from_iter(IDENTIFIERS.map(|name| (name.to_owned(), text.into())));
        shorten(&mut fields, quirks);
        fields.values().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn only_what_is_too_long_becomes_its_digest() {
        let longest = "利".repeat(64);
        assert_eq!(shortened(&ITSELF, &longest), vec![longest.clone(); 3]);
        let longer = "a".repeat(65);
        let digest = "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0";
        assert_eq!(shortened(&ITSELF, &longer), [digest; 3]);
        assert_ne!(shortened(&ITSELF, &format!("{longer}b")), [digest; 3]);
        assert_eq!(shortened(&compatible(None).quirks, &longer), vec![longer; 3]);
    }

    #[test]
    fn what_is_no_text_is_left_to_the_server() {
        let asked = json!({"user": 5, "safety_identifier": null});
        let mut fields = asked.as_object().unwrap().clone();
        shorten(&mut fields, &ITSELF);
        assert_eq!(Value::Object(fields), asked);
    }
}

//! What a client wants of kept answers: `Cache-Control`, and the `cache` object of a body. What is
//! said in either counts.

use crate::problems;
use schemas::error::Problem;
use serde_json::{Map, Value};

/// Longest time that a client may have its answer kept for, in seconds.
const TTL_SECONDS_MAX: u64 = 31_536_000;

/// Longest namespace, in characters.
const NAMESPACE_CHARACTERS_MAX: usize = 64;

/// What a client wants of kept answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// No kept answer, and none kept.
    pub no_store: bool,
    /// No kept answer; the new one is kept.
    pub no_cache: bool,
    /// No kept answer that is older than so many seconds.
    pub age_seconds_max: Option<u64>,
    /// How long the new answer is kept, in seconds.
    pub ttl_seconds: Option<u64>,
    /// Keeps answers of one tenant apart.
    pub namespace: Option<String>,
    /// Whether an answer to another wording serves; as the temperature says when absent.
    pub similar: Option<bool>,
}

impl Wishes {
    /// No kept answer, and none kept.
    pub fn nothing() -> Self {
        Self { no_store: true, ..Self::default() }
    }

    /// Reads a `Cache-Control`. What a directive doesn't say or we don't know changes nothing.
    pub fn control(&mut self, value: &str) {
        for directive in value.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => self.no_store = true,
                "no-cache" => self.no_cache = true,
                "max-age" => {
                    let seconds = argument.trim().trim_matches('"').parse().ok();
                    self.age_seconds_max = seconds.or(self.age_seconds_max);
                }
                _ => {}
            }
        }
    }

    /// Reads the `cache` of a body; `false` is the same as `{"no-store": true}`.
    ///
    /// # Errors
    /// When a field is none that we know, or says something else than it may.
    pub fn object(&mut self, value: &Value) -> Result<(), Problem> {
        match value {
            Value::Null | Value::Bool(true) => Ok(()),
            Value::Bool(false) => {
                self.no_store = true;
                Ok(())
            }
            Value::Object(fields) => self.fields(fields),
            _ => Err(wrong("cache", "オブジェクト", "an object, such as {\"no-cache\": true}")),
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Result<(), Problem> {
        for (name, value) in fields {
            let place = format!("cache.{name}");
            let yes_or_no =
                || value.as_bool().ok_or_else(|| wrong(&place, "true か false", "true or false"));
            let seconds = |low: u64| {
                let seconds = value.as_u64().filter(|it| (low..=TTL_SECONDS_MAX).contains(it));
                seconds.ok_or_else(|| {
                    let (japanese, english) = (
                        format!("{low}〜{TTL_SECONDS_MAX}の秒数"),
                        format!("seconds, {low} – {TTL_SECONDS_MAX}"),
                    );
                    wrong(&place, &japanese, &english)
                })
            };
            match name.replace('_', "-").as_str() {
                "no-store" => self.no_store |= yes_or_no()?,
                "no-cache" => self.no_cache |= yes_or_no()?,
                "similar" => self.similar = Some(yes_or_no()?),
                "max-age" | "s-maxage" => self.age_seconds_max = Some(seconds(0)?),
                "ttl" => self.ttl_seconds = Some(seconds(1)?),
                "namespace" => {
                    let text = value.as_str().filter(|text| {
                        (1..=NAMESPACE_CHARACTERS_MAX).contains(&text.chars().count())
                    });
                    let text = text.ok_or_else(|| {
                        wrong(&place, "1〜64文字の文字列", "a text of 1 – 64 characters")
                    })?;
                    self.namespace = Some(text.to_owned());
                }
                _ => {
                    let known = "no-store, no-cache, max-age, ttl, namespace, similar";
                    let japanese = format!("{} のどれか", known.replace(", ", "、"));
                    return Err(wrong(&place, &japanese, &format!("one of {known}")));
                }
            }
        }
        Ok(())
    }
}

fn wrong(field: &str, japanese: &str, english: &str) -> Problem {
    let shown: String = field.chars().take(80).collect();
    problems::wrong(&shown, japanese, english)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cache_control_is_read_as_http_writes_it() {
        let read = |value: &str| {
            let mut wishes = Wishes::default();
            wishes.control(value);
            wishes
        };
        assert_eq!(read("NO-STORE"), Wishes::nothing());
        assert!(read("max-age=5 , no-cache").no_cache);
        assert_eq!(read("max-age=5, x=no-store").age_seconds_max, Some(5));
        assert_eq!(read("max-age=soon, private"), Wishes::default());
    }

    #[test]
    fn an_object_is_read_in_both_spellings_and_mistakes_are_named() {
        let mut wishes = Wishes::default();
        let said = json!({"no_cache": true, "ttl": 60, "s-maxage": 0, "namespace": "実験",
            "similar": false});
        wishes.object(&said).unwrap();
        let expected = Wishes {
            no_store: false,
            no_cache: true,
            age_seconds_max: Some(0),
            ttl_seconds: Some(60),
            namespace: Some("実験".into()),
            similar: Some(false),
        };
        assert_eq!(wishes, expected);
        for (wrong, place) in [
            (json!({"no-cache": "yes"}), "cache.no-cache"),
            (json!({"similar": "no"}), "cache.similar"),
            (json!({"ttl": 0}), "cache.ttl"),
            (json!({"max-age": -1}), "cache.max-age"),
            (json!({"namespace": ""}), "cache.namespace"),
            (json!({"nocache": true}), "cache.nocache"),
            (json!(1), "cache"),
        ] {
            let problem = Wishes::default().object(&wrong).unwrap_err();
            assert_eq!(problem.parameter.as_deref(), Some(place));
        }
        let mut wishes = Wishes::default();
        wishes.object(&json!(false)).unwrap();
        assert_eq!(wishes, Wishes::nothing());
    }
}

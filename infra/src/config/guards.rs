//! What the operator lets no request say: patterns with names. They are compiled when the
//! configuration is read, so that a wrong one is a mistake there and never in a request.

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

/// Rules of one configuration.
const RULES_MAX: usize = 200;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;

/// What all patterns together take when they are compiled, in bytes.
const COMPILED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The section as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileGuards {
    pub(super) block: Vec<serde_saphyr::Spanned<BlockRule>>,
}

/// Refuses what matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRule {
    /// What the client and the counters are told.
    pub name: String,
    /// A regular expression without look-around and back-references: it takes linear time.
    pub pattern: String,
}

/// The rules, compiled.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    block: Vec<BlockRule>,
    compiled: RegexSet,
}

impl PartialEq for Guards {
    fn eq(&self, other: &Self) -> bool {
        self.block == other.block
    }
}

impl Guards {
    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The first rule that a text breaks, by its name.
    pub fn broken_by(&self, text: &str) -> Option<&str> {
        let first = self.compiled.matches(text).iter().next()?;
        self.block.get(first).map(|rule| rule.name.as_str())
    }

    /// Compiles rules.
    ///
    /// # Errors
    /// When one is wrong: which, and what to write instead.
    pub fn new(block: Vec<BlockRule>) -> Result<Self, (usize, String)> {
        if block.len() > RULES_MAX {
            return Err((RULES_MAX, format!("guards.block: more than {RULES_MAX} rules")));
        }
        for (number, rule) in block.iter().enumerate() {
            let fail =
                |what: String| Err((number, format!("guards.block: '{}': {what}", rule.name)));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if rule.name.is_empty() || rule.name.len() > 64 || !rule.name.chars().all(is_plain) {
                return fail("a name has 1 to 64 letters, digits, - and _".into());
            }
            if block.iter().take(number).any(|before| before.name == rule.name) {
                return fail("the name is used twice: rename one of them".into());
            }
            if rule.pattern.is_empty() || rule.pattern.len() > PATTERN_BYTES_MAX {
                return fail(format!("a pattern has 1 to {PATTERN_BYTES_MAX} bytes"));
            }
            if let Err(error) = compiled(&[&rule.pattern]) {
                return fail(format!("pattern: {}", plainly(&error)));
            }
            if regex::Regex::new(&rule.pattern).is_ok_and(|pattern| pattern.is_match("")) {
                return fail("the pattern matches every text: write one that needs a word".into());
            }
        }
        let patterns: Vec<&String> = block.iter().map(|rule| &rule.pattern).collect();
        let compiled = compiled(&patterns)
            .map_err(|error| (0, format!("guards.block: {}", plainly(&error))))?;
        Ok(Self { block, compiled })
    }
}

fn compiled<S: AsRef<str>>(patterns: &[S]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns).size_limit(COMPILED_BYTES_MAX).build()
}

/// The parser's message without the drawing below it.
fn plainly(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => {
            format!("the patterns take more than {bytes} bytes: write shorter ones")
        }
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("{last}: look-around and back-references are not there, \\ is written \\\\")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, pattern: &str) -> BlockRule {
        BlockRule { name: name.into(), pattern: pattern.into() }
    }

    #[test]
    fn the_first_broken_rule_is_named() {
        let guards = Guards::new(vec![rule("a", "(?i)project x"), rule("b", "社外秘")]).unwrap();
        assert_eq!(guards.broken_by("About PROJECT X"), Some("a"));
        assert_eq!(guards.broken_by("これは社外秘です"), Some("b"));
        assert_eq!(guards.broken_by("project y"), None);
        assert!(Guards::default().is_empty() && Guards::default().broken_by("x").is_none());
    }

    #[test]
    fn wrong_rules_are_refused_by_name() {
        for (name, pattern, what) in [
            ("look", "(?=a)b", "look-around"),
            ("open", "(a", "unclosed group"),
            ("all", "a*", "matches every text"),
            ("large", r"\w{5000}", "more than"),
            ("", "a", "1 to 64 letters"),
            ("a b", "a", "1 to 64 letters"),
        ] {
            let (number, told) =
                Guards::new(vec![rule("fine", "x"), rule(name, pattern)]).unwrap_err();
            assert_eq!(number, 1);
            assert!(told.contains(what), "{told}");
        }
        assert!(Guards::new(vec![rule("a", "x"), rule("a", "y")]).is_err());
    }

    #[test]
    fn what_makes_others_explode_takes_linear_time_here() {
        let guards = Guards::new(vec![rule("slow", "(a|a)*b(a+)+c")]).unwrap();
        assert_eq!(guards.broken_by(&"a".repeat(1_000_000)), None);
    }
}

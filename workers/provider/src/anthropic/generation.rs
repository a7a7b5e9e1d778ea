//! What a model takes by its generation, which only its name tells. A name that tells none is taken
//! for an older model: what it is then sent, every model takes.

/// The first version that takes instructions between turns; older ones refuse them.
const INSTRUCTIONS_BETWEEN_TURNS: (u32, u32) = (4, 8);

/// Digits of a version's number; more are a date.
const VERSION_DIGITS_MAX: usize = 2;

/// Whether messages of role `system` may stand within the conversation.
pub(super) fn takes_instructions_between_turns(model: &str) -> bool {
    version(model).is_some_and(|version| version >= INSTRUCTIONS_BETWEEN_TURNS)
}

/// The version in a name: before the family (`claude-3-5-haiku-20241022`) or after it
/// (`claude-opus-4-20250514`), whoever's names stand around it.
fn version(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.split_once("claude-")?;
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let number = |word: &&str| match word.len() <= VERSION_DIGITS_MAX {
        true => word.parse::<u32>().ok(),
        false => None,
    };
    let at = words.iter().position(|word| word.parse::<u32>().is_ok())?;
    let major = words.get(at).and_then(number)?;
    Some((major, words.get(at + 1).and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_version_or_none() {
        for (name, expected) in [
            ("claude-opus-5-5", Some((5, 5))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-opus-4-8", Some((4, 8))),
            ("anthropic/claude-opus-4.8", Some((4, 8))),
            ("us.anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-haiku-4-5@20251001", Some((4, 5))),
            ("claude-3-5-haiku-20241022", Some((3, 5))),
            ("claude-instant-1.2", Some((1, 2))),
            ("claude-opus-latest", None),
            ("claude-opus-20250514", None),
            ("claude", None),
            ("of-another-maker-5", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
            let takes = expected.is_some_and(|version| version >= (4, 8));
            assert_eq!(takes_instructions_between_turns(name), takes, "{name}");
        }
    }
}

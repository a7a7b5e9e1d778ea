//! The text that a request is judged by: the last user message, with earlier ones where it is too
//! short to stand alone, split into prose and code. It never looks at more than a bounded piece.

use super::quotation::{Kind, Split};
use super::shape::LENGTH_CHARS_MAX;
use super::tokens;
use super::words::fold;
use schemas::openai::{ChatRequest, Message, Role};

/// How much of the text is read: enough for every signal, little enough for the time limit.
pub(super) const PROMPT_CHARS_MAX: usize = 2_000;
/// Below this a message ("go on", "続けて") is read together with the ones before it. In tokens, since
/// few Japanese characters already say much.
const STANDS_ALONE_TOKENS_MIN: f64 = 8.0;
/// How many earlier user messages are taken along.
const EARLIER_MESSAGES_MAX: usize = 3;

/// A bounded piece of what the user wants.
pub(super) struct Prompt {
    /// Head and tail of the text.
    pub(super) text: String,
    /// The same in small letters and usual widths.
    pub(super) folded: Vec<char>,
    /// The same without code.
    pub(super) prose: String,
    /// What stands beside code, and the comments in it, where there are both.
    pub(super) beside_code: Option<Split>,
    /// Whether there was code in a fence, or lines that only code has.
    pub(super) has_code: bool,
    /// How long the whole text is, up to a bound.
    pub(super) chars: usize,
}

impl Prompt {
    /// Reads the request's last user message.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let users = || request.messages.iter().rev().filter(|m| m.role == Role::User);
        let mut text = users().next().map(content).unwrap_or_default();
        for earlier in users().skip(1).take(EARLIER_MESSAGES_MAX) {
            if tokens::of_text(&text) >= STANDS_ALONE_TOKENS_MIN {
                break;
            }
            text = format!("{}\n{text}", content(earlier));
        }
        if text.trim().is_empty() {
            // Without a user's word the operator's instructions are all there is.
            text = request.messages.iter().map(content).collect::<Vec<_>>().join("\n");
        }
        Self::of_text(&text)
    }

    /// Reads one text.
    pub(super) fn of_text(text: &str) -> Self {
        let text = tidy(text);
        let chars = text.chars().take(LENGTH_CHARS_MAX).count();
        let text = head_and_tail(&text, PROMPT_CHARS_MAX);
        let folded = text.chars().map(fold).collect();
        let (prose, beside_code, has_code) = without_code(&text);
        Self { text, folded, prose, beside_code, has_code, chars }
    }
}

fn content(message: &Message) -> String {
    let texts = message.content.iter().flat_map(|content| content.texts());
    let texts: Vec<_> = texts.collect();
    match texts.as_slice() {
        [one] => head_and_tail(one, LENGTH_CHARS_MAX),
        many => head_and_tail(&many.join("\n"), LENGTH_CHARS_MAX),
    }
}

/// One blank or one line break for each run of them: how a text is spaced says nothing.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut blank = None;
    for letter in text.chars() {
        match letter {
            '\n' => blank = Some('\n'),
            ' ' | '\t' | '\r' | '\u{A0}' | '\u{3000}' => blank = blank.or(Some(' ')),
            _ => {
                tidy.extend(blank.take().filter(|_| !tidy.is_empty()));
                tidy.push(letter);
            }
        }
    }
    tidy
}

/// The first and the last half of a long text: a question stands at one of its ends.
fn head_and_tail(text: &str, chars_max: usize) -> String {
    let half = chars_max / 2;
    // A character has at most four bytes, so most texts need no counting.
    if text.len() <= chars_max || text.char_indices().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let head_end = text.char_indices().nth(half).map_or(text.len(), |(at, _)| at);
    let tail_start = text.char_indices().rev().nth(half - 1).map_or(0, |(at, _)| at);
    format!("{}\n{}", &text[..head_end], &text[tail_start..])
}

/// The text without fenced code and without lines that look like code; comments in code are prose.
fn without_code(text: &str) -> (String, Option<Split>, bool) {
    let mut prose = String::with_capacity(text.len());
    let mut split = Split::new("", "", Kind::Marks);
    let mut fenced = false;
    let mut has_code = false;
    for line in text.split('\n') {
        let is_fence = line.trim_start_matches([' ', '\t']).starts_with("```");
        let code = is_code(line);
        has_code |= is_fence || code;
        fenced ^= is_fence;
        let (kept, part) = match (is_fence, fenced || code) {
            (true, _) => continue,
            (false, true) => (comment(line).unwrap_or_default(), &mut split.shown),
            (false, false) => (line, &mut split.asked),
        };
        for text in [&mut prose, part] {
            text.push_str(kept);
            text.push('\n');
        }
    }
    let has_both = [&split.asked, &split.shown].iter().all(|part| !part.trim().is_empty());
    (prose, has_both.then_some(split), has_code)
}

/// What stands behind a comment's mark, or a line that is only words, as in a documentation string.
fn comment(line: &str) -> Option<&str> {
    const MARKS: [&str; 6] = ["//", "#", "/*", "--", "\"\"\"", "<!--"];
    let start = MARKS.iter().filter_map(|mark| Some(line.find(mark)? + mark.len())).min()?;
    Some(line[start..].trim_matches(|letter: char| "/#*-\"<>! ".contains(letter)))
}

/// Whether a line has the shape of code: how it ends, and how dense its marks are.
fn is_code(line: &str) -> bool {
    let body = line.trim_matches([' ', '\t', '\r']);
    let chars = body.chars().count();
    if chars < 3 {
        return false;
    }
    let marks = body.chars().filter(|letter| "(){}[]=<>;:+*&|_.\"'".contains(*letter)).count();
    let calls = body.contains('(') && ["=", "):", ";"].iter().any(|mark| body.contains(mark));
    let ends = [";", "{", "}", "):"].iter().any(|end| body.ends_with(end));
    (ends && marks >= 2) || (calls && marks * 5 >= chars) || body.starts_with("//")
}

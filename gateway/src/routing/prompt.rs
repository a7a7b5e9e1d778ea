//! The text that a request is judged by: the last user message, with earlier ones where it is too
//! short to stand alone, split into prose and code. It never looks at more than a bounded piece.

use schemas::openai::{ChatRequest, Message, Role};

/// How much of the text is read: enough for every signal, little enough for the time limit.
pub(super) const PROMPT_CHARS_MAX: usize = 2_000;
/// Below this a message ("go on", "続けて") is read together with the ones before it.
const STANDS_ALONE_CHARS_MIN: usize = 24;
/// How many earlier user messages are taken along.
const EARLIER_MESSAGES_MAX: usize = 3;

/// A bounded piece of what the user wants.
pub(super) struct Prompt {
    /// Head and tail of the text.
    pub(super) text: String,
    /// The same without code.
    pub(super) prose: String,
    /// Whether there was code in a fence, or lines that only code has.
    pub(super) has_code: bool,
}

impl Prompt {
    /// Reads the request's last user message.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let users = || request.messages.iter().rev().filter(|m| m.role == Role::User);
        let mut text = users().next().map(content).unwrap_or_default();
        for earlier in users().skip(1).take(EARLIER_MESSAGES_MAX) {
            if text.chars().count() >= STANDS_ALONE_CHARS_MIN {
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
        let text = head_and_tail(text, PROMPT_CHARS_MAX);
        let (prose, has_code) = without_code(&text);
        Self { text, prose, has_code }
    }
}

fn content(message: &Message) -> String {
    let texts = message.content.iter().flat_map(|content| content.texts());
    head_and_tail(&texts.collect::<Vec<_>>().join("\n"), PROMPT_CHARS_MAX)
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
fn without_code(text: &str) -> (String, bool) {
    let mut prose = String::with_capacity(text.len());
    let mut fenced = false;
    let mut has_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            has_code = true;
            continue;
        }
        if fenced || is_code(line) {
            has_code = true;
            if let Some(comment) = comment(line) {
                prose.push_str(comment);
                prose.push('\n');
            }
            continue;
        }
        prose.push_str(line);
        prose.push('\n');
    }
    (prose, has_code)
}

/// What stands behind a comment's mark.
fn comment(line: &str) -> Option<&str> {
    const MARKS: [&str; 6] = ["//", "#", "/*", "--", "\"\"\"", "<!--"];
    let start = MARKS.iter().filter_map(|mark| Some(line.find(mark)? + mark.len())).min()?;
    Some(line[start..].trim_matches(|c: char| "/#*-\"<>! ".contains(c)))
}

/// Whether a line has the shape of code: how it ends, and how dense its marks are.
fn is_code(line: &str) -> bool {
    let line = line.trim_end();
    let body = line.trim_start();
    if body.len() < 3 || !body.is_ascii() {
        return body.len() >= 3 && marks(body) * 4 >= body.chars().count() && has_call(body);
    }
    let ends_as_code = body.ends_with([';', '{', '}']) || body.ends_with("):");
    let dense = marks(body) * 5 >= body.len() && has_call(body);
    (ends_as_code && marks(body) >= 2) || dense || (body.starts_with("//") && body.len() > 4)
}

fn marks(text: &str) -> usize {
    text.chars().filter(|c| "(){}[]=<>;:+*&|_.\"'".contains(*c)).count()
}

fn has_call(text: &str) -> bool {
    text.contains('(') && (text.contains('=') || text.contains("):") || text.contains(';'))
}

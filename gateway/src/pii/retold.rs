//! A part of a text told again so that recognisers can read it: what is encoded in plain letters, a
//! number beside its key in words. What is found there is led back to the original's offsets. It
//! must never be sent anywhere, and never grow beyond a few times what it retells.

use super::finding::Span;
use super::kind::Kind;

/// Text for recognisers, and where each stretch of it came from.
#[derive(Default)]
pub(super) struct Retold {
    text: String,
    steps: Vec<Step>,
}

/// From here to the next step.
#[derive(Clone, Copy)]
struct Step {
    at: u32,
    origin: u32,
    /// Bytes of the original, of what is written otherwise there.
    bytes: u32,
    how: How,
}

/// How the original says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Alike.
    Alike,
    /// Not at all: a sign that keeps apart what is told, or a word beside it.
    Aside,
    /// Otherwise, but as a sign between values that every reader sees as well.
    Sign,
    /// As a letter behind a backslash, but a blank or a line's end: what follows begins a word,
    /// which only who knows how can see.
    Break,
    /// Otherwise, so that only who knows how can read it.
    Otherwise,
    /// The same, in the letters of a URL.
    InUrl,
}

impl Retold {
    /// What the recognisers read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds what the original says alike at a place.
    pub(super) fn copy(&mut self, origin: usize, text: &str) {
        let goes_on = self.steps.last().is_some_and(|last| {
            let copied = self.text.len() - last.at as usize;
            last.how == How::Alike && last.origin as usize + copied == origin
        });
        if !goes_on {
            self.step(origin, text.len(), How::Alike);
        }
        self.text.push_str(text);
    }

    /// Adds what so many bytes of the original say in another way.
    pub(super) fn tell(&mut self, origin: usize, bytes: usize, text: &str, how: How) {
        self.step(origin, bytes, how);
        self.text.push_str(text);
    }

    /// Adds what the original does not say.
    pub(super) fn add(&mut self, text: &str) {
        let told = self.steps.last().map_or(0, |last| match last.how {
            How::Alike => last.origin as usize + self.text.len() - last.at as usize,
            _ => (last.origin + last.bytes) as usize,
        });
        self.step(told, 0, How::Aside);
        self.text.push_str(text);
    }

    /// Whether all words in a stretch of the original are made of letters of a URL.
    pub(super) fn is_in_url(&self, original: &str, span: &Span) -> bool {
        let first =
            self.steps.partition_point(|step| step.origin as usize + MOST_BYTES <= span.start);
        let rest = self.steps.get(first..).unwrap_or_default().iter();
        let near = rest.take_while(|step| (step.origin as usize) < span.end);
        let mut at = span.start;
        let mut is_any = false;
        let has_words = |start: usize, end: usize| {
            original.get(start..end).is_none_or(|plain| plain.contains(char::is_alphanumeric))
        };
        for step in near.filter(|step| step.how == How::InUrl) {
            let (start, end) = (step.origin as usize, (step.origin + step.bytes) as usize);
            if end <= span.start {
                continue;
            }
            if start > at && has_words(at, start) {
                return false;
            }
            is_any = true;
            at = at.max(end);
        }
        is_any && (at >= span.end || !has_words(at, span.end))
    }

    /// Steps go on in the original as they do here.
    fn step(&mut self, origin: usize, bytes: usize, how: How) {
        let [at, origin, bytes] = [self.text.len(), origin, bytes].map(offset32);
        self.steps.push(Step { at, origin, bytes, how });
    }

    /// Where in the original something stands that was found here, if it could not be found there:
    /// in it, or right beside it, something is said in another way, or its line begins a little
    /// before it with a break. A name or an address in a URL counts only where a key calls it so:
    /// anything may be searched for.
    pub(super) fn place(&self, found: Span) -> Option<Span> {
        let last_at = found.end.checked_sub(1).filter(|last| found.start <= *last)?;
        let (first, last) = (self.step_at(found.start)?, self.step_at(last_at)?);
        let inside = self.steps.get(first..=last)?;
        if inside.iter().any(|step| step.how == How::Aside) {
            return None;
        }
        let (start, end) = (self.origin(first, found.start)?, self.origin_end(last, found.end)?);
        let before = first.checked_sub(1).filter(|_| self.start_of(first) == found.start);
        let after = (self.start_of(last + 1) == found.end).then_some(last + 1);
        let beside = [before, after].into_iter().flatten().filter_map(|at| self.steps.get(at));
        let mut hows = inside.iter().chain(beside).map(|step| step.how);
        let is_in_url = hows.clone().any(|how| how == How::InUrl);
        let is_otherwise = is_in_url || hows.any(|how| how == How::Otherwise);
        if !is_otherwise && !self.is_behind_break(first, found.start) {
            return None;
        }
        let needs_key = is_in_url && matches!(found.kind, Kind::Person | Kind::Address);
        let is_free = || self.text.get(..found.start).is_some_and(|before| !calls_somebody(before));
        (!(needs_key && is_free())).then_some(Span { start, end, ..found })
    }

    /// Whether an offset in a step is right behind a break, or behind the words that say there
    /// what follows.
    fn is_behind_break(&self, step: usize, offset: usize) -> bool {
        let before = step.checked_sub(1).and_then(|before| self.steps.get(before));
        let is_near = offset - self.start_of(step) <= LABEL_BYTES_MAX;
        is_near && before.is_some_and(|before| before.how == How::Break)
    }

    /// Cuts what was found in the original where a value that was found here begins right behind a
    /// blank or a line's end: letters of the escape are no part of it, and what is before it is
    /// a value of its own.
    pub(super) fn cut(&self, spans: &mut Vec<Span>, placed: &[Span]) {
        let mut cuts =
            placed.iter().filter_map(|span| Some((self.blank_before(span.start)?, span)));
        let Some(mut cut) = cuts.next() else { return };
        let mut pieces = Vec::with_capacity(spans.len());
        'spans: for mut span in spans.drain(..) {
            loop {
                let (blank, value) = cut;
                if value.start >= span.end {
                    break;
                }
                if value.start > span.start && value.kind == span.kind {
                    let end = blank.origin as usize;
                    if span.start < end {
                        pieces.push(Span { end, ..span });
                    }
                    span.start = value.start;
                }
                match cuts.next() {
                    Some(next) => cut = next,
                    None => {
                        pieces.push(span);
                        continue 'spans;
                    }
                }
            }
            pieces.push(span);
        }
        *spans = pieces;
    }

    /// The step that says a blank or a line's end right before a place of the original.
    fn blank_before(&self, origin: usize) -> Option<Step> {
        let after = self.steps.partition_point(|step| (step.origin as usize) < origin);
        let step = *self.steps.get(after.checked_sub(1)?)?;
        let is_escape = matches!(step.how, How::Break | How::Otherwise | How::InUrl);
        let says = self.text.get(step.at as usize..)?.chars().next()?;
        let is_before = (step.origin + step.bytes) as usize == origin;
        (is_escape && is_before && says.is_whitespace()).then_some(step)
    }

    /// The step in which an offset lies.
    fn step_at(&self, offset: usize) -> Option<usize> {
        self.steps.partition_point(|step| step.at as usize <= offset).checked_sub(1)
    }

    /// Where a step starts; where all ends for the one after the last.
    fn start_of(&self, step: usize) -> usize {
        self.steps.get(step).map_or(self.text.len(), |step| step.at as usize)
    }

    /// What is said otherwise is taken as a whole or not at all.
    fn origin(&self, index: usize, offset: usize) -> Option<usize> {
        let step = self.steps.get(index)?;
        let past = offset - step.at as usize;
        match step.how {
            How::Alike => Some(step.origin as usize + past),
            _ => (past == 0).then_some(step.origin as usize),
        }
    }

    fn origin_end(&self, index: usize, end: usize) -> Option<usize> {
        let step = self.steps.get(index)?;
        match step.how {
            How::Alike => Some(step.origin as usize + end - step.at as usize),
            _ => (end == self.start_of(index + 1)).then_some((step.origin + step.bytes) as usize),
        }
    }
}

/// Words that say what follows them are no longer.
const LABEL_BYTES_MAX: usize = 64;

/// No letter of a URL is longer, encoded again and again.
const MOST_BYTES: usize = 64;

fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Longer keys call nobody.
const KEY_BYTES_MAX: usize = 64;

/// What ends a field of a URL.
const FIELD_ENDS: [char; 8] = ['\n', '&', '?', ';', ' ', '"', '\'', '#'];

/// Whether a text ends in a key, and perhaps the beginning of its value, that calls a person or an
/// address.
pub(super) fn calls_somebody(before: &str) -> bool {
    let mut start = before.len().saturating_sub(KEY_BYTES_MAX);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let near = before.get(start..).unwrap_or_default();
    let Some((head, _)) = near.rsplit_once('=') else { return false };
    let key = head.rsplit(FIELD_ENDS).next().unwrap_or_default();
    // What stands between the sign and the value belongs to the value, or the value to another.
    let between = near.get(head.len() + 1..).unwrap_or_default();
    !between.contains(['&', '\n', '?', '#']) && is_somebodys(&words(key))
}

/// The words of a key in small letters: `shippingName`, `user[name]`, `your-name`.
pub(super) fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_small = false;
    for letter in key.chars() {
        let begins = letter.is_uppercase() && is_small;
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        is_small = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What stands before `name` where it is a person's.
const WHOSE: [&str; 36] = [
    "full",
    "first",
    "last",
    "given",
    "family",
    "middle",
    "maiden",
    "real",
    "display",
    "nick",
    "your",
    "my",
    "customer",
    "client",
    "user",
    "contact",
    "guest",
    "member",
    "patient",
    "employee",
    "staff",
    "student",
    "buyer",
    "owner",
    "sender",
    "recipient",
    "receiver",
    "shipping",
    "billing",
    "delivery",
    "applicant",
    "passenger",
    "holder",
    "kana",
    "kanji",
    "person",
];
/// What an address is called.
const WHERE: [&str; 8] =
    ["address", "addr", "street", "address1", "address2", "住所", "届け先", "宛先"];

fn is_somebodys(words: &[String]) -> bool {
    let Some((last, before)) = words.split_last() else { return false };
    let whole = words.concat();
    let whose = |word: &String| WHOSE.contains(&word.as_str());
    let is_name = last == "name" && before.last().is_none_or(whose);
    is_name
        || super::recognizers::is_name_head(&whole)
        || WHERE.iter().any(|word| last == word || (!word.is_ascii() && whole.ends_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_leads_back_to_whole_pieces() {
        let mut retold = Retold::default();
        retold.add("key: ");
        retold.copy(10, "ab");
        retold.tell(12, 3, "@", How::InUrl);
        retold.copy(15, "cd");
        retold.copy(17, "e");
        let place = |start, end| {
            let found = Span { start, end, kind: Kind::Email };
            retold.place(found).map(|span| (span.start, span.end))
        };
        assert_eq!(place(5, 11), Some((10, 18)));
        assert_eq!(place(7, 8), Some((12, 15)));
        assert_eq!(place(5, 7), Some((10, 12)), "right beside");
        assert_eq!(place(9, 11), None, "nothing is said otherwise there");
        assert_eq!(place(4, 8), None, "the original has no such word");
        assert_eq!(place(8, 8), None);
    }

    #[test]
    fn keys_call_persons_and_addresses() {
        for key in ["?name=", "&user[name]=", "x&yourName=", "?氏名=", "&address=", "&last_name="]
        {
            assert!(calls_somebody(key), "{key}");
        }
        for key in ["?q=", "?product_name=", "name=a&b=", "?file-name=", "/name/", "name&x"] {
            assert!(!calls_somebody(key), "{key}");
        }
    }
}

//! The shape of a prompt in fifteen numbers: length, digits, marks, lists. The same as `structure`
//! in tools/router-train/features.py; it never looks at words.

use super::prompt::Prompt;
use super::weights::SHAPE;
use super::words::is_east;

/// Above this a text is as long as any.
pub(super) const LENGTH_CHARS_MAX: usize = 20_000;
/// The share of East Asian characters above which length means another thing.
const MOSTLY_EAST: f32 = 0.2;

/// Counts of words that the shape needs.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) words: u32,
    pub(super) words_of_letters: u32,
    pub(super) letters: u32,
    pub(super) pieces: u32,
}

/// The numbers, each of the order of one.
pub(super) fn shape(prompt: &Prompt, counts: &Counts) -> [f32; SHAPE] {
    let marks = Marks::of(&prompt.text);
    let chars = marks.chars.max(1) as f32;
    let log = ln1p(prompt.chars.min(LENGTH_CHARS_MAX) as u32);
    let is_east = marks.east as f32 / chars > MOSTLY_EAST;
    let (west, east) = if is_east { (0.0, 1.0) } else { (1.0, 0.0) };
    let items = prompt.text.split('\n').filter(|line| is_item(line)).count();
    [
        log * west / 4.0,
        log * east / 4.0,
        east,
        log * log * west / 32.0,
        (marks.digits as f32 / chars).sqrt(),
        (marks.symbols as f32 / chars).sqrt(),
        ln1p(marks.lines) / 2.0,
        ln1p(marks.questions),
        counts.letters as f32 / counts.words_of_letters.max(1) as f32 / 5.0,
        counts.pieces as f32 / counts.words.max(1) as f32 / 2.0,
        ln1p(marks.commas) / 2.0,
        ln1p(marks.numbers) / 2.0,
        if prompt.has_code { 1.0 } else { 0.0 },
        ln1p(marks.dollars),
        ln1p(items as u32),
    ]
}

fn ln1p(count: u32) -> f32 {
    (count as f32).ln_1p()
}

#[derive(Default)]
struct Marks {
    chars: u32,
    east: u32,
    digits: u32,
    numbers: u32,
    symbols: u32,
    lines: u32,
    questions: u32,
    commas: u32,
    dollars: u32,
}

impl Marks {
    fn of(text: &str) -> Self {
        let mut marks = Self::default();
        let mut before = ' ';
        for letter in text.chars() {
            marks.chars += 1;
            marks.east += u32::from(is_east(u32::from(letter)));
            if letter.is_ascii_digit() {
                marks.digits += 1;
                marks.numbers += u32::from(!before.is_ascii_digit());
            }
            marks.symbols += u32::from("+-*/=<>^\\$_{}[]()|".contains(letter));
            marks.lines += u32::from(letter == '\n');
            marks.questions += u32::from(matches!(letter, '?' | '？'));
            marks.commas += u32::from(matches!(letter, ',' | '、' | '，'));
            marks.dollars += u32::from(letter == '$');
            before = letter;
        }
        marks
    }
}

/// Whether a line is a choice or an item of a list: `- x`, `A. x`, `(b) x`, `1) x`.
fn is_item(line: &str) -> bool {
    let body = line.trim_start_matches([' ', '\t', '(']);
    let mut letters = body.chars();
    let (first, second) = (letters.next(), letters.next());
    let is_mark = matches!(first, Some('-' | '*'));
    let is_number = matches!(first, Some('A'..='E' | 'a'..='e' | '0'..='9'));
    is_mark || (is_number && matches!(second, Some('.' | ')')))
}

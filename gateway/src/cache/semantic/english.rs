//! How English asks: politeness is taken off, and the ways to ask one thing become one frame. All
//! words that are left are facts, in their order. Nothing is stemmed: "who is the author" and "who
//! are the authors" are two questions, and so are "is", "was" and "will be".

use super::Token;
use super::text::{Question, Sentence, placeholder};
use super::words;

/// What may stand before a question without changing it.
const OPENERS: &[&str] = &[
    "please",
    "kindly",
    "hi",
    "hello",
    "hey",
    "hi there",
    "hello there",
    "ok",
    "okay",
    "so",
    "well",
    "um",
    "oh",
    "hmm",
    ",",
    "i was wondering",
    "i am wondering",
    "i wonder",
    "i want to know",
    "i would like to know",
    "i need to know",
    "do you know",
    "can you tell me",
    "could you tell me",
    "would you tell me",
    "will you tell me",
    "can you please tell me",
    "could you please tell me",
    "would you please tell me",
    "can anyone tell me",
    "can someone tell me",
    "does anyone know",
    "does anybody know",
    "may i ask",
    "can i ask",
    "quick question",
    "just curious",
    "out of curiosity",
    "help me understand",
    "let me know",
    "tell me",
];

/// Sentences that only greet.
const GREETINGS: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "hi there",
    "hello there",
    "good morning",
    "good afternoon",
    "good evening",
    "thanks",
    "thank you",
    "thanks a lot",
    "thank you very much",
    "thanks in advance",
    "thank you in advance",
    "quick question",
    "i have a question",
    "please",
    "please help",
    "please help me",
];

/// What may stand after it.
const CLOSERS: &[&str] = &["please", "thanks", "thank you", ","];

/// A request that is as polite without these.
const REQUESTS: &[&str] = &["can you", "could you", "would you", "will you"];

/// What such a request asks for.
const REQUESTED: &[&str] =
    &["explain", "describe", "give", "show", "list", "recommend", "suggest", "define", "help"];

const INTERROGATIVES: &[&str] =
    &["what", "who", "when", "where", "why", "which", "how", "whose", "whom"];

const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "were", "am", "do", "does", "did", "can", "could", "will", "would",
    "should", "shall", "has", "have", "had", "may", "might", "must",
];

/// Who may be anybody in "how do I …"; "you" may be whoever answers.
const ANYBODY: &[&str] = &["i", "we", "one", "someone", "people"];

/// What binds a noun to more than itself.
const BINDS: &[&str] = &[
    "the", "of", "in", "on", "at", "for", "from", "to", "with", "by", "about", "between", "and",
    "or", "my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those", "a",
    "an", "than", "not", "no", "it", "you", "he", "she", "we", "they", "i", "me", "us", "going",
    "wrong", "new", "up",
];

const ASKS_WHAT: &str = "?what";
const ASKS_FOR_AN_EXPLANATION: &str = "?explain";
const ASKS_FOR_A_MEANING: &str = "?mean";
const ASKS_HOW: &str = "?how";

/// Words of an explanation's object at most: of a longer one more than its meaning is asked.
const EXPLAINED_WORDS_MAX: usize = 3;

pub(super) fn tokens(question: &Question) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut count = 0;
    for sentence in &question.sentences {
        let words = words_of(sentence);
        if GREETINGS.contains(&words.join(" ").trim_end_matches([' ', ',']).trim()) {
            continue;
        }
        if count > 0 {
            tokens.push(Token::Fact("|".to_owned()));
        }
        count += 1;
        tokens.extend(read(words, sentence.asks));
    }
    (count > 0).then_some(tokens)
}

/// The words in small letters, except where capitals make another word.
fn words_of(sentence: &Sentence) -> Vec<String> {
    let is_loud = !sentence.text.contains(char::is_lowercase);
    let mut found: Vec<String> = Vec::new();
    for piece in sentence.text.split_whitespace() {
        if placeholder(piece.trim_end_matches([',', '\'', '.', 's'])).is_some() {
            found.push(piece.trim_end_matches(',').to_owned());
            continue;
        }
        let bare = piece.trim_end_matches([',', '.', '!', '\'']).trim_start_matches('\'');
        let cased = case(bare, is_loud, found.is_empty());
        if !cased.is_empty() {
            found.extend(expanded(&cased));
        }
        if piece.ends_with(',') {
            found.push(",".to_owned());
        }
    }
    found
}

fn case(word: &str, is_loud: bool, is_first: bool) -> String {
    let lower = word.to_lowercase();
    let letters = word.chars().filter(|letter| letter.is_alphabetic()).count();
    let is_capitals = letters >= 2 && !word.contains(char::is_lowercase);
    if !is_loud && is_capitals && letters <= 4 && !words::ACRONYMS.contains(&lower.as_str()) {
        return word.to_owned();
    }
    let is_capital = word.starts_with(char::is_uppercase);
    if !is_loud && is_capital && !is_first && words::TWO_WORDS.contains(&lower.as_str()) {
        return word.to_owned();
    }
    lower
}

/// Short forms in full, where there is one reading.
fn expanded(word: &str) -> Vec<String> {
    let two = |one: &str, other: &str| vec![one.to_owned(), other.to_owned()];
    match word {
        "can't" | "cannot" | "cant" => return two("can", "not"),
        "won't" => return two("will", "not"),
        "dont" => return two("do", "not"),
        "i'm" => return two("i", "am"),
        "let's" => return two("let", "us"),
        "whats" => return two("what", "is"),
        _ => {}
    }
    if let Some(verb) = word.strip_suffix("n't") {
        return two(verb, "not");
    }
    for (short, long) in [("'re", "are"), ("'ve", "have"), ("'ll", "will")] {
        if let Some(start) = word.strip_suffix(short) {
            return two(start, long);
        }
    }
    match word.strip_suffix("'s") {
        Some(start) if INTERROGATIVES.contains(&start) => two(start, "is"),
        Some(start) if ["it", "that", "there", "he", "she"].contains(&start) => two(start, "is"),
        _ => vec![word.to_owned()],
    }
}

/// What is left when the words of a phrase stand at the beginning.
fn after<'a>(words: &'a [String], phrase: &str) -> Option<&'a [String]> {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    let is_there = words.len() >= phrase.len() && words.iter().zip(&phrase).all(|(a, b)| a == b);
    is_there.then(|| words.get(phrase.len()..).unwrap_or_default())
}

fn before<'a>(words: &'a [String], phrase: &str) -> Option<&'a [String]> {
    let length = words.len().checked_sub(phrase.split(' ').count())?;
    let (start, end) = words.split_at(length);
    (end.join(" ") == phrase).then_some(start)
}

fn first_is(words: &[String], among: &[&str]) -> bool {
    words.first().is_some_and(|word| among.contains(&word.as_str()))
}

fn read(words: Vec<String>, asks: bool) -> Vec<Token> {
    let whole = words.clone();
    let mut rest: &[String] = &words;
    let mut told = false;
    while let Some((phrase, next)) =
        OPENERS.iter().filter_map(|it| Some((*it, after(rest, it)?))).max_by_key(|it| it.0.len())
    {
        told |= phrase.ends_with("tell me") || phrase == "let me know";
        rest = next;
    }
    while let Some(next) = CLOSERS.iter().find_map(|phrase| before(rest, phrase)) {
        rest = next;
    }
    for request in REQUESTS {
        if let Some(next) = after(rest, request) {
            let next = after(next, "please").unwrap_or(next);
            rest = if first_is(next, REQUESTED) { next } else { rest };
        }
    }
    for verb in ["explain to me", "explain"] {
        if let Some(next) = after(rest, verb).filter(|next| first_is(next, INTERROGATIVES)) {
            rest = next;
        }
    }
    if told && !first_is(rest, INTERROGATIVES) {
        if let Some(about) = after(rest, "about") {
            return explained(about);
        }
        if first_is(rest, &["the"]) {
            return framed(ASKS_WHAT, rest);
        }
        let said = if first_is(rest, &["if", "whether"]) { rest } else { &whole };
        return facts(said);
    }
    let direct = direct(rest);
    let mut tokens = question(&direct);
    let is_open = first_is(&direct, INTERROGATIVES) || first_is(&direct, AUXILIARIES);
    if asks && !is_open && !matches!(tokens.first(), Some(Token::Frame(_))) {
        tokens.push(Token::Fact("?".to_owned()));
    }
    tokens
}

/// "what the capital is" → "what is the capital".
fn direct(words: &[String]) -> Vec<String> {
    let second_asks = words.get(1).is_some_and(|word| AUXILIARIES.contains(&word.as_str()));
    let mut words = words.to_vec();
    if first_is(&words, INTERROGATIVES) && !second_asks && words.len() > 2 {
        let last_is = |words: &[String]| {
            words.last().is_some_and(|it| ["is", "are", "was", "were"].contains(&it.as_str()))
        };
        if last_is(&words)
            && let Some(verb) = words.pop()
        {
            words.insert(1, verb);
        }
    }
    words
}

fn question(words: &[String]) -> Vec<Token> {
    if let Some(rest) = how(words) {
        return framed(ASKS_HOW, &rest);
    }
    if let Some(rest) = meaning(words) {
        return framed(ASKS_FOR_A_MEANING, &rest);
    }
    for phrase in ["explain to me", "explain", "what do you know about", "what can you say about"] {
        if let Some(rest) = after(words, phrase) {
            return explained(rest);
        }
    }
    for phrase in ["what is", "what are", "give me the", "what would be"] {
        if let Some(rest) = after(words, phrase).filter(|rest| !rest.is_empty()) {
            return if is_bare(rest) { explained(rest) } else { framed(ASKS_WHAT, rest) };
        }
    }
    facts(words)
}

/// What is to be done, when it is asked how.
fn how(words: &[String]) -> Option<Vec<String>> {
    let plain = [
        "how to",
        "what are ways to",
        "what are some ways to",
        "what are the ways to",
        "what is the way to",
        "what are the steps to",
    ];
    let (rest, own) = match plain.iter().find_map(|phrase| after(words, phrase)) {
        Some(rest) => (rest, "my"),
        None => anybody(after(words, "how")?)?,
    };
    // `my`, `your` and `one's` mean the same in a question of how to do something.
    let same = |word: &String| if word == own { "one's".to_owned() } else { word.clone() };
    (!rest.is_empty() && !first_is(rest, &["not"])).then(|| rest.iter().map(same).collect())
}

/// What anybody does in "do I …" and "I can …", and how they call what is their own.
fn anybody(words: &[String]) -> Option<(&[String], &'static str)> {
    let (first, rest) = words.split_first()?;
    let (second, rest) = rest.split_first()?;
    let asks = ["do", "does", "can", "could", "would"];
    let is_direct = asks.contains(&first.as_str()) && ANYBODY.contains(&second.as_str());
    let is_told = asks.contains(&second.as_str()) && ANYBODY.contains(&first.as_str());
    let who = if is_direct { second } else { first };
    let own = match who.as_str() {
        "i" => "my",
        "we" => "our",
        _ => "one's",
    };
    (is_direct || is_told).then_some((rest, own))
}

/// The word whose meaning is asked.
fn meaning(words: &[String]) -> Option<Vec<String>> {
    let phrases = [
        "what is the meaning of",
        "what is the definition of",
        "what is meant by",
        "define",
        "what is definition of",
        "what is meaning of",
    ];
    if let Some(rest) = phrases.iter().find_map(|phrase| after(words, phrase)) {
        return Some(rest.to_vec()).filter(|rest| !rest.is_empty());
    }
    let rest = after(words, "what does").or_else(|| after(words, "what do"))?;
    before(rest, "mean").filter(|rest| !rest.is_empty()).map(<[String]>::to_vec)
}

/// Whether a few nouns are all that is asked for.
fn is_bare(words: &[String]) -> bool {
    (1..=EXPLAINED_WORDS_MAX).contains(&words.len())
        && !words.iter().any(|word| BINDS.contains(&word.as_str()) || word.contains('\''))
        && !words.iter().any(|word| word.contains(|it: char| it.is_ascii_digit()))
}

fn explained(words: &[String]) -> Vec<Token> {
    if is_bare(words) {
        return framed(ASKS_FOR_AN_EXPLANATION, words);
    }
    let mut tokens = vec![Token::Frame(ASKS_FOR_AN_EXPLANATION)];
    tokens.push(Token::Fact("of".to_owned()));
    tokens.extend(facts(words));
    tokens
}

fn framed(frame: &'static str, words: &[String]) -> Vec<Token> {
    let mut tokens = vec![Token::Frame(frame)];
    tokens.extend(facts(words));
    tokens
}

/// The words as they count. One thing or several is told by the noun, so "is" and "are" are one
/// after an interrogative.
fn facts(words: &[String]) -> Vec<Token> {
    let asks = first_is(words, INTERROGATIVES);
    let token = |(at, word): (usize, &String)| {
        if words::ENGLISH_FILLERS.contains(&word.as_str()) {
            return Token::Filler(word.clone());
        }
        let is_verb = asks && at == 1 && word == "are";
        Token::Fact(if is_verb { "is".to_owned() } else { words::english(word).to_owned() })
    };
    words.iter().enumerate().map(token).collect()
}

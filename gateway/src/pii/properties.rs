//! Properties of masking that hold for any input, tried on inputs from a fixed random sequence:
//! pieces that matter to recognisers and placeholders, in any order. A failure prints its input.

use super::{Masker, Settings};

/// Small, fast and always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const PIECES: [&str; 67] = [
    "taro@example.com",
    "090-1234-5678",
    "０３－３２１０－９８７６",
    "4242 4242 4242 4242",
    "山田太郎",
    "ﾔﾏﾀﾞ ﾀﾛｳ",
    "様",
    "さん",
    "氏名：",
    "Name: ",
    "John Smith",
    "東京都渋谷区神南1-19-11",
    "〒150-0041",
    "マイナンバーは123456789018",
    "203.0.113.9",
    "2001:db8::7",
    "078-05-1121",
    "SSN ",
    "Password: ",
    "pa\"ss\\w0rd!9",
    "https://u:p4ss@h.example/",
    "[PERSON_1]",
    "[EMAIL_2]",
    "email_1",
    "EMAIL_1",
    "PERSON",
    "_1",
    "[",
    "]",
    "<",
    ">",
    "{",
    "}",
    "\\",
    "\\\\",
    "\"",
    "&lt;",
    "&",
    "*",
    "_",
    "-",
    "\n",
    " ",
    "　",
    "\u{200b}",
    "\u{3099}",
    "ー",
    "。",
    "、",
    "：",
    "＜",
    "【",
    "】",
    "🙂",
    "é",
    "1",
    "A",
    "名",
    "?name=%E5%B1%B1%E7%94%B0%E5%A4%AA%E9%83%8E&",
    "taro%40example.com",
    "&#64;",
    "\\u5c71",
    "%2540",
    "\"tel_home\": 312345678, ",
    "%5B",
    "\\n",
    "\\\\t",
];

fn text(dice: &mut Dice) -> String {
    let count = dice.roll(14);
    (0..count).map(|_| PIECES[dice.roll(PIECES.len())]).collect()
}

#[test]
fn any_text_comes_back_and_holds_no_found_value() {
    let masker = Masker::new(Settings::default()).unwrap();
    let mut dice = Dice(1);
    for _ in 0..4_000 {
        let text = text(&mut dice);
        let (masked, spans, vault) = masker.mask_text(&text).unwrap();
        assert_eq!(vault.restore(&masked), text, "{text:?} was masked as {masked:?}");
        assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{text:?}");
        for span in &spans {
            let value = &text[span.start..span.end];
            let is_telling = value.len() > 5 && value.bytes().any(|b| b.is_ascii_digit());
            let is_telling = is_telling && !value.contains(['[', '_']);
            assert!(!is_telling || !masked.contains(value), "{value:?} is left in {masked:?}");
        }
    }
}

#[test]
fn any_cut_of_a_stream_gives_the_same_text() {
    let masker = Masker::new(Settings::default()).unwrap();
    let mut dice = Dice(2);
    for _ in 0..1_500 {
        let (masked, _, vault) = masker.mask_text(&text(&mut dice)).unwrap();
        let answer = format!("{masked}{}{masked}", PIECES[dice.roll(PIECES.len())]);
        for json in [false, true] {
            let new = || if json { vault.json_restorer() } else { vault.restorer() };
            let mut whole = new();
            let expected = whole.push(&answer) + &whole.finish();
            let mut cut = new();
            let mut shown = String::new();
            let mut piece = String::new();
            for character in answer.chars() {
                piece.push(character);
                if dice.roll(3) == 0 {
                    shown.push_str(&cut.push(&piece));
                    piece.clear();
                }
            }
            shown.push_str(&cut.push(&piece));
            shown.push_str(&cut.finish());
            assert_eq!(shown, expected, "{answer:?}");
        }
    }
}

#[test]
fn any_tool_arguments_stay_the_json_they_were() {
    let masker = Masker::new(Settings::default()).unwrap();
    let mut dice = Dice(3);
    for _ in 0..1_000 {
        let value =
            serde_json::json!({"a": text(&mut dice), "list": [text(&mut dice), 1.50, null]});
        let mut request = serde_json::from_value(serde_json::json!({"model": "m", "messages": [
            {"role": "tool", "tool_call_id": "c", "content": value.to_string()}]}))
        .unwrap();
        let vault = masker.mask(&mut request).unwrap();
        let masked = request.messages[0].content.as_ref().unwrap().texts().next().unwrap();
        let restored: serde_json::Value =
            serde_json::from_str(&vault.restore_json(masked)).unwrap();
        assert_eq!(restored, value, "{masked}");
    }
}

#[test]
fn the_cost_is_linear_for_every_piece_repeated() {
    let masker = Masker::new(Settings::default()).unwrap();
    for piece in PIECES {
        let text = piece.repeat(64 * 1024 / piece.len());
        let start = std::time::Instant::now();
        let (masked, _, vault) = masker.mask_text(&text).unwrap();
        assert_eq!(vault.restore(&masked), text);
        // A hundred times what it takes: only what is not linear is caught.
        assert!(start.elapsed().as_secs() < 150, "{piece:?} took {:?}", start.elapsed());
    }
}

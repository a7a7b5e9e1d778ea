//! Languages, tasks and needs of typical requests.

use super::{Numbers, asks, catalogue, read, settings};
use crate::routing::{Language, Preferences, Task, choose, features};
use schemas::openai::{ChatRequest, Message, Role};
use serde_json::json;

#[test]
fn languages() {
    for (text, tag) in [
        ("日本の首都はどこですか？", "ja"),
        ("中国的首都是哪里？", "zh"),
        ("한국의 수도는 어디입니까?", "ko"),
        ("What is the capital of Japan?", "en"),
        ("Quelle est la capitale du Japon ?", "fr"),
        ("Какая столица у Японии?", "ru"),
        ("Яка столиця Японії?", "uk"),
        ("Konnichiwa, kore wa nan desu ka? Oshiete kudasai.", "ja"),
        ("この関数をPythonで書き直してください: def add(a, b): return a + b", "ja"),
        ("```python\n# 税込価格を計算する\ndef tax(price):\n    return price * 1.1\n```", "ja"),
        ("ما هي عاصمة اليابان؟", "ar"),
        ("เมืองหลวงของญี่ปุ่นคืออะไร", "th"),
        ("12345", "und"),
    ] {
        assert_eq!(read(text).language.as_str(), tag, "{text}");
    }
}

#[test]
fn the_language_is_that_of_the_question() {
    let long = "The council met twice to speak about the new bridge and its costs. ".repeat(20);
    for (text, tag) in [
        ("Please put this into English:\n本日の配送は雪のため遅れております。", "en"),
        ("What does 懐かしい mean?", "en"),
        ("What is the tone here? „Das hätten Sie mir auch sagen können.“", "en"),
        ("Shorten this note for me\n明日の打ち合わせは中止です。場所は後日お知らせします。", "en"),
        ("明日の打ち合わせは中止です。場所は後日お知らせします。\nTurn it into a short note", "en"),
        ("Document this function for me\n```python\n# 合計を返す\nreturn sum(x)\n```", "en"),
        ("Traduis en français : The shipment has been delayed by bad weather.", "fr"),
        ("请把下面的日语翻译成中文：本日の会議は三時から始まります。", "zh"),
        ("다음 문장을 한국어로 번역해 주세요: 本日の会議は三時からです。", "ko"),
        (&format!("以下を要約してください。\n{long}"), "ja"),
        (&format!("{long}\n上の文章を三行で要約して"), "ja"),
    ] {
        assert_eq!(read(text).language.as_str(), tag, "{text}");
    }
}

#[test]
fn titles_and_messages_are_no_question() {
    for (text, tag) in [
        ("What does it mean? を日本語に訳して", "ja"),
        ("Gone with the Wind のあらすじを教えて", "ja"),
        ("How to Lie with Statistics\nこの本の要点を3行で教えて", "ja"),
        ("Cannot find the module in the path\nこのエラーの直し方は？", "ja"),
        ("この件について教えてください。\nSent from my telephone", "ja"),
        ("She said \"I am not coming\" and left. Continue the story.", "en"),
        ("Write a letter that ends with \"Mit freundlichen Grüßen\".", "en"),
        ("The train leaves at 10:30 from Gleis 4.", "en"),
    ] {
        assert_eq!(read(text).language.as_str(), tag, "{text}");
    }
}

#[test]
fn single_words() {
    for (word, tag) in [
        ("Geschwindigkeit", "de"),
        ("aujourd'hui", "fr"),
        ("kecepatan", "id"),
        ("mabilis", "tl"),
        ("välkommen", "sv"),
        ("sajnos", "hu"),
        ("szybko", "pl"),
        ("rychle", "cs"),
        ("velocidade", "pt"),
        ("скорость", "ru"),
        ("швидкість", "uk"),
        ("سرعت", "fa"),
        ("weather", "en"),
        ("ありがとう", "ja"),
        ("감사", "ko"),
        ("电脑", "zh"),
        ("郵便局", "ja"),
    ] {
        assert_eq!(read(word).language.as_str(), tag, "{word}");
    }
}

#[test]
fn han_alone_takes_the_locale() {
    let language = |locale| features(&asks("会議"), locale).language;
    assert_eq!(language(Some("ja-JP")), Language::Japanese);
    assert_eq!(language(Some("zh-TW")), Language::Chinese);
}

#[test]
fn tasks() {
    for (text, task) in [
        ("Write a Python function that reverses a linked list.", Task::Code),
        ("Translate this sentence into French: I love spring.", Task::Translation),
        ("次の文を英語に翻訳してください。猫が好きです。", Task::Translation),
        ("楽天で送料無料のコーヒーメーカーを探しています", Task::Ecommerce),
        ("Write a short story about a lighthouse keeper.", Task::Creative),
        ("Who wrote The Tale of Genji?", Task::Text),
        // In languages that little was learned from a guess is none.
        ("Python de list wo sort suru kansuu wo kaite kudasai", Task::Code),
        ("Kinou wa tomodachi to issho ni umi ni ikimashita.", Task::Text),
        ("Waarom is de lucht blauw?", Task::Text),
        ("Wie funktioniert Photosynthese?", Task::Text),
        ("¿Quién escribió Don Quijote de la Mancha?", Task::Text),
        ("प्रकाश संश्लेषण क्या है?", Task::Text),
        ("Traduce al inglés: Mañana voy a la playa con mis amigos.", Task::Translation),
        ("Напиши функцию на Python, которая проверяет палиндром", Task::Code),
    ] {
        assert_eq!(read(text).task, task, "{text}");
    }
}

#[test]
fn needs_are_read_from_the_request() {
    let request: ChatRequest = serde_json::from_value(json!({
        "model": "auto",
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is on this picture?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "response_format": {"type": "json_schema", "json_schema": {}}
    }))
    .unwrap();
    let needs = features(&request, None).needs;
    assert!(needs.vision && needs.tools && needs.json_schema);
    assert_eq!(features(&asks("hi"), None).needs, crate::routing::Needs::default());
}

#[test]
fn a_recommendation_alone_is_no_shopping() {
    for text in [
        "長崎のおすすめの季節はいつ？",
        "初心者におすすめの山登りコースを教えて",
        "おすすめの単体テストの書き方は？",
        "新作の和菓子の名前を考えてください。秋らしいもの。",
    ] {
        assert_ne!(read(text).task, Task::Ecommerce, "{text}");
    }
    assert_eq!(read("一万円以下の電気ケトルを楽天で探して").task, Task::Ecommerce);
}

#[test]
fn hard_prose_is_harder_than_an_easy_question() {
    let easiest_of_hard = [
        "Critically assess the use of p-values in clinical trials, and recommend a policy.",
        "カントの定言命法と功利主義を事例で比較し、それぞれの限界を論じなさい。",
    ]
    .map(|text| read(text).difficulty)
    .into_iter()
    .fold(1.0, f32::min);
    for text in ["zsh: command not found: brew", "長崎のおすすめの季節はいつ？", "Thanks a lot!"]
    {
        assert!(read(text).difficulty < easiest_of_hard, "{text}");
    }
}

#[test]
fn a_short_message_is_read_with_the_ones_before_it() {
    let mut request = asks("日本の歴史について詳しく教えてください。");
    request.messages.push(Message::text(Role::Assistant, "Yes."));
    request.messages.push(Message::text(Role::User, "OK"));
    assert_eq!(features(&request, None).language, Language::Japanese);
}

#[test]
fn case_width_and_spacing_change_nothing() {
    for text in [
        "Write a Python function that reverses a linked list.",
        "How many apples are left if 3 of 12 are eaten?",
        "楽天で 送料無料の コーヒーメーカーを探しています",
    ] {
        let plain = read(text);
        let wide = text.replace("Python", "Ｐｙｔｈｏｎ");
        for other in [text.to_uppercase(), format!("\n {} \n", text.replace(' ', "  ")), wide] {
            let same = read(&other);
            assert_eq!((same.language, same.task), (plain.language, plain.task), "{other}");
            assert!((same.difficulty - plain.difficulty).abs() < 0.02, "{other}");
        }
    }
}

/// A text with one mistake of the hand: two letters swapped, or one left out or written twice.
fn with_a_typo(text: &str, numbers: &mut Numbers) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = numbers.below(letters.len().max(2) as u64 - 1) as usize;
    match numbers.below(3) {
        0 if at + 1 < letters.len() => letters.swap(at, at + 1),
        1 if !letters.is_empty() => drop(letters.remove(at)),
        _ => letters.insert(at, *letters.get(at).unwrap_or(&' ')),
    }
    letters.into_iter().collect()
}

/// Letters of a prompt that stands for a request; the others in the golden file are single words.
const REQUEST_LETTERS_MIN: usize = 30;

#[test]
fn one_typo_rarely_changes_a_decision() {
    let decision = |text: &str| {
        let features = read(text);
        let candidates = catalogue();
        let choice = choose(&features, &Preferences::default(), &candidates, &settings()).unwrap();
        (features.language, features.task, choice.ordered[0])
    };
    let mut numbers = Numbers(4);
    let (mut all, mut languages, mut tasks, mut models) = (0, 0, 0, 0);
    for line in include_str!("../golden/readings.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let prompt = row["prompt"].as_str().unwrap();
        if prompt.chars().count() < REQUEST_LETTERS_MIN {
            continue;
        }
        let plain = decision(prompt);
        for _ in 0..5 {
            let typed = decision(&with_a_typo(prompt, &mut numbers));
            all += 1;
            languages += u32::from(typed.0 == plain.0);
            tasks += u32::from(typed.1 == plain.1);
            models += u32::from(typed.2 == plain.2);
        }
    }
    // What no dictionary mends moves a score that is near the border between two models over it.
    let holds = [(languages, 98), (tasks, 95), (models, 95)];
    assert!(holds.iter().all(|(same, percent)| same * 100 >= all * percent), "{holds:?} of {all}");
}

#[test]
fn a_long_text_is_judged_by_samples() {
    let once = read(&"日本語 and English, 12 times. ".repeat(100)).prompt_tokens_estimate;
    let long = read(&"日本語 and English, 12 times. ".repeat(100_000)).prompt_tokens_estimate;
    let ratio = long as f64 / once as f64;
    assert!((950.0..1_050.0).contains(&ratio), "{ratio}");
}

#[test]
fn japanese_is_not_taken_for_few_tokens() {
    let japanese = read(&"日本語の文章です。".repeat(100)).prompt_tokens_estimate;
    assert!((700..1_100).contains(&japanese), "{japanese}");
}

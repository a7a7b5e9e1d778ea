//! What the model takes for a name and what is none because it is a thing: a word of two nouns in
//! katakana, and a noun, a place or a firm among others of its kind. It must never drop what has an
//! honorific behind it, nor a name among names.

use super::lexicon::Lexicon;
use super::table::{
    CITY, GIVEN, Lists, NOUN, ORGANIZATION, OTHER_PERSON, PLACE, SURNAME, WHOLE_NAME, hash,
};

/// A compound has so many letters, and each of its nouns.
const COMPOUND_LETTERS_MIN: usize = 6;
const PART_LETTERS_MIN: usize = 3;
/// What sounds more like a person than this is left: the middle of the classes.
const SOUND_OF_THINGS_MAX: u64 = 7;
/// Things that are told one after the other have so many of their kind around them.
const OTHERS_MIN: usize = 2;
/// What a list of things has between them.
const JOINTS: [char; 4] = ['、', '・', 'と', 'や'];
/// Who is spoken of by what he is stands among names, too: 部長、平野.
const SOMEBODY: &str = "長員者士師生客様人子父母兄弟姉妹妻夫娘息孫族友家方役職";
const HONORIFICS: [&str; 10] =
    ["さん", "様", "さま", "くん", "ちゃん", "君", "氏", "殿", "先生", "選手"];

/// Whether a name is a thing by itself or by what stands around it in its line.
pub(super) fn is_thing((before, value, after): (&str, &str, &str), lexicon: &Lexicon) -> bool {
    let honored = HONORIFICS.iter().any(|honorific| after.trim_start().starts_with(honorific));
    let place = (before, value, after);
    !honored
        && (is_compound(value, lexicon)
            || is_among_things(place, lexicon)
            || is_landscape(value, after)
            || is_letter(place))
}

/// 小川が流れる, 石橋を渡る.
fn is_landscape(value: &str, after: &str) -> bool {
    const LANDSCAPES: [&str; 14] = [
        "小川", "石橋", "大橋", "古川", "大川", "森", "林", "原", "谷", "岡", "沢", "滝", "泉",
        "大木",
    ];
    const VERBS: [&str; 16] = [
        "が流れ",
        "が広が",
        "が見え",
        "がそび",
        "が続",
        "を渡",
        "を抜け",
        "を歩",
        "を登",
        "を下",
        "を越え",
        "を流れ",
        "に架か",
        "のせせらぎ",
        "の流れ",
        "のほとり",
    ];
    LANDSCAPES.contains(&value) && VERBS.iter().any(|verb| after.starts_with(verb))
}

/// 原、谷、岡などの漢字: one kanji that is spoken of as such.
fn is_letter((before, value, after): (&str, &str, &str)) -> bool {
    let one = value.len() == '谷'.len_utf8();
    let listed = || before.ends_with(['、', '「', '・']) || after.starts_with(['、', '」', '・']);
    let speaks = |text: &str| ["漢字", "部首", "文字", "画数"].iter().any(|w| text.contains(w));
    one && listed() && (speaks(before) || speaks(after))
}

/// シニアエンジニア, スケジュールボード: two nouns, one of which is nobody's name.
fn is_compound(value: &str, lexicon: &Lexicon) -> bool {
    let is_katakana = |c: char| matches!(c, 'ァ'..='ヶ' | 'ー');
    let count = value.chars().count();
    if count < COMPOUND_LETTERS_MIN || !value.chars().all(is_katakana) {
        return false;
    }
    let lists = |word: &str| lexicon.lists(hash(word));
    let persons = GIVEN | SURNAME | OTHER_PERSON;
    if lists(value) & (persons | WHOLE_NAME) != 0 || lexicon.sound(value) > SOUND_OF_THINGS_MAX {
        return false;
    }
    let cuts = value.char_indices().map(|(at, _)| at).skip(PART_LETTERS_MIN);
    cuts.take((count + 1).saturating_sub(2 * PART_LETTERS_MIN)).any(|cut| {
        let Some((first, last)) = value.split_at_checked(cut) else { return false };
        // Common words are in a group; of rare ones anybody's name can be put together.
        let is_common = [first, last].iter().all(|part| lexicon.group(hash(part)) != 0);
        let (first, last) = (lists(first), lists(last));
        is_common && first & last & NOUN != 0 && (first & persons == 0 || last & persons == 0)
    })
}

/// 大豆、小豆、黒豆: around it are others of its kind, and none of them is a name.
fn is_among_things((before, value, after): (&str, &str, &str), lexicon: &Lexicon) -> bool {
    let kinds = [NOUN, PLACE | CITY, ORGANIZATION];
    let lists = lexicon.lists(hash(value));
    if value.is_ascii() || !(before.ends_with(JOINTS) || after.starts_with(JOINTS)) {
        return false;
    }
    kinds.into_iter().any(|kind| {
        let others = || {
            let back = before.strip_suffix(JOINTS).map_or(0, |rest| {
                let words = rest.rsplit(JOINTS);
                words.map(last_word).take_while(|word| is_of(word, kind, lexicon)).count()
            });
            let on = after.strip_prefix(JOINTS).map_or(0, |rest| {
                let words = rest.split(JOINTS);
                words.map(first_word).take_while(|word| is_of(word, kind, lexicon)).count()
            });
            back + on
        };
        lists & kind != 0 && others() >= OTHERS_MIN
    })
}

/// A word of kanji or katakana at the end of a text.
fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !is_wide(c)).next().unwrap_or_default()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !is_wide(c)).next().unwrap_or_default()
}

fn is_wide(letter: char) -> bool {
    matches!(letter, '一'..='龥' | '々' | 'ァ'..='ヶ' | 'ー')
}

/// Whether a word is of a kind and on no list of names.
fn is_of(word: &str, kind: Lists, lexicon: &Lexicon) -> bool {
    let lists = lexicon.lists(hash(word));
    let named = lists & (SURNAME | GIVEN) != 0 || word.ends_with(|c| SOMEBODY.contains(c));
    word.chars().count() > 1 && lists & kind != 0 && !named
}

#[cfg(test)]
mod tests {
    use super::{Lexicon, is_thing};

    #[test]
    fn a_thing_is_told_by_its_parts_or_its_neighbours() {
        let lexicon = Lexicon::new();
        let is = |before, value, after| is_thing((before, value, after), &lexicon);
        assert!(is("", "シニアエンジニア", " を募集"));
        assert!(!is("", "シニアエンジニア", "さん"));
        assert!(!is("", "ブラウンジョンソン", ""));
        assert!(is("大豆、", "小豆", "、黒豆の栄養"));
        assert!(is("庭に", "小川", "が流れている"));
        assert!(!is("昨日", "小川", "が来た"));
        assert!(is("森、", "岡", "などの漢字の意味"));
        assert!(!is("森、", "岡", "の両名"));
        assert!(is("", "本町", "、大手町、栄町という地名"));
        assert!(!is("部長、", "平野", "、課長が参加"));
        assert!(!is("佐藤、", "平野", "、鈴木が参加"));
    }
}

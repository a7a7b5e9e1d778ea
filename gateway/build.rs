//! Makes the tagger's tables of the word lists and the trained weights; the gateway reads them in
//! place. It must never read anything but what is committed: the same source gives the same bytes.

/// The lists.
#[path = "src/pii/tagger/lists.rs"]
mod lists;

/// Where in a table something lies.
#[allow(dead_code, reason = "the gateway looks up, this only makes")]
#[path = "src/pii/tagger/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use table::{
    COMMON_LETTERS, FILTER_WORDS, GIVEN, GROUPED, HASH_START, LENGTH_BITS, Lists, OTHER_PERSON,
    SOUNDS_LOG, SURNAME, WHOLE_NAME, Word, hash, mix, upper,
};

/// The trained weights, in parts: the repository takes no large file.
const TRAINED: [&[u8]; 2] =
    [include_bytes!("src/pii/data/tagger_1.bin"), include_bytes!("src/pii/data/tagger_2.bin")];

/// What an unknown piece of a name is taken to have been seen.
const UNSEEN: f32 = 0.5;

/// Steps of a piece's worth in one unit.
const STEPS: f32 = 16.0;

#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/pii/data");
    println!("cargo::rerun-if-changed=src/pii/tagger");
    let folder = std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(Path::new(&folder).join(name).with_extension("bin"), bytes)
    };
    let words = words();
    write("words", words.as_flattened())?;
    write("word_filter", &filter())?;
    let [first, second] = lengths();
    write("first_lengths", &first)?;
    write("second_lengths", &second)?;
    let (habits, rare_habits) = habits();
    write("habits", &habits)?;
    write("rare_habits", &rare_habits)?;
    write("sounds", &sounds())?;
    let model = table::laid(&TRAINED.concat()).ok_or("the trained weights are broken")?;
    write("model_head", &model.head)?;
    write("model", &model.lines)?;
    write("model_filter", &model.filter)?;
    Ok(())
}

/// Every listed word; groups are of lists, too.
fn all() -> impl Iterator<Item = (&'static str, Lists, u16)> {
    let listed = lists::listed().map(|(word, list)| (word, list, 0));
    listed.chain(lists::grouped().map(|(word, group)| (word, GROUPED, group)))
}

/// The table of words; a quarter of its places stays free.
fn words() -> Vec<Word> {
    let mut known: BTreeMap<u64, (Lists, u16)> = BTreeMap::new();
    for (word, list, group) in all() {
        let (lists, of_group) = known.entry(hash(word)).or_default();
        *lists |= list;
        *of_group = group.max(*of_group);
    }
    let mut words = vec![Word::default(); known.len() + known.len() / 3 + 1];
    for (hash, (lists, group)) in known {
        let place = table::word_place(&words, hash);
        let [a, b, c, d] = (hash as u32).to_le_bytes();
        let ([e, f], [g, h]) = (lists.to_le_bytes(), group.to_le_bytes());
        words[place] = [a, b, c, d, e, f, g, h];
    }
    words
}

fn filter() -> Vec<u8> {
    let mut filter = vec![0_u64; FILTER_WORDS];
    for (word, ..) in all() {
        let hash = upper(hash(word));
        filter[table::filter_word(hash)] |= table::filter_bits(hash);
    }
    filter.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// How long words are, by their first character and by their first two.
fn lengths() -> [Vec<u8>; 2] {
    let mut cells = LENGTH_BITS.map(|bits| vec![0; 1 << bits]);
    for (word, ..) in all() {
        let length = table::length_bit(word.chars().count());
        let hashes = word.chars().scan(HASH_START, |hash, character| {
            *hash = mix(*hash, u64::from(u32::from(character)));
            Some(*hash)
        });
        for ((cells, bits), hash) in cells.iter_mut().zip(LENGTH_BITS).zip(hashes) {
            cells[table::length_place(hash, bits)] |= length;
        }
    }
    cells
}

/// How often letters begin and end surnames and given names: common letters by their code point,
/// rare ones behind theirs.
fn habits() -> (Vec<u8>, Vec<u8>) {
    let mut letters: BTreeMap<u32, [u32; 4]> = BTreeMap::new();
    for (word, list) in lists::listed().filter(|(_, list)| list & (SURNAME | GIVEN) != 0) {
        let shift = if list == SURNAME { 0 } else { 2 };
        let ends = [word.chars().next(), word.chars().next_back()];
        for (place, letter) in ends.into_iter().enumerate() {
            if let Some(letter) = letter {
                letters.entry(u32::from(letter)).or_default()[shift + place] += 1;
            }
        }
    }
    let (mut common, mut rare) = (vec![0; 2 * COMMON_LETTERS], Vec::new());
    for (letter, counts) in letters {
        let habits = habits_of(counts).to_le_bytes();
        match common.as_chunks_mut().0.get_mut(letter as usize) {
            Some(slot) => *slot = habits,
            None => rare.extend(letter.to_le_bytes().into_iter().chain(habits)),
        }
    }
    (common, rare)
}

fn habits_of(counts: [u32; 4]) -> u16 {
    counts.into_iter().fold(0, |habits, count| {
        let log = count.checked_ilog2().map_or(0, |log| log + 1).min(15);
        habits << 4 | u16::try_from(log).unwrap_or_default()
    })
}

/// What each piece of a word in katakana is worth: how much oftener it was seen in persons' names
/// than in other words.
fn sounds() -> Vec<u8> {
    let mut cells = vec![[0_u32; 2]; 1 << SOUNDS_LOG];
    let mut words = [0; 2];
    for (word, list) in lists::listed().filter(|(_, list)| list & (SURNAME | GIVEN) == 0) {
        if !word.chars().all(|letter| matches!(letter, 'ァ'..='ヺ' | 'ー')) {
            continue;
        }
        let side = usize::from(list & (OTHER_PERSON | WHOLE_NAME) != 0);
        for cell in table::sounds(word) {
            cells[cell][side] += 1;
        }
        words[side] += 1;
    }
    let share = |count: u32, words: u32| (count as f32 + UNSEEN) / (words as f32 + 1.0);
    let [others, persons] = words;
    let worth = |[other, person]: [u32; 2]| {
        let ratio = share(person, persons) / share(other, others);
        (ratio.ln() * STEPS).round().clamp(-127.0, 127.0) as i8
    };
    let unseen = i32::from(worth([0; 2]));
    let worth = |cell: [u32; 2]| match cell {
        [0, 0] => 0,
        cell => (i32::from(worth(cell)) - unseen).clamp(-127, 127) as i8,
    };
    cells.into_iter().map(|cell| worth(cell).cast_unsigned()).collect()
}

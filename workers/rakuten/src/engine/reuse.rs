//! Which beginning of a prompt need not be computed: another slot, idle or busy, may hold it, or
//! may be computing it right now.
//!
//! Must never claim a token that a slot does not hold, and never all of a prompt: its last token
//! has to be computed for the answer's first.

use std::cmp::Reverse;

use super::slot::Slot;

/// A prefix that is shorter than this is computed faster than copied between sequences, tokens.
pub(super) const COPIED_TOKENS_MIN: usize = 32;

/// Where the beginning of a slot's prompt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The slot itself holds this many of its tokens; perhaps none.
    Own(usize),
    /// A slot holds this many of them.
    Copy { from: usize, tokens: usize },
    /// An older request is computing more of them than anybody holds.
    Soon,
}

/// How many tokens two texts have in common from their beginning.
fn common(left: &[i32], right: &[i32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The free slot for a prompt: the one whose tokens it mostly continues. Else it is one of the half
/// that was used the longest ago, so that a beginning which others may need is copied and not cut
/// off; of these the one with the most busy neighbours, because llama.cpp computes at once what is
/// of neighbours, and each gap costs a pass over the weights.
pub(super) fn place(slots: &[Slot], prompt: &[i32]) -> Option<usize> {
    let mut free: Vec<usize> =
        (0..slots.len()).filter(|index| slots[*index].answer.is_none()).collect();
    let continued = free
        .iter()
        .map(|index| (common(&slots[*index].cached, prompt), *index))
        .filter(|(shared, index)| *shared > 0 && shared * 2 >= slots[*index].cached.len())
        .max();
    if let Some((_, index)) = continued {
        return Some(index);
    }
    let is_busy = |index: usize| slots.get(index).is_some_and(|slot| slot.answer.is_some());
    let neighbours = |index: usize| {
        usize::from(is_busy(index.wrapping_sub(1))) + usize::from(is_busy(index + 1))
    };
    free.sort_by_key(|index| slots[*index].used);
    free.truncate(free.len().div_ceil(2));
    free.into_iter().min_by_key(|index| (Reverse(neighbours(*index)), *index))
}

/// Where the prompt of the slot `index`, which has not begun, gets its beginning.
pub(super) fn source(slots: &[Slot], index: usize) -> Source {
    let slot = &slots[index];
    let Some(answer) = &slot.answer else { return Source::Own(0) };
    let most = answer.prompt.len().saturating_sub(1);
    let shared = |tokens: &[i32]| common(tokens, &answer.prompt).min(most);
    let others = || slots.iter().enumerate().filter(|(other, _)| *other != index);
    let own = shared(&slot.cached);
    let (copied, from) =
        others().map(|(other, slot)| (shared(&slot.cached), other)).max().unwrap_or((0, index));
    let soon = others()
        .filter_map(|(_, slot)| slot.answer.as_ref())
        .filter(|other| other.number < answer.number && other.prompt_left() > 0)
        .map(|other| shared(&other.prompt))
        .max();
    if soon.is_some_and(|soon| soon >= own.max(copied) + COPIED_TOKENS_MIN) {
        Source::Soon
    } else if copied >= own + COPIED_TOKENS_MIN {
        Source::Copy { from, tokens: copied }
    } else {
        Source::Own(own)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::output::Output;
    use crate::engine::request::{GenerateRequest, Prompt};
    use crate::engine::slot::{Answer, Job};

    fn answer(prompt: Vec<i32>, number: u64) -> Answer {
        let prompt = Prompt { tokens: prompt, answer_starts_with_space: false };
        let (output, _) = Output::new(Vec::new(), false).unwrap();
        let request = GenerateRequest::new(prompt);
        let job = Job { request, output, queued_at: Instant::now() };
        Answer::new(job, number, 1_000, Vec::new())
    }

    fn slots(cached: &[Vec<i32>]) -> Vec<Slot> {
        let slot = |(number, cached): (i32, &Vec<i32>)| Slot {
            cached: cached.clone(),
            used: 10 - number.unsigned_abs() as u64,
            ..Slot::new(number)
        };
        (0..).zip(cached).map(slot).collect()
    }

    fn tokens(from: i32, to: i32) -> Vec<i32> {
        (from..to).collect()
    }

    #[test]
    fn a_growing_chat_goes_on_in_its_slot_and_a_stranger_takes_the_oldest() {
        let slots = slots(&[tokens(0, 100), tokens(500, 600), tokens(700, 800)]);
        assert_eq!(place(&slots, &tokens(0, 150)), Some(0));
        assert_eq!(place(&slots, &tokens(900, 950)), Some(1), "not the one that was used last");
        // Only a fifth would stay of what the first holds: that is left whole for its own chat.
        assert_eq!(place(&slots, &tokens(0, 20)), Some(1));
        assert_eq!(place(&[], &tokens(0, 20)), None);
    }

    #[test]
    fn strangers_become_neighbours_and_leave_what_was_used_lately() {
        let mut slots = slots(&[const { Vec::new() }; 8]);
        for (slot, used) in slots.iter_mut().zip([6, 7, 8, 1, 2, 3, 4, 5]) {
            slot.used = used;
        }
        let mut taken = Vec::new();
        for number in 0..6 {
            let place = place(&slots, &tokens(0, 10)).unwrap();
            slots[place].answer = Some(answer(tokens(0, 10), number));
            taken.push(place);
        }
        // The last two of the seven are left while there is another beside a busy one.
        assert_eq!(taken, [3, 4, 5, 6, 7, 0]);
        (slots[4].answer, slots[4].used) = (None, 2);
        assert_eq!(place(&slots, &tokens(0, 10)), Some(4), "it has two");
    }

    #[test]
    fn the_longest_beginning_wins_and_the_last_token_is_always_computed() {
        let mut slots = slots(&[tokens(0, 40), tokens(0, 90), Vec::new()]);
        slots[2].answer = Some(answer(tokens(0, 90), 1));
        assert_eq!(source(&slots, 2), Source::Copy { from: 1, tokens: 89 });
        slots[2].cached = tokens(0, 70);
        assert_eq!(source(&slots, 2), Source::Own(70), "19 more are not worth a copy");
        slots[2].answer = Some(answer(tokens(300, 310), 1));
        assert_eq!(source(&slots, 2), Source::Own(0));
    }

    #[test]
    fn the_younger_waits_for_what_the_older_computes_and_never_the_other_way() {
        let mut slots = slots(&[Vec::new(), Vec::new()]);
        slots[0].answer = Some(answer(tokens(0, 100), 1));
        slots[1].answer = Some(answer([tokens(0, 80), tokens(200, 220)].concat(), 2));
        assert_eq!(source(&slots, 1), Source::Soon);
        assert_eq!(source(&slots, 0), Source::Own(0));
        slots[0].cached = tokens(0, 48);
        assert_eq!(source(&slots, 1), Source::Soon, "32 more are coming");
        slots[0].cached = tokens(0, 80);
        assert_eq!(source(&slots, 1), Source::Copy { from: 0, tokens: 80 });
    }
}

//! What the next step computes: prompts, as far as there is room, then a token for each running
//! answer.
//!
//! Must never plan more tokens than a batch has room for, nor two things for one slot.

use super::slot::{Answer, Slot};

/// After so many tokens of a prompt, looking back at them takes as long as the rest of the work on
/// one. That is of the demo model on two processors; in larger models looking back weighs less, and
/// their later steps are shorter than their first.
const LOOKING_BACK_TOKENS: usize = 1_200;

/// What a slot does in one step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) slot: usize,
    /// Tokens it puts into the batch.
    pub(super) tokens: Vec<i32>,
    /// Where in the batch the logits of its next token will be, if this step gives them.
    pub(super) row: Option<i32>,
    /// The tokens are of the prompt.
    pub(super) is_prompt: bool,
}

/// How steps are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    /// Most tokens of a step.
    pub(super) tokens_max: usize,
    /// Prompt tokens of a step while others are streaming.
    pub(super) prompt_tokens_busy: usize,
    /// Answers and prompts are computed in one pass over the weights.
    pub(super) in_one_pass: bool,
}

impl Steps {
    /// The first pass of the next step: prompts, and where all is computed in one pass, answers
    /// before them. Prompts that join answers which are already written have a bounded share.
    pub(super) fn prompts(&self, slots: &[Slot]) -> Vec<Work> {
        let is_quiet = !slots.iter().any(Slot::is_writing);
        let mut pass = if self.in_one_pass { tokens_of_answers(slots) } else { Vec::new() };
        let room = self.tokens_max - pass.len();
        let waiting = waiting(slots);
        let budget = if is_quiet { room } else { self.busy_budget(&waiting, room) };
        for (slot, share) in shares(&waiting, budget, room) {
            let Some(answer) = &slots[slot].answer else { continue };
            let tokens = answer.prompt[answer.computed..answer.computed + share].to_vec();
            pass.push(Work { slot, tokens, row: None, is_prompt: true });
        }
        // llama.cpp computes at once what is of neighbouring slots in their order.
        pass.sort_by_key(|work| (work.is_prompt, work.slot));
        number_rows(&mut pass, slots);
        pass
    }

    /// The second pass: a token of every answer, also of those whose prompt the first has ended.
    pub(super) fn answers(&self, slots: &[Slot]) -> Vec<Work> {
        let mut pass = if self.in_one_pass { Vec::new() } else { tokens_of_answers(slots) };
        number_rows(&mut pass, slots);
        pass
    }

    /// Prompt tokens of a step while others are streaming: the more wait for their first token, the
    /// longer a gap is fair, and large steps are cheaper.
    fn busy_budget(&self, waiting: &[Waiting], room: usize) -> usize {
        let widest = self.prompt_tokens_busy.max(self.prompt_tokens_busy / 2 * waiting.len());
        even_piece(waiting, widest.min(room)).min(room)
    }
}

/// The last token of each answer that is being written.
fn tokens_of_answers(slots: &[Slot]) -> Vec<Work> {
    let pending = |slot: &Slot| slot.answer.as_ref().and_then(|answer| answer.pending);
    let pending = slots.iter().enumerate().filter_map(|(slot, held)| Some((slot, pending(held)?)));
    let work = |(slot, token)| Work { slot, tokens: vec![token], row: None, is_prompt: false };
    pending.map(work).collect()
}

/// Notes where in its batch each work's logits will be: at its last token, unless a part of the
/// prompt is still to come.
fn number_rows(pass: &mut [Work], slots: &[Slot]) {
    let mut end = 0;
    for work in pass {
        end += i32::try_from(work.tokens.len()).unwrap_or(0);
        let left = slots[work.slot].answer.as_ref().map_or(0, Answer::prompt_left);
        let is_last = !work.is_prompt || work.tokens.len() == left;
        work.row = is_last.then_some(end - 1);
    }
}

/// A prompt that is not yet computed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    slot: usize,
    /// Tokens that are still to be computed.
    left: usize,
    /// Tokens before them.
    depth: usize,
}

/// The prompts to compute, the oldest request first.
fn waiting(slots: &[Slot]) -> Vec<Waiting> {
    let answers = slots.iter().enumerate();
    let answers = answers.filter_map(|(slot, held)| held.answer.as_ref().map(|held| (slot, held)));
    let mut waiting: Vec<(u64, Waiting)> = answers
        .filter(|(_, answer)| answer.has_begun && answer.prompt_left() > 0)
        .map(|(slot, answer)| {
            let (left, depth) = (answer.prompt_left(), answer.computed);
            (answer.number, Waiting { slot, left, depth })
        })
        .collect();
    waiting.sort_unstable_by_key(|(number, _)| *number);
    waiting.into_iter().map(|(_, waiting)| waiting).collect()
}

/// How long so many tokens take so deep in a prompt, in halves of a token at its beginning, times
/// [`LOOKING_BACK_TOKENS`].
fn weight(tokens: usize, depth: usize) -> usize {
    tokens * (2 * (LOOKING_BACK_TOKENS + depth) + tokens)
}

/// Tokens of the next piece of what is left of prompts. The pieces are as few as may be when none
/// takes longer than `widest` tokens at a beginning, and they take equally long: full pieces and a
/// rest would end no sooner, and each full one would be a longer gap. The deeper in its prompt a
/// token is, the more it looks back at, so later pieces have fewer; of several prompts that share
/// a piece the deepest counts.
fn even_piece(waiting: &[Waiting], widest: usize) -> usize {
    let whole: usize = waiting.iter().map(|prompt| weight(prompt.left, prompt.depth)).sum();
    let pieces = whole.div_ceil(weight(widest, 0).max(1)).max(1);
    let count = waiting.len().max(1);
    // A prompt's part of the piece: the smallest number of tokens whose weight is what is wanted.
    let wanted = whole.div_ceil(pieces * count);
    let depth = waiting.iter().map(|prompt| prompt.depth).max().unwrap_or(0);
    let base = LOOKING_BACK_TOKENS + depth;
    let tokens = (base * base + wanted).isqrt() - base;
    let is_enough = weight(tokens, depth) >= wanted;
    (count * (tokens + usize::from(!is_enough))).max(1)
}

/// Shares a step's tokens among prompts (the oldest first); gives slots and tokens. Half goes to
/// the oldest, so that a long one always moves; the rest in the order of length, so that a short
/// one does not wait for a long one. Each prompt that is cut costs a pass over the weights: where
/// an eighth of the step more computes one to its end, it is computed, and less than an eighth
/// begins none.
fn shares(waiting: &[Waiting], budget: usize, room: usize) -> Vec<(usize, usize)> {
    let eighth = budget / 8;
    let mut given = vec![0; waiting.len()];
    let mut by_length: Vec<usize> = (0..waiting.len()).collect();
    by_length.sort_by_key(|index| waiting[*index].left);
    let mut left = budget;
    let mut more = eighth.min(room.saturating_sub(budget));
    if let Some(oldest) = waiting.first() {
        given[0] = oldest.left.min(budget.div_ceil(2));
        left -= given[0];
    }
    for index in by_length {
        let rest = waiting[index].left - given[index];
        let share = if rest <= left + more {
            more -= rest.saturating_sub(left);
            rest
        } else if left > eighth || given[index] > 0 {
            left
        } else {
            0
        };
        given[index] += share;
        left = left.saturating_sub(share);
    }
    let shares = waiting.iter().zip(given).map(|(prompt, share)| (prompt.slot, share));
    shares.filter(|(_, share)| *share > 0).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::output::Output;
    use crate::engine::request::{GenerateRequest, Prompt};
    use crate::engine::slot::Job;

    /// A slot with a prompt of so many tokens, of which as many are computed; perhaps it writes.
    fn slot(number: i32, tokens: i32, computed: usize, pending: Option<i32>) -> Slot {
        let prompt = Prompt { tokens: (0..tokens).collect(), answer_starts_with_space: false };
        let (output, _) = Output::new(Vec::new(), false).unwrap();
        let request = GenerateRequest::new(prompt);
        let job = Job { request, output, queued_at: Instant::now() };
        let mut answer = Answer::new(job, number.unsigned_abs().into(), 1_000, Vec::new());
        answer.begin(0);
        answer.prompt_advanced(computed);
        answer.pending = pending;
        Slot { answer: Some(answer), ..Slot::new(number) }
    }

    fn steps(prompt_tokens_busy: usize) -> Steps {
        Steps { tokens_max: 64, prompt_tokens_busy, in_one_pass: false }
    }

    #[test]
    fn prompts_and_answers_are_passes_and_a_prompt_has_logits_at_its_end_only() {
        let slots =
            [slot(0, 4, 4, Some(7)), slot(1, 6, 1, None), slot(2, 4, 4, Some(8)), Slot::new(3)];
        let work = |slot, tokens: &[i32], row, is_prompt| Work {
            slot,
            tokens: tokens.to_vec(),
            row,
            is_prompt,
        };
        let mut steps = steps(3);
        let answers = [work(0, &[7], Some(0), false), work(2, &[8], Some(1), false)];
        assert_eq!(steps.prompts(&slots), [work(1, &[1, 2, 3], None, true)]);
        assert_eq!(steps.answers(&slots), answers);
        (steps.prompt_tokens_busy, steps.in_one_pass) = (8, true);
        let only = steps.prompts(&slots);
        assert_eq!(only[..2], answers);
        assert_eq!(only[2..], [work(1, &[1, 2, 3, 4, 5], Some(6), true)]);
        assert!(steps.answers(&slots).is_empty());
        assert!(steps.prompts(&slots[3..]).is_empty());
    }

    /// Slots and tokens of the step's first pass.
    fn planned(steps: Steps, slots: &[Slot]) -> Vec<(usize, usize)> {
        steps.prompts(slots).iter().map(|work| (work.slot, work.tokens.len())).collect()
    }

    #[test]
    fn a_pass_is_in_the_order_of_slots_whichever_request_is_older() {
        let older_last = |number: i32| {
            let mut slot = slot(number, 10, 0, None);
            slot.answer.as_mut().unwrap().number = 9 - u64::from(number.unsigned_abs());
            slot
        };
        let slots = [older_last(0), older_last(1), older_last(2)];
        assert_eq!(planned(steps(16), &slots), [(0, 10), (1, 10), (2, 10)]);
    }

    #[test]
    fn a_burst_beside_an_answer_is_computed_in_as_few_steps_as_there_is_room() {
        let all = || (1..16).map(|number| slot(number, 64, 0, None));
        let slots: Vec<Slot> = [slot(0, 4, 4, Some(7))].into_iter().chain(all()).collect();
        let steps = Steps { tokens_max: 512, prompt_tokens_busy: 144, in_one_pass: false };
        let first: Vec<_> = (1..9).map(|slot| (slot, 64)).collect();
        assert_eq!(planned(steps, &slots), first, "eight whole ones of fifteen");
        let rest: Vec<Slot> = [slot(0, 4, 4, Some(7))].into_iter().chain(all().skip(8)).collect();
        assert_eq!(planned(steps, &rest).len(), 7);
    }

    /// The pieces of a whole prompt.
    fn pieces(prompt: usize, widest: usize) -> Vec<usize> {
        let (mut pieces, mut depth) = (Vec::new(), 0);
        while depth < prompt {
            let left = [Waiting { slot: 0, left: prompt - depth, depth }];
            pieces.push(even_piece(&left, widest));
            depth += pieces[pieces.len() - 1];
        }
        assert_eq!(depth, prompt);
        pieces
    }

    #[test]
    fn pieces_of_a_prompt_take_equally_long_and_are_not_more_than_need_be() {
        assert!(pieces(0, 144).is_empty());
        assert_eq!(pieces(144, 144), [144]);
        assert_eq!(pieces(1, 1), [1]);
        let long = pieces(1_000, 144);
        assert_eq!((long.len(), long[0], long[9]), (10, 135, 78));
        for prompt in 1..1_500 {
            let pieces = pieces(prompt, 100);
            let depths = pieces.iter().scan(0, |depth, piece| {
                *depth += piece;
                Some(*depth - piece)
            });
            let weights: Vec<_> =
                pieces.iter().zip(depths).map(|(piece, depth)| weight(*piece, depth)).collect();
            // A token more than fits at most.
            let most = weight(101, 0) + 2 * prompt;
            assert!(weights.iter().all(|each| *each <= most), "{prompt}: {pieces:?}");
            assert_eq!(pieces.len(), weight(prompt, 0).div_ceil(weight(100, 0)), "{prompt}");
            let last = weights[weights.len() - 1];
            assert!(last * 10 >= weights[0] * 8, "{prompt}: {pieces:?}");
        }
    }

    #[test]
    fn many_prompts_make_no_longer_piece_than_one() {
        let prompt = |left, depth| Waiting { slot: 0, left, depth };
        assert_eq!(even_piece(&[], 144), 1);
        assert_eq!(even_piece(&[prompt(64, 0), prompt(64, 0)], 144), 128);
        for (left, depth) in [(1_000, 0), (400, 600), (64, 0)] {
            let piece = even_piece(&[prompt(left, depth); 3], 216);
            let longest = weight(216, 0) + 3 * weight(1, depth + left);
            assert!(3 * weight(piece / 3, depth) <= longest, "{left} {depth}: {piece}");
        }
    }

    /// The shares of prompts with so much left, by slot.
    fn shared(left: &[(usize, usize)], budget: usize, room: usize) -> Vec<(usize, usize)> {
        let prompt = |(slot, left): &(usize, usize)| Waiting { slot: *slot, left: *left, depth: 0 };
        shares(&left.iter().map(prompt).collect::<Vec<_>>(), budget, room)
    }

    #[test]
    fn one_prompt_gets_all() {
        assert_eq!(shared(&[(3, 1000)], 128, 512), [(3, 128)]);
        assert_eq!(shared(&[(3, 10)], 128, 512), [(3, 10)]);
        assert!(shared(&[], 128, 512).is_empty());
    }

    #[test]
    fn a_short_one_is_not_behind_a_long_one_and_the_long_one_moves() {
        assert_eq!(shared(&[(0, 1000), (1, 20)], 128, 512), [(0, 108), (1, 20)]);
        assert_eq!(shared(&[(0, 1000), (1, 900), (2, 64)], 128, 512), [(0, 64), (2, 64)]);
        assert_eq!(shared(&[(0, 5), (1, 900)], 128, 512), [(0, 5), (1, 123)]);
    }

    #[test]
    fn no_prompt_is_cut_for_the_sake_of_few_tokens() {
        let four = [(0, 40), (1, 40), (2, 40), (3, 40)];
        assert_eq!(shared(&four, 110, 512), [(0, 40), (1, 40), (2, 40)], "ten more");
        assert_eq!(shared(&four, 110, 115), [(0, 40), (1, 40), (2, 30)], "no room for them");
        assert_eq!(shared(&four, 90, 512), [(0, 40), (1, 40)], "ten left");
        assert_eq!(shared(&four, 100, 512), [(0, 40), (1, 40), (2, 20)], "twenty left");
    }

    #[test]
    fn never_more_than_there_is_room_and_nearly_all_of_what_is_wanted() {
        for budget in 1..200 {
            for room in [budget, budget + 2, 300] {
                let given = shared(&[(0, 30), (1, 70), (2, 1)], budget, room);
                let sum: usize = given.iter().map(|(_, share)| share).sum();
                assert!(sum <= room && sum <= budget + budget / 8, "{budget} {room}: {given:?}");
                assert!(sum >= (budget - budget / 8).min(101), "{budget} {room}: {given:?}");
            }
        }
    }
}

//! What the next step computes: a token for each running answer, then prompts, as far as there is
//! room.
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
    /// The passes of the next step, in their order; none when there is nothing to do.
    pub(super) fn next(&self, slots: &[Slot]) -> Vec<Vec<Work>> {
        let mut answers = Vec::new();
        for (slot, token) in slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.answer.as_ref().and_then(|answer| answer.pending).map(|token| (index, token))
        }) {
            answers.push(Work { slot, tokens: vec![token], row: None, is_prompt: false });
        }
        let left = self.tokens_max - answers.len();
        let waiting = prompts(slots);
        let is_quiet = answers.is_empty();
        let budget = if is_quiet { left } else { self.busy_budget(slots, &waiting).min(left) };
        let mut prompts = Vec::new();
        for (slot, share) in shares(&waiting, budget) {
            let Some(answer) = &slots[slot].answer else { continue };
            let tokens = answer.prompt[answer.computed..answer.computed + share].to_vec();
            prompts.push(Work { slot, tokens, row: None, is_prompt: true });
        }
        if self.in_one_pass {
            answers.append(&mut prompts);
        }
        let mut passes = vec![answers, prompts];
        passes.retain(|pass| !pass.is_empty());
        passes.iter_mut().for_each(|pass| number_rows(pass, slots));
        passes
    }

    /// Prompt tokens of a step while others are streaming: the more wait for their first token, the
    /// longer a gap is fair, and large steps are cheaper.
    fn busy_budget(&self, slots: &[Slot], prompts: &[(usize, usize)]) -> usize {
        let answers = prompts.iter().filter_map(|(index, _)| slots[*index].answer.as_ref());
        let depth = answers.map(|answer| answer.computed).max().unwrap_or(0);
        let widest = self.prompt_tokens_busy.max(self.prompt_tokens_busy / 2 * prompts.len());
        even_piece(prompts.iter().map(|(_, left)| left).sum(), depth, widest)
    }
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

/// Slots with a prompt to compute and how much is left of it, the oldest request first.
fn prompts(slots: &[Slot]) -> Vec<(usize, usize)> {
    let mut prompts: Vec<(u64, usize, usize)> = slots
        .iter()
        .enumerate()
        .filter_map(|(index, slot)| slot.answer.as_ref().map(|answer| (index, answer)))
        .filter(|(_, answer)| answer.has_begun && answer.prompt_left() > 0)
        .map(|(index, answer)| (answer.number, index, answer.prompt_left()))
        .collect();
    prompts.sort_unstable();
    prompts.into_iter().map(|(_, index, left)| (index, left)).collect()
}

/// How long so many tokens take so deep in a prompt, in halves of a token at its beginning, times
/// [`LOOKING_BACK_TOKENS`].
fn weight(tokens: usize, depth: usize) -> usize {
    tokens * (2 * (LOOKING_BACK_TOKENS + depth) + tokens)
}

/// Tokens of the next piece of what is left of a prompt. The pieces are as few as may be when none
/// takes longer than `widest` tokens at a beginning, and they take equally long: full pieces and a
/// rest would end no sooner, and each full one would be a longer gap. The deeper in its prompt a
/// token is, the more it looks back at, so later pieces have fewer.
fn even_piece(left: usize, depth: usize, widest: usize) -> usize {
    let whole = weight(left, depth);
    let pieces = whole.div_ceil(weight(widest, 0).max(1)).max(1);
    let wanted = whole.div_ceil(pieces);
    // The smallest number of tokens whose weight is what is wanted.
    let base = LOOKING_BACK_TOKENS + depth;
    let tokens = (base * base + wanted).isqrt() - base;
    let is_enough = weight(tokens, depth) >= wanted;
    (tokens + usize::from(!is_enough)).max(1)
}

/// Shares a step's room among prompts (slot, tokens left; the oldest first). Half goes to the
/// oldest, so that a long one always moves; the rest in the order of length, so that a short one
/// does not wait for a long one.
fn shares(prompts: &[(usize, usize)], budget: usize) -> Vec<(usize, usize)> {
    let mut given: Vec<(usize, usize)> = prompts.iter().map(|(slot, _)| (*slot, 0)).collect();
    let mut by_length: Vec<usize> = (0..prompts.len()).collect();
    by_length.sort_by_key(|index| prompts[*index].1);
    let half_first = [(0, budget.div_ceil(2))].into_iter().take(prompts.len());
    let mut left = budget;
    for (index, most) in half_first.chain(by_length.into_iter().map(|index| (index, budget))) {
        let share = (prompts[index].1 - given[index].1).min(most).min(left);
        given[index].1 += share;
        left -= share;
    }
    given.retain(|(_, share)| *share > 0);
    given
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

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

    #[test]
    fn answers_come_first_and_a_prompt_has_logits_at_its_end_only() {
        let slots =
            [slot(0, 4, 4, Some(7)), slot(1, 6, 1, None), slot(2, 4, 4, Some(8)), Slot::new(3)];
        let work = |slot, tokens: &[i32], row, is_prompt| Work {
            slot,
            tokens: tokens.to_vec(),
            row,
            is_prompt,
        };
        let mut steps = Steps { tokens_max: 64, prompt_tokens_busy: 3, in_one_pass: false };
        let answers = [work(0, &[7], Some(0), false), work(2, &[8], Some(1), false)];
        let [first, second] = steps.next(&slots).try_into().unwrap();
        assert_eq!(first, answers);
        assert_eq!(second, [work(1, &[1, 2, 3], None, true)]);
        (steps.prompt_tokens_busy, steps.in_one_pass) = (8, true);
        let [only] = steps.next(&slots).try_into().unwrap();
        assert_eq!(only[..2], answers);
        assert_eq!(only[2..], [work(1, &[1, 2, 3, 4, 5], Some(6), true)]);
        assert!(steps.next(&slots[3..]).is_empty());
    }

    /// The pieces of a whole prompt.
    fn pieces(prompt: usize, widest: usize) -> Vec<usize> {
        let (mut pieces, mut depth) = (Vec::new(), 0);
        while depth < prompt {
            pieces.push(even_piece(prompt - depth, depth, widest));
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
    fn one_prompt_gets_all() {
        assert_eq!(shares(&[(3, 1000)], 128), [(3, 128)]);
        assert_eq!(shares(&[(3, 10)], 128), [(3, 10)]);
        assert!(shares(&[], 128).is_empty());
    }

    #[test]
    fn a_short_one_is_not_behind_a_long_one_and_the_long_one_moves() {
        assert_eq!(shares(&[(0, 1000), (1, 20)], 128), [(0, 108), (1, 20)]);
        assert_eq!(shares(&[(0, 1000), (1, 900), (2, 64)], 128), [(0, 64), (2, 64)]);
        assert_eq!(shares(&[(0, 5), (1, 900)], 128), [(0, 5), (1, 123)]);
    }

    #[test]
    fn never_more_than_there_is() {
        for budget in 0..200 {
            let given = shares(&[(0, 30), (1, 70), (2, 1)], budget);
            let sum: usize = given.iter().map(|(_, share)| share).sum();
            assert_eq!(sum, budget.min(101));
        }
    }
}

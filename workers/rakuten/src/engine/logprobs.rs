//! Log probabilities of a chosen token and of the likeliest in its place.
//!
//! Must report the model's own distribution: before bias, penalties and temperature.

/// A token and the natural logarithm of its probability.
pub(super) type Scored = (i32, f32);

/// The chosen token's log probability, and the `top` likeliest, the likeliest first.
pub(super) fn of(logits: &[f32], chosen: i32, top: u8) -> (f32, Vec<Scored>) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - highest).exp())).sum();
    #[expect(clippy::cast_possible_truncation, reason = "the API carries single precision")]
    let total = highest + sum.ln() as f32;
    let chosen = usize::try_from(chosen).ok().and_then(|index| logits.get(index));
    let chosen = chosen.map_or(f32::MIN, |logit| finite(logit - total));
    let top = likeliest(logits, usize::from(top));
    (chosen, top.into_iter().map(|(token, logit)| (token, finite(logit - total))).collect())
}

/// JSON has no infinity: an impossible token gets the lowest number there is.
fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { f32::MIN }
}

/// The `count` highest logits in one pass, the highest first.
fn likeliest(logits: &[f32], count: usize) -> Vec<Scored> {
    let mut best: Vec<Scored> = Vec::with_capacity(count + 1);
    for (token, logit) in (0..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|(_, least)| logit <= least) {
            continue;
        }
        let place = best.partition_point(|(_, other)| other >= logit);
        best.insert(place, (token, *logit));
        best.truncate(count);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up() {
        let (chosen, top) = of(&[1.0, 2.0, 3.0], 0, 3);
        assert_eq!(top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [2, 1, 0]);
        let sum: f32 = top.iter().map(|(_, logprob)| logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        assert!((chosen - top[2].1).abs() < 1e-6);
    }

    #[test]
    fn the_first_of_equals_comes_first_and_nothing_asked_is_nothing_given() {
        assert_eq!(likeliest(&[1.0, 5.0, 5.0, 2.0], 2), [(1, 5.0), (2, 5.0)]);
        assert!(likeliest(&[1.0], 0).is_empty());
    }

    #[test]
    fn impossible_tokens_have_a_number() {
        let (chosen, _) = of(&[0.0, f32::NEG_INFINITY], 1, 0);
        assert!(chosen.is_finite());
    }
}

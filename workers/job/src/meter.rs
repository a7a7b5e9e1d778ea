//! What was consumed: the backend's own count where there is one, else an estimate from what went
//! through. It never guesses upwards beyond what the hold was made for.

use crate::Ended;
use schemas::job::ChatJob;
use schemas::produced::Produced;
use schemas::usage::{TokenSource, Usage};

/// The usage to charge.
pub(crate) fn usage(job: &ChatJob, produced: &Produced, ended: &Ended) -> (Usage, TokenSource) {
    let estimate = produced.tokens_estimate().min(job.output_tokens_max);
    match ended.usage {
        // A count that was cut off knows the input, and of the output only a lower bound.
        Some((usage, TokenSource::Estimated)) => {
            let output = usage.output.max(estimate);
            return (Usage { output, ..usage }, TokenSource::Estimated);
        }
        Some(counted) => return counted,
        None => {}
    }
    let input = job.input_tokens_estimate.min(job.input_tokens_max);
    (Usage { input, output: estimate, ..Usage::default() }, TokenSource::Estimated)
}

//! Reads labelled text, trains, prunes to the entries that fit and writes the model's parts. Must
//! never write a file over 1 MiB: the repository takes none.

mod corpus;
mod crf;
#[allow(dead_code, reason = "settling overlaps is the gateway's part")]
#[path = "../../../../gateway/src/pii/finding.rs"]
mod finding;
#[allow(dead_code, reason = "other kinds are the gateway's part")]
#[path = "../../../../gateway/src/pii/kind.rs"]
mod kind;
#[allow(dead_code, reason = "limits are the gateway's part")]
#[path = "../../../../gateway/src/pii/shadow.rs"]
mod shadow;
mod store;
mod tag;
/// The gateway's own tokens, lists and features. Must never be copied: the path leads to them.
#[allow(dead_code, reason = "the embedded model is the gateway's part")]
#[path = "../../../../gateway/src/pii/tagger/mod.rs"]
mod tagger;

use std::error::Error;

/// Passes over the text before pruning, and after it.
const EPOCHS: (usize, usize) = (6, 2);
/// Entries that two files of 1 MiB hold.
const ENTRIES_MAX: usize = 230_000;

/// `OUT_FOLDER FILE...` trains: JSONL files of `{"text", "spans"}`, offsets in code points.
/// `--tag FOLDER IN OUT` writes what a trained model finds in the texts of a file.
pub(crate) fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    if let [flag, folder, texts, found] = arguments
        && flag == "--tag"
    {
        return tag::run(folder, texts, found);
    }
    let [folder, files @ ..] = arguments else {
        return Err("pii-train OUT_FOLDER FILE... or --tag FOLDER IN OUT".into());
    };
    let mut corpus = corpus::read(files)?;
    eprintln!("{} texts, {} features", corpus.sentences.len(), corpus.keys.len());
    let mut trainer = crf::Trainer::new(corpus.keys.len());
    trainer.train(&corpus.sentences, EPOCHS.0);
    let kept = trainer.heaviest(ENTRIES_MAX);
    corpus.keep(&kept);
    trainer.stop_shrinking();
    trainer.train(&corpus.sentences, EPOCHS.1);
    store::write(folder, &corpus.keys, &kept, &trainer)
}

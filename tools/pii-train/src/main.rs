//! Trains the tagger of names and addresses (gateway/src/pii/tagger). It uses the gateway's own
//! tokens and features, so that what is learned is what is seen later. Must never be a part of
//! the gateway. How to run it: README.md beside Cargo.toml.

mod pii;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match pii::run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

//! What `make test` fetches before any test, in the cache folder of the account: programs, and the
//! demo model.

use infra::environment::{Environment, HOME, PATH, XDG_CACHE_HOME};
use std::path::{Path, PathBuf};

/// The folder that the scripts keep things in.
fn cache(environment: &Environment) -> Option<PathBuf> {
    let cache = environment.get(XDG_CACHE_HOME).map(PathBuf::from);
    let cache = cache.or_else(|| environment.get(HOME).map(|home| Path::new(home).join(".cache")));
    cache.map(|cache| cache.join("fly-llm"))
}

/// Where programs are: fetched ones first, as the scripts look for them.
pub fn program_folders() -> Vec<PathBuf> {
    let environment = Environment::of_process();
    let fetched = cache(&environment).map(|cache| cache.join("bin"));
    let path = environment.get(PATH).unwrap_or_default();
    fetched.into_iter().chain(path.split(':').map(PathBuf::from)).collect()
}

/// The demo model.
///
/// # Panics
/// When it isn't there.
pub fn demo_model() -> PathBuf {
    let environment = Environment::of_process();
    if let Some(told) = environment.get("FLY_LLM_TEST_MODEL") {
        return told.into();
    }
    let cache = cache(&environment).expect("a home, for the cache folder in it");
    let file = cache.join("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(file.exists(), "{} is missing: run scripts/install-demo-model", file.display());
    file
}

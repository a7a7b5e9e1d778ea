//! `make test-compose` where no engine runs: it says so and has an exit code of its own, so that
//! nobody takes it for a pass.

use crate::files;
use std::process::Command;

/// `EX_UNAVAILABLE`.
const NO_ENGINE: i32 = 69;

#[test]
fn without_an_engine_nothing_counts_as_tested() {
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    // A client without an engine behind it.
    std::fs::write(&docker, "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
        .unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ran = Command::new(files::root("scripts/test-compose"))
        .env("FLY_LLM_DOCKER", &docker)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(NO_ENGINE), "{said}");
    assert!(said.contains("NOTHING was tested"), "{said}");
    assert!(files::text("Makefile").contains("\ntest-compose:"));
}

//! Compiles ggml's CPU kernels once for each set of instructions in [`SETS`], so that a program
//! takes at run time what its processor has (`src/engine/kernels.rs`). Where that is not possible
//! the kernels of llama.cpp's own build remain, which need AVX2 on x86-64.
//!
//! Must never leave a name of one set visible to another: the linker would mix them.

#![expect(clippy::disallowed_methods, reason = "a build script is told by variables")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sets by name, each with the options of ggml's build that differ from AVX2 and its company.
const SETS: [(&str, &[(&str, &str)]); 4] = [
    (
        "sse42",
        &[
            ("GGML_AVX", "OFF"),
            ("GGML_AVX2", "OFF"),
            ("GGML_BMI2", "OFF"),
            ("GGML_F16C", "OFF"),
            ("GGML_FMA", "OFF"),
        ],
    ),
    ("avx2", &[]),
    ("avxvnni", &[("GGML_AVX_VNNI", "ON")]),
    ("avx512", &[("GGML_AVX512", "ON"), ("GGML_AVX512_VNNI", "ON")]),
];

/// The one function of a set that is seen from outside, followed by the set's name.
const ENTRY: &str = "ggml_backend_cpu_reg";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=kernels");
    println!("cargo:rustc-check-cfg=cfg(kernels)");
    match compile_all() {
        Ok(true) => println!("cargo:rustc-cfg=kernels"),
        Ok(false) => {}
        Err(error) => println!(
            "cargo:warning=the local model will need a processor with AVX2: its kernels for others \
             could not be made ({error})"
        ),
    }
}

/// Whether there are sets: not where no choice is to be made.
fn compile_all() -> Result<bool, Box<dyn Error>> {
    if env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" || env::var("CARGO_CFG_TARGET_OS")? != "linux"
    {
        return Ok(false);
    }
    // Where llama.cpp's crate has built, and what it was built from and with.
    let built = PathBuf::from(env::var("DEP_LLAMA_ROOT")?);
    let options = fs::read_to_string(built.join("build/CMakeCache.txt"))?;
    let option = |name: &str| {
        let value = options.lines().find_map(|line| line.strip_prefix(name)?.split_once('='));
        value.map(|(_, value)| value)
    };
    // `-C target-cpu=native`: the program is for this processor alone.
    if option("GGML_NATIVE:") == Some("ON") {
        return Ok(false);
    }
    let source = option("CMAKE_HOME_DIRECTORY:").ok_or("llama.cpp's own build has no home")?;
    let source = Path::new(source).join("ggml");
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    let mut objects = Vec::new();
    for (name, differences) in SETS {
        let archive = compile(&source, &folder.join(name), differences);
        let object = folder.join(format!("kernels-{name}.o"));
        close(&archive.join("build/ggml/src/libggml-cpu.a"), name, &object)?;
        objects.push(object);
    }
    cc::Build::new().objects(objects).try_compile("fly_llm_kernels")?;
    Ok(true)
}

/// As llama.cpp's crate compiles them, but for the instructions.
fn compile(source: &Path, folder: &Path, differences: &[(&str, &str)]) -> PathBuf {
    let mut config = cmake::Config::new("kernels");
    config
        .out_dir(folder)
        .profile("Release")
        .define("GGML_SOURCE", source)
        .define("BUILD_SHARED_LIBS", "OFF")
        .define("GGML_NATIVE", "OFF")
        .define("GGML_LLAMAFILE", "ON")
        .define("GGML_CCACHE", "OFF")
        .define("GGML_BUILD_TESTS", "OFF")
        .define("GGML_BUILD_EXAMPLES", "OFF")
        // Only the kernels: what they call is in llama.cpp's own build.
        .define("CMAKE_OPTIMIZE_DEPENDENCIES", "ON")
        .build_target("ggml-cpu");
    for (option, value) in differences {
        config.define(option, value);
    }
    config.build()
}

/// Makes one object of an archive, in which every name but the entry is its own.
fn close(archive: &Path, name: &str, object: &Path) -> Result<(), Box<dyn Error>> {
    let open = object.with_extension("open.o");
    // Inline functions of C++ are in groups, of which a linker keeps one of each name, from
    // whichever set: resolved here, they belong to their set.
    let mut join = Command::new("ld");
    join.args(["-r", "--force-group-allocation", "--whole-archive"]).arg(archive).arg("-o");
    run(join.arg(&open))?;
    let mut hide = Command::new("objcopy");
    hide.arg(format!("--redefine-sym={ENTRY}={ENTRY}_{name}"));
    hide.arg(format!("--keep-global-symbol={ENTRY}_{name}"));
    run(hide.arg(&open).arg(object))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

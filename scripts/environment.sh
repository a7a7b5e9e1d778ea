# shellcheck shell=sh disable=SC2034
# What every script here shares: where things are kept, and how to say what happens.
# Sourced, never run. Nothing is written outside the cache folder; messages go to standard error,
# so that the output of a program started by a script stays its own.

set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/fly-llm
scripts=$root/scripts

# One target folder outside the clone: a second clone finds llama.cpp already compiled.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
# A fresh rustup is in place before a shell has read the new PATH.
PATH=$cache/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
# Waiting threads of llama.cpp soon sleep: a spinning one starves NATS and Redis on a small machine.
# The program sets the same for itself (src/openmp.rs); this is for tests that hold the engine.
if [ -z "${OMP_WAIT_POLICY:-}" ]; then
    OMP_WAIT_POLICY=passive
    GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
    export OMP_WAIT_POLICY GOMP_SPINCOUNT
fi
export CARGO_TARGET_DIR PATH

demo_model=$cache/models/SmolLM2-135M-Instruct.Q4_1.gguf

# Memory that the machine, or what limits us on it, has for us, in kibibytes.
memory_kib() {
    if [ -r /proc/meminfo ]; then
        kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
    else
        kib=$(($(sysctl -n hw.memsize) / 1024))
    fi
    limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
    if [ "$limit" != max ] && [ $((limit / 1024)) -lt "$kib" ]; then
        kib=$((limit / 1024))
    fi
    echo "$kib"
}

# What is built to be run for long is linked as one: a request takes a tenth less CPU then. The link
# takes five minutes of one core and 3.3 GB, so a small machine builds as Cargo.toml says.
link_as_one() {
    if [ "$(memory_kib)" -lt 6000000 ]; then
        say 'less than 6 GB of memory: the program is linked in parts, and a tenth slower'
        return
    fi
    CARGO_PROFILE_RELEASE_LTO=fat
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
    export CARGO_PROFILE_RELEASE_LTO CARGO_PROFILE_RELEASE_CODEGEN_UNITS
}

say() {
    printf 'fly-llm: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# virtual_environment FOLDER PINS WHAT: Python with exactly these packages, made anew when the pins
# change. They are copied last: an installation that broke off is begun again.
virtual_environment() {
    if cmp -s "$2" "$1/installed.txt" && "$1/bin/python" -c '' 2>/dev/null; then
        return
    fi
    "$scripts/install-packages" pip
    say "installing $3"
    python3 -m venv --clear --without-pip "$1" || fail "python3 cannot make $1"
    python3 -m pip --python "$1/bin/python" --quiet --disable-pip-version-check install \
        --requirement "$2" >&2 || fail "$3 cannot be installed (pip 22.3 or newer is needed)"
    cp "$2" "$1/installed.txt"
}

sha256_of() {
    if has sha256sum; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

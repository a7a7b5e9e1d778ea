//! With which instructions this process computes: ggml's kernels are in the program once for each
//! set (`build.rs`), and the processor decides which of them ggml is given.
//!
//! Must never let a set begin that the processor lacks: the process would end by an illegal
//! instruction, and nobody would say why.

use std::sync::OnceLock;

use super::error::EngineError;

/// A set of instructions, called by its newest ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What processors have since 2011 at the latest.
    Sse42,
    /// AVX2, FMA, F16C and BMI2: Intel's since 2013, AMD's since 2015.
    Avx2,
    /// These and AVX-VNNI.
    AvxVnni,
    /// AVX-512 with its VNNI.
    Avx512,
}

impl Instructions {
    /// The best first, for most files.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::AvxVnni, Self::Avx2, Self::Sse42];

    /// The best first for a file of these weights (`general.file_type`, as llama.h numbers them).
    /// Where both are there, AVX-512 computes prompts of K-quants 1.7 times as fast as AVX-VNNI; of
    /// blocks of 32 it gains a tenth, and is up to a quarter slower with four answers at once.
    fn best_first(file_type: Option<u64>) -> [Self; 4] {
        match file_type {
            // Q4_0, Q4_1, Q8_0, Q5_0, Q5_1.
            Some(2 | 3 | 7 | 8 | 9) => [Self::AvxVnni, Self::Avx512, Self::Avx2, Self::Sse42],
            _ => Self::ALL,
        }
    }

    /// As the configuration, the log and the metrics write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sse42 => "sse4.2",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx512",
        }
    }

    /// The set of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Whether this processor has all of it, and this program its kernels.
    #[must_use]
    pub fn are_here(self) -> bool {
        (HAS_SETS || self == BUILT) && lacking(self).is_empty()
    }
}

/// Set once, before ggml is asked for anything: there is one ggml in a process.
static TAKEN: OnceLock<Instructions> = OnceLock::new();

/// Whether the kernels are in this program once for each set.
const HAS_SETS: bool = cfg!(kernels);

/// What llama.cpp's own build needs on x86-64 when it isn't told otherwise.
const BUILT: Instructions = Instructions::Avx2;

/// Takes the best set that is here for a file of these weights, or the wanted one, for as long as
/// the process lives. None where llama.cpp is compiled for what every processor of the kind has.
///
/// # Errors
/// Names what the processor lacks.
pub(super) fn take(
    wanted: Option<Instructions>,
    file_type: Option<u64>,
) -> Result<Option<Instructions>, EngineError> {
    if cfg!(not(target_arch = "x86_64")) {
        return match wanted {
            None => Ok(None),
            Some(set) => Err(refusal(format!("{} is of x86-64", set.name()))),
        };
    }
    let set = wanted.unwrap_or_else(|| best(file_type));
    judge(set, &lacking(set))?;
    if !set.are_here() {
        let reason = format!("this program has kernels for {} alone", BUILT.name());
        return Err(refusal(reason));
    }
    let taken = *TAKEN.get_or_init(|| {
        tracing::info!(instructions = set.name(), "computing with");
        set
    });
    if wanted.is_some_and(|wanted| wanted != taken) {
        let reason = format!("this process already computes with {}", taken.name());
        return Err(refusal(reason));
    }
    Ok(Some(taken))
}

/// The best set that is here; the smallest where none is.
fn best(file_type: Option<u64>) -> Instructions {
    let smallest = if HAS_SETS { Instructions::Sse42 } else { BUILT };
    let sets = Instructions::best_first(file_type);
    sets.into_iter().find(|set| set.are_here()).unwrap_or(smallest)
}

fn judge(set: Instructions, lacking: &[&str]) -> Result<(), EngineError> {
    if lacking.is_empty() {
        return Ok(());
    }
    let (name, lacking) = (set.name(), lacking.join(", "));
    Err(refusal(format!(
        "for {name} this processor lacks {lacking}: run this worker on a newer one, or leave \
         llama.instructions at auto"
    )))
}

fn refusal(reason: String) -> EngineError {
    EngineError::Llama { step: "run here", reason }
}

/// What of a set the processor doesn't know, or its system doesn't allow.
#[cfg(target_arch = "x86_64")]
fn lacking(set: Instructions) -> Vec<&'static str> {
    macro_rules! known {
        ($($name:tt),*) => { [$(($name, std::is_x86_feature_detected!($name))),*] };
    }
    let base = known!("ssse3", "sse4.1", "sse4.2", "popcnt");
    let avx2 = known!("avx", "avx2", "fma", "f16c", "bmi2");
    let avx_vnni = known!("avxvnni");
    let avx512 = known!("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw", "avx512vnni");
    let newer: &[&[(&str, bool)]] = match set {
        Instructions::Sse42 => &[],
        Instructions::Avx2 => &[&avx2],
        Instructions::AvxVnni => &[&avx2, &avx_vnni],
        Instructions::Avx512 => &[&avx2, &avx512],
    };
    let all = base.iter().chain(newer.iter().copied().flatten());
    all.filter(|(_, is_there)| !is_there).map(|(name, _)| *name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn lacking(_: Instructions) -> Vec<&'static str> {
    vec!["x86-64"]
}

/// The door between ggml and the sets.
#[cfg(kernels)]
#[expect(unsafe_code, reason = "ggml asks by a C name, and each set is one")]
mod door {
    use super::{Instructions, TAKEN, best};
    use llama_cpp_sys_2::ggml_backend_reg_t;

    // SAFETY: each is ggml's own function of this signature, renamed by build.rs; it has no
    // condition but the processor, which `take` has looked at.
    unsafe extern "C" {
        safe fn ggml_backend_cpu_reg_sse42() -> ggml_backend_reg_t;
        safe fn ggml_backend_cpu_reg_avx2() -> ggml_backend_reg_t;
        safe fn ggml_backend_cpu_reg_avxvnni() -> ggml_backend_reg_t;
        safe fn ggml_backend_cpu_reg_avx512() -> ggml_backend_reg_t;
    }

    /// What ggml's registry calls when it is first asked. This definition stands in the place of
    /// the one in llama.cpp's archive, which no linker takes any more.
    // SAFETY: the name and the signature are those of ggml-cpu.h.
    #[unsafe(no_mangle)]
    extern "C" fn ggml_backend_cpu_reg() -> ggml_backend_reg_t {
        match *TAKEN.get_or_init(|| best(None)) {
            Instructions::Sse42 => ggml_backend_cpu_reg_sse42(),
            Instructions::Avx2 => ggml_backend_cpu_reg_avx2(),
            Instructions::AvxVnni => ggml_backend_cpu_reg_avxvnni(),
            Instructions::Avx512 => ggml_backend_cpu_reg_avx512(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        assert!(judge(Instructions::Avx2, &[]).is_ok());
        let refused = judge(Instructions::Avx2, &["avx2", "f16c"]).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("for avx2 this processor lacks avx2, f16c"), "{said}");
        assert!(said.contains("newer one"), "{said}");
    }

    #[test]
    fn every_set_has_a_name_and_no_larger_one_lacks_less() {
        for set in Instructions::ALL {
            assert_eq!(Instructions::of_name(set.name()), Some(set));
            let (smaller, own) = (lacking(Instructions::Sse42), lacking(set));
            assert!(smaller.iter().all(|name| own.contains(name)), "{own:?}");
        }
        assert_eq!(Instructions::of_name("auto"), None);
    }

    #[test]
    fn no_order_leaves_a_set_out() {
        for file_type in [None, Some(0), Some(2), Some(7), Some(15)] {
            let order = Instructions::best_first(file_type);
            assert!(Instructions::ALL.iter().all(|set| order.contains(set)), "{order:?}");
            assert_eq!(order[2..], [Instructions::Avx2, Instructions::Sse42]);
        }
    }
}

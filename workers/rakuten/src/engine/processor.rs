//! Whether this processor knows the instructions that llama.cpp was compiled with. Without a look
//! beforehand an older one ends the process with an illegal instruction, and nobody says why.

use super::error::EngineError;

/// What ggml's build uses on x86-64 when it isn't told otherwise: Intel has it since Haswell
/// (2013), AMD since Excavator (2015).
#[cfg(target_arch = "x86_64")]
fn known() -> [(&'static str, bool); 5] {
    [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        ("F16C", std::is_x86_feature_detected!("f16c")),
        ("BMI2", std::is_x86_feature_detected!("bmi2")),
        ("SSE4.2", std::is_x86_feature_detected!("sse4.2")),
    ]
}

/// Elsewhere llama.cpp is compiled for what every processor of the kind has.
#[cfg(not(target_arch = "x86_64"))]
fn known() -> [(&'static str, bool); 0] {
    []
}

/// Looks before anything of llama.cpp runs.
///
/// # Errors
/// Names the instructions that are missing.
pub(super) fn check() -> Result<(), EngineError> {
    judge(&known())
}

fn judge(known: &[(&'static str, bool)]) -> Result<(), EngineError> {
    let missing = known.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| *name);
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "this processor has no {}: run this worker on a newer one, or build for this one with \
         RUSTFLAGS='-C target-cpu=native'",
        missing.join(", ")
    );
    Err(EngineError::Llama { step: "run here", reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        assert!(judge(&[("AVX2", true), ("FMA", true)]).is_ok());
        let refused = judge(&[("AVX2", false), ("FMA", true), ("F16C", false)]).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("AVX2, F16C") && !said.contains("FMA"), "{said}");
        assert!(said.contains("target-cpu=native"), "{said}");
    }
}

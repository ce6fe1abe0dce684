//! Inputs for the tests of fuzz targets.

use std::path::Path;

/// Gives a target every input of its corpus in the folder `fuzz`, and every input on which a target ever failed.
///
/// # Panics
///
/// If there is none, or the target panics: the input's name is printed before.
pub fn corpus(target: &str, run: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut inputs = Vec::new();
    for folder in ["corpus", "found"] {
        let Ok(entries) = std::fs::read_dir(fuzz.join(folder).join(target)) else { continue };
        inputs.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    assert!(!inputs.is_empty(), "no corpus for {target}");
    inputs.sort();
    for path in inputs {
        println!("{target}: {}", path.display());
        run(&std::fs::read(&path).expect("an input that can be read"));
    }
}

/// Gives a target `count` inputs of random bytes, from none to `bytes_max`; always the same ones.
pub fn noise(count: u64, bytes_max: usize, run: impl Fn(&[u8])) {
    for seed in 0..count {
        let mut state = seed;
        let length = step(&mut state) as usize % (bytes_max + 1);
        let bytes: Vec<u8> = core::iter::repeat_with(|| step(&mut state) as u8).take(length).collect();
        run(&bytes);
    }
}

/// SplitMix64.
fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

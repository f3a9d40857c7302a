//! What a registry asks for in `WWW-Authenticate`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use registry::fuzzing::challenges;

fuzz_target!(|header: &str| {
    let parsed = challenges(header);
    let lower = |text: &str| !text.is_empty() && !text.contains(|letter: char| letter.is_ascii_uppercase());
    for (scheme, parameters) in &parsed {
        assert!(lower(scheme) && parameters.iter().all(|(name, _)| lower(name)));
        // Nothing is made up: quotes and backslashes are all that goes.
        assert!(parameters.iter().all(|(_, value)| value.len() <= header.len()));
    }
    // Written as the RFC has it, it says the same again.
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let written: Vec<String> = parsed
        .iter()
        .map(|(scheme, parameters)| {
            let pairs: Vec<String> =
                parameters.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
            format!("{scheme} {}", pairs.join(", "))
        })
        .collect();
    assert_eq!(challenges(&written.join(", ")), parsed);
});

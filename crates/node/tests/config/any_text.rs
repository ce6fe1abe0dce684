//! No text and no variable makes it panic.

use crate::{LEAST, parse};
use proptest::prelude::*;
use selvedge::config::Environment;

/// Text that looks like YAML more often than by chance.
fn yaml_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("peer"),
        Just("gossip"),
        Just("bootstrap"),
        Just("peer.gossip.pullInterval"),
        Just("state"),
        Just("5s"),
        Just("-"),
        Just("0x"),
        Just("1e999"),
        Just(".nan"),
        Just("null"),
        Just("'"),
        Just("é"),
    ];
    let joint = prop_oneof![
        Just(": "),
        Just(":\n  "),
        Just("\n"),
        Just("\n- "),
        Just(", "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("&a "),
        Just("*a"),
        Just("!!x "),
        Just("<<: "),
        Just("|\n"),
        Just("\t"),
        Just("? "),
        Just("---\n")
    ];
    proptest::collection::vec((word, joint), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, joint)| [word, joint]).collect())
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, Environment::default());
    }

    #[test]
    fn nothing_like_yaml_panics(text in yaml_like()) {
        let _ = parse(&text, Environment::default());
    }

    #[test]
    fn no_variable_panics(name in "CORE_[A-Z_]{0,30}", value in any::<String>()) {
        let _ = parse(LEAST, Environment::default().with(&name, &value).with("CORE_PEER_ADDRESS", &value));
    }
}

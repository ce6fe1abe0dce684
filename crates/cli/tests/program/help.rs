//! Every command explains itself.

use crate::support::selvedge;

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["decode"][..],
        &["probe"],
        &["devnet"],
        &["sim", "run"],
        &["sim", "replay"],
        &["sim", "compare"],
        &["block", "show"],
        &["node", "start"],
        &["channel", "join"],
        &["channel", "getinfo"],
        &["ledger", "verify"],
        &["ledger", "import"],
        &["ledger", "export"],
    ] {
        let run = selvedge(&[command, &["--help"]].concat()).succeeded();
        let example = format!("selvedge {}", command.join(" "));
        let examples = run.out.split_once("Example").map(|(_, examples)| examples).unwrap_or_default();
        assert!(examples.contains(&example), "{command:?}: {}", run.out);
    }
}

#[test]
fn all_commands_are_listed() {
    let run = selvedge(&["--help"]).succeeded();
    for command in ["node", "channel", "ledger", "block", "decode", "probe", "devnet", "sim"] {
        assert!(run.out.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {}", run.out);
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(selvedge(&["no-such-command"]).code, Some(2));
    assert_eq!(selvedge(&["decode"]).code, Some(2));
    assert_eq!(selvedge(&["decode", "-", "--no-such-flag"]).code, Some(2));
    assert_eq!(selvedge(&["probe", "127.0.0.1:1", "--timeout", "soon"]).code, Some(2));
    assert_eq!(selvedge(&["decode", "-", "--msp", "no-equals-sign"]).code, Some(2));
}

#[test]
fn the_version_is_told() {
    let run = selvedge(&["--version"]).succeeded();
    assert_eq!(run.out, concat!("selvedge ", env!("CARGO_PKG_VERSION"), "\n"));
}

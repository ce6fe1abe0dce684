//! One process at a time.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{self, Command, Stdio};

use selvedge_ledger::{Access, Ledger, LedgerError, Options};

use crate::chain::{check, closed_ledger, open};

const FOLDER: &str = "LEDGER_LOCK_TEST_FOLDER";

/// Not a test of its own: the other process of the one below.
#[test]
#[ignore = "run by another test as a process of its own"]
fn holds_a_ledger_until_its_input_ends() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let (_ledger, _) = open(Path::new(&folder), &Options::default());
    println!("\nopen");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn another_process_is_named() {
    let folder = closed_ledger(5, &Options::default());
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "locking::holds_a_ledger_until_its_input_ends", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // kept until the child has ended: it still says how its test went
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "open"));
    for access in [Access::ReadWrite, Access::ReadOnly] {
        match Ledger::open(folder.path(), &Options { access, ..Options::default() }) {
            Err(error @ LedgerError::Locked { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&folder.path().display().to_string()), "{text}");
                assert!(text.contains(&child.id().to_string()), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(child.stdin.take());
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    check(&open(folder.path(), &Options::default()).0, 0..5);
}

#[test]
fn the_same_process_too() {
    let folder = closed_ledger(5, &Options::default());
    let (ledger, _) = open(folder.path(), &Options::default());
    match Ledger::open(folder.path(), &Options::default()) {
        Err(LedgerError::Locked { holder_pid, .. }) => assert_eq!(holder_pid, Some(process::id())),
        other => panic!("{other:?}"),
    }
    drop(ledger);
    let read_only = Options { access: Access::ReadOnly, ..Options::default() };
    let _both = (open(folder.path(), &read_only), open(folder.path(), &read_only));
    assert!(matches!(
        Ledger::open(folder.path(), &Options::default()),
        Err(LedgerError::Locked { holder_pid: None, .. })
    ));
}

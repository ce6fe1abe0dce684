//! A process killed at any instant loses nothing that it said was durable.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use selvedge_ledger::{Ledger, Options};

use crate::chain::{append, check, mix, open};

const FOLDER: &str = "LEDGER_KILL_TEST_FOLDER";
const ROUNDS: u64 = 12;

fn options() -> Options {
    Options { segment_bytes_max: 4000, ..Options::default() }
}

/// Not a test of its own: the process that is killed. Says each height that is durable.
#[test]
#[ignore = "run by another test as a process of its own"]
fn appends_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let (mut ledger, _) = Ledger::open_or_create(Path::new(&folder), &options()).unwrap();
    let mut out = std::io::stdout();
    for round in 0.. {
        append(&mut ledger, 1 + mix(round) % 12);
        let height = ledger.sync().unwrap().height;
        writeln!(out, "\ndurable {height}").unwrap();
        out.flush().unwrap();
        if round % 16 == 15 {
            let first = ledger.prune_below(height.saturating_sub(200)).unwrap().first_number;
            writeln!(out, "\npruned {first}").unwrap();
        }
    }
}

fn start(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::appends_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_published_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut last_height = 0;
    let mut torn = 0;
    for round in 0..ROUNDS {
        let mut child = start(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut published = last_height;
        let mut note = |line: String| {
            if let Some(height) = line.strip_prefix("durable ") {
                published = height.parse().unwrap();
            }
            line.starts_with("durable ")
        };
        // some groups, and then anywhere within the next
        let mut groups = 1 + mix(round) % 40;
        while groups > 0 {
            groups -= u64::from(note(lines.next().expect("the child said no more")));
        }
        std::thread::sleep(Duration::from_micros(mix(round + 1000) % 2000));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.for_each(|line| {
            note(line);
        });

        let (ledger, recovery) = open(folder.path(), &options());
        assert!(published > last_height, "round {round}");
        assert!(ledger.height() >= published, "round {round}: {} of {published}", ledger.height());
        assert_eq!((&recovery.damage, &recovery.lost_tail), (&vec![], &None), "round {round}");
        torn += usize::from(recovery.torn_tail.is_some());
        check(&ledger, ledger.first_number()..ledger.height());
        let config = ledger.last_config_at_or_below(ledger.first_number()).unwrap();
        assert!(ledger.reader().read(config).unwrap().is_some());
        last_height = ledger.height();
    }
    assert!(last_height > 100, "{last_height} blocks, {torn} torn tails");
}

//! How fast the ledger is, beside a plain file where there is something to compare.
//!
//! `cargo bench -p selvedge-ledger [-- append|read|open]`; `-- open BLOCKS BLOCK_BYTES` for another chain than a million
//! blocks of 1 KiB. The files go where `TMPDIR` says: it must be a real disk, or fsync costs nothing.

use std::env;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use selvedge_ledger::{BlockHash, Ledger, NewBlock, Options};

const BLOCK_BYTES: usize = 16 << 10;
const GROUP: usize = 8;
const TURN_GROUPS: usize = 16;
const TURNS: usize = 400;

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |section: &str| words.first().is_none_or(|word| word == section);
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    if wants("append") {
        append();
    }
    if wants("read") {
        read();
    }
    if wants("open") {
        open(number(1).unwrap_or(1_000_000), number(2).unwrap_or(1 << 10) as usize);
    }
}

fn hash_of(number: u64) -> BlockHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    hash
}

fn append_one(ledger: &mut Ledger, bytes: &[u8]) {
    let number = ledger.appended_height();
    let previous = number.checked_sub(1).map(hash_of);
    ledger
        .append(NewBlock {
            number,
            header_hash: hash_of(number),
            previous_hash: previous.as_ref().map_or(&[], |hash| hash),
            is_config: number.is_multiple_of(1000),
            bytes,
        })
        .expect("append");
}

/// Bytes of which no two blocks have the same.
fn blocks(count: usize) -> Vec<Vec<u8>> {
    let mut state = 1_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..count).map(|_| (0..BLOCK_BYTES).map(|_| next()).collect()).collect()
}

/// Both take turns, a few milliseconds each, so that whatever else the disk does meets both alike.
fn append() {
    let blocks = blocks(GROUP);
    let folder = tempfile::tempdir().expect("folder");
    let mut file = File::create(folder.path().join("plain")).expect("file");
    let mut ledger = Ledger::create(&folder.path().join("ledger"), &Options::default()).expect("create");
    let mut plain_group = || {
        for block in &blocks {
            file.write_all(block).expect("write");
        }
        file.sync_data().expect("sync");
    };
    let mut ledger_group = || {
        for block in &blocks {
            append_one(&mut ledger, block);
        }
        ledger.sync().expect("sync");
    };
    let (mut plain_times, mut ledger_times) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // which of them goes first alternates too
        for is_plain in [turn % 2 == 0, turn % 2 != 0] {
            if is_plain {
                plain_times.push(time(&mut plain_group));
            } else {
                ledger_times.push(time(&mut ledger_group));
            }
        }
    }
    let mut ratios: Vec<_> =
        plain_times.iter().zip(&ledger_times).map(|(plain, ledger)| plain / ledger).collect();
    let bytes = (TURNS * TURN_GROUPS * GROUP * BLOCK_BYTES) as f64;
    let (plain, ledger) = (plain_times.iter().sum::<f64>(), ledger_times.iter().sum::<f64>());
    println!(
        "append: {} groups of {GROUP} blocks of {BLOCK_BYTES} bytes, one fsync a group",
        TURNS * TURN_GROUPS
    );
    println!("  plain file    {:>7.1} MB/s", bytes / plain / 1e6);
    println!("  ledger        {:>7.1} MB/s", bytes / ledger / 1e6);
    println!("  ratio         {:>7.2} (of all; wanted: 0.80)", plain / ledger);
    println!("  ratio         {:>7.2} (median of the turns)", median(&mut ratios));
}

fn time(group: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..TURN_GROUPS {
        group();
    }
    begun.elapsed().as_secs_f64()
}

fn read() {
    const COUNT: u64 = 16 << 10;
    let folder = tempfile::tempdir().expect("folder");
    let blocks = blocks(64);
    let mut ledger = Ledger::create(folder.path(), &Options::default()).expect("create");
    for number in 0..COUNT {
        append_one(&mut ledger, &blocks[number as usize % blocks.len()]);
        if number % 1024 == 1023 {
            ledger.sync().expect("sync");
        }
    }
    let reader = ledger.reader();
    let bytes = (COUNT * BLOCK_BYTES as u64) as f64;
    println!("read: {COUNT} blocks of {BLOCK_BYTES} bytes in memory's cache, checksums verified, best of 5");
    let rate = |name: &str, walk: &dyn Fn() -> u64| {
        let best = (0..5).map(|_| {
            let begun = Instant::now();
            assert_eq!(walk(), COUNT * BLOCK_BYTES as u64);
            begun.elapsed()
        });
        let best = best.min().unwrap_or_default().as_secs_f64();
        println!("  {name:<24}{:>6.2} GB/s (wanted: 1.00)", bytes / best / 1e9);
    };
    rate("walk", &|| reader.iter_from(0).map(|block| block.expect("read").bytes.len() as u64).sum());
    let one = |number| reader.read(number).expect("read").map_or(0, |bytes| bytes.len() as u64);
    rate("one by one", &|| (0..COUNT).map(one).sum());
    // an odd factor visits each number of a power of two once
    rate("one by one, scattered", &|| (0..COUNT).map(|at| one(at.wrapping_mul(10_007) % COUNT)).sum());
    rate("ranges of 10", &|| {
        let range = |first: u64| reader.read_range(first..=(first + 9).min(COUNT - 1), usize::MAX);
        let bytes =
            |first| range(first).expect("read").iter().map(|block| block.bytes.len() as u64).sum::<u64>();
        (0..COUNT).step_by(10).map(bytes).sum()
    });
}

fn open(count: u64, block_bytes: usize) {
    let folder = tempfile::tempdir().expect("folder");
    let mut ledger = Ledger::create(folder.path(), &Options::default()).expect("create");
    let mut bytes = vec![0; block_bytes];
    for number in 0..count {
        let length = bytes.len().min(8);
        bytes[..length].copy_from_slice(&number.to_le_bytes()[..length]);
        append_one(&mut ledger, &bytes);
        if number % 4096 == 4095 {
            ledger.sync().expect("sync");
        }
    }
    ledger.close().expect("close");
    let segments = std::fs::read_dir(folder.path()).expect("list");
    let segments = segments.filter_map(Result::ok).map(|entry| entry.path());
    let segments =
        segments.filter(|path| path.extension().is_some_and(|extension| extension == "segment")).count();
    let before = resident_bytes();
    let mut times = Vec::new();
    for _ in 0..7 {
        let begun = Instant::now();
        let (ledger, _) = Ledger::open(folder.path(), &Options::default()).expect("open");
        times.push(begun.elapsed().as_secs_f64());
        assert_eq!(ledger.height(), count);
    }
    let after = resident_bytes();
    let middle = median(&mut times) * 1e3;
    println!("open: {count} blocks of {block_bytes} bytes in {segments} segments");
    println!("  {middle:.0} ms (median of 7, {:.0} to {:.0}; wanted: 1000)", times[0] * 1e3, times[6] * 1e3);
    println!("  resident memory {} KiB before, {} KiB after", before >> 10, after >> 10);
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! The files of a ledger.

use selvedge_ledger::{Access, Ledger, NewBlock, Options};
use std::path::Path;
use std::sync::LazyLock;

/// Blocks of the ledger that is damaged.
const BLOCKS: u64 = 9;

/// The files of a ledger in order, by name.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ledger, _) =
        Ledger::open_or_create(folder.path(), &options(Access::ReadWrite)).expect("a ledger");
    for number in 0..BLOCKS {
        let previous = [number.wrapping_sub(1) as u8; 32];
        ledger
            .append(NewBlock {
                number,
                header_hash: [number as u8; 32],
                previous_hash: if number == 0 { &[] } else { &previous },
                is_config: number % 4 == 0,
                bytes: &block(number),
            })
            .expect("a block that follows");
    }
    ledger.sync().expect("a disk");
    drop(ledger);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, std::fs::read(entry.path()).expect("a file")));
    }
    files.sort();
    files
});

fn options(access: Access) -> Options {
    Options { segment_bytes_max: 600, access, ..Options::default() }
}

fn block(number: u64) -> Vec<u8> {
    vec![number as u8 + 1; 40 + 30 * number as usize]
}

/// Damages the files of a ledger as `data` says, and opens it, first for reading and then for writing. Whatever a block reads
/// as is what was written.
pub fn ledger(data: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    if write_damaged(folder.path(), data).is_err() {
        return;
    }
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let Ok((ledger, recovery)) = Ledger::open(folder.path(), &options(access)) else { continue };
        let _ = recovery.findings();
        assert!(ledger.height() <= BLOCKS, "blocks that were never written");
        let reader = ledger.reader();
        for number in 0..=ledger.height() {
            if let Ok(Some(bytes)) = reader.read(number) {
                assert_eq!(*bytes, block(number), "another block {number} than was written");
            }
        }
        let _ = reader.read_intact(0..=BLOCKS, 10_000);
    }
}

/// Each change: which file, what, where, with what.
fn write_damaged(folder: &Path, mut data: &[u8]) -> std::io::Result<()> {
    let mut files: Vec<(String, Option<Vec<u8>>)> =
        FILES.iter().map(|(name, bytes)| (name.clone(), Some(bytes.clone()))).collect();
    while let Some((&[file, what, low, high, value], rest)) = data.split_first_chunk::<5>() {
        data = rest;
        let count = files.len();
        let Some((_, content)) = files.get_mut(usize::from(file) % count) else { break };
        let Some(bytes) = content else { continue };
        let place = usize::from(u16::from_le_bytes([low, high])).checked_rem(bytes.len()).unwrap_or(0);
        match what % 6 {
            0 => *content = None,
            1 => bytes.truncate(place),
            2 => {
                let length = usize::from(value).min(data.len());
                let (inserted, rest) = data.split_at(length);
                data = rest;
                bytes.splice(place..place, inserted.iter().copied());
            }
            3 => {
                let end = (place + usize::from(value)).min(bytes.len());
                bytes.drain(place..end);
            }
            4 => {
                // a piece again, somewhere else: as a write that went to the wrong place
                let end = (place + 200).min(bytes.len());
                let piece = bytes[place..end].to_vec();
                let to = usize::from(value) * bytes.len() / 256;
                bytes.splice(to..to, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= value;
                }
            }
        }
    }
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

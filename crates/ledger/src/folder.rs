//! The files of a ledger's folder: names, listing, and writing one so that it is there whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{LedgerError, io_error};

pub(crate) const LOCK_NAME: &str = "LOCK";
pub(crate) const METADATA_NAME: &str = "metadata.redb";
const TEMPORARY: &str = "tmp";

/// What a file that is named by a block number holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Index,
    Block,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Segment, Self::Index, Self::Block];

    fn extension(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Index => "index",
            Self::Block => "block",
        }
    }
}

/// The path of a file that is named by a block number.
pub(crate) fn path_of(folder: &Path, number: u64, kind: Kind) -> PathBuf {
    folder.join(format!("{number:020}.{}", kind.extension()))
}

/// The files found in a ledger's folder. Whatever has another name is left alone.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: BTreeSet<u64>,
    pub(crate) indexes: BTreeSet<u64>,
    pub(crate) blocks: BTreeSet<u64>,
    pub(crate) temporary: Vec<PathBuf>,
}

/// Lists a folder; one that does not exist is empty.
pub(crate) fn list(folder: &Path) -> Result<Listing, LedgerError> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(io_error("list", folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(io_error("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if let Some(whole) = name.strip_suffix(TEMPORARY).and_then(|name| name.strip_suffix('.')) {
            if parse(whole).is_some() {
                listing.temporary.push(path);
            }
            continue;
        }
        match parse(name) {
            Some((number, Kind::Segment)) => listing.segments.insert(number),
            Some((number, Kind::Index)) => listing.indexes.insert(number),
            Some((number, Kind::Block)) => listing.blocks.insert(number),
            None => continue,
        };
    }
    Ok(listing)
}

fn parse(name: &str) -> Option<(u64, Kind)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
    if digits.len() != 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, kind))
}

/// Makes a created, renamed or removed name in the folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync folder", folder))
}

/// Creates the folder and syncs the one above it, if it is not there.
pub(crate) fn create_folder(folder: &Path) -> Result<(), LedgerError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(io_error("create folder", folder))?;
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_folder(parent),
        None => sync_folder(Path::new(".")),
    }
}

/// Whether a written file must survive a power failure, or may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Durable,
    Rebuildable,
}

/// Writes a file under a temporary name and renames it: under its own name it is whole.
pub(crate) fn write_whole(path: &Path, parts: &[&[u8]], keep: Keep) -> Result<(), LedgerError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".");
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
        for part in parts {
            file.write_all(part)?;
        }
        if keep == Keep::Durable { file.sync_all() } else { Ok(()) }
    };
    write().map_err(io_error("write to", &temporary))?;
    fs::rename(&temporary, path).map_err(io_error("rename to", path))?;
    match path.parent().filter(|_| keep == Keep::Durable) {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for (number, kind) in [(0, Kind::Segment), (7, Kind::Index), (u64::MAX, Kind::Block)] {
            write_whole(&path_of(folder.path(), number, kind), &[b"a", b"b"], Keep::Durable).unwrap();
        }
        for name in
            ["LOCK", "1.segment", "0000000000000000000x.block", "99999999999999999999.segment", "a.tmp"]
        {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let left = folder.path().join("00000000000000000001.segment.tmp");
        fs::write(&left, "x").unwrap();
        let listing = list(folder.path()).unwrap();
        assert!(listing.segments.into_iter().eq([0]));
        assert!(listing.indexes.into_iter().eq([7]));
        assert!(listing.blocks.into_iter().eq([u64::MAX]));
        assert_eq!(listing.temporary, [left]);
        assert_eq!(fs::read(path_of(folder.path(), 7, Kind::Index)).unwrap(), b"ab");
    }

    #[test]
    fn a_folder_that_is_not_there_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(&folder.path().join("none")).unwrap().segments.is_empty());
    }
}

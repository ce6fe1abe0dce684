//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process;

use crate::error::{LedgerError, io_error};
use crate::folder::LOCK_NAME;
use crate::options::Access;

/// The lock on a ledger's folder, held until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    /// None where a folder opened for reading has no lock file and takes none.
    file: Option<File>,
    access: Access,
}

impl FolderLock {
    /// Takes the lock: alone to write, beside other readers to read.
    pub(crate) fn take(folder: &Path, access: Access) -> Result<Self, LedgerError> {
        let path = folder.join(LOCK_NAME);
        let opened = match access {
            Access::ReadWrite => {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
            }
            Access::ReadOnly => File::open(&path),
        };
        let mut file = match opened {
            Ok(file) => file,
            // a copy of a folder, perhaps on a medium that cannot be written
            Err(error) if access == Access::ReadOnly && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { file: None, access });
            }
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let locked = match access {
            Access::ReadWrite => file.try_lock(),
            Access::ReadOnly => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Locked {
                    folder: folder.to_path_buf(),
                    holder_pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
        if access == Access::ReadWrite {
            // only for the message another process gives
            let written = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
            written.map_err(io_error("write to", &path))?;
        }
        Ok(Self { file: Some(file), access })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        if self.access == Access::ReadWrite {
            // the number in it would be a wrong hint; nothing depends on it
            let _ = file.set_len(0);
        }
        // Closing is not enough: a process that another thread is just starting has a copy of the descriptor until
        // it runs its own program, and the lock lives as long as any copy. If this fails, closing is all there is.
        let _ = file.unlock();
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_or_several_readers() {
        let folder = tempfile::tempdir().unwrap();
        let take = |access| FolderLock::take(folder.path(), access);
        // nothing to lock yet, and nothing created
        drop(take(Access::ReadOnly).unwrap());
        assert!(!folder.path().join(LOCK_NAME).exists());

        let writer = take(Access::ReadWrite).unwrap();
        for access in [Access::ReadWrite, Access::ReadOnly] {
            match take(access) {
                Err(LedgerError::Locked { folder: named, holder_pid }) => {
                    assert_eq!(named, folder.path());
                    assert_eq!(holder_pid, Some(process::id()));
                }
                other => panic!("{other:?}"),
            }
        }
        drop(writer);
        let readers = (take(Access::ReadOnly).unwrap(), take(Access::ReadOnly).unwrap());
        match take(Access::ReadWrite) {
            Err(LedgerError::Locked { holder_pid: None, .. }) => {}
            other => panic!("{other:?}"),
        }
        drop(readers);
        take(Access::ReadWrite).unwrap();
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let lock = FolderLock::take(folder.path(), access).unwrap();
            // what a forked process has until it runs its own program
            let copy = lock.file.as_ref().unwrap().try_clone().unwrap();
            drop(lock);
            drop(FolderLock::take(folder.path(), Access::ReadWrite).unwrap());
            drop(copy);
        }
    }
}

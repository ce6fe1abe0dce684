//! Small named values that must be remembered: redb, wrapped so that it can be exchanged.
//!
//! redb does not verify what it reads, so each value carries its own checksum. It opens fast after a kill only with
//! quick repair, and takes a gigabyte of cache unless told otherwise.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, TableError, WriteTransaction,
};
use thiserror::Error;

use crate::folder::{create_folder, remove, sync_folder};
use crate::wire::take_u32;

const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
const CACHE_BYTES: usize = 1 << 20;

/// Why a value could not be read or written.
#[derive(Debug, Error)]
pub enum MetaError {
    /// The store refused.
    #[error("{action} {file}: {source}", file = file.display())]
    Store {
        /// What was attempted, such as `write to`.
        action: &'static str,
        /// The store's file.
        file: PathBuf,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has the file open.
    #[error("{file} is open in another process: stop it first", file = file.display())]
    Locked {
        /// The store's file.
        file: PathBuf,
    },
    /// The file is not a store any more. What it held is lost.
    #[error("{file} is damaged: {reason}", file = file.display())]
    Corrupted {
        /// The store's file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value's checksum is wrong; the other values can be read, and this one can be written again.
    #[error("the value {name:?} in {file} is damaged", file = file.display())]
    Damaged {
        /// The store's file.
        file: PathBuf,
        /// The value's name.
        name: String,
    },
    /// A value is not a number of 64 bits.
    #[error("the value {name:?} in {file} is not a number", file = file.display())]
    NotNumber {
        /// The store's file.
        file: PathBuf,
        /// The value's name.
        name: String,
    },
    /// The store was opened for reading.
    #[error("{file} is open for reading only", file = file.display())]
    ReadOnly {
        /// The store's file.
        file: PathBuf,
    },
}

/// Small named values in one file. May be shared between threads; one process at a time.
pub struct MetaStore {
    file: PathBuf,
    database: Handle,
}

enum Handle {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
}

impl MetaStore {
    /// Opens the store in `file`, creating it and its folder if there is none. Every page is verified on the way
    /// (the store is small), so a changed file is [`MetaError::Corrupted`] and not a wrong value later.
    pub fn open(file: &Path) -> Result<Self, MetaError> {
        let failed = |source| store_error("create", file, source);
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        create_folder(folder).map_err(|error| failed(error.into()))?;
        if !file.exists() {
            // under another name first: a kill must not leave half a store under this one
            let temporary = file.with_added_extension("tmp");
            remove(&temporary).map_err(|error| failed(error.into()))?;
            drop(Self::open_file(&temporary)?);
            fs::rename(&temporary, file).map_err(|error| failed(error.into()))?;
            sync_folder(folder).map_err(|error| failed(error.into()))?;
        }
        Self::open_file(file)
    }

    fn open_file(file: &Path) -> Result<Self, MetaError> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.create(file).map_err(|error| open_error(file, error))?;
        Ok(Self { file: file.to_path_buf(), database: Handle::Writable(database) })
    }

    /// Opens a store without changing its file. A store that was not closed cleanly cannot be opened so.
    pub(crate) fn open_read_only(file: &Path) -> Result<Self, MetaError> {
        let opened = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(file);
        let database = opened.map_err(|error| open_error(file, error))?;
        Ok(Self { file: file.to_path_buf(), database: Handle::ReadOnly(database) })
    }

    /// The value of this name; none if there is none. [`MetaError::Damaged`] if its checksum is wrong.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, MetaError> {
        let Some(sealed) = self.read(|table| Ok(table.get(name)?.map(|value| value.value().to_vec())))?
        else {
            return Ok(None);
        };
        match open_value(name, &sealed) {
            Some(value) => Ok(Some(value.to_vec())),
            None => Err(MetaError::Damaged { file: self.file.clone(), name: name.to_owned() }),
        }
    }

    /// Sets a value. Durable on return.
    pub fn put(&self, name: &str, value: &[u8]) -> Result<(), MetaError> {
        self.put_all(&[(name, value)])
    }

    /// Sets several values in one transaction: all or none. Durable on return.
    pub fn put_all(&self, values: &[(&str, &[u8])]) -> Result<(), MetaError> {
        self.write("write to", |transaction| {
            let mut table = transaction.open_table(VALUES)?;
            for (name, value) in values {
                table.insert(*name, seal_value(name, value).as_slice())?;
            }
            Ok(())
        })
    }

    /// Removes a value, and says whether there was one. Durable on return.
    pub fn remove(&self, name: &str) -> Result<bool, MetaError> {
        let mut existed = false;
        self.write("write to", |transaction| {
            existed = transaction.open_table(VALUES)?.remove(name)?.is_some();
            Ok(())
        })?;
        Ok(existed)
    }

    /// The names of all values, in order.
    pub fn names(&self) -> Result<Vec<String>, MetaError> {
        let names = self.read(|table| {
            let names = table.iter()?.map(|entry| Ok(entry?.0.value().to_owned()));
            Ok(Some(names.collect::<Result<Vec<_>, StorageError>>()?))
        })?;
        Ok(names.unwrap_or_default())
    }

    /// A value that is a number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, MetaError> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        match value.as_slice().try_into() {
            Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(_) => Err(MetaError::NotNumber { file: self.file.clone(), name: name.to_owned() }),
        }
    }

    /// Sets a value that is a number. Durable on return.
    pub fn put_number(&self, name: &str, value: u64) -> Result<(), MetaError> {
        self.put(name, &value.to_le_bytes())
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadOnlyTable<&'static str, &'static [u8]>) -> Result<Option<T>, redb::Error>,
    ) -> Result<Option<T>, MetaError> {
        let attempt = || -> Result<Option<T>, redb::Error> {
            let transaction = match &self.database {
                Handle::Writable(database) => database.begin_read()?,
                Handle::ReadOnly(database) => database.begin_read()?,
            };
            match transaction.open_table(VALUES) {
                Ok(table) => read(&table),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        attempt().map_err(|error| store_error("read", &self.file, error.into()))
    }

    fn write(
        &self,
        action: &'static str,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), MetaError> {
        let Handle::Writable(database) = &self.database else {
            return Err(MetaError::ReadOnly { file: self.file.clone() });
        };
        let attempt = || -> Result<(), redb::Error> {
            let mut transaction = database.begin_write()?;
            transaction.set_quick_repair(true);
            transaction.open_table(VALUES)?;
            write(&transaction)?;
            Ok(transaction.commit()?)
        };
        attempt().map_err(|error| store_error(action, &self.file, error.into()))
    }
}

impl fmt::Debug for MetaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetaStore").field("file", &self.file).finish_non_exhaustive()
    }
}

fn store_error(
    action: &'static str,
    file: &Path,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> MetaError {
    MetaError::Store { action, file: file.to_path_buf(), source }
}

fn open_error(file: &Path, error: DatabaseError) -> MetaError {
    let file = file.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen => MetaError::Locked { file },
        DatabaseError::Storage(StorageError::Corrupted(reason)) => MetaError::Corrupted { file, reason },
        // what redb says of a file that does not begin like one of its own
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            MetaError::Corrupted { file, reason: error.to_string() }
        }
        DatabaseError::UpgradeRequired(version) => {
            MetaError::Corrupted { file, reason: format!("file format {version} is not read any more") }
        }
        other => MetaError::Store { action: "open", file, source: other.into() },
    }
}

/// Checksum over name and value, then the value: so neither can stand in for another.
fn seal_value(name: &str, value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + value.len());
    sealed.extend_from_slice(&value_checksum(name, value).to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn open_value<'a>(name: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = sealed;
    let checksum = take_u32(&mut rest)?;
    (checksum == value_checksum(name, rest)).then_some(rest)
}

fn value_checksum(name: &str, value: &[u8]) -> u32 {
    let length = (name.len() as u64).to_le_bytes();
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), name.as_bytes()), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/meta.redb");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(folder.path().join("deep/er/meta.redb.tmp"), "half of one, left by a kill").unwrap();
        let store = MetaStore::open(&file).unwrap();
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(store.get("none").unwrap(), None);
        assert_eq!(store.names().unwrap(), Vec::<String>::new());
        store.put("a", b"one").unwrap();
        store.put_all(&[("b", b""), ("a", b"two")]).unwrap();
        store.put_number("incarnation", 7).unwrap();
        drop(store);
        let store = MetaStore::open(&file).unwrap();
        assert_eq!(store.names().unwrap(), ["a", "b", "incarnation"]);
        assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(store.get("b").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(store.number("incarnation").unwrap(), Some(7));
        assert!(matches!(store.number("a"), Err(MetaError::NotNumber { .. })));
        assert!(store.remove("a").unwrap());
        assert!(!store.remove("a").unwrap());
        assert_eq!(store.get("a").unwrap(), None);
    }

    #[test]
    fn a_changed_value_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = MetaStore::open(&folder.path().join("m")).unwrap();
        store.put("good", b"value").unwrap();
        // what a flipped bit would leave: the value under a checksum that is not its own
        store
            .write("write to", |transaction| {
                let mut table = transaction.open_table(VALUES)?;
                table.insert("bad", seal_value("bad", b"valuf").map_last(b'e').as_slice())?;
                table.insert("moved", seal_value("good", b"value").as_slice())?;
                table.insert("short", &b"abc"[..])?;
                Ok(())
            })
            .unwrap();
        for name in ["bad", "moved", "short"] {
            match store.get(name) {
                Err(MetaError::Damaged { name: named, .. }) => assert_eq!(named, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(store.get("good").unwrap().as_deref(), Some(&b"value"[..]));
        store.put("bad", b"again").unwrap();
        assert_eq!(store.get("bad").unwrap().as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn a_file_in_use_or_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m");
        let store = MetaStore::open(&file).unwrap();
        assert!(matches!(MetaStore::open(&file), Err(MetaError::Locked { .. })));
        drop(store);
        let read = MetaStore::open_read_only(&file).unwrap();
        assert!(matches!(read.put("a", b"b"), Err(MetaError::ReadOnly { .. })));
        assert_eq!(read.get("a").unwrap(), None);
        drop(read);
        fs::write(&file, vec![7; 100_000]).unwrap();
        assert!(matches!(MetaStore::open(&file), Err(MetaError::Corrupted { .. })));
    }

    trait MapLast {
        fn map_last(self, byte: u8) -> Self;
    }

    impl MapLast for Vec<u8> {
        fn map_last(mut self, byte: u8) -> Self {
            if let Some(last) = self.last_mut() {
                *last = byte;
            }
            self
        }
    }
}

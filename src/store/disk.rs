//! The embedded engine: a log-structured key-value store whose journal is synced once for each commit.
//!
//! ```text
//! <data directory>/lock        held while the store is open; names the process
//!                 /facts/      the engine's files
//!                 /facts.new/  a first start that was interrupted; removed
//! ```
//! Inside the engine: `meta` holds the format, `facts.<format>` the records. A migration writes the records of the
//! next format beside the old ones and then moves the mark, so it can be interrupted at any point.

use super::record::{self, FORMATS, Formats};
use super::{Store, StoreError};
use crate::model::{Change, Fact};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Key of the format mark.
const FORMAT_KEY: &[u8] = b"format";

/// Blocks are read at replay only, so the cache stays small.
const CACHE_OCTETS: u64 = 16 << 20;

/// Threads that flush and compact: one more than one, so that compaction never holds up a flush.
const ENGINE_THREADS: usize = 2;

/// Records that a migration writes at once.
const MIGRATION_BATCH: usize = 1_000;

/// Facts on disk.
pub struct DiskStore {
    poisoned: Option<String>,
    facts: Keyspace,
    database: Database,
    /// Last, so that it is released when the engine is closed.
    _lock: File,
}

impl DiskStore {
    /// Opens the data directory, or makes it. Older formats are migrated.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another store has it open, [`StoreError::Format`] if this binary cannot read it,
    /// [`StoreError::Engine`] if the disk or the engine refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_as(path, FORMATS)
    }

    fn open_as(path: &Path, formats: Formats) -> Result<Self, StoreError> {
        let refused = |error: &dyn Display| StoreError::Engine(format!("{}: {error}", path.display()));
        fs::create_dir_all(path).map_err(|error| refused(&error))?;
        let lock = lock(path)?;

        let (engine, unfinished) = (path.join("facts"), path.join("facts.new"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(|error| refused(&error))?;
        }
        if !engine.exists() {
            // The engine cannot open a directory whose making was interrupted, so it is made aside.
            let database = database(&unfinished).map_err(|error| refused(&error))?;
            let meta = keyspace(&database, "meta").map_err(|error| refused(&error))?;
            keyspace(&database, &facts_of(formats.newest)).map_err(|error| refused(&error))?;
            mark(&database, &meta, formats.newest).map_err(|error| refused(&error))?;
            drop((meta, database));
            fs::rename(&unfinished, &engine)
                .and_then(|()| File::open(path)?.sync_all())
                .map_err(|error| refused(&error))?;
        }

        let database = database(&engine).map_err(|error| refused(&error))?;
        let meta = keyspace(&database, "meta").map_err(|error| refused(&error))?;
        let found = match meta.get(FORMAT_KEY).map_err(|error| refused(&error))? {
            Some(mark) => <[u8; 4]>::try_from(&*mark)
                .map(u32::from_be_bytes)
                .map_err(|_| refused(&"the mark of the format is not a number"))?,
            None => return Err(refused(&"the mark of the format is missing; this is not our data")),
        };
        let way = formats.way_from(found, &path.display().to_string())?;
        for (step, migration) in (found..).zip(way) {
            tracing::info!(path = %path.display(), from = step, to = step + 1, "store: migrating the data");
            migrate(&database, step, *migration)?;
            mark(&database, &meta, step + 1).map_err(|error| refused(&error))?;
        }
        for older in formats.oldest()..formats.newest {
            let name = facts_of(older);
            if database.keyspace_exists(&name) {
                let old = keyspace(&database, &name).map_err(|error| refused(&error))?;
                database.delete_keyspace(old).map_err(|error| refused(&error))?;
            }
        }
        let facts = keyspace(&database, &facts_of(formats.newest)).map_err(|error| refused(&error))?;
        Ok(Self { poisoned: None, facts, database, _lock: lock })
    }

    fn usable(&self) -> Result<(), StoreError> {
        self.poisoned.as_ref().map_or(Ok(()), |why| Err(StoreError::Poisoned(why.clone())))
    }

    fn write(&self, batch: &[Change]) -> Result<(), StoreError> {
        // One batch has one sequence number in the engine, so it may name each key only once.
        let effects = record::effects(batch)?;
        let mut write = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in effects {
            match value {
                Some(value) => write.insert(&self.facts, key, value),
                None => write.remove(&self.facts, key),
            }
        }
        write.commit().map_err(|error| engine(&error))
    }
}

impl Store for DiskStore {
    fn commit(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        self.usable()?;
        let outcome = self.write(batch);
        if let Err(error) = &outcome {
            self.poisoned = Some(error.to_string());
        }
        outcome
    }

    fn replay(&mut self, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        self.usable()?;
        for entry in self.facts.iter() {
            let (key, value) = entry.into_inner().map_err(|error| engine(&error))?;
            each(record::decode(&key, &value)?);
        }
        Ok(())
    }
}

fn engine(error: &fjall::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}

fn database(path: &Path) -> Result<Database, fjall::Error> {
    Database::builder(path).cache_size(CACHE_OCTETS).worker_threads(ENGINE_THREADS).open()
}

fn keyspace(database: &Database, name: &str) -> Result<Keyspace, fjall::Error> {
    database.keyspace(name, KeyspaceCreateOptions::default)
}

fn facts_of(format: u32) -> String {
    format!("facts.{format}")
}

fn mark(database: &Database, meta: &Keyspace, format: u32) -> Result<(), fjall::Error> {
    let mut write = database.batch().durability(Some(PersistMode::SyncAll));
    write.insert(meta, FORMAT_KEY, format.to_be_bytes());
    write.commit()
}

/// Writes the records of format `from` in the next format, beside the old ones.
fn migrate(database: &Database, from: u32, migration: record::Migration) -> Result<(), StoreError> {
    let old = keyspace(database, &facts_of(from)).map_err(|error| engine(&error))?;
    let new = keyspace(database, &facts_of(from + 1)).map_err(|error| engine(&error))?;
    // What an interrupted migration left.
    new.clear().map_err(|error| engine(&error))?;
    let mut write = database.batch();
    for entry in old.iter() {
        let (key, value) = entry.into_inner().map_err(|error| engine(&error))?;
        let records =
            migration(&key, &value).map_err(|why| StoreError::Record { key: record::readable(&key), why })?;
        for (key, value) in records {
            write.insert(&new, key, value);
        }
        if write.len() >= MIGRATION_BATCH {
            std::mem::replace(&mut write, database.batch()).commit().map_err(|error| engine(&error))?;
        }
    }
    write.commit().map_err(|error| engine(&error))
}

/// Takes the lock of a data directory and writes who holds it.
fn lock(path: &Path) -> Result<File, StoreError> {
    let refused = |error: std::io::Error| StoreError::Engine(format!("{}: {error}", path.display()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join("lock"))
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message of the one who comes too late.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
            let holder = match read.map(|_| text.trim().parse::<u32>()) {
                Ok(Ok(process)) => format!(" by process {process}"),
                _ => String::new(),
            };
            Err(StoreError::InUse { path: path.display().to_string(), holder })
        }
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite;
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A directory that goes with its owner.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let name =
                format!("rollcall-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_engine_passes_the_suite() {
        suite::run(&mut || {
            let folder = Folder::new();
            Box::new(move || DiskStore::open(&folder.0).map(|store| Box::new(store) as Box<dyn Store>))
        });
    }

    #[test]
    fn a_directory_in_use_is_refused_with_the_name_of_its_holder() {
        let folder = Folder::new();
        let holder = DiskStore::open(&folder.0).unwrap();
        let error = DiskStore::open(&folder.0).err().unwrap().to_string();
        assert_eq!(
            error,
            format!(
                "store: the data in {} is in use by process {}; one server at a time",
                folder.0.display(),
                std::process::id()
            )
        );
        drop(holder);
        DiskStore::open(&folder.0).unwrap();
    }

    #[test]
    fn an_interrupted_first_start_is_begun_anew() {
        let folder = Folder::new();
        fs::create_dir_all(folder.0.join("facts.new/keyspaces")).unwrap();
        fs::write(folder.0.join("facts.new/0.jnl"), b"torn").unwrap();
        let mut store = DiskStore::open(&folder.0).unwrap();
        assert_eq!(suite::facts(&mut store), []);
        assert!(!folder.0.join("facts.new").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("file"), b"").unwrap();
        let error = DiskStore::open(&folder.0.join("file/below")).err().unwrap();
        assert!(error.to_string().contains("file/below"), "{error}");
    }

    #[test]
    fn data_of_another_format_is_refused_and_left_alone() {
        let folder = Folder::new();
        let tomorrow = Formats { newest: super::super::FORMAT + 1, migrations: &[] };
        drop(DiskStore::open_as(&folder.0, tomorrow).unwrap());
        let error = DiskStore::open(&folder.0).err().unwrap();
        assert!(matches!(error, StoreError::Format { found: 2, oldest: 1, newest: 1, .. }), "{error}");
        DiskStore::open_as(&folder.0, tomorrow).unwrap();
    }

    #[test]
    fn data_of_an_older_format_is_migrated() {
        fn third(key: &[u8], value: &[u8]) -> Result<super::super::record::Migrated, String> {
            Ok(vec![(key.to_vec(), value.to_vec())])
        }
        /// Drops the owed requests to nobody.
        fn second(key: &[u8], value: &[u8]) -> Result<super::super::record::Migrated, String> {
            match postcard::from_bytes::<Fact>(value).map_err(|error| error.to_string())? {
                Fact::Owed(owed) if owed.to.as_str() == "nobody" => Ok(Vec::new()),
                _ => third(key, value),
            }
        }
        let folder = Folder::new();
        let mut first = DiskStore::open_as(&folder.0, Formats { newest: 1, migrations: &[] }).unwrap();
        let many =
            (0..3_000).map(|id| Change::Put(suite::owed(id, if id % 2 == 0 { "nobody" } else { "bob" })));
        first.commit(&many.collect::<Vec<_>>()).unwrap();
        drop(first);

        let third = Formats { newest: 3, migrations: &[second, third] };
        let mut migrated = DiskStore::open_as(&folder.0, third).unwrap();
        let kept = suite::facts(&mut migrated);
        assert_eq!(kept.len(), 1_500);
        assert!(kept.iter().all(|fact| matches!(fact, Fact::Owed(owed) if owed.to.as_str() == "bob")));
        drop(migrated);

        let mut again = DiskStore::open_as(&folder.0, third).unwrap();
        assert_eq!(suite::facts(&mut again), kept);
        drop(again);
        let error = DiskStore::open_as(&folder.0, Formats { newest: 1, migrations: &[] }).err().unwrap();
        assert!(matches!(error, StoreError::Format { found: 3, .. }), "{error}");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        fn fails(_: &[u8], _: &[u8]) -> Result<super::super::record::Migrated, String> {
            Err("no".to_owned())
        }
        let folder = Folder::new();
        let first = Formats { newest: 1, migrations: &[] };
        DiskStore::open_as(&folder.0, first).unwrap().commit(&[Change::Put(suite::owed(7, "bob"))]).unwrap();
        let error = DiskStore::open_as(&folder.0, Formats { newest: 2, migrations: &[fails] }).err().unwrap();
        assert_eq!(error.to_string(), "store: record Owed(0000000000000007) cannot be read: no");
        let mut store = DiskStore::open_as(&folder.0, first).unwrap();
        assert_eq!(suite::facts(&mut store), [suite::owed(7, "bob")]);
    }

    #[test]
    fn a_record_that_is_not_what_its_key_says_is_named() {
        let folder = Folder::new();
        let store = DiskStore::open(&folder.0).unwrap();
        let key = record::encode_key(&suite::owed(7, "bob").key()).unwrap();
        let other = postcard::to_stdvec(&suite::owed(8, "bob")).unwrap();
        store.facts.insert(key, other).unwrap();
        drop(store);
        let error = DiskStore::open(&folder.0).unwrap().replay(&mut |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "store: record Owed(0000000000000007) cannot be read: it holds Owed(0000000000000008)"
        );
    }
}

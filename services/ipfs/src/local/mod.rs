//! A folder of CAR files, `<first root>.car` each, which several processes may write to and read from at once.
//!
//! A CAR is written beside the others under a hidden name, synced, renamed, and the folder is synced: it is there whole
//! or not at all, and once an import or a file writer's `finish` returns it survives a power cut. Files are never
//! changed afterwards. What is lost if the process dies before: the hidden file, swept by the next process to open
//! the folder for writing.
//!
//! Blocks are found through an index in memory, about 130 bytes a block, read from the CARs' section headers at
//! start. It trusts nothing: a block is hashed whenever it is read. On a miss the folder is looked at again, so what
//! another process has just written is found.

mod index;

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cid::Cid;

use index::{Index, Place};

use crate::{
    Error,
    block::{Key, verify},
    car::{Reader, Section},
    incoming::{self, Incoming},
};

/// A folder of CAR files. Cheap to clone; clones share the index.
#[derive(Clone)]
pub struct Local {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    index: RwLock<Index>,
    /// The folder's time of change when it was last listed, if nothing can have happened unseen since.
    listed: Mutex<Option<SystemTime>>,
}

enum Found {
    Bytes(Bytes),
    Nothing,
    /// The index names a place, but what lies there is not the block.
    Damaged,
}

impl Local {
    /// Opens the folder for reading and writing, creates it if need be, sweeps what crashed writers left and reads
    /// the index. Blocking.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Error::disk("create", &folder))?;
        incoming::sweep(&folder)?;
        Self::open_reading(folder)
    }

    /// Opens a folder that exists, and leaves it as it is. Blocking.
    pub fn open_reading(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let shared = Shared {
            folder: folder.into(),
            index: RwLock::default(),
            listed: Mutex::new(None),
        };
        shared.list()?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// CAR files whose end is missing or whose framing is broken, with what is wrong. Blocks before the damage are
    /// still served; those behind it are not found.
    pub fn damaged(&self) -> Vec<(PathBuf, String)> {
        self.shared
            .index()
            .damaged()
            .map(|(name, why)| (self.shared.folder.join(name), why.to_owned()))
            .collect()
    }

    /// The bytes of a block, hashed. Blocking, as everything here.
    pub(crate) fn get(&self, cid: &Cid) -> Result<Option<Bytes>, Error> {
        let key = Key::of(cid)?;
        match self.shared.read(cid, key)? {
            Found::Bytes(bytes) => return Ok(Some(bytes)),
            Found::Nothing => {}
            Found::Damaged => self.shared.forget(key),
        }
        // Another process may have added, replaced or removed the file since it was listed; once only, because
        // after a fresh look what does not fit is damage.
        self.shared.list()?;
        match self.shared.read(cid, key)? {
            Found::Bytes(bytes) => Ok(Some(bytes)),
            Found::Nothing => Ok(None),
            Found::Damaged => Err(Error::Corrupt {
                cid: Box::new(*cid),
                place: self.place(),
            }),
        }
    }

    /// Whether the block is indexed; its bytes are not read.
    pub(crate) fn has(&self, cid: &Cid) -> Result<bool, Error> {
        let key = Key::of(cid)?;
        if self.shared.index().places(&key).next().is_some() {
            return Ok(true);
        }
        self.shared.list()?;
        Ok(self.shared.index().places(&key).next().is_some())
    }

    /// Writes blocks, hashing each, as one CAR. Durable when it returns.
    pub(crate) fn import(&self, roots: &[Cid], blocks: &[(Cid, Bytes)]) -> Result<(), Error> {
        let mut incoming = self.incoming(roots)?;
        for (cid, bytes) in blocks {
            verify(cid, bytes, "the import")?;
            incoming.append(cid, bytes)?;
        }
        self.commit(incoming, roots)
    }

    /// Begins a CAR with these roots, or as many placeholders.
    pub(crate) fn incoming(&self, roots: &[Cid]) -> Result<Incoming, Error> {
        Incoming::within(&self.shared.folder, roots)
    }

    /// Gives a written CAR its name, for good. Durable when it returns. Replaces a CAR of the same first root.
    pub(crate) fn commit(&self, incoming: Incoming, roots: &[Cid]) -> Result<(), Error> {
        let first = roots.first().ok_or(Error::RootCount { got: 0 })?;
        let name = file_name(first);
        let sections = incoming.commit(roots, &self.shared.folder.join(&name))?;
        self.shared.sync_folder()?;
        self.shared.index_mut().add(name, sections, None);
        Ok(())
    }

    /// The roots of every CAR.
    pub(crate) fn pins(&self) -> Result<Vec<Vec<Cid>>, Error> {
        let mut names: Vec<String> = self.shared.names()?.into_iter().filter(|name| is_car(name)).collect();
        names.sort_unstable();
        let mut pins = Vec::with_capacity(names.len());
        for name in names {
            let path = self.shared.folder.join(name);
            match File::open(&path) {
                Ok(file) => pins.push(Reader::new(file, path)?.roots().to_vec()),
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::disk("open", path)(error)),
            }
        }
        Ok(pins)
    }

    /// Removes the CAR whose first root this is; false if there is none. Blocks that lie in another CAR too stay.
    pub(crate) fn unpin(&self, root: &Cid) -> Result<bool, Error> {
        Key::of(root)?;
        let name = file_name(root);
        let path = self.shared.folder.join(&name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::disk("remove", path)(error)),
        }
        self.shared.sync_folder()?;
        self.shared.index_mut().remove(&name);
        Ok(true)
    }

    pub(crate) fn ready(&self) -> Result<String, Error> {
        fs::metadata(&self.shared.folder).map_err(Error::disk("read", &self.shared.folder))?;
        Ok(format!("folder {}", self.place()))
    }

    pub(crate) fn place(&self) -> String {
        self.shared.folder.display().to_string()
    }
}

fn file_name(root: &Cid) -> String {
    format!("{root}.car")
}

/// Whether a file of the folder is one of its CARs.
fn is_car(name: &str) -> bool {
    name.strip_suffix(".car")
        .is_some_and(|root| root.parse::<Cid>().is_ok_and(|cid| cid.to_string() == root))
}

impl Shared {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // A panic while it was held leaves at worst a block unindexed or named twice; both are checked on reading.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, cid: &Cid, key: Key) -> Result<Found, Error> {
        let places: Vec<Place> = self.index().places(&key).cloned().collect();
        let mut found = Found::Nothing;
        for place in places {
            match self.read_at(&place) {
                Ok(bytes) if verify(cid, &bytes, "").is_ok() => return Ok(Found::Bytes(Bytes::from(bytes))),
                Ok(_) => found = Found::Damaged,
                Err(error) => match error.kind() {
                    // Removed, or replaced by a shorter file, since it was indexed; or cut off by a disk.
                    io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => found = Found::Damaged,
                    _ => return Err(Error::disk("read", self.folder.join(&*place.file))(error)),
                },
            }
        }
        Ok(found)
    }

    fn read_at(&self, place: &Place) -> io::Result<Vec<u8>> {
        let file = File::open(self.folder.join(&*place.file))?;
        let mut bytes = vec![0; place.length as usize];
        file.read_exact_at(&mut bytes, place.offset)?;
        Ok(bytes)
    }

    /// Drops the files a block was said to be in, so that the next listing reads them anew.
    fn forget(&self, key: Key) {
        let mut listed = self.listed();
        let mut index = self.index_mut();
        let files: Vec<Arc<str>> = index.places(&key).map(|place| place.file.clone()).collect();
        files.iter().for_each(|file| index.remove(file));
        *listed = None;
    }

    fn listed(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Indexes CARs that are new in the folder and drops those that are gone.
    fn list(&self) -> Result<(), Error> {
        let mut listed = self.listed();
        let changed = || fs::metadata(&self.folder).and_then(|folder| folder.modified());
        let before = changed().map_err(Error::disk("read", &self.folder))?;
        if *listed == Some(before) {
            return Ok(());
        }
        let (new, gone) = self.index().differences(self.names()?);
        for name in gone {
            self.index_mut().remove(&name);
        }
        for name in new.into_iter().filter(|name| is_car(name)) {
            self.index_file(name)?;
        }
        // A file renamed into the folder within the clock's step (up to 10 ms) after the listing leaves the same time
        // behind. Only a time that was already a second old when listing began can have no such twin.
        *listed = SystemTime::now()
            .duration_since(before)
            .is_ok_and(|age| age > Duration::from_secs(1))
            .then_some(before);
        Ok(())
    }

    /// What ends as a CAR does. Whether the rest is a CID is asked of new names only: parsing 100,000 on each miss
    /// would cost more than listing them.
    fn names(&self) -> Result<HashSet<String>, Error> {
        let failed = |error| Error::disk("list", &self.folder)(error);
        let mut names = HashSet::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(".car")).map(str::to_owned));
        }
        Ok(names)
    }

    fn index_file(&self, name: String) -> Result<(), Error> {
        let path = self.folder.join(&name);
        let file = match File::open(&path) {
            Ok(file) => file,
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::disk("open", path)(error)),
        };
        let length = file.metadata().map_err(Error::disk("read", &path))?.len();
        let (sections, damage) = sections(&file, &path, length);
        if let Some(damage) = &damage {
            tracing::error!(file = %path.display(), %damage, "content file {} is damaged: {damage}", path.display());
        }
        self.index_mut().add(name, sections, damage);
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), Error> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::disk("sync", &self.folder))
    }
}

/// The blocks of a CAR, and what is wrong with it: one bad file must not keep the others from being served.
fn sections(file: &File, path: &Path, length: u64) -> (Vec<Section>, Option<String>) {
    let mut sections = Vec::new();
    let mut read = || -> Result<(), Error> {
        let mut reader = Reader::new(file, path)?;
        while let Some(section) = reader.next_section()? {
            // Kept even if cut off: asking for it is then an error that names it, not "not found".
            sections.push(section);
            if section.offset + u64::from(section.length) > length {
                return Err(Error::MalformedCar {
                    at: length,
                    reason: "it ends within a block",
                });
            }
        }
        Ok(())
    };
    let damage = read().err().map(|error| error.to_string());
    (sections, damage)
}

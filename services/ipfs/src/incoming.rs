use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, Seek},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use cid::Cid;

use crate::{
    Error,
    car::{Section, Writer},
};

const PREFIX: &str = ".incoming-";

/// A CAR being written. Dropped unfinished, it is gone.
///
/// In a shared folder it has a hidden name and stays locked while its writer lives. The lock goes with the process, so
/// a sweeping neighbour tells a crashed writer's leftover from a file that is still being written.
pub(crate) struct Incoming {
    car: Writer<BufWriter<File>>,
    name: Option<HiddenName>,
}

struct HiddenName(PathBuf);

impl Drop for HiddenName {
    fn drop(&mut self) {
        // Nobody else removes a locked file; should it fail, the next sweep has it.
        let _ = fs::remove_file(&self.0);
    }
}

impl Incoming {
    /// In a folder, to be renamed. `roots` may be placeholders, as many as there will be.
    pub fn within(folder: &Path, roots: &[Cid]) -> Result<Self, Error> {
        let (file, name) = create_locked(folder)?;
        let car = Writer::new(buffered(file), &name.0, roots)?;
        Ok(Self { car, name: Some(name) })
    }

    /// Nowhere: a file without a name, on its way to a node.
    pub fn unnamed(roots: &[Cid]) -> Result<Self, Error> {
        let folder = std::env::temp_dir();
        let file = tempfile::tempfile().map_err(Error::disk("create a file in", &folder))?;
        Ok(Self {
            car: Writer::new(buffered(file), folder, roots)?,
            name: None,
        })
    }

    pub fn append(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), Error> {
        self.car.append(cid, bytes)
    }

    /// Syncs the file and renames it to `target`; the folder is the caller's to sync.
    pub fn commit(self, roots: &[Cid], target: &Path) -> Result<Vec<Section>, Error> {
        let Self { car, name } = self;
        let (out, sections) = car.finish_indexed(roots)?;
        let file = whole(out).map_err(Error::disk("write", target))?;
        file.sync_all().map_err(Error::disk("sync", target))?;
        if let Some(name) = name {
            fs::rename(&name.0, target).map_err(Error::disk("rename to", target))?;
            // The hidden name is gone already; a second writer may by chance be using it next.
            std::mem::forget(name);
        }
        Ok(sections)
    }

    /// The finished CAR from its first byte, and its length.
    pub fn into_file(self, roots: &[Cid]) -> Result<(File, u64), Error> {
        let length = self.car.position();
        let mut file = whole(self.car.finish(roots)?).map_err(Error::disk("write", std::env::temp_dir()))?;
        file.rewind().map_err(Error::disk("read", std::env::temp_dir()))?;
        Ok((file, length))
    }
}

fn buffered(file: File) -> BufWriter<File> {
    BufWriter::with_capacity(64 * 1024, file)
}

fn whole(out: BufWriter<File>) -> io::Result<File> {
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

fn create_locked(folder: &Path) -> Result<(File, HiddenName), Error> {
    loop {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| Error::disk("draw a file name in", folder)(io::Error::other(error.to_string())))?;
        let path = folder.join(format!("{PREFIX}{:016x}", u64::from_le_bytes(random)));
        let file = match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(Error::disk("create", path)(error)),
        };
        file.lock().map_err(Error::disk("lock", &path))?;
        // A sweeper may have come between creation and lock. It removes only what it has locked, so now that the lock
        // is ours the file either is gone or stays.
        if file.metadata().map_err(Error::disk("read", &path))?.nlink() > 0 {
            return Ok((file, HiddenName(path)));
        }
    }
}

/// Removes what writers that no longer live have left in the folder.
pub(crate) fn sweep(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::disk("list", folder))? {
        let entry = entry.map_err(Error::disk("list", folder))?;
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        let path = entry.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            // Renamed or removed by its writer since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::disk("open", path)(error)),
        };
        match file.try_lock() {
            // Held until the file is removed. If its writer renamed it before this lock, the hidden name is gone and
            // removing it fails, which is right.
            Ok(()) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::disk("remove", path)(error));
                }
                _ => tracing::info!(file = %path.display(), "swept {}, left by a writer that died", path.display()),
            },
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::disk("lock", path)(error)),
        }
    }
    Ok(())
}

//! The data folder of a development system: whose it is, what is in it, and what `--fresh` removes.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{seed::Seeded, stack_json::write_private};

/// Everything a system writes. `--fresh` removes these and nothing else, whatever folder it is pointed at.
const OURS: [&str; 14] = [
    "chain",
    "content",
    "keys",
    "logs",
    "staging",
    "chartseal.db",
    "chartseal.db-wal",
    "chartseal.db-shm",
    "deployment.json",
    "gateway.toml",
    "submitter.toml",
    "samples.json",
    "filling",
    "stack.json",
];

/// A data folder, locked while this value lives: two systems on one folder would destroy each other.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens (or makes) a folder, as its only user.
    pub fn open(path: &Path) -> Result<Self> {
        // Keys, sealed rows and who asked when are nobody else's, whatever the umask says.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("{} cannot be entered", path.display()))?;
        ensure!(
            path.to_str().is_some(),
            "the data folder's path is not UTF-8; choose another with --data"
        );
        let lock = File::create(path.join("lock")).with_context(|| format!("{} cannot be written", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another system runs on {}; stop it, or choose another folder with --data",
                    path.display()
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("the data folder cannot be locked"),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes what a system wrote; other files stay.
    pub fn empty(&self) -> Result<()> {
        for name in OURS {
            let place = self.join(name);
            let removed = if place.is_dir() {
                fs::remove_dir_all(&place)
            } else {
                fs::remove_file(&place)
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{} cannot be removed", place.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The sample people, once they are all there.
    pub fn samples(&self) -> Result<Option<Seeded>> {
        let file = self.join("samples.json");
        if !file.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .context("samples.json is damaged; run chartseal up --fresh")
    }

    /// Marks that filling has begun. If it is never finished, the folder holds half a world and nothing of anyone's.
    pub fn begin_filling(&self) -> Result<()> {
        File::create(self.join("filling")).context("the data folder cannot be written")?;
        Ok(())
    }

    /// Whether filling began and was never finished.
    pub fn half_filled(&self) -> bool {
        self.join("filling").exists()
    }

    /// Keeps the sample people.
    pub fn filled(&self, samples: &Seeded) -> Result<()> {
        write_private(
            &self.join("samples.json"),
            &serde_json::to_vec_pretty(samples).context("samples")?,
        )?;
        fs::remove_file(self.join("filling")).context("the data folder cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let first = Folder::open(place.path()).unwrap();
        assert!(
            Folder::open(place.path())
                .unwrap_err()
                .to_string()
                .contains("another system")
        );
        drop(first);
        Folder::open(place.path()).unwrap();
    }

    #[test]
    fn emptying_leaves_what_is_not_ours() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        fs::write(folder.join("thesis.tex"), "years of work").unwrap();
        fs::create_dir(folder.join("chain")).unwrap();
        fs::write(folder.join("stack.json"), "{}").unwrap();
        folder.begin_filling().unwrap();
        assert!(folder.half_filled());
        folder.empty().unwrap();
        assert!(folder.join("thesis.tex").exists());
        assert!(!folder.join("chain").exists() && !folder.join("stack.json").exists() && !folder.half_filled());
    }
}

//! Files that appear whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Makes a folder and those above it; one that is there is fine.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|source| Failure::File {
        doing: "make",
        path: folder.into(),
        source,
    })
}

/// Bytes on their way to a file that gets its name only when they are complete and authentic, or to standard output.
pub enum Output {
    File { temporary: NamedTempFile, path: PathBuf },
    Stdout,
}

impl Output {
    /// To `path`, or to standard output.
    pub fn to(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let failed = |source| Failure::File {
            doing: "write in",
            path: folder.into(),
            source,
        };
        // Readable by its owner alone, as the temporary file is made.
        Ok(Self::File {
            temporary: NamedTempFile::new_in(folder).map_err(failed)?,
            path: path.into(),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File { temporary, path } => temporary.write_all(bytes).map_err(|source| Failure::File {
                doing: "write",
                path: path.clone(),
                source,
            }),
            Self::Stdout => {
                let failed = |source| Failure::File {
                    doing: "write",
                    path: "standard output".into(),
                    source,
                };
                io::stdout().write_all(bytes).map_err(failed)
            }
        }
    }

    /// The bytes are complete: gives the file its name. An existing file is replaced.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File { temporary, path } => {
                let failed = |source| Failure::File {
                    doing: "write",
                    path: path.clone(),
                    source,
                };
                temporary.as_file().sync_all().map_err(failed)?;
                temporary.persist(&path).map_err(|e| failed(e.error))?;
                Ok(())
            }
            Self::Stdout => {
                let failed = |source| Failure::File {
                    doing: "write",
                    path: "standard output".into(),
                    source,
                };
                io::stdout().flush().map_err(failed)
            }
        }
    }
}

//! What somebody who carries the disk away can do: read every file, and copy the database and look into it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shapes::{Read, Words};

/// Every file below `folder`, with its bytes.
pub fn files(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(bytes) = std::fs::read(entry.path()) {
                // A file that went away meanwhile (a write-ahead log, a temporary CAR) holds nothing any more.
                found.push((entry.path(), bytes));
            }
        }
    }
    Ok(found)
}

/// Where one of the `words` can be read, in any of its shapes, in `files` or on the `chain`.
pub fn readable(words: &[String], files: &[(PathBuf, Vec<u8>)], chain: &[u8]) -> Result<Option<String>> {
    let words = Words::new(words)?;
    let chain = (Path::new("the chain"), chain);
    let mut places = (files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice()))).chain([chain]);
    Ok(places.find_map(|(place, bytes)| {
        let Read { word, shape } = words.read_in(bytes)?;
        Some(format!("'{word}' stands in {} ({shape})", place.display()))
    }))
}

/// Where `needle` stands in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let start = from + at;
        if haystack[start..].starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// The files below `folder` that hold `needle`, in any of the shapes it could be kept in: raw, hex, base64.
pub fn holders(folder: &Path, needle: &[u8]) -> Result<Vec<PathBuf>> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let hex = hex::encode(needle);
    // Only the part of a base64 text that does not depend on what follows.
    let whole = needle.len() / 3 * 3;
    let shapes = [
        needle.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        STANDARD_NO_PAD.encode(&needle[..whole]).into_bytes(),
    ];
    let files = files(folder)?;
    let holds = |bytes: &[u8]| shapes.iter().any(|shape| find(bytes, shape).is_some());
    Ok(files
        .into_iter()
        .filter(|(_, bytes)| holds(bytes))
        .map(|(path, _)| path)
        .collect())
}

/// A sealed row of the vault, as it lies in a stolen database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultRow {
    pub kind: String,
    pub place: String,
    pub sealed: Vec<u8>,
}

/// Every vault row of the database below `folder`, read from a copy of its files.
pub async fn vault(folder: &Path) -> Result<Vec<VaultRow>> {
    let databases = files(folder)?
        .into_iter()
        .filter(|(_, bytes)| bytes.starts_with(b"SQLite format 3\0"));
    let (database, _) = databases
        .min_by_key(|(path, _)| path.clone())
        .context("the folder holds no SQLite database")?;
    let copy = folder.join(format!("stolen-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&copy)?;
    let rows = rows(&database, &copy).await;
    std::fs::remove_dir_all(&copy)?;
    rows
}

async fn rows(database: &Path, copy: &Path) -> Result<Vec<VaultRow>> {
    let target = copy.join("copy.db");
    // The log first: rows that a checkpoint moves in between are then in both, never in neither.
    for suffix in ["-wal", ""] {
        let from = PathBuf::from(format!("{}{suffix}", database.display()));
        if from.exists() {
            std::fs::copy(&from, format!("{}{suffix}", target.display()))?;
        }
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&target);
    let mut connection = sqlx::ConnectOptions::connect(&options).await?;
    let rows: Vec<(String, String, Vec<u8>)> =
        sqlx::query_as("/* stolen vault */ SELECT kind, place, sealed FROM vault ORDER BY kind, place")
            .fetch_all(&mut connection)
            .await
            .context("the stolen copy has no vault table")?;
    Ok(rows
        .into_iter()
        .map(|(kind, place, sealed)| VaultRow { kind, place, sealed })
        .collect())
}

/// Flips one byte in the middle of the stored bytes of `cid`, wherever they lie below `folder`: in a CAR file or in
/// the database's outbox. Returns how to undo it.
pub fn flip(folder: &Path, cid: &str) -> Result<Vec<Flipped>> {
    let content: chartseal_record::ContentHash = cid.parse().context("not the CID of a record")?;
    // A CAR section is varint length, CID bytes, block: the CID's 36 bytes stand right before the block.
    let mut name = vec![0x01, 0x55, 0x12, 0x20];
    name.extend_from_slice(content.0.as_slice());
    let mut flipped = Vec::new();
    for (path, bytes) in files(folder)? {
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| find(rest, &name)) {
            let start = from + at + name.len();
            from = start;
            if bytes
                .get(start..)
                .is_some_and(|rest| rest.starts_with(b"age-encryption.org/v1\n"))
            {
                // Past the header, inside the first sealed chunk.
                let flip = Flipped {
                    path: path.clone(),
                    at: start + 400,
                };
                flip.turn()?;
                flipped.push(flip);
            }
        }
    }
    anyhow::ensure!(!flipped.is_empty(), "no stored file holds the block {cid}");
    Ok(flipped)
}

/// A byte that was flipped in a file.
#[derive(Debug)]
pub struct Flipped {
    path: PathBuf,
    at: usize,
}

impl Flipped {
    /// Flips the byte again: once to break, twice to mend.
    pub fn turn(&self) -> Result<()> {
        use std::io::{Read, Seek, SeekFrom, Write};
        let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut byte = [0];
        file.seek(SeekFrom::Start(self.at as u64))?;
        file.read_exact(&mut byte)?;
        file.seek(SeekFrom::Start(self.at as u64))?;
        file.write_all(&[byte[0] ^ 0x01])?;
        Ok(file.sync_all()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_raw_in_hex_and_in_base64() {
        let folder = tempfile::tempdir().unwrap();
        let needle = b"release key of somebody.";
        assert!(holders(folder.path(), needle).unwrap().is_empty());
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        let hex = hex::encode(needle);
        for (name, text) in [
            ("raw", "x release key of somebody. y"),
            ("hex", &hex),
            ("b64", "cmVsZWFzZSBrZXkgb2Ygc29tZWJvZHku"),
        ] {
            std::fs::write(folder.path().join("deep").join(name), text).unwrap();
        }
        assert_eq!(holders(folder.path(), needle).unwrap().len(), 3);
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"aab", b""), None);
    }
}

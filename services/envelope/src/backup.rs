//! A backup of a patient's root: an age file under a passphrase, which `age -d` opens too.
//!
//! ```text
//! {"format":"chartseal-root/1","chainId":…,"consent":"0x…","patient":"0x…","root":"0x…"}\n
//! ```

use alloy_primitives::{Address, B256, hex};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    age,
    error::{Error, Result},
    key::Root,
};

const FORMAT: &str = "chartseal-root/1";

/// Bytes of a backup file before it is opened: far above what [`seal`] writes.
pub const MAX_BACKUP: usize = 64 * 1024;

/// A root and whose it is. The same root under another chain or contract yields other keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootBackup {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `Consent`.
    pub consent: Address,
    /// The patient's account id.
    pub patient: Address,
    /// The root.
    pub root: Root,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    format: String,
    chain_id: u64,
    consent: Address,
    patient: Address,
    root: String,
}

impl Drop for Text {
    fn drop(&mut self) {
        self.root.zeroize();
    }
}

/// Seals the backup. `work_factor` is log2 of scrypt's N, taken into 15 ..= 20: 15 (32 MiB, a tenth of a second)
/// for a passphrase of [`passphrase`]; 18, as `age -p` takes, for one a person chose.
///
/// Hazard: the file is as strong as its passphrase. They are kept apart.
pub fn seal(backup: &RootBackup, passphrase: &str, work_factor: u8) -> Result<Vec<u8>> {
    let text = Text {
        format: FORMAT.into(),
        chain_id: backup.chain_id,
        consent: backup.consent,
        patient: backup.patient,
        root: hex::encode_prefixed(backup.root.as_bytes()),
    };
    let mut plain =
        Zeroizing::new(serde_json::to_vec(&text).map_err(|_| Error::Backup("it cannot be written as JSON"))?);
    plain.push(b'\n');
    age::seal_with_passphrase(passphrase, work_factor, &plain)
}

/// Opens a backup. A wrong passphrase is [`Error::NoMatch`].
pub fn open(passphrase: &str, file: &[u8]) -> Result<RootBackup> {
    if file.len() > MAX_BACKUP {
        return Err(Error::TooLarge {
            size: file.len() as u64,
            limit: MAX_BACKUP as u64,
        });
    }
    let plain = age::open_with_passphrase(passphrase, file)?;
    let text: Text = serde_json::from_slice(&plain)
        .map_err(|_| Error::Backup("expected one JSON object with format, chainId, consent, patient, root"))?;
    if text.format != FORMAT {
        return Err(Error::Backup("its format is not chartseal-root/1"));
    }
    let root: B256 = text
        .root
        .parse()
        .map_err(|_| Error::Backup("its root is not 32 bytes of hex"))?;
    let (chain_id, consent, patient) = (text.chain_id, text.consent, text.patient);
    Ok(RootBackup {
        chain_id,
        consent,
        patient,
        root: Root::from_bytes(root.0),
    })
}

/// A fresh passphrase of 130 bits: 26 characters in groups of five or six, none of them easily mistaken.
pub fn passphrase() -> Result<Zeroizing<String>> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = Zeroizing::new(crate::secret::random::<26>()?);
    let mut text = Zeroizing::new(String::with_capacity(32));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 5 == 0 && at < 25 {
            text.push('-');
        }
        // 256 is a multiple of 32, so every letter is equally likely.
        text.push(LETTERS.get(usize::from(byte % 32)).copied().map_or('a', char::from));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> RootBackup {
        RootBackup {
            chain_id: 31337,
            consent: Address::repeat_byte(2),
            patient: Address::repeat_byte(7),
            root: Root::from_bytes([5; 32]),
        }
    }

    #[test]
    fn a_root_comes_back_with_its_passphrase_only() {
        let file = seal(&backup(), "correct horse", 0).unwrap();
        assert_eq!(open("correct horse", &file).unwrap(), backup());
        assert_eq!(open("wrong horse", &file), Err(Error::NoMatch));
        assert!(file.starts_with(b"age-encryption.org/v1\n-> scrypt ") && file[..80].windows(4).any(|w| w == b" 15\n"));
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused_before_the_work() {
        let file = seal(&backup(), "correct horse", 15).unwrap();
        let text = String::from_utf8_lossy(&file[..80]).into_owned();
        for factor in [" 21\n", " 63\n", " 015\n", " 0\n", " +5\n", " 256\n", " \n"] {
            let head = text.replace(" 15\n", factor);
            let changed = [head.as_bytes(), &file[80..]].concat();
            assert!(
                matches!(open("correct horse", &changed), Err(Error::Header(_))),
                "{factor:?}"
            );
        }
    }

    #[test]
    fn another_age_file_is_not_a_backup() {
        for plain in [
            "",
            "{}",
            "hello",
            r#"{"format":"chartseal-root/2","chainId":1,"consent":"0x0000000000000000000000000000000000000000","patient":"0x0000000000000000000000000000000000000000","root":"0x00"}"#,
        ] {
            let file = age::seal_with_passphrase("p", 15, plain.as_bytes()).unwrap();
            assert!(matches!(open("p", &file), Err(Error::Backup(_))), "{plain}");
        }
    }

    #[test]
    fn passphrases_differ_and_are_easily_typed() {
        let (one, two) = (passphrase().unwrap(), passphrase().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 30);
        assert!(one.split('-').all(|group| (5..=6).contains(&group.len())), "{}", *one);
    }
}

//! `decrypt`: any age v1 file with an X25519 recipient, streamed.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use chartseal_envelope::age::Opener;
use clap::Args;
use zeroize::Zeroizing;

use crate::{failure::Failure, input, output::Output};

/// Decrypts an age v1 file (attachment, sealed record, or any other) with an X25519 identity.
///
/// Exits 0 only if the whole file was authenticated. With -o the file appears only then; on standard output a
/// beginning may be written before the damage behind it is found, so look at the exit code.
///
/// Example: chartseal-reader decrypt --identity epoch.key scan.dcm.age -o scan.dcm
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Decrypt {
    /// File with AGE-SECRET-KEY-1… lines
    #[arg(long, short, value_name = "FILE")]
    identity: PathBuf,
    /// Sealed file; standard input without it
    #[arg(value_name = "IN")]
    input: Option<PathBuf>,
    /// Where the plaintext goes; standard output without it
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Sixteen age chunks at a time.
const READ: usize = 1 << 20;

impl Decrypt {
    pub fn run(self) -> Result<(), Failure> {
        let mut opener = Opener::new(&input::identities(&self.identity)?);
        let path = self.input.clone().unwrap_or_else(|| "standard input".into());
        let failed = |source| Failure::File {
            doing: "read",
            path: path.clone(),
            source,
        };
        let mut from: Box<dyn Read> = match &self.input {
            Some(path) => Box::new(File::open(path).map_err(failed)?),
            None => Box::new(io::stdin()),
        };
        let mut output = Output::to(self.output.as_deref())?;
        let mut sealed = vec![0; READ];
        let mut plain = Zeroizing::new(Vec::with_capacity(READ + READ / 8));
        loop {
            let read = match from.read(&mut sealed) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(failed(e)),
            };
            let opened = opener.push(sealed.get(..read).unwrap_or_default(), &mut plain);
            output.write(&plain)?;
            plain.clear();
            opened?;
        }
        opener.finish(&mut plain)?;
        output.write(&plain)?;
        output.finish()
    }
}

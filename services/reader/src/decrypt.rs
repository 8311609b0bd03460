//! `decrypt`: any age v1 file with an X25519 recipient, streamed over all cores.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    thread,
};

use chartseal_envelope::{
    Broken,
    age::{self, Unarmored},
};
use clap::Args;

use crate::{failure::Failure, input, output::Output};

/// Decrypts an age v1 file (attachment, sealed record, or any other), binary or in armour, with an X25519 identity.
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

/// More threads than this only wait for the one that writes, and each takes half a megabyte.
const MOST_THREADS: usize = 16;

impl Decrypt {
    /// Blocks: it is all the program does.
    pub fn run(self) -> Result<(), Failure> {
        let identities = input::identities(&self.identity)?;
        let path = self.input.clone().unwrap_or_else(|| "standard input".into());
        let failed = |source| Failure::File {
            doing: "read",
            path: path.clone(),
            source,
        };
        let from: Box<dyn Read + Send> = match &self.input {
            Some(path) => Box::new(File::open(path).map_err(failed)?),
            None => Box::new(io::stdin()),
        };
        let mut output = Output::to(self.output.as_deref())?;
        let mut to = Written {
            output: &mut output,
            failure: None,
        };
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
        match age::open_through(&identities, Unarmored::either(from), &mut to, threads) {
            Ok(_) => output.finish(),
            Err(Broken::Age(error)) => Err(error.into()),
            Err(Broken::Read(source)) => Err(failed(source)),
            Err(Broken::Write(source)) => Err(to.failure.unwrap_or(Failure::File {
                doing: "write",
                path: "the output".into(),
                source,
            })),
        }
    }
}

/// The output as a writer. What went wrong is kept, since it names the file.
struct Written<'a> {
    output: &'a mut Output,
    failure: Option<Failure>,
}

impl Write for Written<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes).map_err(|failure| {
            let error = io::Error::other(failure.to_string());
            self.failure = Some(failure);
            error
        })?;
        Ok(bytes.len())
    }

    /// The output flushes when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Every way the program ends without success, and the exit code by which a script tells them apart.

use std::{io, path::PathBuf, process::ExitCode};

use chartseal_envelope as envelope;
use chartseal_record::{audit::Fault, packet::BadPacket, receipt::BadReceipt, typed::BadSignature};

/// Shown under `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  done, everything checked
   1  a file or argument cannot be used       2  the command line is not understood
   3  the receipt is malformed or proves nothing
   4  the chain does not confirm it           5  content is missing or damaged
   6  the author's signature does not hold    7  the node or the content place cannot be reached
   8  recovered, but not everything           9  age: armour
  10  age: header                            11  age: header MAC
  12  age: no key matches                    13  age: payload damaged or cut off
  14  wrap, link or release does not open    15  opened, but not a record in its place
  16  the audit trail is not whole           17  the packet was changed, or proves nothing";

/// Why the program could not do, or would not confirm, what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// read, write
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or argument is not what it should be.
    #[error("{0}")]
    Input(String),
    /// The receipt proves nothing.
    #[error(transparent)]
    Receipt(#[from] BadReceipt),
    /// The packet proves nothing.
    #[error("the packet does not hold: {0}")]
    Packet(#[from] BadPacket),
    /// The receipt is in order, but the chain says otherwise.
    #[error("the chain does not confirm it: {0}")]
    Chain(String),
    /// The bytes are not there.
    #[error("{what} is not in {place}; try another place, or ask who should have it pinned")]
    Missing {
        /// CID and what it is.
        what: String,
        /// Folder or URL.
        place: String,
    },
    /// The bytes are there and wrong.
    #[error("content is damaged: {0}")]
    Content(String),
    /// The statement was not signed by its author.
    #[error("the author's signature does not hold: {0}")]
    Author(String),
    /// Nobody answered; nothing is known.
    #[error("nothing could be checked: {0}")]
    Unreachable(String),
    /// Some of a patient's records could not be brought back.
    #[error("{lost} of the patient's records, documents or batches could not be brought back; {} says which and why", list.display())]
    Incomplete {
        /// How many.
        lost: usize,
        /// The list.
        list: PathBuf,
    },
    /// A journal is not whole.
    #[error("the audit trail does not hold: {0}")]
    Audit(#[from] Fault),
    /// Something sealed does not open.
    #[error(transparent)]
    Sealed(#[from] envelope::Error),
}

impl Failure {
    /// The exit code of [`EXIT_CODES`].
    pub fn code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::Input(_) => 1,
            Self::Receipt(_) => 3,
            Self::Chain(_) => 4,
            Self::Missing { .. } | Self::Content(_) => 5,
            Self::Author(_) => 6,
            Self::Unreachable(_) => 7,
            Self::Incomplete { .. } => 8,
            Self::Audit(_) => 16,
            Self::Packet(_) => 17,
            Self::Sealed(error) => sealed_code(error),
        }
    }

    /// The same for the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

fn sealed_code(error: &envelope::Error) -> u8 {
    use envelope::Error::{
        Armor, Backup, Header, HeaderMac, Key, Length, NoMatch, NotOpened, OtherCompartment, OtherRecord, OtherSecret,
        Payload, Random, Record, TooLarge, WeakKey,
    };
    match error {
        Key(_) | WeakKey | Random | Backup(_) => 1,
        Armor(_) => 9,
        Header(_) => 10,
        HeaderMac => 11,
        NoMatch => 12,
        Payload(_) => 13,
        Length { .. } | NotOpened(_) | OtherSecret(_) => 14,
        Record(_) | OtherCompartment | OtherRecord | TooLarge { .. } => 15,
    }
}

impl From<chartseal_chain::Error> for Failure {
    fn from(error: chartseal_chain::Error) -> Self {
        use chartseal_chain::Error::{BadUrl, NoCode, OtherChain, OtherCode, OtherDirectory, Reverted};
        match error {
            BadUrl => Self::Input(error.to_string()),
            NoCode { .. } | OtherChain { .. } | OtherCode { .. } | OtherDirectory { .. } | Reverted(_) => {
                Self::Chain(error.to_string())
            }
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

impl From<chartseal_ipfs::Error> for Failure {
    fn from(error: chartseal_ipfs::Error) -> Self {
        use chartseal_ipfs::Error::{Location, Refused, Timeout, Unreachable};
        match error {
            Location { .. } => Self::Input(error.to_string()),
            Timeout { .. } | Unreachable { .. } | Refused { .. } => Self::Unreachable(error.to_string()),
            chartseal_ipfs::Error::Disk { doing, path, source } => Self::File { doing, path, source },
            _ => Self::Content(error.to_string()),
        }
    }
}

impl From<BadSignature> for Failure {
    fn from(error: BadSignature) -> Self {
        Self::Author(error.to_string())
    }
}

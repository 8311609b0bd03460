//! The contracts, from their committed ABI. What each function, event and error means stands in
//! `contracts/src/interfaces`.

/// Who is who.
pub mod directory {
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        Directory,
        "../../contracts/abi/Directory.json"
    }
}

/// Who may read and write what.
pub mod consent {
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        Consent,
        "../../contracts/abi/Consent.json"
    }
}

/// When which records existed.
pub mod anchors {
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        Anchors,
        "../../contracts/abi/Anchors.json"
    }
}

pub use anchors::Anchors::{self, AnchorsErrors, AnchorsEvents};
pub use consent::Consent::{self, ConsentErrors, ConsentEvents};
pub use directory::Directory::{self, DirectoryErrors, DirectoryEvents};

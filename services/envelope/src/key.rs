//! The keys: X25519 pairs, a patient's root, epoch secrets, release keys, file keys.

use std::{fmt, str::FromStr};

use alloy_primitives::{B256, keccak256};
use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    curve::{self, Prepared},
    error::{Error, Result},
    secret::{random, secret},
};

/// The suite of every key, wrap and link this crate makes: X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305.
pub const SUITE: u16 = 1;

secret! {
    /// A patient's root: every epoch secret of every compartment follows from it. Who holds it reads all
    /// of the patient's records, past and future.
    Root, 32
}
secret! {
    /// Kept by the custodian, one per wrap: without it the wrap opens nothing. Destroying it ends what a
    /// wrap can still give; it does not end what a grantee has kept.
    ReleaseKey, 32
}
secret! {
    /// The key of one age file. Never used for two files.
    FileKey, 16
}

/// An X25519 public key: an epoch's, or the encryption key of an account in `Directory`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes. Points of low order are refused when something is sealed to them, not here.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on chain.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// keccak256 of the key: `recipientKeyHash` of grants and wraps.
    pub fn key_hash(&self) -> B256 {
        keccak256(self.0)
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = Error;
    fn try_from(bytes: &[u8]) -> Result<Self> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Error::Key("a public key of suite 1 is 32 bytes long"))
    }
}

/// The age recipient, `age1…`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32, _>(f, RECIPIENT, &self.0).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let bytes = from_bech32(RECIPIENT, text).ok_or(Error::Key(
            "expected an age recipient, 'age1' and 58 more lower-case characters",
        ))?;
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(Error::Key("an age recipient is written in lower case"));
        }
        Ok(Self(*bytes))
    }
}

/// An X25519 secret: an account's encryption key or any age identity.
///
/// Debug shows the public key only.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Identity {
    secret: [u8; 32],
    #[zeroize(skip)]
    public: PublicKey,
    #[zeroize(skip)]
    prepared: Prepared,
}

impl Identity {
    /// Any 32 bytes are an X25519 secret (clamped when used).
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        let public = PublicKey(curve::public(&secret));
        Self::with(secret, public)
    }

    fn with(secret: [u8; 32], public: PublicKey) -> Self {
        let prepared = Prepared::default();
        Self {
            secret,
            public,
            prepared,
        }
    }

    /// Fresh from the operating system.
    pub fn generate() -> Result<Self> {
        random().map(Self::from_bytes)
    }

    /// The secret bytes. Whoever copies them wipes the copy.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The age identity, `AGE-SECRET-KEY-1…`.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(80);
        // 256 bits under a 15-character name is 74 characters, below bech32's limit, and a String takes all of them.
        bech32::encode_upper_to_fmt::<Bech32, _>(&mut text, IDENTITY, &self.secret)
            .expect("74 characters fit into a String");
        Zeroizing::new(text)
    }

    /// Reads an identity file as `age-keygen` writes it: one identity a line, `#` begins a comment.
    pub fn from_file(text: &str) -> Result<Vec<Self>> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities = lines.map(Self::from_str).collect::<Result<Vec<_>>>()?;
        if identities.is_empty() {
            return Err(Error::Key(
                "the identity file holds no line that begins with AGE-SECRET-KEY-1",
            ));
        }
        Ok(identities)
    }

    /// x25519(secret, point), or `None` where the result is all zeros: the point has low order.
    pub(crate) fn agree(&self, point: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        self.prepared.agreed(&self.secret, point)
    }
}

/// Two identities are equal if they open the same files: compared by public key.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}
impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}

impl FromStr for Identity {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let bytes = from_bech32(IDENTITY, text).ok_or(Error::Key(
            "expected an age identity, 'AGE-SECRET-KEY-1' and 58 more upper-case characters",
        ))?;
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(Error::Key("an age identity is written in upper case"));
        }
        Ok(Self::from_bytes(*bytes))
    }
}

/// The secret of one epoch of one compartment. It opens every record of that epoch and, by the links,
/// of all epochs before it; never of one after it.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochSecret(Identity);

impl EpochSecret {
    /// Takes 32 bytes from a derivation, a wrap or a link.
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        Self(Identity::from_bytes(secret))
    }

    /// Takes what was opened from a wrap or link, if it yields the public key it must (constant time).
    pub(crate) fn checked(what: &'static str, secret: [u8; 32], expected: &PublicKey) -> Result<Self> {
        match curve::yields(&secret, &expected.0) {
            true => Ok(Self(Identity::with(secret, *expected))),
            false => Err(Error::OtherSecret(what)),
        }
    }

    /// The secret bytes. Whoever copies them wipes the copy.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key records of this epoch are sealed to.
    pub fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// The same as an age identity: opens the epoch's files, with our code and with any age program.
    pub fn identity(&self) -> &Identity {
        &self.0
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochSecret({})", self.public_key())
    }
}

const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");

/// Strict: checksum, length, zero padding bits and one case only.
fn from_bech32(hrp: Hrp, text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let parsed = CheckedHrpstring::new::<Bech32>(text).ok()?;
    // 32 bytes are 52 characters of five bits; the last four bits are padding and have one canonical value.
    if parsed.hrp() != hrp || parsed.data_part_ascii_no_checksum().len() != 52 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (to, from) in bytes.iter_mut().zip(parsed.byte_iter()) {
        *to = from;
    }
    let last = parsed.fe32_iter::<std::iter::Empty<u8>>().last()?;
    (last.to_u8() & 0x0f == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let bytes = [0xab; 32];
        let identity = Identity::from_bytes(bytes);
        let shown = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            Root::from_bytes(bytes),
            ReleaseKey::from_bytes(bytes),
            FileKey::from_bytes([0xab; 16]),
            identity,
            EpochSecret::from_bytes(bytes),
        );
        let public = identity.public_key();
        assert_eq!(
            shown,
            format!("Root(..) ReleaseKey(..) FileKey(..) Identity({public}) EpochSecret({public})")
        );
    }

    /// Holds where it compiles.
    #[test]
    fn a_secret_wipes_itself_and_serialises_nowhere() {
        fn wipes<T: ZeroizeOnDrop>() {}
        wipes::<Root>();
        wipes::<ReleaseKey>();
        wipes::<FileKey>();
        // Of an epoch secret too: it is one.
        wipes::<Identity>();

        /// One way to answer `silent`; two, and the call is ambiguous, where `T` serialises or displays itself.
        trait Silent<A> {
            fn silent() {}
        }
        struct Serialises;
        struct Displays;
        impl<T> Silent<()> for T {}
        impl<T: serde::Serialize> Silent<Serialises> for T {}
        impl<T: fmt::Display> Silent<Displays> for T {}
        <Root as Silent<_>>::silent();
        <ReleaseKey as Silent<_>>::silent();
        <FileKey as Silent<_>>::silent();
        <Identity as Silent<_>>::silent();
        <EpochSecret as Silent<_>>::silent();
        <crate::backup::RootBackup as Silent<_>>::silent();
    }

    #[test]
    fn identities_and_recipients_are_written_as_age_keygen_writes_them() {
        // From the C2SP age test vectors.
        let text = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";
        let identity: Identity = text.parse().unwrap();
        assert_eq!(*identity.to_text(), text);
        let recipient = identity.public_key().to_string();
        assert!(recipient.starts_with("age1") && recipient.len() == 62);
        assert_eq!(recipient.parse::<PublicKey>().unwrap(), *identity.public_key());
    }

    #[test]
    fn key_text_has_one_spelling() {
        let identity = Identity::from_bytes([7; 32]);
        let (secret, public) = (identity.to_text(), identity.public_key().to_string());
        for bad in [
            secret.to_lowercase(),
            format!("{}Q", *secret),
            secret[..73].into(),
            public.clone(),
            String::new(),
        ] {
            assert!(matches!(bad.parse::<Identity>(), Err(Error::Key(_))), "{bad}");
        }
        for bad in [public.to_uppercase(), public[..61].into(), secret.to_string()] {
            assert!(matches!(bad.parse::<PublicKey>(), Err(Error::Key(_))), "{bad}");
        }
        for at in 0..public.len() {
            let mut changed = public.clone().into_bytes();
            changed[at] ^= 1;
            assert!(
                String::from_utf8(changed).unwrap().parse::<PublicKey>().is_err(),
                "{at}"
            );
        }
    }

    #[test]
    fn an_identity_file_may_hold_comments_and_several_identities() {
        let (a, b) = (Identity::from_bytes([1; 32]), Identity::from_bytes([2; 32]));
        let text = format!(
            "# created: today\n# public key: x\n{}\n\n{}\n",
            *a.to_text(),
            *b.to_text()
        );
        assert_eq!(Identity::from_file(&text).unwrap(), [a, b]);
        assert!(Identity::from_file("# nothing\n").is_err());
        assert!(Identity::from_file("AGE-SECRET-KEY-1NO\n").is_err());
    }
}

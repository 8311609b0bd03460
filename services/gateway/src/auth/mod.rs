//! Who is asking, and how they prove it: wallets by Sign-In with Ethereum, systems by SMART Backend Services.

pub mod assertion;
pub mod bearer;
pub mod caller;
pub mod fetch;
pub mod jwks;
pub mod nonce;
pub mod scopes;
pub mod signature;
pub mod siwe;
pub mod token;
pub mod verified;

pub use caller::{Caller, Via};
pub use scopes::Interaction;

//! `core2` on a machine that has `std`: the two modules its users name.
pub use std::{error, io};

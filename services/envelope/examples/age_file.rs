//! Seals standard input to an age recipient, or opens it with an age identity, to standard output, on every core.
//!
//! ```text
//! age_file seal age1… < plain > sealed.age
//! age_file open AGE-SECRET-KEY-1… < sealed.age > plain
//! ```
//! The tests of other people's tools use it. A person uses `chartseal-reader decrypt`, which takes its identity from a
//! file: arguments can be read by everyone on the machine.

use std::{env, error::Error, fs::File, io, os::fd::AsFd, thread};

use chartseal_envelope::{
    age,
    key::{Identity, PublicKey},
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let threads = thread::available_parallelism()?.get();
    // Standard output as a file: the one of the library would look for ends of lines.
    let to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seal", recipient] => {
            let recipient: PublicKey = recipient.parse()?;
            age::seal_through(&recipient, io::stdin(), to, threads)?;
        }
        ["open", identity] => {
            let identity: Identity = identity.parse()?;
            age::open_through(&[identity], io::stdin(), to, threads)?;
        }
        _ => return Err("expected: age_file seal RECIPIENT, or age_file open IDENTITY".into()),
    }
    Ok(())
}

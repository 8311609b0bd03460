//! The schema is embedded by a macro, which cannot tell cargo that a file has joined the folder.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
}

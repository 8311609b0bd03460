use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::MNEMONIC;

/// A running anvil that ends with the test.
pub struct Anvil {
    child: Child,
    pub port: u16,
    pub url: String,
}

impl Anvil {
    /// On a free port, with the accounts of [`MNEMONIC`].
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(chartseal_stack::anvil::program().unwrap())
            .args(["--host", "127.0.0.1", "--port", "0", "--mnemonic", MNEMONIC])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.starts_with("Listening on"));
        let port = listening.unwrap().rsplit(':').next().unwrap().trim().parse().unwrap();
        // Somebody has to read on, or anvil stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{port}");
        Self { child, port, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

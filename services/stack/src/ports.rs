//! Loopback ports.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// The ports of one development system.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub gateway: u16,
    pub rpc: u16,
    pub gateway_metrics: u16,
    pub submitter_metrics: u16,
}

impl Ports {
    /// `gateway`, or a free one if 0. The others are the customary ones (8545, 9464, 9465) beside a gateway on 8080,
    /// where they are free; else any free ones.
    pub fn choose(gateway: u16) -> Result<Self> {
        let customary = |port| if gateway == 8080 { port } else { 0 };
        // All are held until all are chosen, so that no port is given twice. Between letting go and the child's bind
        // another program may take one; the child then says so and is started again.
        let held = [
            TcpListener::bind((Ipv4Addr::LOCALHOST, gateway))
                .with_context(|| format!("port {gateway} is in use; choose another with --port, or --port 0"))?,
            listener(customary(8545))?,
            listener(customary(9464))?,
            listener(customary(9465))?,
        ];
        let port = |i: usize| held[i].local_addr().map(|address| address.port()).context("a port");
        Ok(Self {
            gateway: port(0)?,
            rpc: port(1)?,
            gateway_metrics: port(2)?,
            submitter_metrics: port(3)?,
        })
    }
}

fn listener(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no loopback port is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_all_different() {
        let ports = Ports::choose(0).unwrap();
        let mut all = [ports.gateway, ports.rpc, ports.gateway_metrics, ports.submitter_metrics];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]) && all[0] > 0);
    }
}

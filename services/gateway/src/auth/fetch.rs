//! Fetching a client's key set from the URL it registered.
//!
//! The URL comes from an organisation's administrator, the answer from anywhere: https only, no redirects, five
//! seconds, 64 KiB, and outside development no address of this machine or a private network.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jsonwebtoken::jwk::JwkSet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::jwks;
use crate::{app::App, trace};

const LONGEST: usize = 64 * 1024;

/// The key set could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the client's key set cannot be fetched: {0}")]
pub struct NotFetched(&'static str);

/// A client that follows no redirects.
pub fn client(development: bool) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(5))
        .https_only(!development);
    if development {
        return builder.build();
    }
    builder.dns_resolver(OnlyPublic).build()
}

/// Fetches and checks a key set.
pub async fn keys(app: &App, url: &str) -> Result<JwkSet, NotFetched> {
    let url: reqwest::Url = url.parse().map_err(|_| NotFetched("its URL is not one"))?;
    if !app.config.development {
        only_public(&url).await?;
    }
    let mut answer = app
        .http
        .get(url)
        .headers(trace::onwards())
        .send()
        .await
        .map_err(|_| NotFetched("no answer"))?;
    if !answer.status().is_success() {
        return Err(NotFetched("the answer is not 200"));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| NotFetched("the answer broke off"))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(NotFetched("the answer is over 64 KiB"));
        }
    }
    let json = serde_json::from_slice(&body).map_err(|_| NotFetched("the answer is not JSON"))?;
    jwks::check(&json).map_err(|_| NotFetched("the answer is no key set of public P-384 or RSA keys"))
}

/// Looks names up for the connection itself, so that what was checked is what is connected to.
struct OnlyPublic;

impl Resolve for OnlyPublic {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotFetched("its host is inside a private network").into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Refuses what leads inside, addresses written out included, of which no resolver is asked.
pub async fn only_public(url: &reqwest::Url) -> Result<(), NotFetched> {
    let (host, port) = (
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or(443),
    );
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| NotFetched("its host is unknown"))?;
    let mut any = false;
    for address in found {
        any = true;
        if !is_public(address.ip()) {
            return Err(NotFetched("its host is inside a private network"));
        }
    }
    if any {
        Ok(())
    } else {
        Err(NotFetched("its host is unknown"))
    }
}

/// Whether the address is one of the open internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified())
                && !(v4.is_broadcast() || v4.is_multicast() || v4.is_documentation())
                // 100.64.0.0/10 carrier networks, 0.0.0.0/8, 240.0.0.0/4, 198.18.0.0/15 benchmarks.
                && !(a == 100 && (64..128).contains(&b))
                && a != 0
                && a < 240
                && !(a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            // Only 2000::/3 is given out as public.
            None => v6.segments()[0] & 0xe000 == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_addresses_are_told_from_public_ones() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "172.32.0.1",
            "100.128.0.1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }
}

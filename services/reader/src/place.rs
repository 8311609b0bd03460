//! Where content is read from.

use std::path::PathBuf;

use chartseal_ipfs::{Bearer, Bytes, Cid, Content, Http};
use clap::Args;

use crate::{failure::Failure, input};

/// Where sealed bytes come from; they are checked against their CID whatever the place says.
#[derive(Args)]
pub struct Place {
    /// Folder of CAR files, https://GATEWAY, or kubo+http://HOST:5001
    #[arg(long = "ipfs", value_name = "URL|DIR")]
    ipfs: Option<String>,
    /// File with the bearer token of a gateway that wants one
    #[arg(long, value_name = "FILE", requires = "ipfs")]
    token_file: Option<PathBuf>,
}

impl Place {
    /// The place, if one was given.
    pub async fn content(&self) -> Result<Option<Content>, Failure> {
        let Some(place) = &self.ipfs else { return Ok(None) };
        let Some(file) = &self.token_file else {
            return Ok(Some(Content::open_reading(place).await?));
        };
        let token = input::small_file(file)?;
        let token = std::str::from_utf8(&token).map(str::trim).unwrap_or_default();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::Input(format!(
                "{} does not hold a bearer token",
                file.display()
            )));
        }
        Ok(Some(Content::Http(Http::open(place, Some(Bearer::new(token.into())))?)))
    }
}

/// The block's bytes, or why not.
pub async fn block(content: &Content, what: &str, cid: &Cid) -> Result<Bytes, Failure> {
    let missing = || Failure::Missing {
        what: format!("{what} {cid}"),
        place: content.place(),
    };
    content.get(cid).await?.ok_or_else(missing)
}

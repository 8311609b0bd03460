//! Where content is read from.

use std::path::PathBuf;

use chartseal_ipfs::{Bearer, Bytes, Cid, Content, Http};
use chartseal_record::{
    B256,
    manifest::{self, Manifest},
};
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
    /// The place, which must have been given.
    pub async fn needed(&self) -> Result<Content, Failure> {
        let missing =
            || Failure::Input("say with --ipfs where the sealed bytes are: a folder of CAR files or a URL".into());
        self.content().await?.ok_or_else(missing)
    }

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

/// The list of an anchored batch, which must be what its root was made of.
pub async fn batch(content: &Content, root: B256, digest: B256) -> Result<Manifest, Failure> {
    let name = manifest::cid(digest);
    let bytes = block(content, "the manifest", &name).await?;
    let damaged = |why: String| Failure::Content(format!("manifest {name}: {why}"));
    let manifest = Manifest::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    match manifest.tree().root() == root {
        true => Ok(manifest),
        false => Err(damaged("it lists other records than the root was made of".into())),
    }
}

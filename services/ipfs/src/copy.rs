//! Everything that one place has pinned, taken to another.

use std::collections::HashSet;

use cid::Cid;

use crate::{
    Content, Error,
    block::{Key, links},
    content::blocking,
};

/// What one import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Content {
    /// What is pinned here: each import by its roots, the first of which names it. A folder has one import a CAR, Kubo
    /// one a recursive pin; pins that are not of the kind of CID spoken here are somebody else's and left out.
    pub async fn pins(&self) -> Result<Vec<Vec<Cid>>, Error> {
        match self {
            Self::Local(local) => {
                let local = local.clone();
                blocking(move || local.pins()).await
            }
            Self::Kubo(kubo) => kubo.pins().await,
            Self::Http(http) => Err(http.read_only()),
        }
    }

    /// Takes roots and all that hangs on them to another place, each block hashed on its way. They are durable and pinned
    /// there when it returns; before, nothing of them is visible. The same again changes nothing.
    ///
    /// Memory: one block of at most 2 MiB, and about 130 bytes for every block that hangs on the roots.
    pub async fn copy(&self, roots: &[Cid], to: &Content) -> Result<Copied, Error> {
        let mut car = to.incoming(roots).await?;
        let mut copied = Copied::default();
        let mut seen = HashSet::new();
        let mut open: Vec<(Cid, Cid)> = roots.iter().rev().map(|root| (*root, *root)).collect();
        while let Some((cid, above)) = open.pop() {
            if !seen.insert(Key::of(&cid)?) {
                continue;
            }
            let Some(bytes) = self.get(&cid).await? else {
                return Err(Error::MissingBlock {
                    root: Box::new(above),
                    cid: Box::new(cid),
                    place: self.place(),
                });
            };
            open.extend(links(&cid, &bytes)?.into_iter().rev().map(|link| (link, cid)));
            copied.blocks += 1;
            copied.bytes += bytes.len() as u64;
            car = blocking(move || car.append(&cid, &bytes).map(|()| car)).await?;
        }
        to.commit(car, roots).await?;
        Ok(copied)
    }
}

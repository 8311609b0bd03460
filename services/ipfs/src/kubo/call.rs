//! The calls of Kubo's RPC API that `ipfs-api-backend-hyper` lacks, or offers without the options needed here.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use bytes::{Buf, Bytes};
use ipfs_api_prelude::ApiRequest;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct BlockGet<'a> {
    pub arg: &'a str,
    pub offline: bool,
}

impl ApiRequest for BlockGet<'_> {
    const PATH: &'static str = "/block/get";
}

#[derive(Serialize)]
pub(super) struct BlockStat<'a> {
    pub arg: &'a str,
    pub offline: bool,
}

impl ApiRequest for BlockStat<'_> {
    const PATH: &'static str = "/block/stat";
}

#[derive(Serialize)]
pub(super) struct PinRm<'a> {
    pub arg: &'a str,
    pub recursive: bool,
}

impl ApiRequest for PinRm<'_> {
    const PATH: &'static str = "/pin/rm";
}

/// One line a pin. An error after the first byte cuts the list off between two lines, unseen; the node reads its pins from
/// its own repository.
#[derive(Serialize)]
pub(super) struct PinLs<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub stream: bool,
}

impl ApiRequest for PinLs<'_> {
    const PATH: &'static str = "/pin/ls";
}

#[derive(Deserialize)]
pub(super) struct Pinned {
    #[serde(rename = "Cid")]
    pub cid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DagImport {
    pub pin_roots: bool,
    pub silent: bool,
    pub stats: bool,
}

impl ApiRequest for DagImport {
    const PATH: &'static str = "/dag/import";
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Imported {
    pub root: ImportedRoot,
}

#[derive(Deserialize)]
pub(super) struct ImportedRoot {
    #[serde(rename = "Cid")]
    pub cid: Link,
    #[serde(rename = "PinErrorMsg", default)]
    pub pin_error: String,
}

#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(rename = "/")]
    pub link: String,
}

/// A CAR in pieces, sent without being put together.
pub(super) struct Parts(pub VecDeque<Bytes>);

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.0.front_mut() {
            if part.is_empty() {
                self.0.pop_front();
                continue;
            }
            let length = part.len().min(buffer.len());
            part.copy_to_slice(&mut buffer[..length]);
            return Ok(length);
        }
        Ok(0)
    }
}

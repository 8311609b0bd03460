//! One record, from its place in a batch to its file.

use std::{collections::HashSet, path::Path};

use chartseal_chain::Client;
use chartseal_envelope::{
    Error,
    record::{self, OpenedRecord},
};
use chartseal_ipfs::Content;
use chartseal_record::{Address, B256, ContentHash};
use serde::Serialize;

use super::{Found, Lost, bearable, keys::Keys};
use crate::{
    attachments, author,
    failure::Failure,
    output::{self, Output},
    place,
};

/// A record that is on disk again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    scope: String,
    id: B256,
    version: u32,
    cid: ContentHash,
    epoch: u32,
    author: Address,
    authored_at: u64,
    /// Whose key signed it; none, with the reason beside it, if it was not the author's.
    signer: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned: Option<String>,
    block: u64,
    transaction: B256,
    /// Below the output folder.
    file: String,
    documents: Vec<String>,
}

impl Recovered {
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    pub fn is_signed(&self) -> bool {
        self.signer.is_some()
    }
}

/// Fetches, opens, checks and writes a record and its documents. Returns with it the documents that are lost.
pub async fn recover(
    client: &Client,
    content: &Content,
    keys: &Keys,
    found: &Found,
    out: &Path,
    taken: &mut HashSet<String>,
) -> Result<(Recovered, Vec<Lost>), Failure> {
    let (entry, compartment) = (&found.entry, found.entry.compartment);
    let sealed = place::block(content, "the record", &entry.content.cid()).await?;
    let secret = keys.secret(compartment, entry.epoch).ok_or(Error::NoMatch)?;
    let opened = record::open(secret.identity(), compartment, &sealed)?;
    let statement = &opened.header.statement;
    let scope = keys.scopes.get(&compartment).ok_or(Error::NoMatch)?.to_string();
    let folder = Path::new(&scope).join(hex(statement.id));
    output::make_folder(&out.join(&folder))?;

    let file = name(taken, &folder, statement.version, entry.content);
    let mut output = Output::to(Some(&out.join(&file)))?;
    output.write(&opened.resource)?;
    output.finish()?;
    let (documents, lost) = write_documents(content, &opened, out, &folder).await?;
    let signed = check_author(client, &opened, found.block).await;
    let (signer, unsigned) = match signed {
        Ok(signer) => (Some(signer), None),
        Err(failure) => (None, Some(bearable("", failure)?.why)),
    };
    let recovered = Recovered {
        scope,
        id: statement.id,
        version: statement.version,
        cid: entry.content,
        epoch: entry.epoch,
        author: statement.author,
        authored_at: statement.authored_at,
        signer,
        unsigned,
        block: found.block,
        transaction: found.transaction,
        file,
        documents,
    };
    Ok((recovered, lost))
}

async fn write_documents(
    content: &Content,
    opened: &OpenedRecord,
    out: &Path,
    folder: &Path,
) -> Result<(Vec<String>, Vec<Lost>), Failure> {
    let (mut documents, mut lost) = (Vec::new(), Vec::new());
    for attachment in &opened.header.attachments {
        match attachments::write(content, attachment, &out.join(folder)).await {
            Ok(_) => documents.push(folder.join(attachment.cid.to_string()).display().to_string()),
            Err(failure) => lost.push(bearable(&format!("document {}", attachment.cid), failure)?),
        }
    }
    Ok((documents, lost))
}

async fn check_author(client: &Client, opened: &OpenedRecord, block: u64) -> Result<Address, Failure> {
    let header = &opened.header;
    let signer = author::signer(&header.statement, &header.signature, client.contracts())?;
    author::check(client, &header.statement, signer, block).await?;
    Ok(signer)
}

/// VERSION.json; another record with the same id and version (a fork, or sealed again for a later epoch) stands beside
/// the first.
fn name(taken: &mut HashSet<String>, folder: &Path, version: u32, content: ContentHash) -> String {
    let plain = folder.join(format!("{version}.json")).display().to_string();
    if taken.insert(plain.clone()) {
        return plain;
    }
    folder.join(format!("{version}-{content}.json")).display().to_string()
}

fn hex(id: B256) -> String {
    format!("{id:x}").trim_start_matches("0x").to_owned()
}

//! `verify` of an evidence packet: all it can without a chain, and with one the anchors, the signers and the grants.

use chartseal_chain::{Client, deployment};
use chartseal_envelope::{
    key::FileKey,
    record::{self, AttachmentRef, OpenedRecord},
};
use chartseal_ipfs::Content;
use chartseal_record::{
    B256, Slot,
    packet::{Attachment, Base64, Evidence, Given, Packet, Signed, Signers, Standing, Unshown},
};
use serde_json::{Value, json};

use crate::{
    attachments, author,
    failure::Failure,
    verify::{Report, anchored},
};

/// A packet in order, whose sealed records open to the resources it shows.
pub fn read(bytes: &[u8], report: &mut Report) -> Result<Packet, Failure> {
    let Signed { packet, .. } = Signed::parse(bytes)?;
    let issuer = &packet.issuer;
    report.passed(
        "packet",
        format!(
            "signed by {} for {} at block {}",
            issuer.signer, issuer.account, issuer.block
        ),
        json!({
            "digest": packet.digest()?, "issuer": issuer.account, "signer": issuer.signer, "block": issuer.block,
            "blockHash": issuer.block_hash, "time": issuer.time, "purpose": packet.purpose, "notGranted": packet.not_granted,
        }),
    );
    let grants: Vec<Value> = packet.grants.iter().map(grant).collect();
    report.passed(
        "grants",
        format!("{} by the patient, live at block {} ", grants.len(), issuer.block)
            + "when the packet was made; what came later is not looked at",
        json!(grants),
    );
    for (at, evidence) in packet.records.iter().enumerate() {
        open(at, evidence)?;
    }
    let records: Vec<Value> = packet.records.iter().map(shown).collect();
    report.passed(
        "records",
        format!(
            "{} open to what their authors signed, and are what was anchored",
            records.len()
        ),
        json!(records),
    );
    Ok(packet)
}

/// The documents it names and does not hold, fetched and opened with the keys it has.
pub async fn documents(packet: &Packet, content: &Content, report: &mut Report) -> Result<(), Failure> {
    let named = packet.records.iter().flat_map(|evidence| &evidence.attachments);
    let mut fetched = Vec::new();
    for attachment in named.filter(|attachment| attachment.sealed.is_none()) {
        let cid = attachment.cid.parse();
        let named = AttachmentRef {
            cid: cid.map_err(|_| Failure::Content(format!("{} is no content id", attachment.cid)))?,
            file_key: key(&attachment.file_key)?,
            size: attachment.size,
            sha256: attachment.sha256,
        };
        attachments::read(content, &named, |_| Ok(())).await?;
        fetched.push(&attachment.cid);
    }
    report.passed(
        "documents",
        format!(
            "{} of their own are in {} and open to what their records name",
            fetched.len(),
            content.place()
        ),
        json!(fetched),
    );
    Ok(())
}

/// What its state proofs prove; of a block whose hash somebody `trusted`, which a packet without proofs does not do.
///
/// That the proofs lead from the block's hash to each anchor, grant, account and key was checked as the packet was read.
pub fn state(packet: &Packet, trusted: Option<B256>, report: &mut Report) -> Result<(), Failure> {
    let issuer = &packet.issuer;
    let Some(proofs) = &packet.proofs else {
        let sentence = "the packet has no state proofs, so a block's hash proves nothing of it; give a node with --rpc";
        report.unchecked("that its anchors and grants stood on the chain");
        report.unchecked("that its signers were the accounts' keys");
        return trusted.map_or(Ok(()), |_| Err(Failure::Chain(sentence.into())));
    };
    let contracts = packet.deployment();
    let signers = proofs.signers.as_ref();
    if !deployment::is_anchors(&contracts, &proofs.anchors.code)
        || !deployment::is_consent(&contracts, &proofs.consent.code)
        || !signers.is_none_or(|signers| deployment::is_directory(&contracts, &signers.directory.code))
    {
        return Err(Failure::Chain(
            "the code its proofs show is not that of this version's contracts with this Directory".into(),
        ));
    }
    if let Some(other) = trusted.filter(|hash| *hash != issuer.block_hash) {
        return Err(Failure::Chain(format!(
            "its proofs are of block {} with hash {}, and the one you trust is {other}",
            issuer.block, issuer.block_hash
        )));
    }
    let whose = match trusted {
        Some(_) => "which you trust",
        None => "which is yours to compare: give --block-hash",
    };
    report.passed(
        "state",
        format!(
            "each anchor and each grant stood in Anchors and Consent at block {}, hash {}, {whose}",
            issuer.block, issuer.block_hash
        ),
        json!({ "block": issuer.block, "blockHash": issuer.block_hash, "trusted": trusted.is_some() }),
    );
    if trusted.is_none() {
        report.unchecked(format!("that block {} is on the chain", issuer.block));
    }
    match signers {
        Some(signers) => shown_signers(packet, signers, report),
        None => report.unchecked("that its signers were the accounts' keys"),
    }
    Ok(())
}

/// Whose keys the Directory at the issuer's block shows the signers to be, and whose it does not.
fn shown_signers(packet: &Packet, signers: &Signers, report: &mut Report) {
    let block = packet.issuer.block;
    let unshown = packet.unshown().unwrap_or_default();
    let signed = packet.records.len() + packet.grants.len();
    let shown = signed - unshown.len();
    let accounts: Vec<Value> = signers.accounts.iter().map(standing).collect();
    report.passed(
        "signers",
        format!(
            "the issuer's key, and those under {shown} of {signed} records and grants, were the accounts' in Directory at block {block}"
        ),
        json!({ "block": block, "accounts": accounts, "shown": shown, "notShown": unshown.len() }),
    );
    for one in unshown {
        report.unchecked(match one {
            Unshown::Author(record) => {
                let author = &packet.records[record].author;
                let (signer, account) = (author.signer, author.account);
                format!(
                    "record {record}: that {signer} was the controller of its author {account} at block {}",
                    author.block
                )
            }
            Unshown::Patient(grant) => {
                let given = &packet.grants[grant];
                let (controller, patient) = (given.controller, given.patient);
                format!(
                    "grant {grant}: that {controller} was the controller of its patient {patient} at block {}",
                    given.block
                )
            }
        });
    }
}

fn standing(standing: &Standing) -> Value {
    json!({
        "account": standing.account, "role": standing.role, "status": standing.status, "controller": standing.controller,
    })
}

/// As it stood at the issuer's block.
fn grant(given: &Given) -> Value {
    json!({
        "patient": given.patient, "grantee": given.grantee, "scope": given.scope, "record": given.record,
        "slot": slot(given), "serial": given.serial.to_string(), "until": given.until.to_string(),
        "purpose": given.purpose, "revoked": given.revoked.to_string(), "live": true,
    })
}

fn slot(given: &Given) -> Option<Slot> {
    let target = given.target()?;
    Some(Slot::of(given.patient, given.grantee, &target))
}

/// Neither resource nor keys: what is printed ends in logs.
fn shown(evidence: &Evidence) -> Value {
    let author = &evidence.author;
    json!({
        "reference": evidence.reference, "cid": evidence.receipt.cid.to_string(), "block": evidence.receipt.block,
        "author": author.account, "role": author.role, "status": author.status, "attachments": evidence.attachments.len(),
    })
}

fn open(at: usize, evidence: &Evidence) -> Result<(), Failure> {
    let compartment = evidence.receipt.compartment;
    let opened = record::open_with_file_key(&key(&evidence.file_key)?, compartment, &evidence.sealed.0)?;
    let other = |what: &str| Err(Failure::Content(format!("record {at}: {what}")));
    if opened.resource[..] != *evidence.resource.0.as_bytes() {
        return other("its sealed bytes open to another resource than the packet shows");
    }
    if (Some(opened.header.statement), Some(&opened.header.signature))
        != (evidence.receipt.statement, evidence.receipt.signature.as_ref())
    {
        return other("its sealed bytes hold another statement than its receipt");
    }
    match same_attachments(&opened, &evidence.attachments)? {
        true => Ok(()),
        false => other("its attachments are not those its author sealed with it"),
    }
}

/// Every attachment the record names, with its key, and each embedded one opens to the document.
fn same_attachments(opened: &OpenedRecord, listed: &[Attachment]) -> Result<bool, Failure> {
    let named = &opened.header.attachments;
    if named.len() != listed.len() {
        return Ok(false);
    }
    for (named, listed) in named.iter().zip(listed) {
        let same = named.cid.to_string() == listed.cid
            && named.file_key == key(&listed.file_key)?
            && (named.size, named.sha256) == (listed.size, listed.sha256);
        if !same {
            return Ok(false);
        }
        if let Some(sealed) = &listed.sealed {
            let document = chartseal_envelope::age::open_with_file_key(&named.file_key, &sealed.0)?;
            if chartseal_record::ContentHash::of(&document).0 != named.sha256 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn key(text: &Base64) -> Result<FileKey, Failure> {
    let bytes = <[u8; 16]>::try_from(&text.0[..]);
    let bytes = bytes.map_err(|_| Failure::Content("a file key in the packet is not 16 bytes".into()))?;
    Ok(FileKey::from_bytes(bytes))
}

/// What only a chain knows: that each record was anchored, and that authors and issuer could sign with these keys then.
pub async fn on_chain(packet: &Packet, client: &Client, report: &mut Report) -> Result<(), Failure> {
    let mut blocks = Vec::new();
    for evidence in &packet.records {
        let block = anchored(client, &evidence.receipt).await?;
        if let Some(statement) = &evidence.receipt.statement {
            author::check(client, statement, evidence.author.signer, block).await?;
        }
        // A role never changes, so now is as good as then.
        if client.authority(evidence.author.account).await?.role != evidence.author.role as u8 {
            return Err(Failure::Author(format!(
                "{} is no {}, as the packet says",
                evidence.author.account, evidence.author.role
            )));
        }
        blocks.push(block);
    }
    report.passed(
        "anchors",
        format!(
            "each record is anchored, in blocks {blocks:?}, and its author, of this role, could sign with its key then"
        ),
        json!(blocks),
    );
    let issuer = &packet.issuer;
    if !client
        .is_statement_key(issuer.account, issuer.signer, issuer.block)
        .await?
    {
        return Err(Failure::Author(format!(
            "{} was no statement key of the issuer {} at block {}",
            issuer.signer, issuer.account, issuer.block
        )));
    }
    report.passed(
        "issuer",
        format!("{} was its statement key at block {}", issuer.signer, issuer.block),
        json!({ "account": issuer.account, "signer": issuer.signer }),
    );
    granted(packet, client, report).await
}

/// The patient's own controller signed each grant, and the chain has it, or a later one in its slot. What has become of it since is said, not judged.
async fn granted(packet: &Packet, client: &Client, report: &mut Report) -> Result<(), Failure> {
    let mut now = Vec::new();
    for given in &packet.grants {
        let Some(slot) = slot(given) else { continue };
        let word = client.slot_state(slot).await?;
        if word.serial < given.serial {
            return Err(Failure::Chain(format!(
                "slot {} holds no grant {}",
                slot.0, given.serial
            )));
        }
        // Control may have been handed over in the very block of the grant, on either side of it.
        let before = given.block.saturating_sub(1);
        let controllers = [
            author::controller(client, given.patient, given.block).await?,
            author::controller(client, given.patient, before).await?,
        ];
        if !controllers.contains(&given.controller) {
            return Err(Failure::Author(format!(
                "{} signed a grant of {}, but was not its controller at block {}",
                given.controller, given.patient, given.block
            )));
        }
        let revoked = word.revoked >= given.serial;
        now.push(json!({ "slot": slot, "serial": given.serial.to_string(), "revokedNow": revoked }));
    }
    let revoked = now.iter().filter(|grant| grant["revokedNow"] == true).count();
    report.passed(
        "slots",
        format!(
            "the chain has each grant; {revoked} of {} were revoked since",
            now.len()
        ),
        json!(now),
    );
    Ok(())
}

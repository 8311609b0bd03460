//! One record after the other, with its grant, its receipt and its author.

use chartseal_envelope::record::{AttachmentRef, OpenedRecord};
use chartseal_record::{
    Slot, Target,
    content::RAW,
    grant::Terms,
    packet::{Attachment, Author, Base64, Evidence, Given, MAX_EMBEDDED, Text},
    receipt::Receipt,
    typed,
};
use chartseal_store::Record;

use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{json::Json, reference::RecordId},
    problem::{Code, Failure, Problem},
    read::{self, Whole},
    v1::receipts,
};

/// Bytes of sealed documents in one packet: with sixteen records of usual size they stay below what a packet may have.
const ROOM: usize = 12 << 20;

/// What has been gathered so far.
pub struct Gathered<'a> {
    app: &'a App,
    caller: &'a Caller,
    purpose: &'static str,
    /// Grants are shown as of this block.
    block: u64,
    room: usize,
    pub grants: Vec<Given>,
    pub records: Vec<Evidence>,
}

impl<'a> Gathered<'a> {
    pub fn new(app: &'a App, caller: &'a Caller, purpose: &'static str, block: u64) -> Self {
        Self {
            app,
            caller,
            purpose,
            block,
            room: ROOM,
            grants: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Adds a record, after an entry in its patient's journal, and gives its resource; `None` if no live grant opens it.
    pub async fn add(&mut self, reference: String, row: &Record) -> Result<Option<Json>, Problem> {
        let (app, caller) = (self.app, self.caller);
        let alone = read::alone(app, caller, row).await?;
        let slot = match &alone {
            Some(grant) => grant.slot,
            None if read::may_scope(app, caller.account, row).await? => {
                Slot::of(row.patient, caller.account, &Target::Scope(row.scope.clone()))
            }
            None => return Ok(None),
        };
        // Before the record is opened: what cannot be proved is not disclosed in vain.
        let receipt = receipts::receipt(app, row).await?;
        let terms = self.terms(slot)?;
        let key = match &alone {
            Some(grant) => read::key_alone(app, caller, row, grant, self.purpose).await,
            None => {
                let name = RecordId(row.record_id).to_string();
                read::secret(app, caller, row, self.purpose, name).await
            }
        };
        let key = match key {
            Ok(key) => key,
            Err(problem) if problem.code == Code::NotLive => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let grant = self.grant(Given {
            salt: key.salt(),
            ..terms
        })?;
        let Whole {
            file_key,
            sealed,
            opened,
        } = read::whole(app, &key, row).await?;
        let OpenedRecord { header, resource } = opened;
        let corrupt = || read::corrupt(&row.content_hash.cid());
        let json = Json::parse(&resource).map_err(|_| corrupt())?;
        let text = String::from_utf8(resource.to_vec()).map_err(|_| corrupt())?;
        let receipt = Receipt {
            statement: Some(header.statement),
            signature: Some(header.signature),
            ..receipt
        };
        let mut attachments = Vec::with_capacity(header.attachments.len());
        for attachment in header.attachments {
            attachments.push(self.attachment(attachment).await?);
        }
        let author = self.author(row, &receipt)?;
        self.records.push(Evidence {
            reference,
            receipt,
            author,
            grant,
            file_key: Base64(file_key.as_bytes().to_vec()),
            resource: Text(text),
            sealed: Base64(sealed.to_vec()),
            attachments,
        });
        Ok(Some(json))
    }

    /// The slot's grant.
    fn terms(&self, slot: Slot) -> Result<Given, Problem> {
        let state = self.app.index.grant_at(slot, self.block);
        let terms = state.terms.ok_or_else(super::moved)?;
        Ok(given(self.app, terms, state.revoked))
    }

    /// The grant's place in the packet.
    fn grant(&mut self, given: Given) -> Result<u32, Problem> {
        let place = self
            .grants
            .iter()
            .position(|known| known.storage_key() == given.storage_key());
        let place = place.unwrap_or(self.grants.len());
        if place == self.grants.len() {
            self.grants.push(given);
        }
        Ok(u32::try_from(place).map_err(|_| Failure::Broken("a packet has more grants than records"))?)
    }

    /// Who said it, as the Directory had it in the anchor's block.
    fn author(&self, row: &Record, receipt: &Receipt) -> Result<Author, Problem> {
        let account = self.app.index.account_at(row.author, receipt.block);
        let account = account.ok_or(Failure::Broken("a record's author was not registered in its block"))?;
        let signature = receipt.signature.as_ref();
        let signer = signature.and_then(|signature| self.app.verified.recover(row.digest, signature));
        Ok(Author {
            account: row.author,
            signer: signer.unwrap_or_default(),
            role: account.role,
            status: account.status,
            credential: account.credential,
            credential_expiry: account.credential_expiry,
            block: receipt.block,
        })
    }

    /// A document of one block is brought along while there is room; a larger one is named.
    async fn attachment(&mut self, of: AttachmentRef) -> Result<Attachment, Problem> {
        let whole = of.cid.codec() == RAW && of.size <= self.room as u64;
        let sealed = match whole {
            true => Some(read::block(self.app, &of.cid).await?),
            false => None,
        };
        let sealed = sealed.filter(|sealed| sealed.len() <= MAX_EMBEDDED.min(self.room));
        self.room -= sealed.as_ref().map_or(0, |sealed| sealed.len());
        Ok(Attachment {
            cid: of.cid.to_string(),
            file_key: Base64(of.file_key.as_bytes().to_vec()),
            size: of.size,
            sha256: of.sha256,
            sealed: sealed.map(|sealed| Base64(sealed.to_vec())),
        })
    }
}

/// Terms as a packet shows them. Who signed them is who they say: whether that was the patient's controller, `live` has seen.
fn given(app: &App, terms: Terms, revoked: u64) -> Given {
    let signed = terms.typed();
    let digest = typed::digest(&signed, &app.contracts.consent_domain());
    let controller = app.verified.recover(digest, &terms.signature).unwrap_or_default();
    Given {
        patient: terms.patient,
        grantee: terms.grantee,
        scope: terms.scope,
        record: terms.record,
        salt: None,
        serial: terms.serial,
        permission: terms.permission,
        until: terms.until,
        purpose: terms.purpose,
        epoch: terms.epoch,
        suite: terms.suite,
        recipient_key_hash: terms.recipient_key_hash,
        wrap_hash: signed.wrapHash,
        signature: terms.signature,
        controller,
        block: terms.block,
        transaction: terms.transaction,
        revoked,
    }
}

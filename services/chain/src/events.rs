//! Logs of the three contracts, as the record room's events.

use alloy::{
    primitives::{Address, LogData},
    rpc::types::Log,
    sol_types::SolEventInterface,
};
use chartseal_record::{
    Compartment, Contracts, Slot,
    event::{Event, Logged},
};

use crate::{
    bindings::{AnchorsEvents, ConsentEvents, DirectoryEvents},
    error::Error,
    head::Head,
};

/// Decodes the logs of one block, in their order. Events we do not use (roles given to registrars) are left out.
pub fn decode_all(contracts: &Contracts, block: &Head, logs: &[Log]) -> Result<Vec<Logged>, Error> {
    let mut logged = Vec::with_capacity(logs.len());
    for log in logs {
        let Some(event) = decode(contracts, log.inner.address, &log.inner.data)? else {
            continue;
        };
        let (Some(log_index), Some(transaction)) = (log.log_index, log.transaction_hash) else {
            return Err(Error::Unreadable {
                what: "a log",
                reason: "it has no place in a block".into(),
            });
        };
        let (number, hash, timestamp) = (block.number, block.hash, block.timestamp);
        logged.push(Logged {
            block: number,
            block_hash: hash,
            timestamp,
            log_index,
            transaction,
            event,
        });
    }
    logged.sort_by_key(|one| one.log_index);
    Ok(logged)
}

/// Decodes one log. `None`: not of our contracts, or an event of theirs we do not use.
pub fn decode(contracts: &Contracts, address: Address, log: &LogData) -> Result<Option<Event>, Error> {
    let (topics, data) = (log.topics(), &log.data);
    let Some(first) = topics.first() else { return Ok(None) };
    let unreadable = |e: alloy::sol_types::Error| Error::Unreadable {
        what: "an event",
        reason: e.to_string(),
    };
    if address == contracts.directory && DirectoryEvents::SELECTORS.contains(&first.0) {
        Ok(directory(
            DirectoryEvents::decode_raw_log(topics, data).map_err(unreadable)?,
        ))
    } else if address == contracts.consent && ConsentEvents::SELECTORS.contains(&first.0) {
        Ok(consent(
            ConsentEvents::decode_raw_log(topics, data).map_err(unreadable)?,
        ))
    } else if address == contracts.anchors && AnchorsEvents::SELECTORS.contains(&first.0) {
        Ok(anchors(
            AnchorsEvents::decode_raw_log(topics, data).map_err(unreadable)?,
        ))
    } else {
        Ok(None)
    }
}

fn directory(event: DirectoryEvents) -> Option<Event> {
    Some(match event {
        DirectoryEvents::Registered(e) => Event::Registered {
            who: e.who,
            role: e.role,
            registrar: e.registrar,
            suite: e.suite,
            encryption_key: e.encryptionKey,
            custodian: e.custodian,
            custody: e.custody,
            credential: e.credential,
            credential_expiry: e.credentialExpiry,
            endpoint: e.endpoint,
        },
        DirectoryEvents::StatementKeyListed(e) => Event::StatementKeyListed {
            who: e.who,
            key: e.key,
            from: e.from,
            until: e.until,
        },
        DirectoryEvents::PublisherListed(e) => Event::PublisherListed {
            org: e.org,
            publisher: e.publisher,
            listed: e.listed,
        },
        DirectoryEvents::CustodianChanged(e) => Event::CustodianChanged {
            who: e.who,
            custodian: e.custodian,
            custody: e.custody,
        },
        DirectoryEvents::EncryptionKeyChanged(e) => Event::EncryptionKeyChanged {
            who: e.who,
            suite: e.suite,
            encryption_key: e.encryptionKey,
        },
        DirectoryEvents::HandedOver(e) => Event::HandedOver {
            who: e.who,
            controller: e.controller,
        },
        DirectoryEvents::StatusChanged(e) => Event::StatusChanged {
            who: e.who,
            status: e.status,
            registrar: e.registrar,
        },
        DirectoryEvents::CredentialRenewed(e) => Event::CredentialRenewed {
            who: e.who,
            credential: e.credential,
            credential_expiry: e.credentialExpiry,
            registrar: e.registrar,
        },
        DirectoryEvents::EndpointMoved(e) => Event::EndpointMoved {
            who: e.who,
            endpoint: e.endpoint,
        },
        // OpenZeppelin's own: roles, the EIP-712 domain.
        _ => return None,
    })
}

fn consent(event: ConsentEvents) -> Option<Event> {
    Some(match event {
        ConsentEvents::Granted(e) => Event::Granted {
            slot: Slot(e.slot),
            patient: e.patient,
            grantee: e.grantee,
            scope: e.scope,
            record: e.record,
            serial: e.serial,
            permission: e.permission,
            until: e.until,
            purpose: e.purpose,
            epoch: e.epoch,
            suite: e.suite,
            recipient_key_hash: e.recipientKeyHash,
            wrap: e.wrap,
            signature: e.signature,
        },
        ConsentEvents::GrantedInEmergency(e) => Event::GrantedInEmergency {
            slot: Slot(e.slot),
            patient: e.patient,
            delegate: e.delegate,
            serial: e.serial,
        },
        ConsentEvents::Delegated(e) => Event::Delegated {
            patient: e.patient,
            delegate: e.delegate,
            scope: e.scope,
            max_duration: e.maxDuration,
            serial: e.serial,
        },
        ConsentEvents::Revoked(e) => Event::Revoked {
            slot: Slot(e.slot),
            patient: e.patient,
            grantee: e.grantee,
            serial: e.serial,
        },
        ConsentEvents::Advanced(e) => Event::Advanced {
            compartment: Compartment(e.compartment),
            patient: e.patient,
            scope: e.scope,
            epoch: e.epoch,
            suite: e.suite,
            key: e.key,
            link: e.link,
            by: e.by,
        },
        ConsentEvents::Rewrapped(e) => Event::Rewrapped {
            slot: Slot(e.slot),
            serial: e.serial,
            epoch: e.epoch,
            suite: e.suite,
            recipient_key_hash: e.recipientKeyHash,
            wrap: e.wrap,
            by: e.by,
        },
        // OpenZeppelin's own: the EIP-712 domain.
        _ => return None,
    })
}

fn anchors(event: AnchorsEvents) -> Option<Event> {
    Some(match event {
        AnchorsEvents::Anchored(e) => Event::Anchored {
            org: e.org,
            root: e.root,
            count: e.count,
            manifest: e.manifest,
            publisher: e.publisher,
        },
    })
}

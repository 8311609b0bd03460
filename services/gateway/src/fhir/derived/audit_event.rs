//! AuditEvent: the patient's journal, in the shapes of IHE's Basic Audit Log Patterns. A patient sees all of it, everybody
//! else what they did themselves. Looking into it is an entry of its own.

use alloy::primitives::{Address, B256};
use chartseal_record::{account::Role, audit::EXTENSION};
use serde_json::{Value, json};

use super::{Derived, consent::SCOPE, party, resource};
use crate::{
    app::App,
    audit::{self, Action, Entry, Recorded, Subject},
    auth::caller::Caller,
    fhir::{candidates, date, json::Json, outcome::Outcome, reference::RecordId, search::Query},
    problem::Code,
    read,
};

/// Entries of one patient that a search looks through.
const MOST: usize = 10_000;
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

pub struct AuditEvent;

impl Derived for AuditEvent {
    const NAME: &'static str = "AuditEvent";

    async fn visible(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Json>, Outcome> {
        let own = caller.role == Some(Role::Patient);
        let patients = match candidates::patients(app, query).await? {
            None => return Ok(vec![]),
            Some(none) if none.is_empty() && own => vec![caller.account],
            Some(none) if none.is_empty() => {
                let text = "name the patient whose journal is meant: patient=Patient/<id>, or patient.identifier";
                return Err(Outcome::new(Code::InvalidSearch, text));
            }
            Some(patients) => patients,
        };
        let mut shown = Vec::new();
        for patient in patients {
            let entries = entries(app, caller, patient, 0, MOST).await?;
            // Oldest first: every look makes the journal longer, and pages must not move under who turns them.
            for entry in &entries {
                shown.push(resource(&show(app, entry))?);
            }
        }
        Ok(shown)
    }

    async fn one(app: &App, caller: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        let Some((patient, sequence)) = place(id) else {
            return Ok(None);
        };
        let found = entries(app, caller, patient, sequence - 1, 1).await?;
        let found = found.first().filter(|entry| entry.sequence == sequence);
        found.map(|entry| resource(&show(app, entry))).transpose()
    }
}

/// The id of an entry: whose journal, and its place there.
fn id(patient: Address, sequence: u64) -> String {
    format!("{}-{sequence}", party::id(patient))
}

fn place(text: &str) -> Option<(Address, u64)> {
    let (patient, sequence) = text.split_once('-')?;
    let place = (
        party::account(patient)?,
        sequence.parse().ok().filter(|n| (1..=i64::MAX as u64).contains(n))?,
    );
    (id(place.0, place.1) == text).then_some(place)
}

/// What the caller may see of a patient's journal after `after`, of the next `most` entries. That it looked is durable
/// before it sees anything.
async fn entries(
    app: &App,
    caller: &Caller,
    patient: Address,
    after: u64,
    most: usize,
) -> Result<Vec<Recorded>, Outcome> {
    let org = audit::journal(app, patient, caller.org);
    let mut found = Vec::new();
    let mut last = after;
    loop {
        let page = audit::list(app, org, patient, last, audit::PAGE).await?;
        let Some(newest) = page.last() else { break };
        last = newest.sequence;
        found.extend(page);
        if found.len() >= most {
            break;
        }
    }
    if found.len() > most && most > 1 {
        let text = format!("the journal has more than {MOST} entries; page through it with GET /v1/audit");
        return Err(Outcome::new(Code::InvalidSearch, text));
    }
    found.truncate(most);
    found.retain(|entry| caller.account == patient || entry.entry.actor == caller.account);
    if found.is_empty() {
        return Ok(found);
    }
    let subject = Subject {
        scope: "audit".into(),
        ..Subject::default()
    };
    let entry = audit::by(caller, patient, Action::Read, read::purpose(caller), subject);
    audit::append(app, org, entry).await?;
    Ok(found)
}

/// A stretch of a journal as one resource: what is sealed into the patient's `audit` compartment.
pub fn journal(app: &App, id: B256, sealed_at: u64, entries: &[Recorded]) -> Vec<u8> {
    let base = app.config.url("/fhir/R4");
    let entries: Vec<Value> = (entries.iter())
        .map(|entry| {
            let url = format!("{base}/AuditEvent/{}", self::id(entry.entry.patient, entry.sequence));
            json!({ "fullUrl": url, "resource": show(app, entry) })
        })
        .collect();
    let bundle = json!({
        "resourceType": "Bundle",
        "id": RecordId(id).to_string(),
        "meta": { "versionId": "1", "lastUpdated": date::instant(sealed_at) },
        "type": "collection",
        "timestamp": date::instant(sealed_at),
        "entry": entries,
    });
    bundle.to_string().into_bytes()
}

fn show(app: &App, recorded: &Recorded) -> Value {
    let Entry {
        patient,
        actor,
        role,
        action,
        refused,
        purpose,
        subject,
        client,
        ..
    } = &recorded.entry;
    let (kind, subtype, letter) = words(*action);
    let keeper = party::of(app, recorded.keeper);
    // Who sends bytes is the source, who gets them the destination (BALP): a client that writes, a server that is read.
    let (source, destination) = ("110153", "110152");
    let (client_role, server_role) = match action {
        Action::Create | Action::Update => (source, destination),
        _ => (destination, source),
    };
    let client = match client {
        Some(client) => json!({ "identifier": { "system": "urn:chartseal:client", "value": client } }),
        None => json!({ "display": "a wallet's session" }),
    };
    let person = |code: &str| json!({ "system": ENTITY, "code": code });
    let mut entities = vec![json!({
        "what": party::of(app, *patient),
        "type": person("1"),
        "role": { "system": ROLE, "code": "1" },
    })];
    // An administrative act names itself where others name scopes.
    let scopes = if *action == Action::Administer {
        ""
    } else {
        subject.scope.as_str()
    };
    let labels: Vec<Value> = scopes
        .split_whitespace()
        .map(|scope| json!({ "system": SCOPE, "code": scope }))
        .collect();
    for record in subject.record.as_deref().unwrap_or_default().split_whitespace() {
        entities.push(json!({
            "what": { "identifier": { "system": "urn:chartseal:record", "value": record } },
            "type": person("2"),
            "role": { "system": ROLE, "code": "4" },
            "securityLabel": labels,
        }));
    }
    if entities.len() == 1 && !labels.is_empty() {
        entities
            .push(json!({ "type": person("2"), "role": { "system": ROLE, "code": "20" }, "securityLabel": labels }));
    }
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": id(*patient, recorded.sequence),
        "extension": [{ "url": EXTENSION, "valueString": json!(recorded).to_string() }],
        "type": kind,
        "subtype": [subtype],
        "action": letter,
        "recorded": date::instant(recorded.recorded_at),
        // Success, or the minor failure of one that was refused.
        "outcome": if refused.is_some() { "4" } else { "0" },
        "agent": [
            { "type": party::concept(DICOM, client_role), "who": client, "requestor": false },
            { "type": party::concept(DICOM, server_role), "who": keeper, "requestor": false },
            {
                "type": party::concept(PARTICIPATION, "IRCP"),
                "who": party::reference(app, *actor, *role),
                "requestor": true,
                "purposeOfUse": [party::concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", purpose)],
            },
        ],
        "source": { "observer": keeper },
        "entity": entities,
    });
    if *action == Action::Administer {
        event["subtype"][0]["display"] = json!(subject.scope);
    }
    if let Some(code) = refused {
        event["outcomeDesc"] = json!(format!("refused: {code}"));
    }
    event
}

/// Type, subtype and action letter.
fn words(action: Action) -> (Value, Value, &'static str) {
    let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
    let rest = |code: &str| {
        let kind = coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest");
        (kind, coding("http://hl7.org/fhir/restful-interaction", code))
    };
    let ((kind, subtype), letter) = match action {
        Action::Create => (rest("create"), "C"),
        Action::Read => (rest("read"), "R"),
        Action::Update => (rest("update"), "U"),
        Action::Search => (rest("search-type"), "E"),
        Action::Release => {
            let lifecycle = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
            ((coding(DICOM, "110106"), coding(lifecycle, "disclose")), "R")
        }
        // A security alert whose subject is what a user may do.
        Action::Grant | Action::Revoke | Action::Administer => {
            ((coding(DICOM, "110113"), coding(DICOM, "110137")), "E")
        }
    };
    (kind, subtype, letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_whose_journal_and_where() {
        let patient = Address::repeat_byte(0xab);
        let text = id(patient, 12);
        assert!(text.len() <= 64, "FHIR's longest id");
        assert_eq!(place(&text), Some((patient, 12)));
        for bad in [
            "",
            "x-1",
            "0xab-1",
            &text.replace("-12", "-0"),
            &text.replace("-12", "-012"),
            &text.to_uppercase(),
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}

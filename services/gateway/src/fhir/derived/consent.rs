//! Consent: the patient's grants, in the shape of IHE's Privacy Consent on FHIR. Seen by who gave one and by who was given
//! it. The grant on the chain, with the patient's signature, is what counts; this is how it reads.

use chartseal_record::{B256, Slot, grant::GrantState, typed};
use serde_json::{Value, json};

use super::{Derived, party, resource};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{
        live::{self, NotLive},
        single,
    },
    fhir::{candidates, date, json::Json, outcome::Outcome, reference::RecordId, search::Query},
    problem::Problem,
};

/// The code system of scopes.
pub const SCOPE: &str = "urn:chartseal:scope";
const ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";

pub struct Consent;

impl Derived for Consent {
    const NAME: &'static str = "Consent";

    async fn visible(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Json>, Outcome> {
        let Some(patients) = candidates::patients(app, query).await? else {
            return Ok(vec![]);
        };
        let given = app.index.grants_of_patient(caller.account).into_iter();
        let mut shown = Vec::new();
        for (slot, state) in given.chain(app.index.grants_to(caller.account)) {
            let patient = state.terms.as_ref().map(|terms| terms.patient);
            if patients.is_empty() || patient.is_some_and(|patient| patients.contains(&patient)) {
                shown.extend(show(app, slot, &state).await?);
            }
        }
        Ok(shown)
    }

    async fn one(app: &App, caller: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        let Ok(RecordId(slot)) = id.parse() else {
            return Ok(None);
        };
        let slot = Slot(slot);
        let state = app.index.grant(slot);
        let mine = state
            .terms
            .as_ref()
            .is_some_and(|terms| [terms.patient, terms.grantee].contains(&caller.account));
        if mine { show(app, slot, &state).await } else { Ok(None) }
    }
}

async fn show(app: &App, slot: Slot, state: &GrantState) -> Result<Option<Json>, Outcome> {
    let Some(terms) = state.terms.as_ref() else {
        return Ok(None);
    };
    let status = match live::slot(app, slot, terms.patient, terms.grantee, terms.permission).await {
        Ok(_) => "active",
        Err(NotLive::Unconfirmed) => "proposed",
        Err(failed @ (NotLive::Failed(_) | NotLive::StaleHead)) => return Err(Problem::from(failed).into()),
        Err(_) => "inactive",
    };
    let patient = party::of(app, terms.patient);
    let mut provision = json!({
        "type": "permit",
        "period": { "end": date::instant(terms.until) },
        "actor": [{
            "role": party::concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
            "reference": party::of(app, terms.grantee),
        }],
        "action": actions(terms.permission),
        "purpose": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": terms.purpose }],
    });
    if terms.record == B256::ZERO {
        provision["class"] = json!([{ "system": SCOPE, "code": terms.scope }]);
    } else {
        // On chain it is named only by its salted commitment.
        let commitment = json!({ "system": "urn:chartseal:record-commitment", "value": terms.record });
        let mut reference = json!({ "identifier": commitment });
        if let Some(row) = single::record(app, slot).await.map_err(Problem::from)? {
            let (kind, id) = (&row.resource_type, RecordId(row.record_id));
            reference["reference"] = json!(format!("{kind}/{id}/_history/{}", row.version));
        }
        provision["data"] = json!([{ "meaning": "instance", "reference": reference }]);
    }
    let mut consent = json!({
        "resourceType": "Consent",
        "id": RecordId(slot.0).to_string(),
        "meta": { "versionId": terms.serial.to_string() },
        "status": status,
        "scope": party::concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [party::concept("http://loinc.org", "59284-0")],
        "patient": patient,
        "performer": [patient],
        "policyRule": party::concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": provision,
    });
    if let Some(account) = app.index.account(terms.patient) {
        consent["organization"] = json!([party::of(app, account.custodian)]);
    }
    resource(&consent).map(Some)
}

fn actions(permission: u8) -> Vec<Value> {
    let named = [
        (typed::READ, &["access", "use"][..]),
        (typed::WRITE, &["collect", "correct"]),
    ];
    let given = named.into_iter().filter(|(bit, _)| permission & bit != 0);
    given
        .flat_map(|(_, codes)| codes.iter().map(|code| party::concept(ACTION, code)))
        .collect()
}

//! GET /v1/intents/{id}: how far a decision has come, and what is still to be signed.

use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
use chartseal_record::{Slot, Target, state::IntentState};
use chartseal_store::{Intent, IntentFilter};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::enrol::Backup;
use crate::{
    app::App,
    auth::caller::{Caller, Via, Visitor},
    intent::{By, Decision, Part},
    openapi::words::{AddressSchema, HashSchema, IntentStateSchema},
    problem::Problem,
    v1::{At, OneRecord, ToSign},
    vault::Kind,
};

/// A decision as those see it who take part in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Intent)]
pub struct Shown {
    /// A UUID.
    id: String,
    /// register, statementKey, publisher, custodian, takeOver, encryptionKey, handOver, suspend, reinstate, retire, enrol,
    /// grant, grantClaim, revoke, advance, rewrap, decline or withdraw.
    kind: String,
    /// The account it is about.
    account: Address,
    /// Of an enrolment, of taking the keys over and of granting a claim: of all its steps together.
    state: IntentState,
    /// The decision of which this is one step.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    transaction: Option<B256>,
    block: Option<u64>,
    gas_used: Option<u64>,
    /// Why it failed.
    error: Option<String>,
    /// Unix seconds.
    created_at: u64,
    /// Unix seconds.
    expires_at: u64,
    /// The signatures that are still missing.
    sign: Vec<ToSign>,
    /// An enrolment's, of taking the keys over and of granting a claim: the decisions it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Step>>,
    /// A revocation's, once signed: the custodian's signed word since when the slot is refused; null if it could not sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    receipt: Option<Value>,
    /// Of a registration: the EIP-712 struct `Register` whose hash the registrar countersigns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    registration: Option<Value>,
    /// Of a registration: whether papers are attached to it for the registrar.
    #[serde(skip_serializing_if = "Option::is_none")]
    papers: Option<bool>,
    /// Of a registration that a registrar refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    /// An enrolment's, in the answer that lays it out and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// A registrar's no.
#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
struct Refusal {
    /// The registrar's words.
    reason: String,
    /// Unix seconds.
    at: u64,
}

/// One decision of an enrolment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntentStep)]
struct Step {
    id: String,
    kind: String,
    state: IntentState,
    transaction: Option<B256>,
    gas_used: Option<u64>,
    error: Option<String>,
}

/// How far a decision has come, and what is still to be signed.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}",
    operation_id = "showIntent",
    tag = "intents",
    params(("id" = String, Path, description = "The decision's.")),
    responses((status = 200, body = Shown)),
    security(("session" = [])),
)]
pub async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    At(id): At<String>,
) -> Result<Json<Shown>, Problem> {
    Ok(Json(view(&app, &caller, &id).await?))
}

/// An intent as the caller sees it; not found if it has no part in it.
pub async fn view(app: &App, caller: &Caller, id: &str) -> Result<Shown, Problem> {
    let (intent, decision) = find(app, caller, id).await?;
    render(app, caller, &intent, &decision).await
}

/// The intent and its decision, if the caller takes part in it.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<(Intent, Decision), Problem> {
    let intent = app.store.intent(id).await?.ok_or_else(Problem::not_found)?;
    let decision = Decision::read(&intent.payload)?;
    let Via::Session { address } = caller.via else {
        return Err(Problem::not_found());
    };
    let takes_part = intent.account == caller.account
        || matches!(&decision, Decision::HandOver { change } if change.controller == address)
        || decision.needs_registrar() && app.chain.is_registrar(address).await?;
    if takes_part {
        Ok((intent, decision))
    } else {
        Err(Problem::not_found())
    }
}

/// An intent as the caller sees it.
pub async fn render(app: &App, caller: &Caller, intent: &Intent, decision: &Decision) -> Result<Shown, Problem> {
    let mut shown = Shown {
        id: intent.id.clone(),
        kind: intent.kind.clone(),
        account: intent.account,
        state: visible(app, intent),
        parent: intent.parent.clone(),
        transaction: intent.sent.as_ref().map(|s| s.hash),
        block: intent.mined.map(|m| m.block),
        gas_used: intent.mined.map(|m| m.gas_used),
        error: intent.error.clone(),
        created_at: intent.created_at,
        expires_at: intent.expires_at,
        sign: to_sign(app, caller, intent, decision).await?,
        steps: None,
        receipt: None,
        registration: None,
        papers: None,
        refusal: None,
        backup: None,
    };
    match decision {
        // A registrar countersigns a hash; this is what it is the hash of.
        Decision::Register { register } => {
            shown.registration = serde_json::to_value(register).ok();
            application(app, intent, &mut shown).await?;
        }
        Decision::Enrol { .. } | Decision::TakeOver { .. } | Decision::GrantClaim { .. } => {
            steps(app, intent, &mut shown).await?
        }
        Decision::Revoke { revoke } if intent.state != IntentState::Prepared => {
            let target = Target::from_fields(&revoke.scope, revoke.record);
            let slot = target.map(|t| Slot::of(revoke.patient, revoke.grantee, &t));
            if let Some(slot) = slot {
                let refused = app.store.tombstone(slot).await?;
                shown.receipt = Some(refused.map_or(Value::Null, |t| t.receipt));
            }
        }
        _ => {}
    }
    Ok(shown)
}

/// What came with a registration, and a registrar's no to it.
async fn application(app: &App, intent: &Intent, shown: &mut Shown) -> Result<(), Problem> {
    let found = app.store.application(&intent.id).await?;
    shown.papers = Some(found.papers);
    if let Some(refused) = found.refusal {
        let reason = app.vault.open(intent.org, Kind::Refusal, &intent.id, &refused.reason)?;
        shown.refusal = Some(Refusal {
            reason: String::from_utf8_lossy(&reason).into_owned(),
            at: refused.at,
        });
    }
    Ok(())
}

/// The submitter may be a block ahead of our index. Confirmed is said when what it decided counts here too.
fn visible(app: &App, intent: &Intent) -> IntentState {
    let (Some(mined), IntentState::Confirmed) = (intent.mined, intent.state) else {
        return intent.state;
    };
    let deep = app.index.head().map_or(0, |h| h.confirmations(mined.block)) >= app.config.chain.confirmations;
    if deep {
        IntentState::Confirmed
    } else {
        IntentState::Submitted
    }
}

async fn to_sign(app: &App, caller: &Caller, intent: &Intent, decision: &Decision) -> Result<Vec<ToSign>, Problem> {
    if intent.state != IntentState::Prepared {
        return Ok(Vec::new());
    }
    let registrar = registrar(app, caller, intent).await?;
    let parts = decision.parts(&app.contracts, registrar);
    let missing: Vec<Part> = parts
        .into_iter()
        .filter(|part| !intent.signatures.contains_key(&kept_name(part)))
        .collect();
    let mut asked = Vec::with_capacity(missing.len());
    for part in missing {
        let opens = match part.slot {
            Some(slot) => OneRecord::of(app, slot).await?,
            None => None,
        };
        asked.push(ToSign {
            signer: Some(signer(app, part.by)),
            part: part.name,
            typed_data: part.typed_data,
            opens,
        });
    }
    Ok(asked)
}

/// The name a signature is kept under: a registrar's says which one, since the call names it.
pub fn kept_name(part: &Part) -> String {
    match part.by {
        By::Registrar(registrar) if part.name == "registrar" => format!("registrar:{registrar}"),
        _ => part.name.clone(),
    }
}

/// Whose signature a part needs.
pub fn signer(app: &App, by: By) -> Address {
    match by {
        By::Account(account) => app.index.account(account).map_or(account, |a| a.controller),
        By::Address(address) | By::Registrar(address) => address,
    }
}

/// Who countersigns: who has, or the caller if it is a registrar, or the one the organisation names.
pub async fn registrar(app: &App, caller: &Caller, intent: &Intent) -> Result<Option<Address>, Problem> {
    let has = intent
        .signatures
        .keys()
        .find_map(|part| part.strip_prefix("registrar:")?.parse().ok());
    if has.is_some() {
        return Ok(has);
    }
    if let Via::Session { address } = caller.via
        && intent.kind == "register"
        && app.chain.is_registrar(address).await?
    {
        return Ok(Some(address));
    }
    Ok(app
        .config
        .organisation(intent.org)
        .and_then(|o| o.registrar)
        .or(app.deployment.registrar))
}

/// The intents an enrolment became, and their state and gas together.
async fn steps(app: &App, intent: &Intent, shown: &mut Shown) -> Result<(), Problem> {
    let filter = IntentFilter {
        parent: Some(intent.id.clone()),
        limit: 100,
        ..IntentFilter::default()
    };
    let mut steps = app.store.find_intents(&filter).await?;
    steps.reverse();
    let states: Vec<IntentState> = steps.iter().map(|step| visible(app, step)).collect();
    let state = if intent.state != IntentState::Confirmed {
        intent.state
    } else if let Some(ended) = states
        .iter()
        .find(|s| matches!(s, IntentState::Failed | IntentState::Expired))
    {
        *ended
    } else if states.iter().all(|s| *s == IntentState::Confirmed) {
        IntentState::Confirmed
    } else {
        IntentState::Submitted
    };
    shown.state = state;
    shown.gas_used = Some(steps.iter().filter_map(|s| s.mined).map(|m| m.gas_used).sum());
    shown.block = steps.iter().filter_map(|s| s.mined).map(|m| m.block).max();
    shown.error = steps.iter().find_map(|s| s.error.clone());
    let listed = steps.into_iter().zip(states).map(|(step, state)| Step {
        id: step.id,
        kind: step.kind,
        state,
        transaction: step.sent.map(|s| s.hash),
        gas_used: step.mined.map(|m| m.gas_used),
        error: step.error,
    });
    shown.steps = Some(listed.collect());
    Ok(())
}

//! PUT /v1/intents/{id}/signatures: a signature comes in; with the last one the decision is on its way.

use alloy::primitives::{Address, B256, Bytes};
use axum::{Json, extract::State};
use chartseal_record::{Scope, Slot, Target, state::IntentState, typed};
use chartseal_store::{Error as StoreError, Intent, RequestState};
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::{self, Shown};
use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::{
        caller::{Caller, Visitor},
        signature,
    },
    custody::{Patient, revoke, single, take_over},
    intent::{By, Decision, Part, PreparedGrant},
    openapi::words::HexSchema,
    problem::{Code, Failure, Problem},
    queue,
    v1::{At, Body},
};

/// One signature of a decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IntentSignature)]
pub struct Input {
    /// The part it is for, as `sign` names it.
    r#as: String,
    signature: Bytes,
}

/// A signature comes in; with the last one the decision is on its way.
#[utoipa::path(
    put,
    path = "/v1/intents/{id}/signatures",
    operation_id = "signIntent",
    tag = "intents",
    params(("id" = String, Path, description = "The decision's.")),
    request_body = Input,
    responses((status = 200, body = Shown)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["forbidden", "bad-signature", "wrong-state", "already-registered", "epoch-moved"]))),
)]
// A task of its own: once a signature is accepted, a client that hangs up stops nothing of what follows from it.
pub async fn sign(
    State(app): State<App>,
    Visitor(caller): Visitor,
    At(id): At<String>,
    Body(input): Body<Input>,
) -> Result<Json<Shown>, Problem> {
    let task = async move { accept(&app, &caller, &id, input).await };
    tokio::spawn(task)
        .await
        .map_err(|_| Failure::Broken("accepting a signature panicked"))?
}

async fn accept(app: &App, caller: &Caller, id: &str, input: Input) -> Result<Json<Shown>, Problem> {
    let (intent, decision) = show::find(app, caller, id).await?;
    let registrar = show::registrar(app, caller, &intent).await?;
    let parts = decision.parts(&app.contracts, registrar);
    let part = parts.iter().find(|part| part.name == input.r#as);
    let part = part.ok_or_else(|| Problem::new(Code::Malformed, "'as' must be one of the parts in 'sign'"))?;
    if intent.state != IntentState::Prepared {
        return again(app, caller, &intent, part, &input.signature).await;
    }
    check(app, part, &input.signature).await?;
    before(app, caller, &decision).await?;
    let now = app.clock.seconds();
    keep(app, id, &show::kept_name(part), &input.signature, now).await?;
    let (intent, decision) = show::find(app, caller, id).await?;
    complete(app, caller, &intent, &decision, registrar).await?;
    Ok(Json(show::view(app, caller, id).await?))
}

/// A signature that is here already is answered as the first time; any other comes too late.
async fn again(
    app: &App,
    caller: &Caller,
    intent: &Intent,
    part: &Part,
    signature: &[u8],
) -> Result<Json<Shown>, Problem> {
    let kept = intent.signatures.get(&show::kept_name(part));
    if kept.is_some_and(|kept| kept[..] == *signature) {
        return Ok(Json(show::view(app, caller, &intent.id).await?));
    }
    Err(Problem::new(
        Code::WrongState,
        format!("the decision is {}; lay out a new one", intent.state),
    ))
}

async fn check(app: &App, part: &Part, signature: &[u8]) -> Result<(), Problem> {
    let signer = show::signer(app, part.by);
    if !signature::is_by(app, signer, part.digest, signature).await? {
        let why = format!(
            "the signature for '{}' is not by {signer} over this typed data",
            part.name
        );
        return Err(Problem::new(Code::BadSignature, why));
    }
    if matches!(part.by, By::Registrar(registrar) if !app.chain.is_registrar(registrar).await?) {
        return Err(Problem::new(
            Code::Forbidden,
            "the signer is not a registrar of the Directory",
        ));
    }
    Ok(())
}

async fn keep(app: &App, id: &str, part: &str, signature: &[u8], now: u64) -> Result<(), Problem> {
    match app.store.sign_intent(id, part, signature, now).await {
        Ok(()) => Ok(()),
        Err(StoreError::Moved { .. }) => Err(Problem::new(
            Code::WrongState,
            "the decision has expired or is complete; lay out a new one",
        )),
        Err(StoreError::Exists { .. }) => Err(Problem::new(
            Code::WrongState,
            "another signature for this part is here already",
        )),
        Err(error) => Err(error.into()),
    }
}

/// What must happen, or still hold, before a signature is kept.
async fn before(app: &App, caller: &Caller, decision: &Decision) -> Result<(), Problem> {
    match decision {
        // From here on the slot is refused, whatever becomes of this process, of the chain, or of the answer.
        Decision::Revoke { revoke } => {
            let patient = Patient::of(app, revoke.patient)?;
            revoke::refuse(app, &patient, revoke).await?;
            let subject = about(app, revoke).await?;
            let entry = audit::by(caller, revoke.patient, Action::Revoke, "PATRQT", subject);
            audit::append(app, patient.custodian, entry).await.map(drop)
        }
        Decision::Grant(grant) => still_wanted(app, grant).await,
        Decision::Enrol { grants } | Decision::GrantClaim { grants, .. } => {
            for grant in grants {
                still_wanted(app, grant).await?;
            }
            Ok(())
        }
        Decision::TakeOver { change, epochs } => take_over::check(app, &Patient::of(app, change.who)?, epochs).await,
        Decision::Register { register } if app.index.account(register.who).is_some() => Err(Problem::new(
            Code::AlreadyRegistered,
            "this address is an account already; an address registers once",
        )),
        _ => Ok(()),
    }
}

/// A grant laid out before a revocation does not come into force after it.
async fn still_wanted(app: &App, grant: &PreparedGrant) -> Result<(), Problem> {
    let refused = match grant.slot() {
        Some(slot) => app.store.tombstone(slot).await?.map_or(0, |t| t.serial),
        None => 0,
    };
    if grant.grant.serial <= refused {
        return Err(Problem::new(
            Code::WrongState,
            "a revocation came after this grant was laid out; lay out a new one",
        ));
    }
    Ok(())
}

/// What a journal says is revoked.
async fn about(app: &App, revoke: &typed::Revoke) -> Result<Subject, Failure> {
    match Target::from_fields(&revoke.scope, revoke.record) {
        Some(target) => {
            let slot = Slot::of(revoke.patient, revoke.grantee, &target);
            single::entry_of(app, slot, &revoke.scope).await
        }
        None => Ok(subject(&revoke.scope)),
    }
}

fn subject(scope: &str) -> Subject {
    Subject {
        scope: scope.to_owned(),
        ..Subject::default()
    }
}

/// Sends the decision on its way if every signature is here.
async fn complete(
    app: &App,
    caller: &Caller,
    intent: &Intent,
    decision: &Decision,
    registrar: Option<Address>,
) -> Result<(), Problem> {
    let kept = |part: &Part| intent.signatures.get(&show::kept_name(part)).cloned();
    let parts = decision.parts(&app.contracts, registrar);
    if let Decision::Enrol { grants } = decision {
        for (part, grant) in parts.iter().zip(grants) {
            if let Some(signature) = kept(part) {
                let after = grant.after.as_deref();
                let decision = Decision::Grant(grant.clone());
                let step = queue::Step {
                    parent: &intent.id,
                    part: &part.name,
                    after,
                };
                queue::step(app, intent.org, step, &decision, signature).await?;
            }
        }
    }
    let needed = parts.len() + usize::from(decision.needs_registrar() && registrar.is_none());
    if parts.iter().filter(|part| kept(part).is_some()).count() < needed {
        return Ok(());
    }
    let signature = |name: &str| {
        let part = parts.iter().find(|part| part.name == name);
        part.and_then(kept).unwrap_or_default()
    };
    if let Decision::TakeOver { change, epochs } = decision {
        let patient = Patient::of(app, change.who)?;
        take_over::queue(app, &patient, &intent.id, (change, epochs), signature("account")).await?;
    }
    let now = app.clock.seconds();
    decide_request(app, decision, now).await?;
    // All or none: half a claim's evidence is not what the patient was shown.
    if let Decision::GrantClaim { grants, .. } = decision {
        for (part, grant) in parts.iter().zip(grants) {
            let step = queue::Step {
                parent: &intent.id,
                part: &part.name,
                after: None,
            };
            let decision = Decision::Grant(grant.clone());
            queue::step(app, intent.org, step, &decision, signature(&part.name)).await?;
        }
    }
    let moved = match decision.call(&app.contracts, registrar, signature) {
        Some((target, data)) => app.store.intent_signed(&intent.id, target, &data, now).await,
        None => app.store.intent_decided(&intent.id, now).await,
    };
    match moved {
        Ok(()) => after(app, caller, intent, decision).await,
        // The other signer's request was as fast and has done it.
        Err(StoreError::Moved { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A decision about a request moves the request.
async fn decide_request(app: &App, decision: &Decision, now: u64) -> Result<(), Problem> {
    let (request, state): (B256, RequestState) = match decision {
        Decision::Decline { decline } => (decline.request, RequestState::Declined),
        Decision::Withdraw { withdraw } => (withdraw.request, RequestState::Withdrawn),
        Decision::Grant(PreparedGrant {
            request: Some(request), ..
        })
        | Decision::GrantClaim {
            request: Some(request), ..
        } => (*request, RequestState::Approved),
        _ => return Ok(()),
    };
    match app.store.decide_request(request, state, now).await {
        Ok(()) => Ok(()),
        Err(StoreError::Moved { .. }) => Err(Problem::new(
            Code::WrongState,
            "the request was decided or withdrawn before",
        )),
        Err(error) => Err(error.into()),
    }
}

/// What follows from a complete decision.
async fn after(app: &App, caller: &Caller, intent: &Intent, decision: &Decision) -> Result<(), Problem> {
    match decision {
        Decision::Revoke { revoke } => {
            let patient = Patient::of(app, revoke.patient)?;
            // Who read one record has no epoch's secret.
            let Ok(scope) = Scope::new(revoke.scope.clone()) else {
                return Ok(());
            };
            // The refusal stands whatever happens here; an advance that fails now is due before the next seal.
            if let Err(problem) = revoke::move_on(app, &patient, &scope).await {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "the epoch could not be advanced after a revocation; it is due before the next seal"
                );
            }
        }
        Decision::Advance { advance, wraps } => {
            let wraps = wraps.iter().cloned().map(Into::into).collect();
            app.pending.add(advance, wraps, intent.id.clone());
        }
        Decision::Grant(grant) => granted(app, caller, intent.org, grant).await?,
        Decision::Enrol { grants } | Decision::GrantClaim { grants, .. } => {
            for grant in grants {
                granted(app, caller, intent.org, grant).await?;
            }
        }
        // The submitter's and the custodian's own work on a decision that was entered when it was made.
        Decision::Rewrap { .. } => {}
        decided => administered(app, caller, intent.org, decided).await?,
    }
    Ok(())
}

/// Into the journal of the account it is about.
async fn administered(app: &App, caller: &Caller, org: Address, decision: &Decision) -> Result<(), Problem> {
    let about = match decision {
        Decision::SetStatus { change } => change.who,
        other => other.account(),
    };
    let entry = audit::by(caller, about, Action::Administer, "HSYSADMIN", subject(decision.kind()));
    audit::append(app, audit::journal(app, about, org), entry)
        .await
        .map(drop)
}

async fn granted(app: &App, caller: &Caller, org: Address, grant: &PreparedGrant) -> Result<(), Problem> {
    let subject = match grant.slot() {
        Some(slot) => single::entry_of(app, slot, &grant.grant.scope).await?,
        None => subject(&grant.grant.scope),
    };
    let entry = audit::by(
        caller,
        grant.grant.patient,
        Action::Grant,
        &grant.grant.purpose,
        subject,
    );
    audit::append(app, org, entry).await.map(drop)
}

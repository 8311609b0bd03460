//! Puts decisions into the intent table, from which the submitter relays them.

use alloy::primitives::{Address, Bytes, keccak256};
use chartseal_record::Compartment;
use chartseal_store::{Error, NewIntent};
use uuid::Uuid;

use crate::{app::App, intent::Decision, problem::Failure};

/// Seconds a prepared decision waits for its signatures; also the deadline in the structs that have one.
pub const PATIENCE: u64 = 24 * 3600;

/// What comes before and above an intent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The intent of which this is one step.
    pub parent: Option<&'a str>,
    /// The intent that must be mined first.
    pub after: Option<&'a str>,
}

/// Keeps a decision that waits for its signatures, and gives its id.
pub async fn prepared(app: &App, org: Address, decision: &Decision, place: Place<'_>) -> Result<String, Failure> {
    let id = Uuid::new_v4().to_string();
    insert(app, &id, org, decision.account(), decision, place).await?;
    Ok(id)
}

/// Keeps a decision whose parts become intents of their own.
pub async fn parent(app: &App, id: &str, org: Address, account: Address, decision: &Decision) -> Result<(), Failure> {
    insert(app, id, org, account, decision, Place::default()).await
}

/// Queues a decision whose signature is here.
pub async fn signed(
    app: &App,
    org: Address,
    decision: &Decision,
    signature: Bytes,
    place: Place<'_>,
) -> Result<String, Failure> {
    let id = prepared(app, org, decision, place).await?;
    ready(app, &id, decision, signature).await?;
    Ok(id)
}

/// Queues an advance of the custodian's, unless another epoch number of the compartment has been taken meanwhile: then
/// nothing is queued.
pub async fn epoch(
    app: &App,
    org: Address,
    decision: &Decision,
    place: Place<'_>,
    epoch: (Compartment, u32),
    signature: Bytes,
) -> Result<Option<String>, Failure> {
    advance(app, Uuid::new_v4().to_string(), org, decision, place, epoch, signature).await
}

async fn advance(
    app: &App,
    id: String,
    org: Address,
    decision: &Decision,
    place: Place<'_>,
    epoch: (Compartment, u32),
    signature: Bytes,
) -> Result<Option<String>, Failure> {
    let new = new(app, &id, org, decision.account(), decision, place)?;
    let (target, data) = call(app, decision, &signature)?;
    let queued = app
        .store
        .insert_advance(&new, epoch, &signature, (target, &data))
        .await?;
    Ok(queued.then_some(id))
}

/// One part of a decision that becomes several intents.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub parent: &'a str,
    pub part: &'a str,
    /// The intent that must be mined first.
    pub after: Option<&'a str>,
}

impl Step<'_> {
    fn id(&self) -> String {
        let name = keccak256(format!("{}|{}", self.parent, self.part));
        let id = uuid::Builder::from_random_bytes(name[..16].try_into().expect("a hash has 16 bytes and more"));
        id.into_uuid().to_string()
    }

    fn place(&self) -> Place<'_> {
        Place {
            parent: Some(self.parent),
            after: self.after,
        }
    }
}

/// Queues one part of a decision as an intent of its own. Doing it twice does it once: the id follows from the part.
pub async fn step(
    app: &App,
    org: Address,
    step: Step<'_>,
    decision: &Decision,
    signature: Bytes,
) -> Result<(), Failure> {
    let id = step.id();
    match insert(app, &id, org, decision.account(), decision, step.place()).await {
        Ok(()) | Err(Failure::Store(Error::Exists { .. })) => {}
        Err(failure) => return Err(failure),
    }
    match ready(app, &id, decision, signature).await {
        Ok(()) | Err(Failure::Store(Error::Moved { .. })) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The same for an advance, as [`epoch`] queues one.
pub async fn step_epoch(
    app: &App,
    org: Address,
    step: Step<'_>,
    decision: &Decision,
    epoch: (Compartment, u32),
    signature: Bytes,
) -> Result<Option<String>, Failure> {
    let id = step.id();
    if app.store.intent(&id).await?.is_some() {
        return Ok(Some(id));
    }
    advance(app, id, org, decision, step.place(), epoch, signature).await
}

async fn insert(
    app: &App,
    id: &str,
    org: Address,
    account: Address,
    decision: &Decision,
    place: Place<'_>,
) -> Result<(), Failure> {
    let new = new(app, id, org, account, decision, place)?;
    Ok(app.store.insert_intents(&[new]).await?)
}

fn new(
    app: &App,
    id: &str,
    org: Address,
    account: Address,
    decision: &Decision,
    place: Place<'_>,
) -> Result<NewIntent, Failure> {
    let now = app.clock.seconds();
    Ok(NewIntent {
        id: id.to_owned(),
        org,
        kind: decision.kind().to_owned(),
        account,
        payload: decision.payload()?,
        parent: place.parent.map(str::to_owned),
        after: place.after.map(str::to_owned),
        created_at: now,
        expires_at: now + PATIENCE,
    })
}

async fn ready(app: &App, id: &str, decision: &Decision, signature: Bytes) -> Result<(), Failure> {
    let now = app.clock.seconds();
    app.store.sign_intent(id, "account", &signature, now).await?;
    let (target, data) = call(app, decision, &signature)?;
    Ok(app.store.intent_signed(id, target, &data, now).await?)
}

/// What the submitter sends.
fn call(app: &App, decision: &Decision, signature: &Bytes) -> Result<(Address, Bytes), Failure> {
    let call = decision.call(&app.contracts, None, |_| signature.clone());
    call.ok_or(Failure::Broken("a decision without a call was queued for the chain"))
}

//! POST /v1/intents: lays a decision out for signing.

use alloy::primitives::{Address, B256};
use axum::extract::State;
use chartseal_record::{account::Status, state::IntentState};
use chartseal_store::IntentFilter;
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::{
    access, account, advance,
    enrol::{self, Backup},
    grant, grant_claim, kinds, revoke,
    show::{self, Shown},
    take_over,
};
use crate::{
    app::App,
    auth::caller::{Caller, Visitor},
    idempotency::{Created, Keyed, Named},
    intent::Decision,
    problem::{Code, Failure, Problem},
    queue,
};

/// What can be decided. Unknown kinds and unknown fields are refused.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Input {
    Register(account::Register),
    StatementKey(account::StatementKey),
    Publisher(account::Publisher),
    Custodian(account::Custodian),
    TakeOver(take_over::TakeOver),
    EncryptionKey(account::EncryptionKey),
    HandOver(account::HandOver),
    Suspend { who: Address },
    Reinstate { who: Address },
    Retire { who: Address },
    Enrol(enrol::Enrol),
    Grant(grant::Grant),
    GrantClaim(grant_claim::GrantClaim),
    Revoke(revoke::Revoke),
    Advance(advance::Advance),
    Decline { request: B256 },
    Withdraw { request: B256 },
}

/// Written out, because `kind` stands among the members of each and all others are refused.
impl PartialSchema for Input {
    fn schema() -> RefOr<Schema> {
        kinds::schema()
    }
}

impl ToSchema for Input {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewIntent".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        kinds::referenced(schemas);
    }
}

impl Input {
    /// Registrars need no account of their own, and who registers has none yet.
    fn open_to_visitors(&self) -> bool {
        matches!(
            self,
            Self::Register(_) | Self::Suspend { .. } | Self::Reinstate { .. } | Self::Retire { .. }
        )
    }
}

/// A decision laid out, and what only this answer carries.
pub struct Laid {
    pub id: String,
    /// Added to the answer and kept nowhere.
    pub backup: Option<Backup>,
}

impl Laid {
    /// Keeps a decision that waits for its signatures.
    pub async fn of(app: &App, org: Address, decision: Decision, after: Option<&str>) -> Result<Self, Problem> {
        let place = queue::Place { parent: None, after };
        let id = queue::prepared(app, org, &decision, place).await?;
        Ok(Self { id, backup: None })
    }
}

/// Decisions of one account that may wait for signatures at one time.
const OPEN: u32 = 200;

/// Each decision laid out is a row: what nobody signs expires, and until then is counted. Addresses cost nothing, so
/// registrations are also counted over all of them.
async fn not_too_many(app: &App, caller: &Caller, input: &Input) -> Result<(), Problem> {
    let limits = app.config.limits;
    let visitor = caller.role.is_none();
    let own = if visitor && matches!(input, Input::Register(_)) {
        limits.registrations_per_address
    } else {
        OPEN
    };
    let mut filter = IntentFilter {
        account: Some(caller.account),
        state: Some(IntentState::Prepared),
        limit: own,
        ..IntentFilter::default()
    };
    fewer(app, &filter, "sign them, or wait a day until they expire").await?;
    if matches!(input, Input::Register(_)) {
        filter.account = None;
        filter.kind = Some("register".into());
        filter.limit = limits.open_registrations;
        fewer(app, &filter, "try again later").await?;
    }
    Ok(())
}

async fn fewer(app: &App, filter: &IntentFilter, advice: &str) -> Result<(), Problem> {
    let most = filter.limit;
    if app.store.find_intents(filter).await?.len() < most as usize {
        return Ok(());
    }
    Err(Problem::new(
        Code::TooMany,
        format!("{most} decisions wait for signatures; {advice}"),
    ))
}

/// Lays a decision out for signing. Who may decide what follows from its kind.
#[utoipa::path(
    post,
    path = "/v1/intents",
    operation_id = "prepareIntent",
    tag = "intents",
    params(Named),
    request_body = Input,
    responses((status = 201, body = Shown, headers(("Location" = String, description = "The decision.")))),
    security(("session" = [])),
    extensions(("x-refusals" = json!([
        "not-registered", "already-registered", "forbidden", "not-found", "invalid", "patient-not-enrolled",
        "wrong-state", "own-key", "epoch-moved",
    ]))),
)]
// A task of its own: an enrolment half done because a client hung up would have opened scopes nobody signed for.
pub async fn prepare(
    State(app): State<App>,
    Visitor(caller): Visitor,
    keyed: Keyed<Input>,
) -> Result<Created, Problem> {
    let task = async move {
        let (app, caller) = (&app, &caller);
        keyed
            .once(app, caller, async |input| create(app, caller, input).await)
            .await
    };
    tokio::spawn(task)
        .await
        .map_err(|_| Failure::Broken("laying a decision out panicked"))?
}

async fn create(app: &App, caller: &Caller, input: Input) -> Result<Created, Problem> {
    let signer = caller.person()?;
    if !input.open_to_visitors() {
        caller.registered()?;
    }
    not_too_many(app, caller, &input).await?;
    let laid = match input {
        Input::Register(i) => account::register(app, caller, signer, i).await?,
        Input::StatementKey(i) => account::statement_key(app, caller, i).await?,
        Input::Publisher(i) => account::publisher(app, caller, i).await?,
        Input::Custodian(i) => account::custodian(app, caller, i).await?,
        Input::TakeOver(i) => take_over::take_over(app, caller, i).await?,
        Input::EncryptionKey(i) => account::encryption_key_change(app, caller, i).await?,
        Input::HandOver(i) => account::hand_over(app, caller, i).await?,
        Input::Suspend { who } => account::set_status(app, caller, signer, who, Status::Suspended).await?,
        Input::Reinstate { who } => account::set_status(app, caller, signer, who, Status::Active).await?,
        Input::Retire { who } => account::set_status(app, caller, signer, who, Status::Retired).await?,
        Input::Enrol(i) => enrol::enrol(app, caller, i).await?,
        Input::Grant(i) => grant::grant(app, caller, i).await?,
        Input::GrantClaim(i) => grant_claim::grant_claim(app, caller, i).await?,
        Input::Revoke(i) => revoke::revoke(app, caller, i).await?,
        Input::Advance(i) => advance::advance(app, caller, i).await?,
        Input::Decline { request } => access::decline(app, caller, request).await?,
        Input::Withdraw { request } => access::withdraw(app, caller, request).await?,
    };
    let mut body = show::view(app, caller, &laid.id).await?;
    body.backup = laid.backup;
    Ok(Created::at(format!("/v1/intents/{}", laid.id), body))
}

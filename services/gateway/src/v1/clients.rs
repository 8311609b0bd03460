//! /v1/clients: the systems of an organisation, registered for SMART Backend Services.

use alloy::primitives::Address;
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use chartseal_record::account::Role;
use chartseal_store::{Client, Error as StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::At;
use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::{caller::Caller, jwks, scopes::Scopes},
    idempotency::{Created, Keyed, Named},
    openapi::words::AddressSchema,
    problem::{Code, Problem},
};

/// Bytes of a name.
const NAME: usize = 100;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register, list))
        .routes(routes!(disable))
}

/// A system to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewClient)]
struct Input {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The account it acts for: the organisation's own.
    account: Option<Address>,
    /// Its public keys, a JSON Web Key Set: this or `jwksUri`.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Where its public keys are: an https URL.
    #[schema(max_length = 500)]
    jwks_uri: Option<String>,
    /// SMART scopes, separated by spaces.
    #[schema(examples("system/*.rs"))]
    scopes: String,
}

/// A system of the organisation is registered for SMART Backend Services. By the organisation's own wallet.
#[utoipa::path(
    post,
    path = "/v1/clients",
    operation_id = "registerClient",
    tag = "clients",
    params(Named),
    request_body = Input,
    responses((status = 201, body = Shown, headers(("Location" = String, description = "The client.")))),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "invalid"]))),
)]
async fn register(State(app): State<App>, caller: Caller, keyed: Keyed<Input>) -> Result<impl IntoResponse, Problem> {
    let (app, caller) = (&app, &caller);
    keyed
        .once(app, caller, async |input| create(app, caller, input).await)
        .await
}

async fn create(app: &App, caller: &Caller, input: Input) -> Result<Created, Problem> {
    let org = organisation(app, caller)?;
    let invalid = |why: String| Problem::new(Code::Invalid, why);
    if input.account.is_some_and(|account| account != org) {
        return Err(Problem::new(
            Code::Forbidden,
            "a system acts for the organisation that registers it",
        ));
    }
    if input.name.is_empty() || input.name.len() > NAME {
        return Err(invalid("name is 1 to 100 bytes".into()));
    }
    let scopes = Scopes::parse(&input.scopes).map_err(|why| invalid(why.to_string()))?;
    let jwks = match (&input.jwks, &input.jwks_uri) {
        (Some(keys), None) => {
            jwks::check(keys).map_err(|why| invalid(why.to_string()))?;
            Some(keys.to_string())
        }
        (None, Some(url)) => {
            check_url(app, url)?;
            None
        }
        _ => return Err(invalid("give jwks or jwksUri, exactly one of them".into())),
    };
    let client = Client {
        client_id: Uuid::new_v4().to_string(),
        org,
        account: org,
        name: input.name,
        jwks,
        jwks_uri: input.jwks_uri,
        scopes: scopes.to_string(),
        created_at: app.clock.seconds(),
        disabled_at: None,
    };
    // Written down first: a system that nobody knows was registered must not exist.
    administered(app, caller, org, "client registered", &client.client_id).await?;
    app.store.insert_client(&client).await?;
    let place = format!("/v1/clients/{}", client.client_id);
    Ok(Created::at(place, Shown::from(client)))
}

fn check_url(app: &App, url: &str) -> Result<(), Problem> {
    let parsed: Option<reqwest::Url> = url.parse().ok().filter(|_| url.len() <= 500);
    let fits = parsed.is_some_and(|u| u.scheme() == "https" || app.config.development && u.scheme() == "http");
    if fits {
        Ok(())
    } else {
        Err(Problem::new(
            Code::Invalid,
            "jwksUri is an https URL of at most 500 bytes",
        ))
    }
}

/// The organisation's own wallet registers systems.
fn organisation(app: &App, caller: &Caller) -> Result<Address, Problem> {
    caller.person()?;
    let role = caller.registered()?;
    let is_org = matches!(role, Role::Hospital | Role::Insurer);
    if is_org && app.config.organisation(caller.account).is_some() {
        Ok(caller.account)
    } else {
        Err(Problem::new(
            Code::Forbidden,
            "systems are registered by an organisation this gateway serves",
        ))
    }
}

/// In the organisation's own journal.
async fn administered(app: &App, caller: &Caller, org: Address, what: &str, client: &str) -> Result<(), Problem> {
    let subject = Subject {
        scope: what.into(),
        record: Some(client.into()),
        epoch: None,
    };
    audit::append(
        app,
        org,
        audit::by(caller, org, Action::Administer, "HSYSADMIN", subject),
    )
    .await
    .map(drop)
}

/// A registered system.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Client)]
struct Shown {
    /// What it signs as `iss` and `sub`.
    client_id: String,
    name: String,
    /// The account it acts for.
    account: Address,
    scopes: String,
    jwks_uri: Option<String>,
    /// Unix seconds.
    created_at: u64,
    /// Unix seconds.
    disabled_at: Option<u64>,
}

impl From<Client> for Shown {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.client_id,
            name: client.name,
            account: client.account,
            scopes: client.scopes,
            jwks_uri: client.jwks_uri,
            created_at: client.created_at,
            disabled_at: client.disabled_at,
        }
    }
}

/// The organisation's systems, disabled ones too.
#[utoipa::path(
    get,
    path = "/v1/clients",
    operation_id = "listClients",
    tag = "clients",
    responses((status = 200, body = Vec<Shown>)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden"]))),
)]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Vec<Shown>>, Problem> {
    let org = organisation(&app, &caller)?;
    let clients = app.store.clients(org).await?;
    Ok(Json(clients.into_iter().map(Shown::from).collect()))
}

/// The system gets no token any more, and its tokens end at once.
#[utoipa::path(
    delete,
    path = "/v1/clients/{id}",
    operation_id = "disableClient",
    tag = "clients",
    params(("id" = String, Path, description = "Its `clientId`.")),
    responses((status = 204, description = "It is disabled, or was before.")),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden"]))),
)]
async fn disable(State(app): State<App>, caller: Caller, At(id): At<String>) -> Result<StatusCode, Problem> {
    let org = organisation(&app, &caller)?;
    app.store
        .client(&id)
        .await?
        .filter(|c| c.org == org)
        .ok_or_else(Problem::not_found)?;
    administered(&app, &caller, org, "client disabled", &id).await?;
    match app.store.disable_client(&id, app.clock.seconds()).await {
        Ok(()) | Err(StoreError::Moved { .. }) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}

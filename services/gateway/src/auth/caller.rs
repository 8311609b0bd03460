//! Who is asking: the extractor of every handler that is not for strangers.

use alloy::primitives::{Address, B256};
use axum::{extract::FromRequestParts, http::request::Parts};
use chartseal_record::account::{Account, Role};

use super::{
    bearer::{self, Kind},
    scopes::{Interaction, Scopes},
};
use crate::{
    app::App,
    peers::Peer,
    problem::{Code, Problem},
};

/// An authenticated caller. As an extractor it lets registered accounts in only; [`Visitor`] lets in everybody.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account it acts as; for a person who is not registered, the address that signed in.
    pub account: Address,
    /// None for an address that is not registered: it can only register.
    pub role: Option<Role>,
    /// The organisation served here whose gateway this is for the caller.
    pub org: Address,
    pub via: Via,
}

/// How it proved who it is.
#[derive(Debug, Clone)]
pub enum Via {
    /// A system, by SMART Backend Services.
    Client { client_id: String, scopes: Scopes },
    /// A person, by wallet. `address` signed in; it is the account's controller.
    Session { address: Address },
}

impl Caller {
    /// SMART scopes of a client; a person's wallet is not limited by scopes.
    pub fn may(&self, resource: &str, how: Interaction) -> Result<(), Problem> {
        match &self.via {
            Via::Client { scopes, .. } if !scopes.allow(resource, how) => Err(Problem::new(
                Code::Forbidden,
                format!(
                    "the token's scopes do not allow this with {resource}; ask the token endpoint for a wider scope"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The role, for what only accounts may do.
    pub fn registered(&self) -> Result<Role, Problem> {
        self.role.ok_or_else(|| {
            Problem::new(
                Code::NotRegistered,
                "register this address first (POST /v1/intents, kind register)",
            )
        })
    }

    /// What only a person may do: sign decisions.
    pub fn person(&self) -> Result<Address, Problem> {
        match self.via {
            Via::Session { address } => Ok(address),
            Via::Client { .. } => Err(Problem::new(
                Code::Forbidden,
                "decisions are signed by people: sign in with a wallet",
            )),
        }
    }

    /// The client's id, if it is one.
    pub fn client_id(&self) -> Option<&str> {
        match &self.via {
            Via::Client { client_id, .. } => Some(client_id),
            Via::Session { .. } => None,
        }
    }

    /// Whom an Idempotency-Key belongs to.
    pub fn name(&self) -> String {
        match &self.via {
            Via::Client { client_id, .. } => format!("client:{client_id}"),
            // An address can come to act for another account: what it did for the one is not answered for the other.
            Via::Session { address } => format!("wallet:{address}:{}", self.account),
        }
    }
}

/// A caller who may be registered nowhere: somebody about to register, a registrar, the next controller of an account.
/// Only sessions and intents take visitors; an intent shows itself to those who have a part in it.
#[derive(Debug, Clone)]
pub struct Visitor(pub Caller);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Visitor(caller) = Visitor::from_request_parts(parts, app).await?;
        caller.registered()?;
        Ok(caller)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match known(parts, app).await {
            Ok(caller) => {
                app.rates.caller(&caller)?;
                Ok(Self(caller))
            }
            // Whoever guesses tokens is a stranger, and is told so at a stranger's rate.
            Err(problem) if problem.code == Code::Unauthenticated => {
                if let Some(peer) = parts.extensions.get::<Peer>() {
                    app.rates.stranger(*peer)?;
                }
                Err(problem)
            }
            Err(problem) => Err(problem),
        }
    }
}

async fn known(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    match bearer::read(&parts.headers) {
        Some((Kind::Session, hash)) => session(app, hash).await,
        Some((Kind::Client, hash)) => client(app, hash).await,
        None => Err(unauthenticated()),
    }
}

/// The account an address acts for; none for an address that is registered nowhere. An address that was registered and
/// handed its account over has nothing left here: its name is still the account's, which is why it must not fall back to it.
pub fn acts_for(app: &App, address: Address) -> Result<Option<Account>, Problem> {
    // In this order: a registration that is indexed between the two looks is then no account that was handed over.
    let registered = app.index.account(address).is_some();
    let controlled = app.index.controlled_by(address);
    if controlled.is_none() && registered {
        return Err(Problem::new(
            Code::Unauthenticated,
            "this address handed its account over; sign in with the wallet that controls it now",
        ));
    }
    Ok(controlled)
}

async fn session(app: &App, hash: B256) -> Result<Caller, Problem> {
    let session = app
        .store
        .session(hash, app.clock.seconds())
        .await?
        .ok_or_else(unauthenticated)?;
    let address = session.account;
    let account = acts_for(app, address)?;
    Ok(Caller {
        account: account.as_ref().map_or(address, |a| a.id),
        role: account.as_ref().map(|a| a.role),
        org: org_of(app, account.as_ref()),
        via: Via::Session { address },
    })
}

async fn client(app: &App, hash: B256) -> Result<Caller, Problem> {
    let token = app
        .store
        .token(hash, app.clock.seconds())
        .await?
        .ok_or_else(unauthenticated)?;
    let scopes = Scopes::parse(&token.scopes).map_err(|_| unauthenticated())?;
    // The token endpoint asked the same; a token does not outlive its answer.
    let account = app.index.account(token.account);
    let account = account.filter(|a| a.is_active(app.clock.seconds()));
    Ok(Caller {
        account: token.account,
        role: Some(account.ok_or_else(unauthenticated)?.role),
        org: token.org,
        via: Via::Client {
            client_id: token.client_id,
            scopes,
        },
    })
}

/// The account's own organisation, or its custodian, if served here; else the first, which then pays.
fn org_of(app: &App, account: Option<&Account>) -> Address {
    let served = |who: Address| app.config.organisation(who).map(|o| o.account);
    account
        .and_then(|a| served(a.id).or_else(|| served(a.custodian)))
        .unwrap_or(app.config.organisations[0].account)
}

fn unauthenticated() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "the bearer token is missing, unknown or expired; sign in (POST /v1/sessions) or ask the token endpoint for another",
    )
}

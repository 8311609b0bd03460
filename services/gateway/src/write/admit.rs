//! Who may write what about whom.

use alloy::primitives::Address;
use chartseal_record::{Compartment, Scope, Target, account::Role, typed};
use chartseal_store::{Record, Standing};

use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::caller::Caller,
    custody::{
        epochs,
        live::{self, NotLive},
    },
    fhir::{json::Json, outcome::Outcome, reference::PatientRef, scope},
    index::Epoch,
    problem::{Code, Problem},
    read,
};

/// A write that may go on.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub patient: Address,
    pub scope: Scope,
    pub compartment: Compartment,
    /// The account the statement speaks for.
    pub author: Address,
    /// The organisation whose publisher anchors it.
    pub org: Address,
    /// What to seal to.
    pub epoch: Epoch,
    /// By which it was judged.
    pub standing: Standing,
}

/// Checks author, patient, grant and enrolment, in this order.
pub async fn admit(
    app: &App,
    caller: &Caller,
    resource: &Json,
    patient: Option<PatientRef>,
    chosen: Option<Scope>,
    replaces: Option<&Record>,
) -> Result<Admitted, Outcome> {
    let author = may_author(app, caller)?;
    let patient = patient_of(app, patient).await?;
    let by_content = match chosen {
        Some(chosen) => scope::chosen(resource, chosen)?,
        None => scope::of(resource, &app.config.scopes)?,
    };
    let scope = match replaces {
        None => by_content,
        Some(before) => same_place(before, patient, by_content)?,
    };
    let action = if replaces.is_some() {
        Action::Update
    } else {
        Action::Create
    };
    Ok(place(app, caller, author, patient, scope, action).await?)
}

/// The same for a version that was admitted before and comes back with its signature.
pub async fn admit_again(
    app: &App,
    caller: &Caller,
    patient: Address,
    scope: &Scope,
    version: u32,
) -> Result<Admitted, Problem> {
    let author = may_author(app, caller)?;
    let action = if version > 1 { Action::Update } else { Action::Create };
    place(app, caller, author, patient, scope.clone(), action).await
}

async fn place(
    app: &App,
    caller: &Caller,
    author: Address,
    patient: Address,
    scope: Scope,
    action: Action,
) -> Result<Admitted, Problem> {
    let standing = epochs::standing(app, patient, author, &scope).await?;
    let target = Target::Scope(scope.clone());
    if let Err(why) = live::permission_by(app, patient, author, &target, typed::WRITE, Some(&standing.refused)).await {
        let subject = Subject {
            scope: scope.to_string(),
            ..Subject::default()
        };
        let entry = audit::by(caller, patient, action, read::purpose(caller), subject);
        let keeper = audit::journal(app, patient, caller.org);
        return Err(audit::refused(app, keeper, entry, no_grant(why, &scope)).await);
    }
    let epoch = epochs::newest_by(app, patient, &scope, Some(&standing.refused)).await?;
    let compartment = Compartment::of(patient, &scope);
    Ok(Admitted {
        patient,
        scope,
        compartment,
        author,
        org: caller.org,
        epoch,
        standing,
    })
}

/// Whether an account holds a live WRITE grant.
pub async fn may_write(app: &App, account: Address, patient: Address, scope: &Scope) -> Result<bool, Problem> {
    let target = Target::Scope(scope.clone());
    match live::permission(app, patient, account, &target, typed::WRITE)
        .await
        .map_err(Problem::from)
    {
        Ok(_) => Ok(true),
        Err(problem) if problem.code == Code::NotLive => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// The author a caller writes as: itself, if it is registered and active.
pub fn may_author(app: &App, caller: &Caller) -> Result<Address, Problem> {
    let account = app.index.account(caller.account);
    match account.filter(|a| a.is_active(app.clock.seconds())) {
        Some(account) => Ok(account.id),
        None => Err(Problem::new(
            Code::UnregisteredAuthor,
            "the author of a record is a registered, active account of the Directory; this caller's is not",
        )),
    }
}

/// The patient a reference names. An unknown id and an account that is no patient's are refused in the same words;
/// a known id is 32 random bytes, so who sends one has it from somebody who may read it.
pub async fn patient_of(app: &App, reference: Option<PatientRef>) -> Result<Address, Problem> {
    let named = match reference {
        Some(PatientRef::Account(address)) => Some(address),
        Some(PatientRef::Resource(id)) => {
            let row = app.store.newest_version(id.0).await?;
            row.filter(|row| row.resource_type == "Patient").map(|row| row.patient)
        }
        None => None,
    };
    let patient = named
        .and_then(|who| app.index.account(who))
        .filter(|account| account.role == Role::Patient);
    patient.map(|account| account.id).ok_or_else(|| {
        Problem::new(
            Code::NotEnrolled,
            "the resource names no enrolled patient; refer to Patient/<id> of this server, or to the account by \
             identifier {\"system\": \"urn:chartseal:account\", \"value\": \"eip155:<chainId>:<address>\"}",
        )
    })
}

/// A version stays in its record's compartment.
fn same_place(before: &Record, patient: Address, by_content: Scope) -> Result<Scope, Problem> {
    if before.patient != patient {
        let text = "a version stays with its patient; create a new record for another one";
        return Err(Problem::new(Code::Invalid, text));
    }
    // Codes may change from version to version; what is newly marked restricted must not stay where it was.
    if by_content == Scope::sensitive() && before.scope != by_content {
        let text = "a version stays in its scope; create a new record for what is now restricted, and mark this one entered-in-error";
        return Err(Problem::new(Code::Invalid, text));
    }
    Ok(before.scope.clone())
}

fn no_grant(why: NotLive, scope: &Scope) -> Problem {
    let problem = Problem::from(why);
    if problem.code != Code::NotLive {
        return problem;
    }
    let text = format!("the patient has not granted this account WRITE in the scope '{scope}', or not any more");
    Problem::new(Code::NoWriteGrant, text)
}

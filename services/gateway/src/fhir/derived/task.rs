//! Task: a data request, and what became of it. Seen by who asked and by the patient.
//!
//! | the request, and the grant in its slot | status |
//! |---|---|
//! | open | accepted, "waiting for patient approval" |
//! | open, and its time is over | rejected |
//! | declined by the patient | rejected |
//! | withdrawn by who asked | cancelled |
//! | approved, and the grant is not confirmed yet | in-progress |
//! | approved, and the grant is live | completed, with output |
//! | approved, and an account is not active | on-hold |
//! | approved, and the grant was revoked, narrowed, or has expired since, or the chain refused it | failed |
//! | approved for writing only | rejected |
//!
//! A claim and what it cites are several grants: the Task says what became of the first of them that is not live, and the
//! others are read all the same.
//!
//! `requested` is what a Task arrives with: taking it in and accepting it is one step.

use chartseal_record::{B256, Slot, Target, state::IntentState, typed};
use chartseal_store::{AccessRequest, IntentFilter, RequestState};
use serde_json::{Value, json};

use super::{Derived, party, resource};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{
        live::{self, NotLive},
        single,
    },
    fhir::{
        candidates, date, find,
        json::Json,
        outcome::Outcome,
        reference::RecordId,
        search::Query,
        task::asked::{Data, HREX},
    },
    intent::{Decision, PreparedGrant},
    problem::Problem,
    v1::intents,
};

/// Requests that are looked through, newest first.
const PAGE: u32 = 200;

pub struct Task;

impl Derived for Task {
    const NAME: &'static str = "Task";

    async fn visible(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Json>, Outcome> {
        let Some(patients) = candidates::patients(app, query).await? else {
            return Ok(vec![]);
        };
        let me = Some(caller.account);
        let mut rows = Vec::new();
        for (to, by) in [(me, None), (None, me)] {
            rows.extend(
                app.store
                    .find_requests(to, by, None, None, PAGE)
                    .await
                    .map_err(Problem::from)?,
            );
        }
        let mut tasks = Vec::new();
        for row in rows {
            if (patients.is_empty() || patients.contains(&row.patient))
                && let Some(task) = shown(app, caller, &row).await?
            {
                tasks.push(resource(&task)?);
            }
        }
        Ok(tasks)
    }

    async fn one(app: &App, caller: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        let Some(row) = row(app, caller, id).await? else {
            return Ok(None);
        };
        shown(app, caller, &row).await?.map(|task| resource(&task)).transpose()
    }
}

/// The request behind a Task, if the caller has a part in it.
pub async fn row(app: &App, caller: &Caller, id: &str) -> Result<Option<AccessRequest>, Problem> {
    let Ok(RecordId(digest)) = id.parse() else {
        return Ok(None);
    };
    let row = app.store.request(digest).await?;
    Ok(row.filter(|row| [row.patient, row.grantee].contains(&caller.account)))
}

/// How far it has come.
enum Standing {
    Waiting,
    Rejected(&'static str),
    Cancelled,
    InProgress,
    OnHold,
    Failed(&'static str),
    Live,
}

/// The Task as it stands now; none for a request that was asked by wallet, or is not sent yet.
pub async fn shown(app: &App, caller: &Caller, row: &AccessRequest) -> Result<Option<Value>, Outcome> {
    if row.state == RequestState::Prepared {
        return Ok(None);
    }
    let Some(mut task) = intents::task_of(app, row)? else {
        return Ok(None);
    };
    let request = intents::open_request(app, row)?;
    let standing = standing(app, row, &request).await?;
    let (status, business, reason) = match &standing {
        Standing::Waiting => ("accepted", Some("waiting for patient approval"), None),
        Standing::Rejected(why) => ("rejected", None, Some(*why)),
        Standing::Cancelled => ("cancelled", None, Some("taken back by who asked")),
        Standing::InProgress => (
            "in-progress",
            Some("approved by the patient, waiting for the chain"),
            None,
        ),
        Standing::OnHold => ("on-hold", Some("an account is not active"), None),
        Standing::Failed(why) => ("failed", None, Some(*why)),
        Standing::Live => ("completed", None, None),
    };
    let changed = date::instant(row.decided_at.unwrap_or(row.created_at));
    for ours in ["contained", "output", "businessStatus", "statusReason"] {
        if let Some(members) = task.as_object_mut() {
            members.remove(ours);
        }
    }
    task["id"] = RecordId(row.digest).to_string().into();
    task["meta"] = json!({ "profile": task["meta"]["profile"], "lastUpdated": changed });
    if task["meta"]["profile"].is_null() {
        task["meta"] = json!({ "lastUpdated": changed });
    }
    task["status"] = status.into();
    task["authoredOn"] = date::instant(row.created_at).into();
    task["lastModified"] = changed.into();
    task["requester"] = party::of(app, row.grantee);
    task["owner"] = party::of(app, row.org);
    if let Some(text) = business {
        task["businessStatus"] = json!({ "text": text });
    }
    if let Some(text) = reason {
        task["statusReason"] = json!({ "text": text });
    }
    if matches!(standing, Standing::Live) {
        output(app, caller, row, &mut task).await?;
    }
    Ok(Some(task))
}

/// What was asked for and is there, as the caller may see it; or where records were granted alone, those. An empty result is
/// said as one.
async fn output(app: &App, caller: &Caller, row: &AccessRequest, task: &mut Value) -> Result<(), Outcome> {
    let alone = alone(app, row).await?;
    let mut places = match alone.is_empty() {
        false => alone,
        true => found(app, caller, row, task).await?,
    };
    if places.is_empty() {
        places.push("#nothing".into());
        task["contained"] = json!([{ "resourceType": "Bundle", "id": "nothing", "type": "searchset", "total": 0 }]);
    }
    let value = party::concept(HREX, "data-value");
    let outputs = places
        .iter()
        .map(|place| json!({ "type": value, "valueReference": { "reference": place } }));
    task["output"] = outputs.collect();
    Ok(())
}

async fn found(app: &App, caller: &Caller, row: &AccessRequest, task: &Value) -> Result<Vec<String>, Outcome> {
    let data = Data::of(task)?;
    let query = data.query(app, row.patient)?;
    let kind = data.kind.as_str();
    let found = find::matches(app, caller, data.kind, &query).await?;
    let places = found
        .iter()
        .map(|(row, _)| format!("{kind}/{}", RecordId(row.record_id)));
    Ok(places.collect())
}

/// The versions that were granted alone in the answer, the claim first.
async fn alone(app: &App, row: &AccessRequest) -> Result<Vec<String>, Problem> {
    let mut places = Vec::new();
    for (_, grant) in approval(app, row).await? {
        if let Some(slot) = grant.slot().filter(|_| grant.grant.record != B256::ZERO)
            && let Some(of) = single::record(app, slot).await?
        {
            let (kind, id) = (&of.resource_type, RecordId(of.record_id));
            places.push(format!("{kind}/{id}/_history/{}", of.version));
        }
    }
    Ok(places)
}

async fn standing(app: &App, row: &AccessRequest, request: &typed::Request) -> Result<Standing, Problem> {
    Ok(match row.state {
        RequestState::Prepared | RequestState::Open if app.clock.seconds() >= request.until => {
            Standing::Rejected("expired: the patient did not decide in time")
        }
        RequestState::Prepared | RequestState::Open => Standing::Waiting,
        RequestState::Declined => Standing::Rejected("declined by the patient"),
        RequestState::Withdrawn => Standing::Cancelled,
        RequestState::Approved => granted(app, row).await?,
    })
}

/// What became of the grants the patient approved it with: those very ones, since another in the same slot may have ended
/// before, or be live after it was revoked. The first that is not live speaks for all.
async fn granted(app: &App, row: &AccessRequest) -> Result<Standing, Problem> {
    let approval = approval(app, row).await?;
    if approval.is_empty() {
        return Ok(Standing::InProgress);
    }
    for (state, prepared) in approval {
        match one(app, row, state, &prepared.grant).await? {
            Standing::Live => {}
            other => return Ok(other),
        }
    }
    Ok(Standing::Live)
}

async fn one(app: &App, row: &AccessRequest, state: IntentState, grant: &typed::Grant) -> Result<Standing, Problem> {
    let Some(target) = Target::from_fields(&grant.scope, grant.record) else {
        return Ok(Standing::InProgress);
    };
    if matches!(state, IntentState::Failed | IntentState::Expired) {
        return Ok(Standing::Failed("the chain refused the grant"));
    }
    if grant.permission & typed::READ == 0 {
        return Ok(Standing::Rejected("the patient does not let the requester read"));
    }
    let slot = Slot::of(row.patient, row.grantee, &target);
    let refused = app.store.tombstone(slot).await?.map_or(0, |tombstone| tombstone.serial);
    if grant.serial <= refused.max(app.index.grant(slot).revoked) {
        return Ok(Standing::Failed("the patient revoked the grant"));
    }
    Ok(
        match live::permission(app, row.patient, row.grantee, &target, typed::READ).await {
            Ok(_) => Standing::Live,
            Err(NotLive::Expired) => Standing::Failed("the grant has expired"),
            Err(NotLive::OtherPermission) => Standing::Failed("the patient narrowed the grant"),
            Err(NotLive::Inactive) => Standing::OnHold,
            Err(failed @ (NotLive::StaleHead | NotLive::Failed(_))) => return Err(failed.into()),
            Err(_) => Standing::InProgress,
        },
    )
}

/// The grants a patient answered a request with, and how far they have come: one of a scope, or one for each of several
/// records, in the order they were signed in. They were laid out after the request was.
async fn approval(app: &App, row: &AccessRequest) -> Result<Vec<(IntentState, PreparedGrant)>, Problem> {
    let mut filter = IntentFilter {
        account: Some(row.patient),
        kind: Some("grant".into()),
        limit: PAGE,
        ..IntentFilter::default()
    };
    let mut approval = Vec::new();
    loop {
        let page = app.store.find_intents(&filter).await?;
        for intent in &page {
            if let Decision::Grant(prepared) = Decision::read(&intent.payload)?
                && prepared.request == Some(row.digest)
                && intent.state != IntentState::Prepared
            {
                let alone = prepared.grant.record != B256::ZERO;
                approval.push((intent.state, prepared));
                if !alone {
                    return Ok(approval);
                }
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize && last.created_at >= row.created_at => {
                filter.before = Some(last.seq);
            }
            _ => break,
        }
    }
    approval.reverse();
    Ok(approval)
}

//! What is at other organisations' gateways: records they anchored, release keys their patients' custodians keep.
//!
//! Records are learnt of from the chain: anchor → manifest → the compartments that open here, through the code that
//! rebuilds a database ([`crate::anchored`]). The bytes come from the IPFS network the organisations share. Every opening of
//! a compartment whose custodian is elsewhere asks that custodian for the release key, each time, so that its refusal counts
//! here from the moment it refuses. Of a record that is granted alone the custodian says which one it is (`alone`).

mod alone;
pub mod release;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use alloy::primitives::B256;
use chartseal_record::{
    Compartment, Scope, Slot,
    event::{Event, Logged},
    typed,
};
use tokio::time::{Instant, timeout};

use crate::{
    anchored::{self, Keys, Place, Tally},
    app::App,
    custody::live,
    problem::Problem,
};

/// How often batches are looked for again that could not be read, and custodians asked again that did not answer.
const AGAIN: Duration = Duration::from_secs(30);

/// How far this process has come. Nothing of it is kept: a new process looks at every anchor once more, which finds what
/// was missed and costs a manifest each.
#[derive(Default)]
struct Progress {
    /// The block up to which every anchor was looked at for a compartment.
    done: HashMap<Compartment, u64>,
    /// Anchors of which something was missing.
    again: HashMap<B256, Logged>,
    /// Whose custodian did not answer, or does not see the grant yet: it may follow the chain a block behind.
    away: HashSet<Compartment>,
    /// Slots of one record whose record is here.
    alone: HashSet<Slot>,
    /// Slots of one record whose custodian was asked since the last time all are asked.
    asked: HashSet<Slot>,
}

/// Takes in what other organisations anchored, as it becomes final and as grants come. Ends with the gateway.
pub async fn run(app: App) {
    let (mut progress, mut tried) = (Progress::default(), Instant::now());
    loop {
        let next = app.index.head().map_or(0, |head| head.number + 1);
        // A grant given off the chain's rhythm, a custodian that answers again: time alone is reason enough.
        let _ = timeout(AGAIN, app.index.reached(next)).await;
        let again = tried.elapsed() >= AGAIN;
        if again {
            tried = Instant::now();
        }
        if let Err(problem) = round(&app, &mut progress, again).await {
            tracing::warn!(
                code = problem.code.as_str(),
                "other organisations' records could not be looked for; trying again"
            );
        }
    }
}

async fn round(app: &App, progress: &mut Progress, again: bool) -> Result<(), Problem> {
    let Some(head) = app.index.head() else { return Ok(()) };
    let settled = head.settled(app.config.chain.confirmations);
    alone::take_in(app, progress, settled, again).await?;
    let open = open_here(app).await?;
    // Forgetting a compartment whose grant has ended lets the next grant look at everything again.
    progress.done.retain(|compartment, _| open.contains_key(compartment));
    // Asked again at every block, a custodian that refuses would write down a refusal for each.
    let mut away = match again {
        true => HashSet::new(),
        false => std::mem::take(&mut progress.away),
    };
    let begin = open
        .keys()
        .filter(|compartment| !away.contains(*compartment))
        .map(|compartment| progress.done.get(compartment).map_or(0, |done| done + 1));
    let begin = begin.min().filter(|begin| *begin <= settled);
    let nothing_missing = !again || progress.again.is_empty();
    if begin.is_none() && nothing_missing {
        progress.away = away;
        return Ok(());
    }
    let mut keys = Keys::default();
    for anchor in app.store.anchors_from(begin.unwrap_or(settled + 1)).await? {
        if anchor.block > settled {
            break;
        }
        let new = |place: &Place| {
            let done = progress.done.get(&place.compartment);
            open.contains_key(&place.compartment)
                && !away.contains(&place.compartment)
                && done.is_none_or(|done| *done < anchor.block)
        };
        let tally = foreign(app, &anchor, &mut keys, new).await?;
        remember(progress, &anchor, &tally);
        away.extend(tally.away);
    }
    for compartment in open.keys().filter(|compartment| !away.contains(*compartment)) {
        progress.done.insert(*compartment, settled);
    }
    progress.away = away;
    if again {
        for (name, anchor) in std::mem::take(&mut progress.again) {
            let tally = foreign(app, &anchor, &mut keys, |place| open.contains_key(&place.compartment)).await?;
            if tally.absent {
                progress.again.insert(name, anchor);
            }
        }
    }
    Ok(())
}

fn remember(progress: &mut Progress, anchor: &Logged, tally: &Tally) {
    if tally.absent {
        progress.again.insert(anchor.event.subject(), anchor.clone());
    }
    if tally.taken > 0 {
        tracing::info!(
            records = tally.taken,
            block = anchor.block,
            "records that others anchored are here now"
        );
    }
    for lost in &tally.lost {
        tracing::warn!(
            what = lost.what,
            why = lost.why,
            "something that others anchored is not taken in"
        );
    }
}

/// One anchor of somebody else's.
async fn foreign(
    app: &App,
    anchor: &Logged,
    keys: &mut Keys,
    wanted: impl Fn(&Place) -> bool,
) -> Result<Tally, Problem> {
    let mut tally = Tally::default();
    let ours = matches!(anchor.event, Event::Anchored { org, .. } if app.config.organisation(org).is_some());
    if !ours {
        anchored::take_in(app, anchor, keys, wanted, &mut tally).await?;
    }
    Ok(tally)
}

/// The compartments that open here: patients in custody of an organisation of this gateway, and live READ grants to one.
async fn open_here(app: &App) -> Result<HashMap<Compartment, Place>, Problem> {
    let mut open = HashMap::new();
    for (place, _) in app.index.compartments() {
        let custodian = app.index.account(place.patient).map(|account| account.custodian);
        if custodian.is_some_and(|custodian| app.config.organisation(custodian).is_some()) {
            open.insert(place.compartment, place);
        }
    }
    for org in &app.config.organisations {
        for (slot, state) in app.index.grants_to(org.account) {
            let Some(terms) = state.terms else { continue };
            let Ok(scope) = Scope::new(terms.scope) else { continue };
            if live::slot(app, slot, terms.patient, org.account, typed::READ)
                .await
                .is_err()
            {
                continue;
            }
            let compartment = Compartment::of(terms.patient, &scope);
            open.entry(compartment).or_insert(Place {
                patient: terms.patient,
                scope,
                compartment,
            });
        }
    }
    Ok(open)
}

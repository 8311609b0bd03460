//! From entries to versions that only lack the commit.

use std::{collections::HashMap, sync::Arc};

use alloy::primitives::B256;
use bytes::Bytes;
use chartseal_record::Scope;
use chartseal_store::{Condition, Record};
use futures::stream;
use uuid::Uuid;

use super::{
    entry::{self, Asked, Entry},
    names::Names,
    searched,
};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{
        binary_create,
        conditional::{self, Found},
        create,
        json::Json,
        kind::Kind,
        outcome::Outcome,
        reference::{PatientRef, RecordId},
        scope, update,
    },
    problem::{Code, Problem},
    staging,
    write::{self, Prepared, Upload},
};

/// Where an entry's resource is, or will be.
#[derive(Debug)]
pub enum Place {
    /// Bytes that wait for the record they hang on.
    Staged(Uuid),
    /// A record that was there: `ifNoneExist` found it.
    Existing(Kind, Box<Record>, Json),
    /// A record of this transaction.
    Record(Kind),
}

/// What an entry has become.
#[derive(Debug)]
pub struct Planned {
    place: Place,
    prepared: Option<Prepared>,
}

impl Planned {
    pub fn split(self) -> (Option<Prepared>, Place) {
        (self.prepared, self.place)
    }
}

/// An entry whose name is decided.
enum Named {
    Staged(Uuid),
    Existing(Box<Record>, Json),
    New(B256, Option<Condition>),
    Next(Box<Record>),
}

/// Admits every entry. If one is refused, nothing of the others is left.
pub async fn plan(app: &App, caller: &Caller, mut entries: Vec<Entry>) -> Result<Vec<Planned>, Outcome> {
    searched::resolve(app, caller, &mut entries).await?;
    let mut names = Names::default();
    let mut named: Vec<Named> = Vec::with_capacity(entries.len());
    let patients = patients(app, &entries);
    let documents = scope_of_documents(app, &entries);
    for entry in &entries {
        let it = name(app, caller, entry).await.map_err(|why| entry.refused(why))?;
        if let Some(full_url) = &entry.full_url
            && !names.give(full_url, name_of(&entry.asked, &it))
        {
            let path = format!("Bundle.entry[{}].fullUrl", entry.at);
            return Err(Outcome::new(Code::InvalidElement, format!("{path} stands twice in the Bundle")).at(path));
        }
        if let Named::New(_, Some(Condition { hash, .. })) = &it
            && named.iter().any(|other| other.is_under(*hash))
        {
            let path = format!("Bundle.entry[{}].request.ifNoneExist", entry.at);
            let text = "another entry of the Bundle is created under the same condition; refer to that one instead";
            return Err(Outcome::new(Code::InvalidElement, text).at(path));
        }
        named.push(it);
    }
    let mut planned: Vec<Planned> = Vec::with_capacity(entries.len());
    for (entry, it) in entries.into_iter().zip(&named) {
        let at = entry.at;
        let one = one(app, caller, entry, it, &names, &patients, documents.as_ref()).await;
        match one {
            Ok(one) => planned.push(one),
            Err(why) => {
                for one in planned.iter().filter_map(|one| one.prepared.as_ref()) {
                    one.give_up(app).await;
                }
                return Err(entry::refused(at, why));
            }
        }
    }
    Ok(planned)
}

impl Named {
    fn is_under(&self, condition: B256) -> bool {
        matches!(self, Self::New(_, Some(own)) if own.hash == condition)
    }
}

async fn name(app: &App, caller: &Caller, entry: &Entry) -> Result<Named, Outcome> {
    Ok(match &entry.asked {
        Asked::Binary => {
            let (content_type, bytes) = binary_create::content(&entry.resource)?;
            let bytes = stream::iter([Ok::<Bytes, std::convert::Infallible>(bytes)]);
            let limit = app.config.limits.document_bytes;
            Named::Staged(staging::put(app, caller, &content_type, limit, bytes).await?.id)
        }
        Asked::Create(_, None) => Named::New(write::fresh_id().map_err(Problem::from)?, None),
        Asked::Create(kind, Some(query)) => {
            match conditional::look(app, caller, *kind, query, &entry.resource).await? {
                Found::None(condition) => Named::New(write::fresh_id().map_err(Problem::from)?, Some(condition)),
                Found::One(row, json) => Named::Existing(row, json),
            }
        }
        Asked::Update(kind, id, expected) => {
            update::check_id(&entry.resource, id)?;
            let before = update::newest(app, *kind, id).await?.ok_or_else(Problem::not_found)?;
            update::visible(app, caller, &before).await?;
            if expected.is_some_and(|version| version != before.version) {
                return Err(update::stale());
            }
            Named::Next(Box::new(before))
        }
    })
}

fn name_of(asked: &Asked, it: &Named) -> String {
    let kind = match asked {
        Asked::Binary => "Binary",
        Asked::Create(kind, _) | Asked::Update(kind, ..) => kind.as_str(),
    };
    match it {
        Named::Staged(id) => format!("Binary/staged-{id}"),
        Named::Existing(row, _) | Named::Next(row) => format!("{kind}/{}", RecordId(row.record_id)),
        Named::New(id, _) => format!("{kind}/{}", RecordId(*id)),
    }
}

/// The accounts of the Patients in the Bundle: other entries may be about one that is not stored yet.
fn patients(app: &App, entries: &[Entry]) -> HashMap<String, PatientRef> {
    let patient = |entry: &Entry| match &entry.asked {
        Asked::Create(Kind::Patient, _) | Asked::Update(Kind::Patient, ..) => Some((
            entry.full_url.clone()?,
            create::patient(app, Kind::Patient, &entry.resource)?,
        )),
        _ => None,
    };
    entries.iter().filter_map(patient).collect()
}

/// A submission set belongs where its documents are: who may write those may say that it did.
fn scope_of_documents(app: &App, entries: &[Entry]) -> Option<Scope> {
    let document = entries
        .iter()
        .find(|entry| matches!(entry.asked, Asked::Create(Kind::DocumentReference, _)))?;
    scope::of(&document.resource, &app.config.scopes).ok()
}

async fn one(
    app: &App,
    caller: &Caller,
    entry: Entry,
    it: &Named,
    names: &Names,
    patients: &HashMap<String, PatientRef>,
    documents: Option<&Scope>,
) -> Result<Planned, Outcome> {
    let (kind, id, replaces, condition) = match (&entry.asked, it) {
        (_, Named::Staged(id)) => {
            return Ok(Planned {
                place: Place::Staged(*id),
                prepared: None,
            });
        }
        (Asked::Create(kind, _), Named::Existing(row, json)) => {
            return Ok(Planned {
                place: Place::Existing(*kind, row.clone(), json.clone()),
                prepared: None,
            });
        }
        (Asked::Create(kind, _) | Asked::Update(kind, ..), Named::New(id, condition)) => {
            (*kind, Some(*id), None, *condition)
        }
        (Asked::Create(kind, _) | Asked::Update(kind, ..), Named::Next(before) | Named::Existing(before, _)) => {
            (*kind, None, Some(Arc::new(Record::clone(before))), None)
        }
        (Asked::Binary, _) => return Err(Outcome::new(Code::Internal, "a Binary became a record")),
    };
    let subject = kind
        .subject()
        .and_then(|element| entry.resource.get(element)?.text("reference"));
    let patient = subject.and_then(|text| patients.get(text).copied());
    let patient = patient.or_else(|| create::patient(app, kind, &entry.resource));
    let mut resource = entry.resource;
    names.rewrite(&mut resource);
    let scope = match kind {
        Kind::List if scope::of(&resource, &app.config.scopes)? == Scope::clinical() => documents.cloned(),
        _ => None,
    };
    let upload = Upload {
        kind: kind.as_str(),
        resource,
        patient,
        id,
        replaces,
        scope,
    };
    let mut prepared = write::prepare(app, caller, upload).await?;
    prepared.condition = condition;
    Ok(Planned {
        place: Place::Record(kind),
        prepared: Some(prepared),
    })
}

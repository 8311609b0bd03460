//! One patient's records: sent, and read back.

use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_stack::{client::Gateway, client::text, samples::account_identifier, seed};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    hospital::{Hospital, Person},
    sample::{Document, Patient},
};

/// What of a patient the gateway keeps.
pub struct Loaded {
    pub person: Person,
    pub kept: Vec<Kept>,
}

/// A record: what was sent, and what it is called here.
pub struct Kept {
    pub id: String,
    pub sent: Value,
    pub documents: Vec<Vec<u8>>,
}

/// Requests of one hospital at work at a time.
const SIDE_BY_SIDE: usize = 8;

/// Sends the Patient resource, then notes, claims, the file they came in, and further documents. Only what must name the
/// patient is changed; all other references are sent as the source wrote them.
pub async fn load(hospital: &Hospital, sample: Patient, person: Person, documents: Vec<Document>) -> Loaded {
    let system = hospital.signed_in().await;
    let account = person.session.account.to_string();
    let mut patient = sample.patient;
    let identifier = account_identifier(hospital.contracts.chain_id, &account);
    patient["identifier"].as_array_mut().unwrap().push(identifier);
    let patient = created(&system, patient, vec![]).await;
    let subject = json!({ "reference": format!("Patient/{}", patient.id) });

    let notes = sample.notes.into_iter().map(|mut note| {
        note["subject"] = subject.clone();
        let data = |content: &Value| {
            STANDARD
                .decode(content["attachment"]["data"].as_str().unwrap())
                .unwrap()
        };
        let documents = note["content"].as_array().unwrap().iter().map(data).collect();
        (note, documents)
    });
    let claims = sample.claims.into_iter().map(|mut claim| {
        claim["patient"] = subject.clone();
        (claim, vec![])
    });
    let resources: Vec<(Value, Vec<Vec<u8>>)> = notes.chain(claims).collect();
    let mut kept = vec![patient];
    kept.extend(
        stream::iter(resources)
            .map(|(resource, documents)| created(&system, resource, documents))
            .buffered(SIDE_BY_SIDE)
            .collect::<Vec<_>>()
            .await,
    );
    for document in std::iter::once(sample.file).chain(documents) {
        kept.push(uploaded(&system, &subject, document).await);
    }
    Loaded { person, kept }
}

async fn created(system: &Gateway, sent: Value, documents: Vec<Vec<u8>>) -> Kept {
    let stored = seed::create(system, &sent).await.unwrap();
    Kept {
        id: text(&stored, "id").unwrap(),
        sent,
        documents,
    }
}

/// Bytes first, as a raw Binary; then the resource they hang on.
async fn uploaded(system: &Gateway, subject: &Value, document: Document) -> Kept {
    let headers = [("content-type", document.media), ("accept", "application/fhir+json")];
    let staged = system
        .send(
            reqwest::Method::POST,
            "/fhir/R4/Binary",
            &headers,
            document.bytes.clone(),
        )
        .await
        .unwrap()
        .expect(201)
        .unwrap();
    let resource = json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "type": { "coding": [{ "system": "http://loinc.org", "code": document.code }] },
        "subject": subject,
        "content": [{ "attachment": {
            "contentType": document.media,
            "title": document.title,
            "url": format!("Binary/{}", text(&staged, "id").unwrap()),
        } }],
    });
    created(system, resource, vec![document.bytes]).await
}

impl Loaded {
    /// Every record through FHIR, and every document's bytes.
    pub async fn comes_back(&self, hospital: &Hospital) {
        let system = &hospital.signed_in().await;
        let read = async |kept: &Kept| {
            let kind = kept.sent["resourceType"].as_str().unwrap();
            let found = system.get(&format!("/fhir/R4/{kind}/{}", kept.id)).await.unwrap();
            let found = found.expect(200).unwrap();
            for (attachment, bytes) in attachments(&found).zip(&kept.documents) {
                let url = attachment["url"].as_str().unwrap();
                let back = system.get_as(url, "*/*").await.unwrap().bytes(200).unwrap();
                assert!(back == *bytes, "{kind}/{}: a document came back changed", kept.id);
            }
            kept.is(&found);
        };
        let all = stream::iter(&self.kept).map(read);
        all.buffer_unordered(SIDE_BY_SIDE).collect::<()>().await;
    }
}

impl Kept {
    /// Whether a resource is the one that was sent, apart from what the server documents that it sets: `id`; in `meta`
    /// version, time and its own extensions; where an attachment's bytes are, their size and SHA-256.
    pub fn is(&self, found: &Value) {
        assert_eq!(found["id"], json!(self.id));
        assert_eq!(attachments(found).count(), self.documents.len());
        for (attachment, bytes) in attachments(found).zip(&self.documents) {
            assert_eq!(attachment["size"], json!(bytes.len()));
            let sum = hex::encode(Sha256::digest(bytes));
            let told = attachment["extension"].as_array().unwrap();
            assert!(
                told.iter().any(|extension| extension["valueString"] == sum),
                "no SHA-256"
            );
        }
        assert_eq!(
            without_the_servers(found),
            without_the_servers(&self.sent),
            "{}",
            self.id
        );
    }
}

fn attachments(resource: &Value) -> impl Iterator<Item = &Value> {
    let contents = resource["content"].as_array().into_iter().flatten();
    contents.map(|content| &content["attachment"])
}

fn without_the_servers(resource: &Value) -> Value {
    let mut resource = resource.clone();
    let members = resource.as_object_mut().unwrap();
    members.remove("id");
    if let Some(meta) = members.get_mut("meta").and_then(Value::as_object_mut) {
        for set in ["versionId", "lastUpdated", "extension"] {
            meta.remove(set);
        }
    }
    if members.get("meta") == Some(&json!({})) {
        members.remove("meta");
    }
    for content in resource["content"].as_array_mut().into_iter().flatten() {
        let attachment = content["attachment"].as_object_mut().unwrap();
        for set in ["data", "url", "size", "extension"] {
            attachment.remove(set);
        }
    }
    if resource["content"].is_null() {
        resource.as_object_mut().unwrap().remove("content");
    }
    resource
}

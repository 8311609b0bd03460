//! The sample patients with all their claims, stored over FHIR, and what each of them lets the insurer do.

use std::{collections::BTreeSet, fs, io::Read, path::PathBuf};

use alloy::providers::ext::AnvilApi;
use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    common::{
        People, Person, World,
        fhir::{READ, READ_AND_WRITE, WRITE, create, send},
        now, terms, wallet,
    },
    model::Stored,
};

/// The first sample patient's place in the mnemonic.
const FIRST: u32 = 20;
pub const NUMBERS: &str = "http://hospital.example/claims";

/// What a patient lets the insurer do in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Reads,
    ReadsAndWrites,
    Revoked,
    GrantedAgain,
    Expired,
    Renewed,
    OnlyWrites,
    NarrowedToWrite,
    OtherScope,
    Suspended,
    Nothing,
}

use Standing::*;

/// By patient, in the order of the files' names.
pub const STANDINGS: [Standing; 12] = [
    Reads,
    Revoked,
    GrantedAgain,
    Expired,
    OnlyWrites,
    ReadsAndWrites,
    OtherScope,
    Nothing,
    Reads,
    Renewed,
    NarrowedToWrite,
    Suspended,
];

impl Standing {
    pub fn is_entitled(self) -> bool {
        matches!(self, Reads | ReadsAndWrites | GrantedAgain | Renewed)
    }
}

pub struct Stage<'a> {
    pub people: People<'a>,
    pub patients: Vec<Person<'a>>,
    /// Their Patient resources.
    pub charts: Vec<String>,
    pub claims: Vec<Stored>,
    pub responses: Vec<Stored>,
    /// Claims that the insurer may read by a grant of them alone.
    pub insurers: BTreeSet<String>,
    /// And the doctor.
    pub doctors: BTreeSet<String>,
}

/// What becomes of the first claims of a patient that are granted alone.
const ALONE: [Alone; 4] = [Alone::Kept, Alone::Revoked, Alone::Expired, Alone::ToTheDoctor];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    Kept,
    Revoked,
    Expired,
    ToTheDoctor,
}

pub fn account(place: usize) -> String {
    let address = wallet(FIRST + place as u32).address();
    format!("eip155:31337:{address}")
}

/// Every Claim of the sample bundles, by patient, with a number: Synthea gives its claims ids and no identifiers. They are
/// all active claims, so here every fifth is cancelled and every seventh a preauthorization, for a search to tell apart.
pub fn samples() -> Vec<Vec<Value>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/synthea/bundles");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.to_string_lossy().ends_with(".json.gz"))
        .collect();
    files.sort();
    let mut number = 0;
    let mut of = |(place, path): (usize, &PathBuf)| {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(path).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let resources = bundle["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["resource"]);
        let claims = resources.filter(|resource| resource["resourceType"] == "Claim");
        let numbered = claims.map(|claim| {
            number += 1;
            let mut claim = claim.clone();
            claim["identifier"] = json!([{ "system": NUMBERS, "value": claim["id"] }]);
            claim["patient"] = json!({ "identifier": { "system": "urn:chartseal:account", "value": account(place) } });
            claim["insurer"] =
                json!({ "reference": if number % 3 == 0 { "Organization/other" } else { "Organization/ours" } });
            if number % 5 == 0 {
                claim["status"] = json!("cancelled");
            }
            if number % 7 == 0 {
                claim["use"] = json!("preauthorization");
            }
            claim
        });
        numbered.collect()
    };
    files.iter().enumerate().map(&mut of).collect()
}

impl<'a> Stage<'a> {
    pub async fn set(world: &'a World) -> Self {
        let people = world.people().await;
        people.insurer.decide("statementKey", json!({ "generate": true })).await;
        let mut stage = Self {
            people,
            patients: vec![],
            charts: vec![],
            claims: vec![],
            responses: vec![],
            insurers: BTreeSet::new(),
            doctors: BTreeSet::new(),
        };
        let samples = samples();
        assert_eq!(samples.len(), STANDINGS.len(), "one standing for each sample patient");
        for (place, claims) in samples.into_iter().enumerate() {
            stage.enrol(world, place).await;
            for claim in claims {
                let stored = stage.store(&stage.people.hospital, place, claim).await;
                stage.claims.push(stored);
            }
        }
        for (place, standing) in STANDINGS.into_iter().enumerate() {
            stage.before(place, standing).await;
            if matches!(standing, Revoked | OnlyWrites | Nothing | Suspended) {
                stage.alone(place, standing != Suspended).await;
            }
        }
        // An hour passes on the chain, which is what a grant ends by.
        world
            .provider
            .anvil_set_next_block_timestamp(now() + 3600)
            .await
            .unwrap();
        world.settle().await;
        for (place, standing) in STANDINGS.into_iter().enumerate() {
            stage.after(place, standing).await;
        }
        stage.answer().await;
        stage
    }

    async fn enrol(&mut self, world: &'a World, place: usize) {
        let patient = world.sign_in(FIRST + place as u32).await;
        let hospital = self.people.hospital.address();
        let params = json!({ "role": "patient", "custodian": hospital, "custodyMode": "gateway" });
        self.people.register(&patient, params).await;
        let scopes = ["demographics", "claims"];
        let grants = scopes.map(|scope| terms(hospital, scope, READ_AND_WRITE));
        patient
            .decide("enrol", json!({ "scopes": scopes, "grants": grants }))
            .await;
        let chart = json!({ "resourceType": "Patient", "identifier": [
            { "system": "urn:chartseal:account", "value": account(place) },
        ] });
        let chart = create(&self.people.hospital, "Patient", &chart).await.json();
        self.charts.push(format!("Patient/{}", chart["id"].as_str().unwrap()));
        self.patients.push(patient);
    }

    async fn store(&self, who: &Person<'_>, patient: usize, sent: Value) -> Stored {
        let kind = sent["resourceType"].as_str().unwrap();
        let answer = create(who, kind, &sent).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        Stored { id, patient, sent }
    }

    async fn grant(&self, place: usize, scope: &str, permission: u8, seconds: u64) {
        let mut terms = terms(self.people.insurer.address(), scope, permission);
        terms["until"] = json!(now() + seconds);
        terms["purpose"] = json!("HPAYMT");
        self.patients[place].decide("grant", terms).await;
    }

    /// Some of the claims, each granted alone, whatever else of them is granted or was.
    async fn alone(&mut self, place: usize, counts: bool) {
        let own = self.claims.iter().filter(|claim| claim.patient == place);
        let own: Vec<String> = own.map(|claim| claim.id.clone()).take(ALONE.len()).collect();
        for (id, what) in own.into_iter().zip(ALONE) {
            let (who, whose) = match what {
                Alone::ToTheDoctor => (self.people.doctor.address(), &mut self.doctors),
                _ => (self.people.insurer.address(), &mut self.insurers),
            };
            let seconds = if what == Alone::Expired { 1800 } else { 86_400 };
            if counts && matches!(what, Alone::Kept | Alone::ToTheDoctor) {
                whose.insert(id.clone());
            }
            let terms = json!({
                "claim": format!("0x{id}"), "grantee": who, "until": now() + seconds, "purpose": "HPAYMT",
            });
            let patient = &self.patients[place];
            let intent = patient.decide("grantClaim", terms).await;
            if what == Alone::Revoked {
                let record = &intent["sign"][0]["typedData"]["message"]["record"];
                patient
                    .decide("revoke", json!({ "grantee": who, "record": record }))
                    .await;
            }
        }
    }

    async fn revoke(&self, place: usize) {
        let params = json!({ "grantee": self.people.insurer.address(), "scope": "claims" });
        self.patients[place].decide("revoke", params).await;
    }

    async fn before(&self, place: usize, standing: Standing) {
        const LONG: u64 = 86_400;
        const SHORT: u64 = 1800;
        match standing {
            Reads | Revoked | GrantedAgain | NarrowedToWrite | Suspended => {
                self.grant(place, "claims", READ, LONG).await;
            }
            ReadsAndWrites => self.grant(place, "claims", READ_AND_WRITE, LONG).await,
            Expired | Renewed => self.grant(place, "claims", READ, SHORT).await,
            OnlyWrites => self.grant(place, "claims", WRITE, LONG).await,
            OtherScope => self.grant(place, "demographics", READ, LONG).await,
            Nothing => {}
        }
        if matches!(standing, Revoked | GrantedAgain) {
            self.revoke(place).await;
        }
    }

    async fn after(&self, place: usize, standing: Standing) {
        match standing {
            GrantedAgain | Renewed => self.grant(place, "claims", READ, 86_400).await,
            NarrowedToWrite => self.grant(place, "claims", WRITE, 86_400).await,
            Suspended => {
                let who = json!({ "who": self.patients[place].address() });
                self.people.admin.decide("suspend", who).await;
            }
            _ => {}
        }
    }

    /// The insurer answers every claim of who lets it write and read, and of who lets it write alone.
    async fn answer(&mut self) {
        let writes = |claim: &&Stored| matches!(STANDINGS[claim.patient], ReadsAndWrites | OnlyWrites);
        let outcomes = ["complete", "queued", "error", "partial"];
        let answered: Vec<(String, usize, Value)> = self.claims.iter().filter(writes).enumerate().map(|(n, claim)| {
            let sent = json!({
                "resourceType": "ClaimResponse", "status": "active", "use": claim.sent["use"], "type": claim.sent["type"],
                "patient": claim.sent["patient"], "created": claim.sent["created"], "insurer": claim.sent["insurer"],
                "request": { "reference": format!("Claim/{}", claim.id) }, "outcome": outcomes[n % 4],
                "identifier": [{ "system": "http://insurer.example/decisions", "value": format!("D-{n}") }],
            });
            (claim.id.clone(), claim.patient, sent)
        }).collect();
        for (_, patient, sent) in answered {
            let headers = [
                ("content-type", "application/fhir+json"),
                ("prefer", "return=representation"),
            ];
            let answer = send(
                &self.people.insurer,
                Method::POST,
                "/ClaimResponse",
                &headers,
                sent.to_string(),
            )
            .await;
            assert_eq!(answer.status, 201, "{}", answer.json());
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            self.responses.push(Stored { id, patient, sent });
        }
    }
}

//! Who takes part in a run.

use alloy::primitives::Address;
use anyhow::{Context, Result};
use chartseal_stack::{
    client::{Gateway, text},
    enrol::{self, EnrolledPatient},
    samples, seed,
    session::Session,
    wallet::Wallet,
};

use crate::{
    ground::Ground,
    model::Patient,
    step::{Grantee, PATIENTS, Reader},
};

pub struct People {
    /// The hospital's and the insurer's systems.
    pub hospital: Gateway,
    insurer_system: Gateway,
    doctor: Session,
    insurer: Session,
    stranger: Session,
    pub patients: Vec<Patient>,
}

/// Patients for so many runs, enrolled side by side.
pub async fn enrolled(ground: &Ground, runs: usize) -> Result<Vec<EnrolledPatient>> {
    let mut all = Vec::new();
    enrol::enrol(&ground.json, runs * PATIENTS, Vec::new(), |patient| {
        all.push(patient);
        Ok(())
    })
    .await?;
    Ok(all)
}

impl People {
    /// Signs everybody in and uploads the patients' own resources.
    pub async fn gather(ground: &Ground, enrolled: &[EnrolledPatient]) -> Result<Self> {
        let gateway = Gateway::new(&ground.json.gateway)?;
        let machine = async |name| ground.json.client(name)?.machine().token(&gateway).await;
        let person = async |name: &str| {
            let accounts = &ground.json.samples.accounts;
            let account = accounts.iter().find(|account| account.name == name);
            let key = account.context("a sample account")?.private_key.to_string();
            Session::sign_in(&gateway, &Wallet::from_private_key(name, &key)?).await
        };
        let hospital = machine("hospital").await?;
        let mut patients = Vec::new();
        for patient in enrolled {
            let wallet = Wallet::from_private_key("patient", &patient.private_key.to_string())?;
            let session = Session::sign_in(&gateway, &wallet).await?;
            let resource = samples::martina(ground.json.chain_id, &session.account.to_string());
            let fhir = text(&seed::create(&hospital, &resource).await?, "id")?;
            patients.push(Patient::new(session, fhir));
        }
        Ok(Self {
            hospital,
            insurer_system: machine("insurer").await?,
            doctor: person("doctor").await?,
            insurer: person("insurer").await?,
            stranger: person("bob").await?,
            patients,
        })
    }

    /// Whose session or system reads the records of a patient.
    pub fn reader(&self, patient: usize, reader: Reader) -> &Gateway {
        match reader {
            Reader::Owner => &self.patients[patient].session.gateway,
            Reader::Hospital => &self.hospital,
            Reader::Grantee(Grantee::Doctor) => &self.doctor.gateway,
            Reader::Grantee(Grantee::Insurer) => &self.insurer_system,
            Reader::Stranger => &self.stranger.gateway,
        }
    }

    pub fn grantee(&self, grantee: Grantee) -> &Session {
        match grantee {
            Grantee::Doctor => &self.doctor,
            Grantee::Insurer => &self.insurer,
        }
    }

    pub fn account(&self, grantee: Grantee) -> Address {
        self.grantee(grantee).account
    }
}

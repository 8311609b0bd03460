//! `chartseal enrol`: as many patients as a test needs, each with a wallet of their own.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use alloy::primitives::{Address, B256};

use crate::client::{Gateway, text};
use crate::decide::{self, READ, Role, WRITE};
use crate::seed::HOSPITAL_SCOPES;
use crate::session::Session;
use crate::stack_json::StackJson;
use crate::wallet::Wallet;

/// A scope and what the sample hospital may do in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeGrant {
    pub scope: String,
    pub permission: u8,
}

impl std::str::FromStr for ScopeGrant {
    type Err = String;

    /// `clinical:rw`, `claims:w`, `imaging:r`.
    fn from_str(given: &str) -> Result<Self, String> {
        let (scope, letters) = given
            .split_once(':')
            .ok_or_else(|| format!("'{given}': expected scope:permission"))?;
        let permission = match letters {
            "r" => READ,
            "w" => WRITE,
            "rw" => READ | WRITE,
            other => return Err(format!("'{other}': a permission is r, w or rw")),
        };
        Ok(Self {
            scope: scope.to_owned(),
            permission,
        })
    }
}

/// One new patient, as a line of JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolledPatient {
    pub address: Address,
    pub private_key: B256,
    pub custodian: Address,
}

/// How many wallets sign in, register and enrol side by side.
const SIDE_BY_SIDE: usize = 16;

/// Registers and enrols `count` patients at the running system; `told` gets each as it is confirmed.
pub async fn enrol(
    stack: &StackJson,
    count: usize,
    grants: Vec<ScopeGrant>,
    mut told: impl FnMut(EnrolledPatient) -> Result<()>,
) -> Result<()> {
    let gateway = Gateway::new(&stack.gateway)?;
    let account = |name: &str| {
        let accounts = &stack.samples.accounts;
        accounts
            .iter()
            .find(|account| account.name == name)
            .with_context(|| format!("stack.json names no {name}"))
    };
    let admin = account("admin")?;
    let admin = Wallet::from_private_key("admin", &admin.private_key.to_string())?;
    let admin = Session::sign_in(&gateway, &admin).await?;
    let hospital = account("hospital")?.address;
    let grants = if grants.is_empty() {
        let both = |scope: &&str| ScopeGrant {
            scope: (*scope).to_owned(),
            permission: READ | WRITE,
        };
        HOSPITAL_SCOPES.iter().map(both).collect()
    } else {
        grants
    };
    let mut running = tokio::task::JoinSet::new();
    let (mut begun, mut done) = (0, 0);
    while done < count {
        while begun < count && running.len() < SIDE_BY_SIDE {
            begun += 1;
            running.spawn(one(gateway.clone(), admin.clone(), hospital, grants.clone(), begun));
        }
        let Some(finished) = running.join_next().await else {
            bail!("{done} of {count} patients were enrolled and nothing is left to wait for")
        };
        told(finished??)?;
        done += 1;
    }
    Ok(())
}

async fn one(
    gateway: Gateway,
    admin: Session,
    hospital: Address,
    grants: Vec<ScopeGrant>,
    number: usize,
) -> Result<EnrolledPatient> {
    let wallet = Wallet::random(&format!("patient {number}"));
    let patient = Session::sign_in(&gateway, &wallet).await?;
    decide::register(
        &admin,
        &patient,
        decide::registration(Role::Patient { custodian: hospital }, None)?,
    )
    .await?;
    let entries: Vec<_> = grants
        .iter()
        .map(|grant| decide::grant_entry(hospital, &grant.scope, grant.permission, "TREAT"))
        .collect();
    let intent = patient
        .propose(
            "enrol",
            serde_json::json!({ "scopes": decide::SCOPES, "grants": entries }),
        )
        .await?;
    patient.confirmed(&text(&intent, "id")?).await?;
    Ok(EnrolledPatient {
        address: wallet.address(),
        private_key: wallet.private_key(),
        custodian: hospital,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_written_scope_colon_permission() {
        assert_eq!(
            "claims:w".parse(),
            Ok(ScopeGrant {
                scope: "claims".into(),
                permission: WRITE
            })
        );
        assert_eq!(
            "x:rw".parse(),
            Ok(ScopeGrant {
                scope: "x".into(),
                permission: READ | WRITE
            })
        );
        assert!("claims".parse::<ScopeGrant>().is_err() && "claims:x".parse::<ScopeGrant>().is_err());
    }
}

//! The hospital whose archive is loaded.

use chartseal_record::Contracts;
use chartseal_stack::{
    client::Gateway,
    decide::{self, Enrolled, READ, Role, WRITE},
    machine::Machine,
    seed::HOSPITAL_SCOPES,
    session::Session,
    wallet::Wallet,
};
use futures::{StreamExt, stream};

pub struct Hospital {
    pub gateway: Gateway,
    pub contracts: Contracts,
    pub admin: Session,
    pub session: Session,
    /// Its SMART client.
    pub system: Machine,
    pub rpc: String,
    /// Where the sealed bytes are, as `chartseal-reader` is told.
    pub content: String,
}

/// A patient who signs for themselves and keeps the root backup.
pub struct Person {
    pub session: Session,
    pub enrolled: Enrolled,
}

impl Hospital {
    /// So many new patients, who granted the hospital all it needs.
    pub async fn enrol(&self, count: usize) -> Vec<Person> {
        let one = async |number: usize| {
            let wallet = Wallet::random(&format!("patient {number}"));
            let session = Session::sign_in(&self.gateway, &wallet).await.unwrap();
            let role = Role::Patient {
                custodian: self.session.account,
            };
            decide::register(&self.admin, &session, decide::registration(role, None).unwrap())
                .await
                .unwrap();
            let enrolled = decide::enrol(&session, self.session.account, &HOSPITAL_SCOPES, READ | WRITE)
                .await
                .unwrap();
            Person { session, enrolled }
        };
        stream::iter(0..count).map(one).buffered(8).collect().await
    }

    /// Asked anew for each patient: a token lives five minutes.
    pub async fn signed_in(&self) -> Gateway {
        self.system.token(&self.gateway).await.unwrap()
    }
}

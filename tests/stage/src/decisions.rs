//! The decisions that put people on the stage.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolStruct,
};
use chartseal_chain::{Mined, calls};
use chartseal_record::typed;

use crate::{Chain, FAR, sign};

impl Chain {
    /// A registration of `who`: role 1 is a patient, in custody mode gateway if there is a custodian.
    pub fn registration(&self, who: Address, role: u8, custodian: Option<Address>) -> typed::Register {
        let professional = role != 1;
        typed::Register {
            who,
            role,
            suite: typed::SUITE_X25519,
            encryptionKey: Bytes::from(keccak256(who).to_vec()),
            custodian: custodian.unwrap_or_default(),
            custody: if custodian.is_some() { 2 } else { 0 },
            credential: if professional { keccak256("papers") } else { B256::ZERO },
            credentialExpiry: if professional { FAR } else { 0 },
            endpoint: if role >= 3 {
                "https://records.example".into()
            } else {
                String::new()
            },
            deadline: FAR,
        }
    }

    /// `register`, signed by `who` and countersigned by the registrar.
    pub fn registration_call(&self, who: &PrivateKeySigner, register: &typed::Register) -> Bytes {
        let domain = self.contracts.directory_domain();
        let countersign = typed::Countersign {
            registration: register.eip712_hash_struct(),
            registrar: self.admin.address(),
        };
        calls::register(
            register,
            sign(who, register, &domain),
            &countersign,
            sign(&self.admin, &countersign, &domain),
        )
    }

    /// Registers `who`.
    pub async fn register(&self, who: &PrivateKeySigner, role: u8, custodian: Option<Address>) -> Mined {
        let register = self.registration(who.address(), role, custodian);
        self.send(self.contracts.directory, self.registration_call(who, &register))
            .await
    }

    /// Lists `statement` as a statement key of `org`, from the next block on.
    pub async fn statement_key(&self, org: &PrivateKeySigner, statement: Address) -> Mined {
        let signed = typed::StatementKey {
            who: org.address(),
            key: statement,
            from: 0,
            until: u64::MAX,
            nonce: self.nonce(org.address()).await,
            deadline: FAR,
        };
        let signature = sign(org, &signed, &self.contracts.directory_domain());
        self.send(self.contracts.directory, calls::set_statement_key(&signed, signature))
            .await
    }

    /// Lists `publisher` for `org`.
    pub async fn publisher(&self, org: &PrivateKeySigner, publisher: &PrivateKeySigner) -> Mined {
        let domain = self.contracts.directory_domain();
        let signed = typed::Publisher {
            org: org.address(),
            publisher: publisher.address(),
            listed: true,
            nonce: self.nonce(org.address()).await,
            deadline: FAR,
        };
        let accept = typed::PublisherAccept {
            org: org.address(),
            publisher: publisher.address(),
        };
        let call = calls::set_publisher(&signed, sign(org, &signed, &domain), sign(publisher, &accept, &domain));
        self.send(self.contracts.directory, call).await
    }

    /// Gives the account of `who`, which controls it, to `next`.
    pub async fn hand_over(&self, who: &PrivateKeySigner, next: &PrivateKeySigner) -> Mined {
        let domain = self.contracts.directory_domain();
        let signed = typed::HandOver {
            who: who.address(),
            controller: next.address(),
            nonce: self.nonce(who.address()).await,
            deadline: FAR,
        };
        let call = calls::hand_over(&signed, sign(who, &signed, &domain), sign(next, &signed, &domain));
        self.send(self.contracts.directory, call).await
    }

    /// The Directory's next nonce of `who`.
    pub async fn nonce(&self, who: Address) -> U256 {
        U256::from(self.client.nonce_of(who).await.unwrap())
    }
}

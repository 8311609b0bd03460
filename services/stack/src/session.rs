//! A person's session: signed in with the wallet (EIP-4361), deciding by signing what the gateway lays out.

use std::time::Duration;

use alloy::primitives::Address;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::client::{Gateway, incomplete, text};
use crate::wallet::Wallet;

/// A wallet signed in at a gateway.
#[derive(Clone, Debug)]
pub struct Session {
    pub wallet: Wallet,
    pub gateway: Gateway,
    /// The account this session speaks for: the wallet's own address unless the account was handed over.
    pub account: Address,
}

/// What a decision cost, once it is final.
#[derive(Clone, Debug)]
pub struct Confirmed {
    pub id: String,
    pub transaction: Option<String>,
    pub block: Option<u64>,
    pub gas: Option<u64>,
    /// The gateway's whole answer: some decisions carry more (a revocation its receipt, an enrolment its backup).
    pub body: Value,
}

/// The text a wallet shows on signing in.
pub fn sign_in_message(gateway: &Gateway, address: Address, chain_id: u64, nonce: &str, issued: &str) -> String {
    format!(
        "{domain} wants you to sign in with your Ethereum account:\n{address}\n\nSign in to Chartseal.\n\n\
         URI: {uri}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued}",
        domain = gateway.authority(),
        address = address.to_checksum(None),
        uri = gateway.base(),
    )
}

impl Session {
    pub async fn sign_in(gateway: &Gateway, wallet: &Wallet) -> Result<Self> {
        let deployment = gateway.get("/v1/deployment").await?.expect(200)?;
        let chain_id = deployment["chainId"]
            .as_u64()
            .ok_or_else(|| incomplete("GET /v1/deployment", "chainId"))?;
        let nonce = text(&gateway.get("/v1/sessions/nonce").await?.expect(200)?, "nonce")?;
        let issued = time::OffsetDateTime::now_utc()
            .replace_nanosecond(0)?
            .format(&Rfc3339)?;
        let message = sign_in_message(gateway, wallet.address(), chain_id, &nonce, &issued);
        let body = json!({ "message": message, "signature": wallet.sign_text(&message)? });
        let answer = gateway
            .post("/v1/sessions", &body)
            .await?
            .expect(201)
            .with_context(|| format!("{} signs in", wallet.name))?;
        Ok(Self {
            wallet: wallet.clone(),
            gateway: gateway.with_token(&text(&answer, "token")?),
            account: text(&answer, "account")?
                .parse()
                .context("the session's account is not an address")?,
        })
    }

    /// Lays an intent out: nothing is signed yet.
    pub async fn lay_out(&self, kind: &str, parameters: Value) -> Result<Value> {
        let mut body = json!({ "kind": kind });
        if let (Some(into), Some(from)) = (body.as_object_mut(), parameters.as_object()) {
            into.extend(from.clone());
        }
        let laid_out = self.gateway.post("/v1/intents", &body).await?.expect(201);
        laid_out.with_context(|| format!("{} lays out {kind}", self.wallet.name))
    }

    /// Lays an intent out and signs whatever of it is ours to sign.
    pub async fn propose(&self, kind: &str, parameters: Value) -> Result<Value> {
        let intent = self.lay_out(kind, parameters).await?;
        self.sign(intent).await
    }

    /// Signs every entry of `sign` that names our wallet, one after the other, and returns the intent as it then is.
    pub async fn sign(&self, mut intent: Value) -> Result<Value> {
        let id = text(&intent, "id")?;
        let ours: Vec<Value> = entries(&intent)
            .filter(|entry| signer(entry) == Some(self.wallet.address()))
            .cloned()
            .collect();
        for entry in ours {
            let body = json!({
                "as": text(&entry, "as")?,
                "signature": self.wallet.sign_typed(&entry["typedData"])?,
            });
            intent = self
                .gateway
                .put(&format!("/v1/intents/{id}/signatures"), &body)
                .await?
                .expect(200)
                .with_context(|| format!("{} signs {} as {}", self.wallet.name, intent["kind"], body["as"]))?;
        }
        Ok(intent)
    }

    /// Lays out, signs and waits until the chain has it for good.
    pub async fn decide(&self, kind: &str, parameters: Value) -> Result<Confirmed> {
        let intent = self.propose(kind, parameters).await?;
        self.confirmed(&text(&intent, "id")?)
            .await
            .with_context(|| format!("{} decides {kind}", self.wallet.name))
    }

    /// Waits until an intent is confirmed; an intent that fails or expires is an error with the gateway's reason.
    pub async fn confirmed(&self, id: &str) -> Result<Confirmed> {
        // A confirmation needs a mined block and k more: with one-second blocks about four seconds, so two minutes
        // mean that something is stuck.
        for _ in 0..600 {
            let intent = self.gateway.get(&format!("/v1/intents/{id}")).await?.expect(200)?;
            match intent["state"].as_str() {
                Some("confirmed") => {
                    return Ok(Confirmed {
                        id: id.to_owned(),
                        transaction: intent["transaction"].as_str().map(str::to_owned),
                        block: intent["block"].as_u64(),
                        gas: intent["gasUsed"].as_u64(),
                        body: intent,
                    });
                }
                Some(state @ ("failed" | "expired")) => {
                    bail!("intent {id} is {state}: {}", intent["error"])
                }
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        bail!("intent {id} was not confirmed within two minutes; look at the submitter's log")
    }

    /// A registrar countersigns a registration that waits for it.
    pub async fn countersign(&self, id: &str) -> Result<Value> {
        let intent = self.gateway.get(&format!("/v1/intents/{id}")).await?.expect(200)?;
        self.sign(intent).await
    }
}

/// The entries of an intent that ask for a signature.
pub fn entries(intent: &Value) -> impl Iterator<Item = &Value> {
    intent["sign"].as_array().into_iter().flatten()
}

fn signer(entry: &Value) -> Option<Address> {
    entry["signer"].as_str()?.parse().ok()
}

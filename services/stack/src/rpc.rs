//! JSON-RPC as any node answers it: the story looks at the chain with its own eyes, not through the gateway's.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolEvent;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    http: reqwest::Client,
    url: String,
}

/// A log as `eth_getLogs` gives it, decoded.
#[derive(Debug, Clone)]
pub struct Seen<E> {
    pub event: E,
    pub transaction: B256,
    pub block: u64,
}

impl Node {
    pub fn new(url: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: url.to_owned(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = self.http.post(&self.url).json(&body).send().await;
        let answer: Value = answer
            .with_context(|| format!("{method}: the node does not answer"))?
            .json()
            .await?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].clone())
    }

    pub async fn head(&self) -> Result<u64> {
        quantity(&self.call("eth_blockNumber", json!([])).await?)
    }

    /// Gas of a mined transaction.
    pub async fn gas_used(&self, transaction: B256) -> Result<u64> {
        let receipt = self.call("eth_getTransactionReceipt", json!([transaction])).await?;
        quantity(&receipt["gasUsed"]).with_context(|| format!("transaction {transaction} has no receipt"))
    }

    /// Every log of one event of one contract, in chain order.
    pub async fn logs<E: SolEvent>(&self, contract: Address) -> Result<Vec<Seen<E>>> {
        let filter = json!([{
            "fromBlock": "0x0",
            "toBlock": "latest",
            "address": contract,
            "topics": [E::SIGNATURE_HASH],
        }]);
        let logs = self.call("eth_getLogs", filter).await?;
        let mut seen = Vec::new();
        for log in logs.as_array().into_iter().flatten() {
            let topics: Vec<B256> = serde_json::from_value(log["topics"].clone())?;
            let data: Bytes = serde_json::from_value(log["data"].clone())?;
            seen.push(Seen {
                event: E::decode_raw_log(topics, &data).with_context(|| format!("a log is not {}", E::SIGNATURE))?,
                transaction: serde_json::from_value(log["transactionHash"].clone())?,
                block: quantity(&log["blockNumber"])?,
            });
        }
        Ok(seen)
    }

    /// Everything anyone ever sent to this chain: the input of every transaction, topics and data of every log.
    pub async fn everything(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for number in 0..=self.head().await? {
            let block = self
                .call("eth_getBlockByNumber", json!([format!("{number:#x}"), true]))
                .await?;
            for transaction in block["transactions"].as_array().into_iter().flatten() {
                let input: Bytes = serde_json::from_value(transaction["input"].clone())?;
                bytes.extend_from_slice(&input);
            }
        }
        let logs = self
            .call("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }]))
            .await?;
        for log in logs.as_array().into_iter().flatten() {
            let topics: Vec<B256> = serde_json::from_value(log["topics"].clone())?;
            let data: Bytes = serde_json::from_value(log["data"].clone())?;
            bytes.extend(topics.iter().flatten());
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}

fn quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().context("expected a hexadecimal quantity")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

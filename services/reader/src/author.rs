//! Whether a statement was signed by who it says.

use alloy::eips::BlockId;
use chartseal_chain::{Client, bindings::Directory};
use chartseal_record::{Address, Contracts, statement::Statement, typed};

use crate::failure::Failure;

/// The address whose key signed the statement under this deployment.
pub fn signer(statement: &Statement, signature: &[u8], contracts: &Contracts) -> Result<Address, Failure> {
    Ok(typed::recover(statement.digest(contracts), signature)?)
}

/// Checks that `signer` was the author's controller, or a statement key listed for the author, at `block`.
pub async fn check(client: &Client, statement: &Statement, signer: Address, block: u64) -> Result<(), Failure> {
    let author = statement.author;
    if client.is_statement_key(author, signer, block).await? || controller(client, author, block).await? == signer {
        return Ok(());
    }
    Err(Failure::Author(format!(
        "{signer} signed for {author}, but was neither its controller nor one of its statement keys at block {block}"
    )))
}

/// The controller at `block`; now, if the node keeps no state of that block.
pub async fn controller(client: &Client, who: Address, block: u64) -> Result<Address, Failure> {
    let directory = client.contracts().directory;
    let then = client
        .view_at(directory, Directory::authorityCall { who }, BlockId::number(block))
        .await;
    match then {
        Ok(authority) => Ok(authority.controller),
        Err(chartseal_chain::Error::Refused { .. } | chartseal_chain::Error::Unreadable { .. }) => {
            Ok(client.authority(who).await?.controller)
        }
        Err(error) => Err(error.into()),
    }
}

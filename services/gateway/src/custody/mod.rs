//! What a custodian does for its patients: opens epochs, prepares wraps, releases keys, refuses after a revocation.

pub mod advance;
pub mod epochs;
pub mod leave;
pub mod live;
pub mod mend;
pub mod open;
pub mod revoke;
pub mod root;
pub mod single;
pub mod take_over;
pub mod wraps;

use alloy::primitives::Address;
use chartseal_record::account::{Account, Custody, Role};

use crate::{
    app::App,
    problem::{Code, Problem},
};

/// A patient whose custodian is served here.
#[derive(Debug, Clone)]
pub struct Patient {
    pub account: Account,
    pub custodian: Address,
}

impl Patient {
    /// The registered patient with this id.
    pub fn of(app: &App, who: Address) -> Result<Self, Problem> {
        let account = app.index.account(who).filter(|a| a.role == Role::Patient);
        let account =
            account.ok_or_else(|| Problem::new(Code::NotEnrolled, "no patient is registered under this address"))?;
        let custodian = account.custodian;
        if app.config.organisation(custodian).is_none() {
            return Err(Problem::new(
                Code::NotEnrolled,
                "the patient's custodian is another organisation; ask its gateway",
            ));
        }
        Ok(Self { account, custodian })
    }

    pub fn id(&self) -> Address {
        self.account.id
    }

    /// Whether the custodian holds the root.
    pub fn in_gateway_custody(&self) -> bool {
        self.account.custody == Custody::Gateway
    }
}

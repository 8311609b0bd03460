//! Follows the chain into the database and into memory.
//!
//! The database row of a block is committed before memory knows of it, so a gateway that dies here comes back with the
//! same blocks. Nothing in here decides: what a grant opens is decided in `custody::live`.

mod follow;
mod state;

use std::sync::{PoisonError, RwLock};

use alloy::primitives::Address;
use chartseal_chain::Head;
use chartseal_record::{
    Compartment, Scope, Slot,
    account::{Account, Custody, Role},
    grant::GrantState,
};
use chartseal_store::Store;
use tokio::sync::watch;

pub use self::{
    follow::follow,
    state::{Epoch, Opened},
};
use crate::{anchored::Place, problem::Failure};

/// What the chain says, up to the newest block followed.
pub struct Index {
    state: RwLock<state::State>,
    moved: watch::Sender<u64>,
}

impl Index {
    /// Folds what the database kept.
    pub async fn load(store: &Store) -> Result<Self, Failure> {
        let mut state = state::State::default();
        follow::load(store, &mut state).await?;
        let moved = watch::Sender::new(state.head().map_or(0, |head| head.number));
        Ok(Self {
            state: RwLock::new(state),
            moved,
        })
    }

    /// The newest block followed; none before the first.
    pub fn head(&self) -> Option<Head> {
        self.read(|s| s.head())
    }

    /// The account with this id, at the newest block.
    pub fn account(&self, who: Address) -> Option<Account> {
        self.read(|s| s.account(who))
    }

    /// The account this address signs for.
    pub fn controlled_by(&self, address: Address) -> Option<Account> {
        self.read(|s| s.controlled_by(address))
    }

    /// Who signed for the account when `block` was mined.
    pub fn controller_at(&self, who: Address, block: u64) -> Option<Address> {
        self.account_at(who, block).map(|account| account.controller)
    }

    /// The account at the end of `block`.
    pub fn account_at(&self, who: Address, block: u64) -> Option<Account> {
        self.read(|s| s.account_at(who, block))
    }

    /// Since when the account has not been active; none while it is.
    pub fn inactive_since(&self, who: Address, now: u64) -> Option<u64> {
        self.read(|s| s.inactive_since(who, now))
    }

    /// Since when the slot's grants have not given READ any more although one did before.
    pub fn narrowed_since(&self, slot: Slot) -> Option<u64> {
        self.read(|s| s.narrowed_since(slot))
    }

    /// A slot at the newest block.
    pub fn grant(&self, slot: Slot) -> GrantState {
        self.read(|s| s.grant(slot))
    }

    /// A slot at the end of `block`.
    pub fn grant_at(&self, slot: Slot, block: u64) -> GrantState {
        self.read(|s| s.grant_at(slot, block))
    }

    /// A slot as it was at a time, unix seconds.
    pub fn grant_as_of(&self, slot: Slot, time: u64) -> GrantState {
        self.read(|s| s.grant_as_of(slot, time))
    }

    /// Whose a compartment is, once an epoch was opened in it.
    pub fn place(&self, compartment: Compartment) -> Option<Place> {
        self.read(|s| {
            let (patient, scope) = s.place(compartment)?;
            let scope = Scope::new(scope).ok()?;
            // The event names all three; a node may lie.
            (Compartment::of(patient, &scope) == compartment).then_some(Place {
                patient,
                scope,
                compartment,
            })
        })
    }

    /// Every scope of the patient's that was ever opened.
    pub fn scopes_of(&self, patient: Address) -> Vec<Scope> {
        let places = self.read(|s| s.places_of(patient)).into_iter();
        let places = places.filter_map(|compartment| self.place(compartment));
        places
            .filter(|place| place.patient == patient)
            .map(|place| place.scope)
            .collect()
    }

    /// Every compartment that was ever opened, with its newest epoch's number, in no order.
    pub fn compartments(&self) -> Vec<(Place, u32)> {
        let all = self.read(|s| s.compartments());
        all.into_iter()
            .filter_map(|(c, newest)| Some((self.place(c)?, newest)))
            .collect()
    }

    /// The highest epoch of which a wrap was ever given in the slot; 0 if none.
    pub fn wrapped_up_to(&self, slot: Slot) -> u32 {
        self.read(|s| s.wrapped_up_to(slot))
    }

    /// Every registered patient.
    pub fn patients(&self) -> Vec<Address> {
        self.registered_as(Role::Patient)
    }

    /// Everybody registered in this role, in no order.
    pub fn registered_as(&self, role: Role) -> Vec<Address> {
        self.read(|s| s.registered_as(role))
    }

    /// Every custodian the account had up to the end of `block`, oldest first: the last is in office then.
    pub fn custodians(&self, who: Address, block: u64) -> Vec<(Address, Custody)> {
        self.read(|s| s.custodians(who, block))
    }

    /// Every slot of the patient's that was ever granted or revoked.
    pub fn grants_of_patient(&self, patient: Address) -> Vec<(Slot, GrantState)> {
        self.read(|s| s.grants_of_patient(patient))
    }

    /// Every slot ever granted to, or revoked from, the grantee.
    pub fn grants_to(&self, grantee: Address) -> Vec<(Slot, GrantState)> {
        self.read(|s| s.grants_to(grantee))
    }

    /// Every slot of one record that was ever granted to the grantee, with its patient.
    pub fn record_slots(&self, grantee: Address) -> Vec<(Address, Slot)> {
        self.read(|s| s.record_slots(grantee))
    }

    /// Those of one patient.
    pub fn record_slots_of(&self, grantee: Address, patient: Address) -> Vec<Slot> {
        self.read(|s| s.record_slots_of(grantee, patient))
    }

    /// The compartment's epochs on chain, oldest first.
    pub fn epochs(&self, compartment: Compartment) -> Vec<Opened> {
        self.read(|s| s.epochs(compartment))
    }

    /// Whether the epoch stood on chain at the end of `block`.
    pub fn epoch_settled(&self, compartment: Compartment, number: u32, block: u64) -> bool {
        self.read(|s| s.epoch_settled(compartment, number, block))
    }

    /// Waits until `block` has been followed.
    pub async fn reached(&self, block: u64) {
        let mut moved = self.moved.subscribe();
        // The sender lives in self, so waiting ends only with the block.
        let _ = moved.wait_for(|number| *number >= block).await;
    }

    fn read<T>(&self, f: impl FnOnce(&state::State) -> T) -> T {
        // A reader that panicked changed nothing; a writer's steps are plain inserts.
        f(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, f: impl FnOnce(&mut state::State)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        f(&mut state);
        let number = state.head().map_or(0, |head| head.number);
        drop(state);
        self.moved.send_replace(number);
    }
}

//! What the followed events add up to. Kept in memory as the events themselves, by whom they are about: a re-org is
//! undone by forgetting the events of the blocks that went away.

use std::collections::{BTreeSet, HashMap};

use alloy::primitives::{Address, B256};
use chartseal_chain::Head;
use chartseal_record::{
    Compartment, Slot,
    account::{Account, Custody, Role, Status},
    event::{Event, Logged},
    grant::GrantState,
    typed,
};

/// An epoch as the chain tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    pub number: u32,
    pub suite: u16,
    pub key: [u8; 32],
}

/// An epoch with the link that leads one back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub epoch: Epoch,
    pub link: Vec<u8>,
}

/// Everything followed so far, up to the newest block.
#[derive(Debug, Default)]
pub struct State {
    head: Option<Head>,
    accounts: HashMap<Address, Vec<Logged>>,
    slots: HashMap<Slot, Vec<Logged>>,
    compartments: HashMap<Compartment, Vec<Logged>>,
    by_patient: HashMap<Address, BTreeSet<Slot>>,
    /// Where a patient's epochs were opened.
    places: HashMap<Address, BTreeSet<Compartment>>,
    by_grantee: HashMap<Address, BTreeSet<Slot>>,
    /// Slots of one record, by who was granted it: (patient, slot).
    of_records: HashMap<Address, BTreeSet<(Address, Slot)>>,
    addresses: HashMap<Address, BTreeSet<Address>>,
}

impl State {
    /// Takes in the next block.
    pub fn add(&mut self, head: Head, events: Vec<Logged>) {
        for logged in events {
            self.take(logged);
        }
        self.head = Some(head);
    }

    /// Takes in one event, in chain order.
    pub fn take(&mut self, logged: Logged) {
        if let Event::Granted {
            slot,
            patient,
            grantee,
            record,
            ..
        } = &logged.event
            && *record != B256::ZERO
        {
            self.of_records.entry(*grantee).or_default().insert((*patient, *slot));
        }
        match &logged.event {
            Event::Granted {
                slot, patient, grantee, ..
            }
            | Event::Revoked {
                slot, patient, grantee, ..
            } => {
                self.by_patient.entry(*patient).or_default().insert(*slot);
                self.by_grantee.entry(*grantee).or_default().insert(*slot);
                self.slots.entry(*slot).or_default().push(logged);
            }
            Event::Rewrapped { slot, .. } | Event::GrantedInEmergency { slot, .. } => {
                self.slots.entry(*slot).or_default().push(logged)
            }
            Event::Advanced {
                compartment, patient, ..
            } => {
                self.places.entry(*patient).or_default().insert(*compartment);
                self.compartments.entry(*compartment).or_default().push(logged)
            }
            // Batches are read from the database, where their records are.
            Event::Anchored { .. } => {}
            Event::HandedOver { who, controller } => {
                self.addresses.entry(*controller).or_default().insert(*who);
                self.accounts.entry(*who).or_default().push(logged);
            }
            about => self
                .accounts
                .entry(Address::from_word(about.subject()))
                .or_default()
                .push(logged),
        }
    }

    /// Forgets every block from `block` on.
    pub fn remove_from(&mut self, block: u64) {
        fn cut<K>(map: &mut HashMap<K, Vec<Logged>>, block: u64) {
            for events in map.values_mut() {
                events.retain(|logged| logged.block < block);
            }
        }
        cut(&mut self.accounts, block);
        cut(&mut self.slots, block);
        cut(&mut self.compartments, block);
        // The number is right; the hash is unknown until the block that replaces it comes, which is the next step.
        self.head = self.head.map(|head| Head {
            number: block.saturating_sub(1).min(head.number),
            hash: B256::ZERO,
            ..head
        });
    }

    /// The newest block.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    pub fn set_head(&mut self, head: Head) {
        self.head = Some(head);
    }

    pub fn account(&self, who: Address) -> Option<Account> {
        Account::fold(self.accounts.get(&who)?)
    }

    /// The account at the end of `block`.
    pub fn account_at(&self, who: Address, block: u64) -> Option<Account> {
        Account::fold(self.accounts.get(&who)?.iter().filter(|logged| logged.block <= block))
    }

    /// Since when the account has not been active: its suspension or retirement, or the end of its credential. None while
    /// it is active, and for one that is not registered.
    pub fn inactive_since(&self, who: Address, now: u64) -> Option<u64> {
        let mut set = None;
        for logged in self.accounts.get(&who)? {
            if let Event::StatusChanged { status, .. } = logged.event {
                let active = Status::from_number(status) == Some(Status::Active);
                set = if active { None } else { set.or(Some(logged.timestamp)) };
            }
        }
        let expiry = self.account(who)?.credential_expiry;
        let expired = (expiry != 0 && expiry <= now).then_some(expiry);
        [set, expired].into_iter().flatten().min()
    }

    /// Since when the slot's grants have not given READ any more although one did before: the first that left it out.
    pub fn narrowed_since(&self, slot: Slot) -> Option<u64> {
        let mut read = false;
        let mut since = None;
        for logged in self.slots.get(&slot)? {
            if let Event::Granted { permission, .. } = logged.event {
                let reads = permission & typed::READ != 0;
                since = if reads {
                    None
                } else {
                    since.or(read.then_some(logged.timestamp))
                };
                read |= reads;
            }
        }
        since
    }

    /// The account an address acts for: itself if registered, else the one that was handed over to it.
    pub fn controlled_by(&self, address: Address) -> Option<Account> {
        let controls = |account: &Account| account.controller == address;
        self.account(address).filter(controls).or_else(|| {
            let mut handed = self
                .addresses
                .get(&address)?
                .iter()
                .filter_map(|who| self.account(*who))
                .filter(controls);
            match (handed.next(), handed.next()) {
                (Some(account), None) => Some(account),
                _ => None,
            }
        })
    }

    /// A slot at the newest block.
    pub fn grant(&self, slot: Slot) -> GrantState {
        self.slots.get(&slot).map(GrantState::fold).unwrap_or_default()
    }

    /// A slot as it was at the end of `block`.
    pub fn grant_at(&self, slot: Slot, block: u64) -> GrantState {
        let events = self.slots.get(&slot).into_iter().flatten();
        GrantState::fold(events.filter(|logged| logged.block <= block))
    }

    /// A slot as it was at a time, unix seconds.
    pub fn grant_as_of(&self, slot: Slot, time: u64) -> GrantState {
        let events = self.slots.get(&slot).into_iter().flatten();
        GrantState::fold(events.filter(|logged| logged.timestamp <= time))
    }

    /// Whose a compartment is, once an epoch was opened in it.
    pub fn place(&self, compartment: Compartment) -> Option<(Address, &str)> {
        self.compartments
            .get(&compartment)?
            .iter()
            .find_map(|logged| match &logged.event {
                Event::Advanced { patient, scope, .. } => Some((*patient, scope.as_str())),
                _ => None,
            })
    }

    /// Every compartment a patient's epochs were opened in.
    pub fn places_of(&self, patient: Address) -> Vec<Compartment> {
        self.places.get(&patient).into_iter().flatten().copied().collect()
    }

    /// Every compartment with its newest epoch's number.
    pub fn compartments(&self) -> Vec<(Compartment, u32)> {
        let newest = |events: &Vec<Logged>| {
            let numbers = events.iter().filter_map(|logged| match logged.event {
                Event::Advanced { epoch, .. } => Some(epoch),
                _ => None,
            });
            numbers.max().unwrap_or(0)
        };
        self.compartments
            .iter()
            .map(|(c, events)| (*c, newest(events)))
            .collect()
    }

    /// The highest epoch of which a wrap was ever given in the slot, under any serial; 0 if none.
    pub fn wrapped_up_to(&self, slot: Slot) -> u32 {
        let wraps = self
            .slots
            .get(&slot)
            .into_iter()
            .flatten()
            .filter_map(|logged| match &logged.event {
                Event::Granted { epoch, wrap, .. } if !wrap.is_empty() => Some(*epoch),
                Event::Rewrapped { epoch, .. } => Some(*epoch),
                _ => None,
            });
        wraps.max().unwrap_or(0)
    }

    /// Everybody registered in this role.
    pub fn registered_as(&self, role: Role) -> Vec<Address> {
        let wanted = role as u8;
        let registered = |logged: &Logged| matches!(logged.event, Event::Registered { role, .. } if role == wanted);
        let accounts = self.accounts.iter().filter(|(_, events)| events.iter().any(registered));
        accounts.map(|(who, _)| *who).collect()
    }

    /// Every custodian the account had up to the end of `block`, oldest first: the last is in office then.
    pub fn custodians(&self, who: Address, block: u64) -> Vec<(Address, Custody)> {
        let events = self.accounts.get(&who).into_iter().flatten();
        let events = events.filter(|logged| logged.block <= block);
        let chosen = events.filter_map(|logged| match &logged.event {
            Event::Registered { custodian, custody, .. } | Event::CustodianChanged { custodian, custody, .. } => {
                Some((
                    *custodian,
                    Custody::from_number(*custody).unwrap_or(Custody::SelfCustody),
                ))
            }
            _ => None,
        });
        chosen.collect()
    }

    pub fn grants_of_patient(&self, patient: Address) -> Vec<(Slot, GrantState)> {
        self.grants(self.by_patient.get(&patient))
    }

    pub fn grants_to(&self, grantee: Address) -> Vec<(Slot, GrantState)> {
        self.grants(self.by_grantee.get(&grantee))
    }

    /// Every slot of one record that was ever granted to the grantee, with its patient.
    pub fn record_slots(&self, grantee: Address) -> Vec<(Address, Slot)> {
        self.of_records.get(&grantee).into_iter().flatten().copied().collect()
    }

    /// Those of one patient.
    pub fn record_slots_of(&self, grantee: Address, patient: Address) -> Vec<Slot> {
        let all = (patient, Slot(B256::ZERO))..=(patient, Slot(B256::repeat_byte(0xff)));
        let slots = self.of_records.get(&grantee);
        slots
            .into_iter()
            .flat_map(|slots| slots.range(all.clone()).map(|(_, slot)| *slot))
            .collect()
    }

    /// A compartment's epochs, oldest first. Keys of a suite we do not know are left out.
    pub fn epochs(&self, compartment: Compartment) -> Vec<Opened> {
        let events = self.compartments.get(&compartment).into_iter().flatten();
        events.filter_map(|logged| opened(&logged.event)).collect()
    }

    /// Whether the epoch stood on chain at the end of `block`.
    pub fn epoch_settled(&self, compartment: Compartment, number: u32, block: u64) -> bool {
        let mut events = self
            .compartments
            .get(&compartment)
            .into_iter()
            .flatten()
            .filter(|l| l.block <= block);
        events.any(|l| matches!(l.event, Event::Advanced { epoch, .. } if epoch == number))
    }

    fn grants(&self, slots: Option<&BTreeSet<Slot>>) -> Vec<(Slot, GrantState)> {
        slots
            .into_iter()
            .flatten()
            .map(|slot| (*slot, self.grant(*slot)))
            .collect()
    }
}

fn opened(event: &Event) -> Option<Opened> {
    let Event::Advanced {
        epoch,
        suite,
        key,
        link,
        ..
    } = event
    else {
        return None;
    };
    Some(Opened {
        epoch: Epoch {
            number: *epoch,
            suite: *suite,
            key: key[..].try_into().ok()?,
        },
        link: link.to_vec(),
    })
}

//! From a patient's root to every epoch secret the chain knows of.

use std::collections::HashMap;

use chartseal_envelope::{
    key::{EpochSecret, Root},
    link, tree,
};
use chartseal_record::{
    Address, Bytes, Compartment, Contracts, Scope,
    event::{Event, Logged},
};

use crate::history;

/// The patient's compartments, and the secrets of their epochs.
pub struct Keys {
    /// Of which scope each is. A name that is no scope's never becomes a folder's.
    pub scopes: HashMap<Compartment, Scope>,
    secrets: HashMap<(Compartment, u32), EpochSecret>,
}

impl Keys {
    /// An epoch opened under this root follows from it. One opened under an earlier root is reached from the next epoch
    /// by its link. Both are held against the public key on chain.
    pub fn derive(root: &Root, contracts: &Contracts, patient: Address, events: &[Logged]) -> Self {
        let scopes: HashMap<_, _> = (events.iter())
            .filter_map(|logged| match &logged.event {
                Event::Advanced {
                    compartment,
                    patient: p,
                    scope,
                    ..
                } if *p == patient => Some((*compartment, Scope::new(scope).ok()?)),
                _ => None,
            })
            .collect();
        let mut secrets: HashMap<(Compartment, u32), EpochSecret> = HashMap::new();
        for &compartment in scopes.keys() {
            let mut newer: Option<(u32, Bytes)> = None;
            for epoch in history::epochs(events, compartment).into_iter().rev() {
                let derived = tree::epoch_secret(root, contracts, compartment, epoch.number);
                let linked = || {
                    let (number, link) = newer.as_ref()?;
                    let step = link::Step {
                        contracts: *contracts,
                        compartment,
                        previous: epoch.number,
                        epoch: *number,
                    };
                    let above: &EpochSecret = secrets.get(&(compartment, *number))?;
                    link::open(&step, above, &epoch.key, link).ok()
                };
                let secret = match *derived.public_key() == epoch.key {
                    true => Some(derived),
                    false => linked(),
                };
                if let Some(secret) = secret {
                    secrets.insert((compartment, epoch.number), secret);
                }
                newer = Some((epoch.number, epoch.link));
            }
        }
        Self { scopes, secrets }
    }

    /// The secret of an epoch, if root and links lead to it.
    pub fn secret(&self, compartment: Compartment, epoch: u32) -> Option<&EpochSecret> {
        self.secrets.get(&(compartment, epoch))
    }
}

#[cfg(test)]
mod tests {
    use chartseal_record::B256;

    use super::*;

    const PATIENT: Address = Address::repeat_byte(7);

    fn contracts() -> Contracts {
        Contracts {
            chain_id: 31337,
            directory: Address::repeat_byte(1),
            consent: Address::repeat_byte(2),
            anchors: Address::repeat_byte(3),
        }
    }

    fn advanced(patient: Address, scope: &str, epoch: u32, secret: &EpochSecret, link: Bytes) -> Logged {
        let compartment = Scope::new(scope).map_or(Compartment(B256::ZERO), |scope| Compartment::of(patient, &scope));
        let event = Event::Advanced {
            compartment,
            patient,
            scope: scope.into(),
            epoch,
            suite: 1,
            key: secret.public_key().as_bytes().to_vec().into(),
            link,
            by: patient,
        };
        Logged {
            block: u64::from(epoch),
            block_hash: B256::ZERO,
            timestamp: 0,
            log_index: 0,
            transaction: B256::ZERO,
            event,
        }
    }

    #[test]
    fn epochs_of_an_earlier_root_are_reached_by_their_links() {
        let (old, new) = (Root::from_bytes([1; 32]), Root::from_bytes([2; 32]));
        let place = Compartment::of(PATIENT, &Scope::clinical());
        let secrets =
            [(&old, 1), (&old, 2), (&new, 5)].map(|(root, epoch)| tree::epoch_secret(root, &contracts(), place, epoch));
        let link = |previous: u32, epoch: u32, to: &EpochSecret, of: &EpochSecret| -> Bytes {
            let step = link::Step {
                contracts: contracts(),
                compartment: place,
                previous,
                epoch,
            };
            link::seal(&step, to.public_key(), of).unwrap().to_vec().into()
        };
        let events = [
            advanced(PATIENT, "clinical", 1, &secrets[0], Bytes::new()),
            advanced(
                PATIENT,
                "clinical",
                2,
                &secrets[1],
                link(1, 2, &secrets[1], &secrets[0]),
            ),
            advanced(
                PATIENT,
                "clinical",
                5,
                &secrets[2],
                link(2, 5, &secrets[2], &secrets[1]),
            ),
        ];
        let keys = Keys::derive(&new, &contracts(), PATIENT, &events);
        for (epoch, secret) in [1, 2, 5].iter().zip(&secrets) {
            assert_eq!(keys.secret(place, *epoch), Some(secret), "epoch {epoch}");
        }
        // The old root never opens what was written under the new one.
        let keys = Keys::derive(&old, &contracts(), PATIENT, &events);
        assert!(keys.secret(place, 2).is_some() && keys.secret(place, 5).is_none());
    }

    #[test]
    fn other_patients_and_names_that_are_no_scopes_are_left_out() {
        let root = Root::from_bytes([1; 32]);
        let secret = EpochSecret::from_bytes([3; 32]);
        let events = [
            advanced(PATIENT, "../../etc", 1, &secret, Bytes::new()),
            advanced(Address::repeat_byte(8), "clinical", 1, &secret, Bytes::new()),
        ];
        assert!(Keys::derive(&root, &contracts(), PATIENT, &events).scopes.is_empty());
    }
}

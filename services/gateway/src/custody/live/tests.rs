//! Each cell of the rule.

use alloy::primitives::{B256, Bytes};
use chartseal_record::{
    account::{Custody, Status},
    grant::Terms,
};

use super::*;

const NOW: u64 = 1_000_000;

fn account(role: Role) -> Account {
    Account {
        id: Address::repeat_byte(role as u8),
        role,
        status: Status::Active,
        controller: Address::repeat_byte(role as u8),
        suite: 1,
        encryption_key: Bytes::from(vec![1; 32]),
        custodian: Address::ZERO,
        custody: Custody::None,
        credential: B256::ZERO,
        credential_expiry: 0,
        endpoint: String::new(),
        statement_keys: Vec::new(),
        publishers: Vec::new(),
        registered: 1,
    }
}

fn granted(serial: u64, permission: u8, until: u64) -> GrantState {
    let terms = Terms {
        patient: Address::repeat_byte(1),
        grantee: Address::repeat_byte(2),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial,
        permission,
        until,
        purpose: "TREAT".into(),
        epoch: 1,
        suite: 1,
        recipient_key_hash: B256::ZERO,
        wrap: Bytes::new(),
        signature: Bytes::new(),
        block: 10,
        transaction: B256::ZERO,
    };
    GrantState {
        terms: Some(terms),
        ..GrantState::default()
    }
}

fn revoked(mut state: GrantState, serial: u64) -> GrantState {
    state.revoked = serial;
    state
}

struct Case {
    confirmed: GrantState,
    newest: GrantState,
    refused: u64,
    patient: Option<Account>,
    grantee: Option<Account>,
    head_age: u64,
    permission: u8,
}

fn live() -> Case {
    Case {
        confirmed: granted(1, typed::READ, NOW + 1),
        newest: granted(1, typed::READ, NOW + 1),
        refused: 0,
        patient: Some(account(Role::Patient)),
        grantee: Some(account(Role::Doctor)),
        head_age: 10,
        permission: typed::READ,
    }
}

fn verdict(case: &Case) -> String {
    let head = Head {
        number: 100,
        hash: B256::ZERO,
        parent: B256::ZERO,
        timestamp: NOW - case.head_age,
    };
    let facts = Facts {
        head: Some(head),
        now: NOW,
        max_head_age: 60,
        confirmed: &case.confirmed,
        newest: &case.newest,
        refused: case.refused,
        patient: case.patient.as_ref(),
        grantee: case.grantee.as_ref(),
    };
    judge(&facts, case.permission).map_or_else(|why| format!("{why:?}"), |_| "Live".into())
}

#[test]
fn each_cell_of_the_rule_has_its_answer() {
    let suspended = |role| Account {
        status: Status::Suspended,
        ..account(role)
    };
    let lapsed = Account {
        credential_expiry: NOW,
        ..account(Role::Doctor)
    };
    let read = |serial| granted(serial, typed::READ, NOW + 1);
    let cells = [
        ("granted", live(), "Live"),
        (
            "never granted",
            Case {
                confirmed: GrantState::default(),
                newest: GrantState::default(),
                ..live()
            },
            "None",
        ),
        (
            "not confirmed",
            Case {
                confirmed: GrantState::default(),
                ..live()
            },
            "Unconfirmed",
        ),
        (
            "revoked at head",
            Case {
                newest: revoked(read(1), 1),
                ..live()
            },
            "Revoked",
        ),
        (
            "revoked long ago",
            Case {
                confirmed: revoked(read(1), 1),
                newest: revoked(read(1), 1),
                ..live()
            },
            "Revoked",
        ),
        ("refused here", Case { refused: 1, ..live() }, "Refused"),
        (
            "granted again after a refusal",
            Case {
                refused: 1,
                confirmed: read(2),
                newest: read(2),
                ..live()
            },
            "Live",
        ),
        (
            "granted again, not confirmed",
            Case {
                refused: 1,
                newest: read(2),
                ..live()
            },
            "Unconfirmed",
        ),
        (
            "renewed, not confirmed, old one stands",
            Case {
                newest: read(2),
                ..live()
            },
            "Live",
        ),
        (
            "narrowed, not confirmed",
            Case {
                newest: granted(2, typed::WRITE, NOW + 1),
                ..live()
            },
            "OtherPermission",
        ),
        (
            "widened, not confirmed",
            Case {
                confirmed: granted(1, typed::WRITE, NOW + 1),
                newest: granted(2, 3, NOW + 1),
                ..live()
            },
            "Unconfirmed",
        ),
        (
            "revoked and granted again, not confirmed",
            Case {
                newest: revoked(read(2), 1),
                ..live()
            },
            "Unconfirmed",
        ),
        (
            "expires now",
            Case {
                newest: granted(1, typed::READ, NOW),
                confirmed: granted(1, typed::READ, NOW),
                ..live()
            },
            "Expired",
        ),
        (
            "shortened, not confirmed",
            Case {
                newest: granted(2, typed::READ, NOW),
                ..live()
            },
            "Expired",
        ),
        (
            "write asked of read",
            Case {
                permission: typed::WRITE,
                ..live()
            },
            "OtherPermission",
        ),
        (
            "patient suspended",
            Case {
                patient: Some(suspended(Role::Patient)),
                ..live()
            },
            "Inactive",
        ),
        (
            "grantee suspended",
            Case {
                grantee: Some(suspended(Role::Doctor)),
                ..live()
            },
            "Inactive",
        ),
        (
            "grantee's credential lapsed",
            Case {
                grantee: Some(lapsed),
                ..live()
            },
            "Inactive",
        ),
        (
            "grantee unknown",
            Case {
                grantee: None,
                ..live()
            },
            "Inactive",
        ),
        (
            "patient is no patient",
            Case {
                patient: Some(account(Role::Doctor)),
                ..live()
            },
            "Inactive",
        ),
        ("head too old", Case { head_age: 61, ..live() }, "StaleHead"),
        ("head at the limit", Case { head_age: 60, ..live() }, "Live"),
    ];
    for (name, case, expected) in cells {
        assert_eq!(verdict(&case), expected, "{name}");
    }
}

#[test]
fn a_slow_clock_keeps_no_grant_alive() {
    let state = granted(1, typed::READ, NOW + 50);
    let (patient, grantee) = (account(Role::Patient), account(Role::Doctor));
    let head = Head {
        number: 100,
        hash: B256::ZERO,
        parent: B256::ZERO,
        timestamp: NOW + 50,
    };
    let facts = Facts {
        head: Some(head),
        now: NOW,
        max_head_age: 60,
        confirmed: &state,
        newest: &state,
        refused: 0,
        patient: Some(&patient),
        grantee: Some(&grantee),
    };
    assert!(matches!(judge(&facts, typed::READ), Err(NotLive::Expired)));
    assert!(matches!(
        judge(&Facts { head: None, ..facts }, typed::READ),
        Err(NotLive::StaleHead)
    ));
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Advancement, GrantTerms, Revocation, Rewrapping, Wrap} from "../src/interfaces/IConsent.sol";
import {Registration} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Deployed} from "./support/Deployed.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice What each decision costs as a relayed transaction: everything included, nothing warm. Isolation makes each
/// call a transaction of its own. The figures are written to gas.json, so that a change is a line in a review.
contract GasTest is Clinic {
    /// forge-config: default.isolate = true
    function test_EachDecisionKeepsItsBudget() public {
        _registrations();
        _epochsAndGrants();
        _anchoring();
    }

    /// forge-config: default.isolate = true
    function test_AdvanceCostsTheSamePerWrap() public {
        Person[8] memory doctors;
        for (uint256 i = 0; i < doctors.length; ++i) {
            doctors[i] = _person(string.concat("doctor ", vm.toString(i)));
            _register(doctors[i], _professional(doctors[i], 2));
        }
        _advance(alice, 1);
        for (uint256 i = 0; i < doctors.length; ++i) {
            _grantRead(alice, doctors[i].id, 1);
        }
        Wrap[] memory none = new Wrap[](0);
        uint256 bare = _advanceByCustodian(2, none);
        Wrap[] memory wraps = new Wrap[](doctors.length);
        for (uint256 i = 0; i < doctors.length; ++i) {
            wraps[i] = _wrapFor(doctors[i].id, 1)[0];
        }
        uint256 full = _advanceByCustodian(3, wraps);
        _keep("advance, each wrap", (full - bare) / doctors.length, 19_000);
    }

    function test_AllContractsDeployWithinBudget() public {
        address people = address(directory);
        uint256 total = _deployment("Directory", abi.encode(admin.id));
        total += _deployment("Consent", abi.encode(people));
        total += _deployment("Anchors", abi.encode(people));
        _keep("deploy, all", total, 5_448_613);
    }

    function _registrations() private {
        Person memory carol = _person("carol");
        Registration memory r = _patientOf(carol, mercy.id, 2);
        directory.register(r, _signDirectory(carol, Typed.register(r)), admin.id, _countersignature(r));
        _last("register, patient", 180_000);

        Person memory dan = _person("dan");
        r = _professional(dan, 2);
        directory.register(r, _signDirectory(dan, Typed.register(r)), admin.id, _countersignature(r));
        _last("register, doctor", 180_000);

        Person memory general = _person("general");
        r = _professional(general, 3);
        directory.register(r, _signDirectory(general, Typed.register(r)), admin.id, _countersignature(r));
        _last("register, hospital", 180_000);
    }

    function _epochsAndGrants() private {
        Wrap[] memory none = new Wrap[](0);
        _keep("advance, first by custodian", _advanceByCustodian(1, none), 76_000);
        _keep("advance, next by custodian", _advanceByCustodian(2, none), 70_000);

        Advancement memory a = _advancement(bob.id, 1, bob.id);
        consent.advance(a, none, _signConsent(bob, Typed.advance(a, none)));
        _last("advance, first by patient", 70_000);

        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        consent.grant(t, wrap, _signGrant(alice, t, wrap));
        _last("grant READ, first", 85_000);
        t.serial = 2;
        consent.grant(t, wrap, _signGrant(alice, t, wrap));
        _last("grant READ, renewal", 65_000);
        t = _writeTerms(alice.id, mercy.id, 1);
        consent.grant(t, "", _signGrant(alice, t, ""));
        _last("grant WRITE, first", 85_000);

        (Rewrapping memory w, bytes memory again) = _rewrapping(alice.id, dora.id, 2, mercy.id);
        bytes memory byStatementKey = _signConsent(mercyStatements, Typed.rewrap(w, keccak256(again)));
        consent.rewrap(w, again, byStatementKey);
        _last("rewrap, by custodian", 70_000);

        Revocation memory r = _revocation(alice.id, dora.id, 2);
        consent.revoke(r, _signConsent(alice, Typed.revoke(r)));
        _last("revoke", 60_000);
        r = _revocation(alice.id, acme.id, 1);
        consent.revoke(r, _signConsent(alice, Typed.revoke(r)));
        _last("revoke, before the grant", 63_000);
    }

    function _anchoring() private {
        vm.prank(mercyPublisher.id);
        anchors.anchor(mercy.id, keccak256("root"), 8192, keccak256("manifest"));
        _last("anchor", 56_000);
    }

    function _advanceByCustodian(uint32 epoch, Wrap[] memory wraps) private returns (uint256) {
        Advancement memory a = _advancement(alice.id, epoch, mercy.id);
        bytes memory signature = _signConsent(mercyStatements, Typed.advance(a, wraps));
        consent.advance(a, wraps, signature);
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev A creation as a transaction: 21,000, calldata, and what CREATE itself costs (32,000, initcode, execution,
    /// 200 per byte kept).
    function _deployment(string memory name, bytes memory arguments) private returns (uint256 used) {
        bytes memory initcode = Deployed.initcode(name, arguments);
        used = 21_000;
        for (uint256 i = 0; i < initcode.length; ++i) {
            used += initcode[i] == 0 ? 4 : 16;
        }
        uint256 before = gasleft();
        address created;
        assembly {
            created := create(0, add(initcode, 32), mload(initcode))
        }
        used += before - gasleft();
        vm.assertTrue(created != address(0), name);
        vm.snapshotValue("gas", string.concat("deploy ", name), used);
        vm.snapshotValue("gas", string.concat("size ", name), created.code.length);
    }

    function _last(string memory name, uint256 budget) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        _keep(name, used, budget);
    }

    function _keep(string memory name, uint256 used, uint256 budget) private {
        vm.snapshotValue("gas", name, used);
        vm.assertLe(used, budget, name);
    }
}

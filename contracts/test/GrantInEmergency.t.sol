// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {GrantTerms, IConsent, Revocation} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {ApprovingWallet} from "./support/Wallets.sol";

contract GrantInEmergencyTest is Clinic {
    address internal guardians;
    bytes32 internal slot;

    function setUp() public override {
        super.setUp();
        guardians = address(new ApprovingWallet());
        _delegate(alice, guardians, 2 days, 1);
        slot = _slot(alice.id, dora.id, "emergency");
    }

    function testFuzz_GivenNoDelegate_Refuses(bool ended) public {
        Person memory patient = ended ? alice : bob;
        if (ended) _delegate(alice, address(0), 0, 2);
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(patient.id, dora.id, 1);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.NotDelegate.selector, patient.id, guardians));
    }

    function test_WhenAnyoneButTheDelegateSendsIt_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        address[5] memory others = [address(this), alice.id, dora.id, mercy.id, mallory.id];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IConsent.NotDelegate.selector, alice.id, others[i]));
            consent.grantInEmergency(t, wrap);
        }
    }

    function test_WhenAFormerDelegateSendsIt_Refuses() public {
        _delegate(alice, address(new ApprovingWallet()), 2 days, 2);
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.NotDelegate.selector, alice.id, guardians));
    }

    function test_WhenTheDelegateActsAsThePatient_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        vm.prank(guardians);
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.grant(t, wrap, "");
    }

    function test_WhenItIsAnotherScopeOrARecord_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        t.scope = "clinical";
        _refuses(t, wrap, _beyond(_slot(alice.id, dora.id, "clinical"), t));
        t.scope = "";
        t.record = keccak256("record");
        _refuses(t, wrap, _beyond(keccak256(abi.encode(alice.id, dora.id, _recordTarget(alice.id, t.record))), t));
    }

    function testFuzz_WhenItIsMoreThanRead_Refuses(uint8 permission) public {
        vm.assume(permission != READ);
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        t.permission = permission;
        _refuses(t, wrap, _beyond(slot, t));
    }

    function testFuzz_WhenItLastsTooLong_Refuses(uint64 until) public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        t.until = until;
        if (until > NOW + 2 days) {
            _refuses(t, wrap, _beyond(slot, t));
        } else if (until <= NOW) {
            _refuses(t, wrap, abi.encodeWithSelector(IConsent.Expired.selector, slot, until));
        } else {
            vm.assertTrue(_decide(t, wrap));
        }
    }

    function test_WhenItLastsExactlyAsLongAsAllowed_Grants() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        t.until = NOW + 2 days + 1;
        _refuses(t, wrap, _beyond(slot, t));
        t.until = NOW + 2 days;
        vm.assertTrue(_decide(t, wrap));
    }

    function test_GivenAGrantLives_Refuses() public {
        GrantTerms memory own = _writeTerms(alice.id, dora.id, 1);
        own.scope = "emergency";
        consent.grant(own, "", _signGrant(alice, own, ""));
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 2);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.StillLive.selector, slot, 1));
        vm.warp(own.until);
        (t, wrap) = _emergencyTerms(alice.id, dora.id, 2);
        vm.assertTrue(_decide(t, wrap));
    }

    function test_GivenTheSlotWasRevokedForEver_Refuses() public {
        _revokeEmergency(type(uint64).max);
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, type(uint64).max));
    }

    function test_GivenAPartyIsNotActive_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _setStatus(dora.id, 2);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, dora.id));
        _setStatus(dora.id, 1);
        _setStatus(alice.id, 2);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, alice.id));
    }

    function test_GivenThisVeryGrantIsThere_ChangesNothing() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        vm.assertTrue(_decide(t, wrap));
        vm.recordLogs();
        vm.assertFalse(_decide(t, wrap));
        vm.assertEq(vm.getRecordedLogs().length, 0);
        _revokeEmergency(1);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, 1));
    }

    function test_GivenThePatientSignsTheSameTerms_TheyAreAnotherDecision() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _decide(t, wrap);
        bytes memory signature = _signGrant(alice, t, wrap);
        vm.expectRevert(abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, 1));
        consent.grant(t, wrap, signature);
        t.serial = 2;
        vm.assertTrue(consent.grant(t, wrap, _signGrant(alice, t, wrap)));
    }

    function test_WhenTheDelegateDecides_AnnouncesWhoseDecisionItWas() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        vm.expectEmit(address(consent));
        emit IConsent.GrantedInEmergency(slot, alice.id, guardians, 1);
        vm.expectEmit(address(consent));
        emit IConsent.Granted(
            slot, alice.id, dora.id, "emergency", 0, 1, READ, t.until, "ETREAT", 1, 1, _keyHash(dora.id), wrap, ""
        );
        vm.assertTrue(_decide(t, wrap));
        vm.assertTrue(_allowed());
        vm.assertFalse(consent.isAllowed(alice.id, dora.id, _compartment(alice.id, "clinical"), READ));
    }

    function test_ThePatientRevokesItLikeItsOwn() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _decide(t, wrap);
        _revokeEmergency(1);
        vm.assertFalse(_allowed());
    }

    function test_GivenTheDelegationIsEnded_WhatWasGrantedRunsOut() public {
        (GrantTerms memory t, bytes memory wrap) = _emergencyTerms(alice.id, dora.id, 1);
        _decide(t, wrap);
        _delegate(alice, address(0), 0, 2);
        vm.assertTrue(_allowed());
        vm.warp(t.until);
        vm.assertFalse(_allowed());
        (t, wrap) = _emergencyTerms(alice.id, dora.id, 2);
        _refuses(t, wrap, abi.encodeWithSelector(IConsent.NotDelegate.selector, alice.id, guardians));
    }

    function _allowed() private view returns (bool) {
        return consent.isAllowed(alice.id, dora.id, _compartment(alice.id, "emergency"), READ);
    }

    function _beyond(bytes32 slot_, GrantTerms memory t) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IConsent.BeyondDelegation.selector, slot_, t.permission, t.until);
    }

    function _decide(GrantTerms memory t, bytes memory wrap) private returns (bool) {
        vm.prank(guardians);
        return consent.grantInEmergency(t, wrap);
    }

    function _refuses(GrantTerms memory t, bytes memory wrap, bytes memory reason) private {
        vm.prank(guardians);
        vm.expectRevert(reason);
        consent.grantInEmergency(t, wrap);
    }

    function _revokeEmergency(uint64 serial) private {
        Revocation memory r = _revocation(alice.id, dora.id, serial);
        r.scope = "emergency";
        consent.revoke(r, _signConsent(alice, Typed.revoke(r)));
    }
}

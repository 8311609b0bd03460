// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Advancement, GrantTerms, IConsent, Revocation, Wrap} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract RevokeTest is Clinic {
    function test_GivenTheSerialLives_ItDies() public {
        bytes32 slot = _grantRead(alice, dora.id, 1);
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        bytes memory signature = _signConsent(alice, Typed.revoke(r));
        vm.expectEmit(address(consent));
        emit IConsent.Revoked(slot, alice.id, dora.id, 1);
        vm.assertTrue(consent.revoke(r, signature));
        vm.assertFalse(consent.isLive(slot, 1));
        vm.assertFalse(consent.isAllowed(alice.id, dora.id, _compartment(alice.id, "clinical"), READ));
    }

    function testFuzz_GivenTheSerialIsYetToBeGranted_ItNeverLives(uint64 revoked, uint64 serial) public {
        revoked = 1 + revoked % 100;
        serial = 1 + serial % revoked;
        _revoke(alice, dora.id, revoked);
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, serial);
        bytes memory signature = _signGrant(alice, t, wrap);
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        vm.expectRevert(abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, serial, revoked));
        consent.grant(t, wrap, signature);
        _grantRead(alice, dora.id, revoked + 1);
        vm.assertTrue(consent.isLive(slot, revoked + 1));
    }

    function testFuzz_GivenAHigherSerialWasRevoked_ChangesNothing(uint64 first, uint64 second) public {
        vm.assume(first != 0);
        second = second % first + 1;
        vm.assertTrue(_revoke(alice, dora.id, first));
        vm.recordLogs();
        vm.assertFalse(_revoke(alice, dora.id, second));
        vm.assertEq(vm.getRecordedLogs().length, 0);
        (, uint64 revoked,,) = consent.slotState(_slot(alice.id, dora.id, "clinical"));
        vm.assertEq(revoked, first);
    }

    function test_GivenALowerSerialIsRevoked_TheNewestLivesOn() public {
        _grantRead(alice, dora.id, 1);
        bytes32 slot = _grantRead(alice, dora.id, 2);
        vm.assertTrue(_revoke(alice, dora.id, 1));
        vm.assertTrue(consent.isLive(slot, 2));
    }

    function test_GivenAnyPartyIsGone_ItWorks() public {
        bytes32 slot = _grantRead(alice, dora.id, 1);
        _setStatus(dora.id, 3);
        _setStatus(alice.id, 3);
        vm.warp(NOW + 2 * YEAR);
        vm.assertTrue(_revoke(alice, dora.id, 1));
        vm.assertFalse(consent.isLive(slot, 1));
        vm.assertTrue(_revoke(alice, mallory.id, 1));
    }

    function test_GivenTheControllerChanged_OnlyTheNewOneRevokes() public {
        _grantRead(alice, dora.id, 1);
        Person memory heir = _person("heir");
        bytes32 terms = Typed.handOver(alice.id, heir.id, directory.nonces(alice.id), NOW);
        directory.handOver(alice.id, heir.id, NOW, _signDirectory(alice, terms), _signDirectory(heir, terms));

        Revocation memory r = _revocation(alice.id, dora.id, 1);
        bytes memory former = _signConsent(alice, Typed.revoke(r));
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, heir.id));
        consent.revoke(r, former);
        vm.assertTrue(consent.revoke(r, _signConsent(heir, Typed.revoke(r))));
    }

    function test_WhenAnyoneElseSigns_Refuses() public {
        _grantRead(alice, dora.id, 1);
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        Person[5] memory others = [bob, dora, mercy, admin, mercyStatements];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes memory signature = _signConsent(others[i], Typed.revoke(r));
            vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
            consent.revoke(r, signature);
        }
        r = _revocation(mallory.id, dora.id, 1);
        bytes memory own = _signConsent(mallory, Typed.revoke(r));
        vm.expectRevert(abi.encodeWithSelector(IConsent.NotPatient.selector, mallory.id));
        consent.revoke(r, own);
    }

    function test_WhenTheControllerSendsItItself_TheSignatureMayBeEmpty() public {
        _grantRead(alice, dora.id, 1);
        vm.prank(alice.id);
        vm.assertTrue(consent.revoke(_revocation(alice.id, dora.id, 1), ""));
    }

    function testFuzz_WhenItTravelsWithAnAdvance_BothWork(bool revokeFirst) public {
        _advance(alice, 1);
        bytes32 slot = _grantRead(alice, dora.id, 1);
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        Advancement memory a = _advancement(alice.id, 2, mercy.id);
        Wrap[] memory wraps = _wrapFor(dora.id, 1);
        bytes[] memory batch = new bytes[](2);
        batch[revokeFirst ? 0 : 1] = abi.encodeCall(consent.revoke, (r, _signConsent(alice, Typed.revoke(r))));
        batch[revokeFirst ? 1 : 0] =
            abi.encodeCall(consent.advance, (a, wraps, _signConsent(mercyStatements, Typed.advance(a, wraps))));
        vm.recordLogs();
        consent.multicall(batch);
        vm.assertEq(vm.getRecordedLogs().length, revokeFirst ? 2 : 3);
        vm.assertFalse(consent.isLive(slot, 1));
        (uint32 epoch,) = consent.epochOf(_compartment(alice.id, "clinical"));
        vm.assertEq(epoch, 2);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Advancement, GrantTerms, IConsent, Wrap} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {Vm, vm} from "./support/Vm.sol";

contract AdvanceTest is Clinic {
    Wrap[] internal none;

    function testFuzz_WhenTheEpochIsNotAhead_Refuses(uint32 current, uint32 epoch) public {
        vm.assume(current != 0);
        epoch = epoch % (current + (current == type(uint32).max ? 0 : 1));
        _advance(alice, current);
        bytes32 compartment = _compartment(alice.id, "clinical");
        Advancement memory a = _advancement(alice.id, epoch, alice.id);
        _refuses(alice, a, none, abi.encodeWithSelector(IConsent.EpochNotAhead.selector, compartment, epoch, current));
    }

    function test_WhenTheSameAdvanceIsSentTwice_Refuses() public {
        _advance(alice, 4);
        bytes memory reason = abi.encodeWithSelector(
            IConsent.EpochNotAhead.selector, _compartment(alice.id, "clinical"), uint32(4), uint32(4)
        );
        _refuses(alice, _advancement(alice.id, 4, alice.id), none, reason);
    }

    function testFuzz_WhenNumbersAreSkipped_OpensTheEpoch(uint32 first, uint32 second) public {
        first = 1 + first % 1000;
        vm.assume(second > first);
        _advance(alice, first);
        _advance(alice, second);
        Advancement memory a = _advancement(alice.id, second, alice.id);
        (uint32 number, bytes28 keyHash) = consent.epochOf(_compartment(alice.id, "clinical"));
        vm.assertEq(number, second);
        vm.assertEq(keyHash, bytes28(keccak256(a.key)));
    }

    function test_WhenTheScopeIsMissingOrTooLong_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, alice.id);
        a.scope = "";
        _refuses(alice, a, none, abi.encodeWithSelector(IConsent.MalformedTarget.selector, 0, 0));
        a.scope = "a scope of three and thirty bytes";
        _refuses(alice, a, none, abi.encodeWithSelector(IConsent.MalformedTarget.selector, 33, 0));
    }

    function testFuzz_WhenALengthDoesNotFitItsSuite_Refuses(uint256 length, uint256 which) public {
        length = length % 200;
        which = which % 3;
        Advancement memory a = _advancement(alice.id, 2, alice.id);
        Wrap[] memory wraps = _wrapFor(dora.id, 1);
        if (which == 0) {
            vm.assume(length != 32);
            a.key = new bytes(length);
        } else if (which == 1) {
            vm.assume(length != 80 && length != 0);
            a.link = new bytes(length);
        } else {
            vm.assume(length != 80);
            wraps[0].wrap = new bytes(length);
        }
        _refuses(alice, a, wraps, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 1, length));
    }

    function test_WhenThereIsNoSuite_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, alice.id);
        a.suite = 0;
        a.key = "";
        _refuses(alice, a, none, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 0, 0));
    }

    function test_WhenALaterSuiteComes_ItIsCarried() public {
        Advancement memory a = _advancement(alice.id, 1, alice.id);
        a.suite = 2;
        a.key = new bytes(1216);
        consent.advance(a, none, _signConsent(alice, Typed.advance(a, none)));
        a.epoch = 2;
        a.key = new bytes(2049);
        _refuses(alice, a, none, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 2, 2049));
    }

    function test_WhenThePatientSigned_OpensTheEpochInEveryStatus() public {
        _advance(bob, 1);
        _setStatus(bob.id, 2);
        _advance(bob, 2);
        _setStatus(bob.id, 3);
        Advancement memory a = _advancement(bob.id, 3, bob.id);
        bytes memory signature = _signConsent(bob, Typed.advance(a, none));
        vm.expectEmit(address(consent));
        emit IConsent.Advanced(_compartment(bob.id, "clinical"), bob.id, "clinical", 3, 1, a.key, a.link, bob.id);
        consent.advance(a, none, signature);
    }

    function test_WhenAnyoneElseSignedForThePatient_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, alice.id);
        bytes memory reason = abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id);
        _refuses(mallory, a, none, reason);
        _refuses(mercy, a, none, reason);
        _refuses(mercyStatements, a, none, reason);
        vm.expectRevert(reason);
        consent.advance(a, none, "");
    }

    function test_WhenTheCustodianActsWithoutTheRoot_Refuses() public {
        Advancement memory a = _advancement(bob.id, 1, mercy.id);
        _refuses(mercyStatements, a, none, abi.encodeWithSelector(IConsent.NotKeyHolder.selector, bob.id, mercy.id));
        _setCustodian(alice, acme.id, 2);
        a = _advancement(alice.id, 1, mercy.id);
        _refuses(mercyStatements, a, none, abi.encodeWithSelector(IConsent.NotKeyHolder.selector, alice.id, mercy.id));
        a = _advancement(mallory.id, 1, address(0));
        _refuses(mallory, a, none, abi.encodeWithSelector(IConsent.NotKeyHolder.selector, mallory.id, address(0)));
    }

    function test_WhenTheCustodianIsNotActive_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, mercy.id);
        _setStatus(mercy.id, 2);
        _refuses(mercyStatements, a, none, abi.encodeWithSelector(IConsent.NotActive.selector, mercy.id));
        _setStatus(mercy.id, 1);
        vm.warp(NOW + YEAR);
        _refuses(mercyStatements, a, none, abi.encodeWithSelector(IConsent.NotActive.selector, mercy.id));
    }

    function test_WhenNoStatementKeyOfThisBlockSigned_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, mercy.id);
        _refuses(mercy, a, none, abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, mercy.id));
        _refuses(mallory, a, none, abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, mallory.id));
        vm.expectRevert(abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, address(0)));
        consent.advance(a, none, "");
        vm.prank(mercyStatements.id);
        vm.expectRevert(abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, address(0)));
        consent.advance(a, none, "");

        _listStatementKey(mercy, mercyStatements.id, 0, uint64(block.number) + 5);
        bytes memory signature = _signConsent(mercyStatements, Typed.advance(a, none));
        vm.roll(block.number + 5);
        vm.expectRevert(abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, mercyStatements.id));
        consent.advance(a, none, signature);
        vm.roll(block.number - 1);
        consent.advance(a, none, signature);
    }

    function test_WhenWrapsWereExchangedAfterSigning_Refuses() public {
        Advancement memory a = _advancement(alice.id, 1, alice.id);
        bytes memory signature = _signConsent(alice, Typed.advance(a, _wrapFor(dora.id, 1)));
        Wrap[] memory others = _wrapFor(acme.id, 1);
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.advance(a, others, signature);
    }

    function test_GivenAGrantThatLives_ItsWrapIsAnnounced() public {
        _advance(alice, 1);
        bytes32 slot = _grantRead(alice, dora.id, 1);
        Advancement memory a = _advancement(alice.id, 2, mercy.id);
        Wrap[] memory wraps = _wrapFor(dora.id, 1);
        bytes memory signature = _signConsent(mercyStatements, Typed.advance(a, wraps));
        vm.expectEmit(address(consent));
        emit IConsent.Rewrapped(slot, 1, 2, 1, _keyHash(dora.id), wraps[0].wrap, mercy.id);
        consent.advance(a, wraps, signature);
    }

    function test_GivenWrapsOfNoUse_TheyAreSkipped() public {
        _advance(alice, 1);
        uint32 epoch = 1;
        vm.assertEq(_wrapsWritten(++epoch, 1), 0, "unknown");
        _grantRead(alice, dora.id, 1);
        vm.assertEq(_wrapsWritten(++epoch, 1), 1, "live");
        vm.assertEq(_wrapsWritten(++epoch, 2), 0, "serial to come");
        _setStatus(dora.id, 2);
        vm.assertEq(_wrapsWritten(++epoch, 1), 0, "grantee suspended");
        _setStatus(dora.id, 1);
        _setStatus(alice.id, 2);
        vm.assertEq(_wrapsWritten(++epoch, 1), 0, "patient suspended");
        _setStatus(alice.id, 1);
        _setEncryptionKey(dora, _encryptionKey(acme.id));
        vm.assertEq(_wrapsWritten(++epoch, 1), 0, "another key");
        _setEncryptionKey(dora, _encryptionKey(dora.id));
        vm.assertEq(_wrapsWritten(++epoch, 1), 1, "live again");
        _grantRead(alice, dora.id, 2);
        vm.assertEq(_wrapsWritten(++epoch, 1), 0, "outdated");
        vm.warp(NOW + 30 days);
        vm.assertEq(_wrapsWritten(++epoch, 2), 0, "expired");
        _grantRead(alice, dora.id, 3);
        _revoke(alice, dora.id, 3);
        vm.assertEq(_wrapsWritten(++epoch, 3), 0, "revoked");
        GrantTerms memory t = _writeTerms(alice.id, dora.id, 4);
        consent.grant(t, "", _signGrant(alice, t, ""));
        vm.assertEq(_wrapsWritten(++epoch, 4), 0, "WRITE alone");
    }

    function test_GivenTheGranteesKeyIsOfAnotherSuite_ItsWrapIsSkipped() public {
        _advance(alice, 1);
        _grantRead(alice, dora.id, 1);
        Advancement memory a = _advancement(alice.id, 2, mercy.id);
        a.suite = 2;
        Wrap[] memory wraps = _wrapFor(dora.id, 1);
        bytes memory signature = _signConsent(mercyStatements, Typed.advance(a, wraps));
        vm.recordLogs();
        consent.advance(a, wraps, signature);
        vm.assertEq(vm.getRecordedLogs().length, 1);
    }

    function _wrapsWritten(uint32 epoch, uint64 serial) private returns (uint256) {
        Advancement memory a = _advancement(alice.id, epoch, mercy.id);
        Wrap[] memory wraps = _wrapFor(dora.id, serial);
        bytes memory signature = _signConsent(mercyStatements, Typed.advance(a, wraps));
        vm.recordLogs();
        consent.advance(a, wraps, signature);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (uint32 number,) = consent.epochOf(_compartment(alice.id, "clinical"));
        vm.assertEq(number, epoch);
        vm.assertEq(logs[0].topics[0], IConsent.Advanced.selector);
        return logs.length - 1;
    }

    function _refuses(Person memory signer, Advancement memory a, Wrap[] memory wraps, bytes memory reason) private {
        bytes memory signature = _signConsent(signer, Typed.advance(a, wraps));
        vm.expectRevert(reason);
        consent.advance(a, wraps, signature);
    }
}

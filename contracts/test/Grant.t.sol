// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {GrantTerms, IConsent} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {vm} from "./support/Vm.sol";

contract GrantTest is Clinic {
    function test_GivenThisVeryGrantIsThere_ChangesNothing() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        bytes memory signature = _signGrant(alice, t, wrap);
        vm.assertTrue(consent.grant(t, wrap, signature));
        vm.recordLogs();
        vm.assertFalse(consent.grant(t, wrap, signature));
        vm.warp(t.until + 1);
        vm.assertFalse(consent.grant(t, wrap, signature));
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_GivenAnotherGrantHasTheSerial_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        consent.grant(t, wrap, _signGrant(alice, t, wrap));
        bytes memory other = _seal("another wrap");
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        _refuses(alice, t, other, abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, 1));
    }

    function testFuzz_WhenTheSerialIsNotNext_Refuses(uint64 serial, uint64 revoked) public {
        revoked = revoked % 1000;
        if (revoked != 0) _revoke(alice, dora.id, revoked);
        vm.assume(serial != revoked + 1);
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, serial);
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, serial, revoked));
    }

    function test_GivenTheSlotWasRevokedForEver_RefusesEverySerial() public {
        _revoke(alice, dora.id, type(uint64).max);
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        uint64[3] memory serials = [0, 1, type(uint64).max];
        for (uint256 i = 0; i < serials.length; ++i) {
            (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, serials[i]);
            bytes memory reason =
                abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, serials[i], type(uint64).max);
            _refuses(alice, t, wrap, reason);
        }
    }

    function testFuzz_WhenOneTermIsChangedAfterSigning_Refuses(uint256 which) public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        bytes memory signature = _signGrant(alice, t, wrap);
        which = which % 6;
        if (which == 0) t.until += 1;
        if (which == 1) t.permission = READ | WRITE;
        if (which == 2) t.purpose = "HRESCH";
        if (which == 3) t.epoch += 1;
        if (which == 4) t.scope = "sensitive";
        if (which == 5) wrap = _seal("another wrap");
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.grant(t, wrap, signature);
    }

    function test_WhenTheRelayerSignsOrSendsNothing_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        bytes memory reason = abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id);
        _refuses(mallory, t, wrap, reason);
        vm.expectRevert(reason);
        consent.grant(t, wrap, "");
    }

    function test_WhenAStatementKeySigns_Refuses() public {
        _listStatementKey(alice, mercyStatements.id, 0, OPEN);
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        _refuses(mercyStatements, t, wrap, abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
    }

    function test_WhenTheControllerSendsItItself_TheSignatureMayBeEmpty() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        vm.prank(alice.id);
        vm.assertTrue(consent.grant(t, wrap, ""));
    }

    function test_GivenAPartyIsNotActive_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        _setStatus(dora.id, 2);
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, dora.id));
        _setStatus(dora.id, 1);
        _setStatus(alice.id, 2);
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, alice.id));
        t = _writeTerms(bob.id, mallory.id, 1);
        _refuses(bob, t, "", abi.encodeWithSelector(IConsent.NotActive.selector, mallory.id));
    }

    function test_WhenThePartiesAreNone_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, alice.id, 1);
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.OwnGrantee.selector, alice.id));
        t = _writeTerms(dora.id, mercy.id, 1);
        _refuses(dora, t, "", abi.encodeWithSelector(IConsent.NotPatient.selector, dora.id));
        t = _writeTerms(mallory.id, mercy.id, 1);
        _refuses(mallory, t, "", abi.encodeWithSelector(IConsent.NotPatient.selector, mallory.id));
    }

    function testFuzz_WhenUntilIsNotAhead_Refuses(uint64 until) public {
        until = until % (NOW + 1);
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.until = until;
        bytes32 slot = _slot(alice.id, mercy.id, "clinical");
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.Expired.selector, slot, until));
    }

    function testFuzz_WhenThePermissionIsUnknown_Refuses(uint8 permission) public {
        vm.assume(permission == 0 || permission > 3);
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.permission = permission;
        bytes32 slot = _slot(alice.id, mercy.id, "clinical");
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.UnknownPermission.selector, slot, permission));
    }

    function test_WhenUntilIsNow_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.until = NOW;
        _refuses(
            alice, t, "", abi.encodeWithSelector(IConsent.Expired.selector, _slot(alice.id, mercy.id, "clinical"), NOW)
        );
        t.until = NOW + 1;
        vm.assertTrue(consent.grant(t, "", _signGrant(alice, t, "")));
    }

    function test_WhenThePermissionIsTheFirstUnknown_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.permission = 4;
        bytes memory reason =
            abi.encodeWithSelector(IConsent.UnknownPermission.selector, _slot(alice.id, mercy.id, "clinical"), 4);
        _refuses(alice, t, "", reason);
    }

    function test_WhenThePurposeIsTooLong_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.purpose = string(new bytes(65));
        bytes32 slot = _slot(alice.id, mercy.id, "clinical");
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedPurpose.selector, slot, 65));
    }

    function test_WhenTheTargetIsUnclear_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.record = keccak256("record");
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedTarget.selector, 8, t.record));
        t.record = 0;
        t.scope = "";
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedTarget.selector, 0, 0));
        t.scope = "a scope of three and thirty bytes";
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedTarget.selector, 33, 0));
    }

    function testFuzz_WhenTheRecordIsACompartmentsId_NothingOfTheCompartmentIsGranted(bool opened) public {
        if (opened) _advance(alice, 1);
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.scope = "";
        t.record = _compartment(alice.id, "clinical");
        consent.grant(t, "", _signGrant(alice, t, ""));
        vm.assertFalse(_allowed(alice, mercy, WRITE));
        vm.assertFalse(consent.isLive(_slot(alice.id, mercy.id, "clinical"), 1));
        vm.assertTrue(consent.isAllowed(alice.id, mercy.id, _recordTarget(alice.id, t.record), WRITE));
    }

    function testFuzz_WhenTheWrapHasNotTheLengthOfItsSuite_Refuses(uint256 length) public {
        length = length % 2100;
        vm.assume(length != 80);
        (GrantTerms memory t,) = _readTerms(alice.id, dora.id, 1);
        bytes memory wrap = new bytes(length);
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 1, length));
    }

    function test_WhenTheRecipientKeyIsNotTheGrantees_Refuses() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        _setEncryptionKey(dora, _encryptionKey(acme.id));
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.NotRecipientKey.selector, dora.id, _keyHash(dora.id)));
        _setEncryptionKey(dora, "");
        t.recipientKeyHash = 0;
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.NotRecipientKey.selector, dora.id, 0));
    }

    function test_WhenItGivesRead_KeepsOneWordAndAnnouncesTheRest() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        bytes memory signature = _signGrant(alice, t, wrap);
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        vm.expectEmit(address(consent));
        emit IConsent.Granted(
            slot, alice.id, dora.id, "clinical", 0, 1, READ, t.until, "TREAT", 1, 1, _keyHash(dora.id), wrap, signature
        );
        vm.assertTrue(consent.grant(t, wrap, signature));

        (uint64 serial, uint64 revoked, uint64 until, uint8 permission) = consent.slotState(slot);
        vm.assertTrue(serial == 1 && revoked == 0 && until == t.until && permission == READ);
        vm.assertTrue(consent.isLive(slot, 1));
        vm.assertTrue(_allowed(alice, dora, READ));
        vm.assertFalse(_allowed(alice, dora, WRITE));
        vm.assertFalse(_allowed(alice, dora, READ | WRITE));
        vm.assertFalse(_allowed(alice, dora, 0));
    }

    function test_WhenItCarriesAWrapWithoutNeed_Refuses() public {
        GrantTerms memory t = _writeTerms(alice.id, dora.id, 1);
        bytes memory wrap = _seal("wrap");
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 0, 80));
        t.suite = 1;
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedSeal.selector, 1, 0));
        (t, wrap) = _readTerms(alice.id, dora.id, 1);
        t.scope = "";
        t.record = keccak256("record");
        _refuses(alice, t, wrap, abi.encodeWithSelector(IConsent.MalformedSeal.selector, 1, 80));
    }

    function test_WhenItGivesOneRecord_OnlyThatSlotLives() public {
        GrantTerms memory t = _writeTerms(alice.id, dora.id, 1);
        t.scope = "";
        t.record = keccak256("record");
        t.permission = READ;
        consent.grant(t, "", _signGrant(alice, t, ""));
        vm.assertTrue(consent.isAllowed(alice.id, dora.id, _recordTarget(alice.id, t.record), READ));
        vm.assertFalse(consent.isAllowed(alice.id, dora.id, t.record, READ));
        vm.assertFalse(consent.isAllowed(alice.id, dora.id, _recordTarget(bob.id, t.record), READ));
        vm.assertFalse(_allowed(alice, dora, READ));
    }

    function test_GivenAGrantLives_TheNextSerialNarrowsIt() public {
        (GrantTerms memory wide, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        wide.permission = READ | WRITE;
        bytes memory widely = _signGrant(alice, wide, wrap);
        consent.grant(wide, wrap, widely);
        GrantTerms memory narrow = _writeTerms(alice.id, dora.id, 2);
        narrow.until = NOW + 1 days;
        vm.assertTrue(consent.grant(narrow, "", _signGrant(alice, narrow, "")));
        vm.assertFalse(_allowed(alice, dora, READ));
        vm.assertTrue(_allowed(alice, dora, WRITE));
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        vm.assertFalse(consent.isLive(slot, 1));
        // The wider one, sent again, does not come back.
        vm.expectRevert(abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, 2));
        consent.grant(wide, wrap, widely);
        vm.warp(NOW + 1 days);
        vm.assertFalse(_allowed(alice, dora, WRITE));
    }

    function test_GivenAGrantLives_TheNextSerialExtendsIt() public {
        _grantRead(alice, dora.id, 1);
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 2);
        t.permission = READ | WRITE;
        t.until = NOW + 60 days;
        consent.grant(t, wrap, _signGrant(alice, t, wrap));
        vm.warp(NOW + 60 days - 1);
        vm.assertTrue(_allowed(alice, dora, READ | WRITE));
        vm.warp(NOW + 60 days);
        vm.assertFalse(_allowed(alice, dora, READ));
    }

    function testFuzz_GivenAGrantHasEnded_TheNextSerialRenewsIt(bool revoked) public {
        bytes32 slot = _grantRead(alice, dora.id, 1);
        if (revoked) _revoke(alice, dora.id, 1);
        else vm.warp(NOW + 31 days);
        vm.assertFalse(_allowed(alice, dora, READ));
        _grantRead(alice, dora.id, 2);
        vm.assertTrue(_allowed(alice, dora, READ));
        vm.assertFalse(consent.isLive(slot, 1));
        vm.assertTrue(consent.isLive(slot, 2));
    }

    function test_GivenTheSerialWasRevokedAfterItWasGranted_ItDoesNotComeBack() public {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 1);
        bytes memory signature = _signGrant(alice, t, wrap);
        consent.grant(t, wrap, signature);
        _revoke(alice, dora.id, 1);
        bytes32 slot = _slot(alice.id, dora.id, "clinical");
        vm.expectRevert(abi.encodeWithSelector(IConsent.SerialNotNext.selector, slot, 1, 1));
        consent.grant(t, wrap, signature);
    }

    function test_WhenScopeAndPurposeAreOfTheLongestLength_Grants() public {
        GrantTerms memory t = _writeTerms(alice.id, mercy.id, 1);
        t.scope = string(new bytes(32));
        t.purpose = string(new bytes(64));
        vm.assertTrue(consent.grant(t, "", _signGrant(alice, t, "")));
    }

    function test_WhenWithoutWrap_TheGranteesKeyIsOfNoMatter() public {
        GrantTerms memory t = _writeTerms(alice.id, dora.id, 1);
        t.recipientKeyHash = _keyHash(dora.id);
        _refuses(alice, t, "", abi.encodeWithSelector(IConsent.MalformedSeal.selector, 0, 0));
        _setEncryptionKey(dora, "");
        t.recipientKeyHash = 0;
        vm.assertTrue(consent.grant(t, "", _signGrant(alice, t, "")));
    }

    function test_ExpirySuspensionRetirementAndCredentialsEndItAtOnce() public {
        _grantRead(alice, dora.id, 1);
        _setStatus(dora.id, 2);
        vm.assertFalse(_allowed(alice, dora, READ));
        _setStatus(dora.id, 1);
        vm.assertTrue(_allowed(alice, dora, READ));
        _setStatus(alice.id, 2);
        vm.assertFalse(_allowed(alice, dora, READ));
        _setStatus(alice.id, 1);
        vm.warp(NOW + 30 days - 1);
        vm.assertTrue(_allowed(alice, dora, READ));
        vm.warp(NOW + 30 days);
        vm.assertFalse(_allowed(alice, dora, READ));

        (GrantTerms memory t, bytes memory wrap) = _readTerms(alice.id, dora.id, 2);
        t.until = NOW + 2 * YEAR;
        consent.grant(t, wrap, _signGrant(alice, t, wrap));
        vm.warp(NOW + YEAR - 1);
        vm.assertTrue(_allowed(alice, dora, READ));
        vm.warp(NOW + YEAR);
        vm.assertFalse(_allowed(alice, dora, READ));
    }

    function _allowed(Person memory patient, Person memory grantee, uint8 permission) private view returns (bool) {
        return consent.isAllowed(patient.id, grantee.id, _compartment(patient.id, "clinical"), permission);
    }

    function _refuses(Person memory signer, GrantTerms memory t, bytes memory wrap, bytes memory reason) private {
        bytes memory signature = _signGrant(signer, t, wrap);
        vm.expectRevert(reason);
        consent.grant(t, wrap, signature);
    }
}

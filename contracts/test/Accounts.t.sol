// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice What an account changes after it came in.
contract AccountsTest is Clinic {
    Person internal fresh = _person("fresh key");

    // ---- decisions in general ----

    function test_ADecisionIsTakenOnce() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW);
        bytes memory signature = _signDirectory(alice, terms);
        directory.setCustodian(alice.id, acme.id, 2, NOW, signature);
        _setCustodian(alice, mercy.id, 2);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
        directory.setCustodian(alice.id, acme.id, 2, NOW, signature);
    }

    function test_ARefusedDecisionKeepsItsNonce() public {
        uint256 nonce = directory.nonces(alice.id);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
        directory.setCustodian(alice.id, acme.id, 2, NOW, "");
        vm.assertEq(directory.nonces(alice.id), nonce);
    }

    function test_ALateDecisionIsRefused() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW - 1);
        bytes memory signature = _signDirectory(alice, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.DeadlinePassed.selector, alice.id, NOW - 1));
        directory.setCustodian(alice.id, acme.id, 2, NOW - 1, signature);
    }

    function test_AnUnknownAccountDecidesNothing() public {
        bytes32 terms = Typed.custodian(mallory.id, acme.id, 2, 0, NOW);
        bytes memory signature = _signDirectory(mallory, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnknownAccount.selector, mallory.id));
        directory.setCustodian(mallory.id, acme.id, 2, NOW, signature);
    }

    // ---- statement keys ----

    function testFuzz_AStatementKeysWindowNeverReachesBack(uint64 from, uint64 until) public {
        uint64 begins = from < 1000 ? 1000 : from;
        if (until <= begins) {
            bytes32 terms = Typed.statementKey(dora.id, fresh.id, from, until, directory.nonces(dora.id), NOW);
            bytes memory signature = _signDirectory(dora, terms);
            vm.expectRevert(abi.encodeWithSelector(IDirectory.EmptyWindow.selector, dora.id, fresh.id, begins, until));
            directory.setStatementKey(dora.id, fresh.id, from, until, NOW, signature);
            return;
        }
        _listStatementKey(dora, fresh.id, from, until);
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, begins - 1));
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, begins));
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, until - 1));
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, until));
        vm.assertFalse(directory.isStatementKey(mercy.id, fresh.id, begins));
    }

    function testFuzz_EndingAKeyLeavesWhatItSignedValid(uint64 until) public {
        _listStatementKey(dora, fresh.id, 0, OPEN);
        vm.roll(1500);
        until = until % 1500;
        bytes32 terms = Typed.statementKey(dora.id, fresh.id, 7, until, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.StatementKeyListed(dora.id, fresh.id, 1000, 1500);
        directory.setStatementKey(dora.id, fresh.id, 7, until, NOW, signature);
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1000));
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1499));
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1500));
    }

    function test_AnEndedKeyIsFinal() public {
        _listStatementKey(dora, fresh.id, 0, 1100);
        vm.roll(1100);
        bytes32 terms = Typed.statementKey(dora.id, fresh.id, 0, OPEN, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.StatementKeyEnded.selector, dora.id, fresh.id, 1100));
        directory.setStatementKey(dora.id, fresh.id, 0, OPEN, NOW, signature);
    }

    function test_AKeyThatHasNotBegunMayBeMovedOrCalledOff() public {
        _listStatementKey(dora, fresh.id, 2000, OPEN);
        _listStatementKey(dora, fresh.id, 1500, OPEN);
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1500));
        _listStatementKey(dora, fresh.id, 1500, 1200);
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1500));
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1300));
    }

    function test_AKeyHasOneUse() public {
        address[3] memory keys = [address(0), mercy.id, mercyPublisher.id];
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes32 terms = Typed.statementKey(mercy.id, keys[i], 0, OPEN, directory.nonces(mercy.id), NOW);
            bytes memory signature = _signDirectory(mercy, terms);
            vm.expectRevert(abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, keys[i]));
            directory.setStatementKey(mercy.id, keys[i], 0, OPEN, NOW, signature);
        }
        _refusesPublisher(
            mercy,
            mercyStatements,
            abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, mercyStatements.id)
        );
        _refusesPublisher(mercy, mercy, abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, mercy.id));
    }

    // ---- publishers ----

    function test_APublisherBelongsToOneOrganisation() public {
        _refusesPublisher(
            acme,
            mercyPublisher,
            abi.encodeWithSelector(IDirectory.PublisherTaken.selector, mercyPublisher.id, mercy.id)
        );
        _refusesPublisher(dora, fresh, abi.encodeWithSelector(IDirectory.NotOrganisation.selector, dora.id));
    }

    function test_NobodyListsAnothersAddress() public {
        bytes32 terms = Typed.publisher(acme.id, fresh.id, true, directory.nonces(acme.id), NOW);
        bytes memory signature = _signDirectory(acme, terms);
        bytes memory forMercy = _signDirectory(fresh, Typed.publisherAccept(mercy.id, fresh.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, fresh.id));
        directory.setPublisher(acme.id, fresh.id, true, NOW, signature, forMercy);
    }

    function test_APublisherIsTakenOffByItsOrganisationAlone() public {
        bytes32 terms = Typed.publisher(acme.id, mercyPublisher.id, false, directory.nonces(acme.id), NOW);
        bytes memory signature = _signDirectory(acme, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.PublisherNotListed.selector, acme.id, mercyPublisher.id));
        directory.setPublisher(acme.id, mercyPublisher.id, false, NOW, signature, "");
        terms = Typed.publisher(mercy.id, mercyPublisher.id, false, directory.nonces(mercy.id), NOW);
        directory.setPublisher(mercy.id, mercyPublisher.id, false, NOW, _signDirectory(mercy, terms), "");
        vm.assertEq(directory.publisherOrg(mercyPublisher.id), address(0));
        _listPublisher(acme, mercyPublisher);
        vm.assertEq(directory.publisherOrg(mercyPublisher.id), acme.id);
    }

    // ---- custodian, encryption key, controller, status ----

    function test_OnlyAPatientHasACustodian() public {
        bytes32 terms = Typed.custodian(dora.id, mercy.id, 2, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, dora.id, mercy.id, 2));
        directory.setCustodian(dora.id, mercy.id, 2, NOW, signature);
        _setCustodian(alice, address(0), 0);
        (address custodian, uint8 custody) = directory.custodianOf(alice.id);
        vm.assertTrue(custodian == address(0) && custody == 0);
    }

    function test_AnEncryptionKeyIsReplacedOrRemoved() public {
        _setEncryptionKey(dora, _encryptionKey(acme.id));
        (uint16 suite, bytes32 keyHash) = directory.encryptionKeyOf(dora.id);
        vm.assertTrue(suite == 1 && keyHash == _keyHash(acme.id));
        _setEncryptionKey(dora, "");
        (suite, keyHash) = directory.encryptionKeyOf(dora.id);
        vm.assertTrue(suite == 0 && keyHash == 0);
        (address controller, uint8 role, uint8 status, uint64 expiry) = directory.authority(dora.id);
        vm.assertTrue(controller == dora.id && role == 2 && status == 1 && expiry == NOW + YEAR);
    }

    function test_HandingOverNeedsBoth() public {
        bytes32 terms = Typed.handOver(alice.id, fresh.id, directory.nonces(alice.id), NOW);
        bytes memory byAlice = _signDirectory(alice, terms);
        bytes memory byFresh = _signDirectory(fresh, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, fresh.id));
        directory.handOver(alice.id, fresh.id, NOW, byAlice, byAlice);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
        directory.handOver(alice.id, fresh.id, NOW, byFresh, byFresh);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NoController.selector, alice.id));
        directory.handOver(alice.id, address(0), NOW, byAlice, "");
        directory.handOver(alice.id, fresh.id, NOW, byAlice, byFresh);
        (address controller, uint8 role,,) = directory.authority(alice.id);
        vm.assertTrue(controller == fresh.id && role == 1);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, fresh.id));
        vm.prank(alice.id);
        directory.setCustodian(alice.id, acme.id, 2, NOW, "");
    }

    function test_RetirementIsFinal() public {
        _setStatus(dora.id, 2);
        _setStatus(dora.id, 1);
        vm.assertTrue(directory.isActive(dora.id));
        _setStatus(dora.id, 3);
        vm.assertFalse(directory.isActive(dora.id));
        _refusesStatus(admin, dora.id, 1, abi.encodeWithSelector(IDirectory.Retired.selector, dora.id));
    }

    function testFuzz_OnlyARegistrarSetsAKnownStatus(uint8 status) public {
        _refusesStatus(mallory, dora.id, 2, abi.encodeWithSelector(IDirectory.NotRegistrar.selector, mallory.id));
        _refusesStatus(admin, mallory.id, 2, abi.encodeWithSelector(IDirectory.UnknownAccount.selector, mallory.id));
        vm.assume(status == 0 || status > 3);
        _refusesStatus(
            admin, dora.id, status, abi.encodeWithSelector(IDirectory.UnknownStatus.selector, dora.id, status)
        );
    }

    function test_ADismissedRegistrarSetsNothing() public {
        bytes32 role = directory.REGISTRAR();
        vm.prank(admin.id);
        directory.revokeRole(role, admin.id);
        _refusesStatus(admin, dora.id, 2, abi.encodeWithSelector(IDirectory.NotRegistrar.selector, admin.id));
    }

    function test_AnExpiredCredentialMakesAnAccountInactive() public {
        vm.warp(NOW + YEAR);
        vm.assertFalse(directory.isActive(dora.id) || directory.isActive(mercy.id) || directory.isActive(acme.id));
        vm.assertTrue(directory.isActive(alice.id));
    }

    function _refusesPublisher(Person memory org, Person memory publisher, bytes memory reason) private {
        bytes32 terms = Typed.publisher(org.id, publisher.id, true, directory.nonces(org.id), NOW);
        bytes memory signature = _signDirectory(org, terms);
        bytes memory acceptance = _signDirectory(publisher, Typed.publisherAccept(org.id, publisher.id));
        vm.expectRevert(reason);
        directory.setPublisher(org.id, publisher.id, true, NOW, signature, acceptance);
    }

    function _refusesStatus(Person memory registrar, address who, uint8 status, bytes memory reason) private {
        bytes32 terms = Typed.setStatus(who, status, registrar.id, directory.nonces(registrar.id), NOW);
        bytes memory signature = _signDirectory(registrar, terms);
        vm.expectRevert(reason);
        directory.setStatus(who, status, registrar.id, NOW, signature);
    }
}

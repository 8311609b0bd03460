// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract RenewCredentialTest is Clinic {
    bytes32 internal constant PAPERS = keccak256("new papers");

    function test_GivenTheCredentialHasExpired_ItIsActiveAgain() public {
        vm.warp(NOW + YEAR + 1);
        vm.assertFalse(directory.isActive(dora.id));
        _renewCredential(dora, NOW + 2 * YEAR);
        vm.assertTrue(directory.isActive(dora.id));
        vm.warp(NOW + 2 * YEAR);
        vm.assertFalse(directory.isActive(dora.id));
    }

    function testFuzz_GivenTheAccountIsSuspendedOrRetired_ItStaysSo(bool retired) public {
        _setStatus(dora.id, retired ? 3 : 2);
        _renewCredential(dora, NOW + 2 * YEAR);
        (,, uint8 status, uint64 expiry) = directory.authority(dora.id);
        vm.assertTrue(status == (retired ? 3 : 2) && expiry == NOW + 2 * YEAR);
        vm.assertFalse(directory.isActive(dora.id));
    }

    function test_WhenTheAccountIsAPatient_Refuses() public {
        _refuses(
            alice,
            PAPERS,
            NOW + 1,
            abi.encodeWithSelector(IDirectory.MalformedCredential.selector, alice.id, PAPERS, NOW + 1)
        );
    }

    function test_WhenThereIsNoCredentialOrAnExpiredOne_Refuses() public {
        _refuses(dora, 0, NOW + 1, abi.encodeWithSelector(IDirectory.MalformedCredential.selector, dora.id, 0, NOW + 1));
        _refuses(
            dora, PAPERS, NOW, abi.encodeWithSelector(IDirectory.MalformedCredential.selector, dora.id, PAPERS, NOW)
        );
    }

    function test_WhenTheAccountDidNotSign_Refuses() public {
        bytes32 terms = Typed.credential(dora.id, PAPERS, NOW + YEAR, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(mallory, terms);
        bytes memory countersignature = _signDirectory(admin, Typed.countersign(terms, admin.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, dora.id));
        directory.renewCredential(dora.id, PAPERS, NOW + YEAR, NOW, signature, admin.id, countersignature);
    }

    function test_WhenNoRegistrarCountersigned_Refuses() public {
        bytes32 terms = Typed.credential(dora.id, PAPERS, NOW + YEAR, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        bytes memory countersignature = _signDirectory(mallory, Typed.countersign(terms, mallory.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotRegistrar.selector, mallory.id));
        directory.renewCredential(dora.id, PAPERS, NOW + YEAR, NOW, signature, mallory.id, countersignature);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, admin.id));
        directory.renewCredential(dora.id, PAPERS, NOW + YEAR, NOW, signature, admin.id, countersignature);
        // A countersignature of the renewal before counts for that one only.
        bytes memory spent = _signDirectory(admin, Typed.countersign(terms, admin.id));
        directory.renewCredential(dora.id, PAPERS, NOW + YEAR, NOW, signature, admin.id, spent);
        terms = Typed.credential(dora.id, PAPERS, NOW + YEAR, directory.nonces(dora.id), NOW);
        signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, admin.id));
        directory.renewCredential(dora.id, PAPERS, NOW + YEAR, NOW, signature, admin.id, spent);
    }

    function testFuzz_WhenATermIsChangedAfterSigning_Refuses(bool expiry) public {
        bytes32 terms = Typed.credential(dora.id, PAPERS, NOW + YEAR, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        bytes memory countersignature = _signDirectory(admin, Typed.countersign(terms, admin.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, dora.id));
        directory.renewCredential(
            dora.id,
            expiry ? PAPERS : keccak256("other papers"),
            expiry ? NOW + 2 * YEAR : NOW + YEAR,
            NOW,
            signature,
            admin.id,
            countersignature
        );
    }

    function test_WhenAllIsWell_KeepsTheExpiryAndAnnouncesThePapers() public {
        bytes32 terms = Typed.credential(mercy.id, PAPERS, NOW + 3 * YEAR, directory.nonces(mercy.id), NOW);
        bytes memory signature = _signDirectory(mercy, terms);
        bytes memory countersignature = _signDirectory(admin, Typed.countersign(terms, admin.id));
        vm.expectEmit(address(directory));
        emit IDirectory.CredentialRenewed(mercy.id, PAPERS, NOW + 3 * YEAR, admin.id);
        directory.renewCredential(mercy.id, PAPERS, NOW + 3 * YEAR, NOW, signature, admin.id, countersignature);
        (address controller, uint8 role,, uint64 expiry) = directory.authority(mercy.id);
        vm.assertTrue(controller == mercy.id && role == 3 && expiry == NOW + 3 * YEAR);
        (uint16 suite, bytes32 keyHash) = directory.encryptionKeyOf(mercy.id);
        vm.assertTrue(suite == 1 && keyHash == _keyHash(mercy.id));
    }

    function _refuses(Person memory who, bytes32 credential, uint64 expiry, bytes memory reason) private {
        bytes32 terms = Typed.credential(who.id, credential, expiry, directory.nonces(who.id), NOW);
        bytes memory signature = _signDirectory(who, terms);
        bytes memory countersignature = _signDirectory(admin, Typed.countersign(terms, admin.id));
        vm.expectRevert(reason);
        directory.renewCredential(who.id, credential, expiry, NOW, signature, admin.id, countersignature);
    }
}

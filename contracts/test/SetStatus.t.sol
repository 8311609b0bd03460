// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract SetStatusTest is Clinic {
    function test_GivenTheAccountIsRetired_Refuses() public {
        _setStatus(dora.id, 2);
        _setStatus(dora.id, 1);
        vm.assertTrue(directory.isActive(dora.id));
        _setStatus(dora.id, 3);
        vm.assertFalse(directory.isActive(dora.id));
        _refusesStatus(admin, dora.id, 1, abi.encodeWithSelector(IDirectory.Retired.selector, dora.id));
    }

    function testFuzz_WhenRegistrarAccountOrStatusAreUnknown_Refuses(uint8 status) public {
        _refusesStatus(mallory, dora.id, 2, abi.encodeWithSelector(IDirectory.NotRegistrar.selector, mallory.id));
        _refusesStatus(admin, mallory.id, 2, abi.encodeWithSelector(IDirectory.UnknownAccount.selector, mallory.id));
        vm.assume(status == 0 || status > 3);
        _refusesStatus(
            admin, dora.id, status, abi.encodeWithSelector(IDirectory.UnknownStatus.selector, dora.id, status)
        );
    }

    function test_GivenTheRegistrarWasDismissed_Refuses() public {
        bytes32 role = directory.REGISTRAR();
        vm.prank(admin.id);
        directory.revokeRole(role, admin.id);
        _refusesStatus(admin, dora.id, 2, abi.encodeWithSelector(IDirectory.NotRegistrar.selector, admin.id));
    }

    function test_ActiveAlsoNeedsACredentialThatHasNotExpired() public {
        vm.warp(NOW + YEAR);
        vm.assertFalse(directory.isActive(dora.id) || directory.isActive(mercy.id) || directory.isActive(acme.id));
        vm.assertTrue(directory.isActive(alice.id));
    }

    function test_WhenItIsSentAgainOrLate_Refuses() public {
        bytes32 terms = Typed.setStatus(dora.id, 2, admin.id, directory.nonces(admin.id), NOW);
        bytes memory signature = _signDirectory(admin, terms);
        directory.setStatus(dora.id, 2, admin.id, NOW, signature);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, admin.id));
        directory.setStatus(dora.id, 2, admin.id, NOW, signature);
        vm.warp(NOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.DeadlinePassed.selector, dora.id, NOW));
        directory.setStatus(dora.id, 2, admin.id, NOW, signature);
    }

    function testFuzz_WhenATermIsChangedAfterSigning_Refuses(bool other) public {
        bytes32 terms = Typed.setStatus(dora.id, 2, admin.id, directory.nonces(admin.id), NOW);
        bytes memory signature = _signDirectory(admin, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, admin.id));
        directory.setStatus(other ? acme.id : dora.id, other ? 2 : 3, admin.id, NOW, signature);
    }

    function test_WhenAllIsWell_AnnouncesIt() public {
        bytes32 terms = Typed.setStatus(dora.id, 3, admin.id, directory.nonces(admin.id), NOW);
        bytes memory signature = _signDirectory(admin, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.StatusChanged(dora.id, 3, admin.id);
        directory.setStatus(dora.id, 3, admin.id, NOW, signature);
    }

    function _refusesStatus(Person memory registrar, address who, uint8 status, bytes memory reason) private {
        bytes32 terms = Typed.setStatus(who, status, registrar.id, directory.nonces(registrar.id), NOW);
        bytes memory signature = _signDirectory(registrar, terms);
        vm.expectRevert(reason);
        directory.setStatus(who, status, registrar.id, NOW, signature);
    }
}

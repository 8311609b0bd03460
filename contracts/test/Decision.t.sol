// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice What holds for every signed decision of the Directory that has a nonce and a deadline; shown with
/// `setCustodian`.
contract DecisionTest is Clinic {
    function test_WhenItIsSentAgain_Refuses() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW);
        bytes memory signature = _signDirectory(alice, terms);
        directory.setCustodian(alice.id, acme.id, 2, NOW, signature);
        _setCustodian(alice, mercy.id, 2);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
        directory.setCustodian(alice.id, acme.id, 2, NOW, signature);
    }

    function test_WhenItIsRefused_TheNonceIsKept() public {
        uint256 nonce = directory.nonces(alice.id);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
        directory.setCustodian(alice.id, acme.id, 2, NOW, "");
        vm.assertEq(directory.nonces(alice.id), nonce);
    }

    function test_WhenItIsLate_Refuses() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW - 1);
        bytes memory signature = _signDirectory(alice, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.DeadlinePassed.selector, alice.id, NOW - 1));
        directory.setCustodian(alice.id, acme.id, 2, NOW - 1, signature);
    }

    function test_GivenTheAccountIsUnknown_Refuses() public {
        bytes32 terms = Typed.custodian(mallory.id, acme.id, 2, 0, NOW);
        bytes memory signature = _signDirectory(mallory, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnknownAccount.selector, mallory.id));
        directory.setCustodian(mallory.id, acme.id, 2, NOW, signature);
    }

    function test_WhenItIsInTime_IsTaken() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW);
        directory.setCustodian(alice.id, acme.id, 2, NOW, _signDirectory(alice, terms));
        (address custodian,) = directory.custodianOf(alice.id);
        vm.assertEq(custodian, acme.id);
    }

    function test_WhenAnyoneElseSigns_Refuses() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id), NOW);
        address[4] memory others = [admin.id, mercy.id, mallory.id, mercyStatements.id];
        bytes[4] memory signatures = [
            _signDirectory(admin, terms),
            _signDirectory(mercy, terms),
            _signDirectory(mallory, terms),
            _signDirectory(mercyStatements, terms)
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, alice.id));
            directory.setCustodian(alice.id, acme.id, 2, NOW, signatures[i]);
        }
    }

    function test_WhenTheControllerSendsItItself_TheSignatureMayBeEmpty() public {
        vm.prank(alice.id);
        directory.setCustodian(alice.id, acme.id, 2, NOW, "");
        (address custodian,) = directory.custodianOf(alice.id);
        vm.assertEq(custodian, acme.id);
    }
}

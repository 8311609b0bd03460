// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract SetCustodianTest is Clinic {
    function test_WhenAnyoneButAPatientNamesOne_Refuses() public {
        bytes32 terms = Typed.custodian(dora.id, mercy.id, 2, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, dora.id, mercy.id, 2));
        directory.setCustodian(dora.id, mercy.id, 2, NOW, signature);
    }

    function testFuzz_WhenCustodianAndModeDoNotFit_Refuses(uint8 custody, bool named) public {
        address custodian = named ? acme.id : address(0);
        bool fits = named ? custody == 1 || custody == 2 : custody == 0;
        if (!fits) {
            _refuses(alice, custodian, custody);
            return;
        }
        _setCustodian(alice, custodian, custody);
        (address chosen, uint8 mode) = directory.custodianOf(alice.id);
        vm.assertTrue(chosen == custodian && mode == custody);
    }

    function test_WhenTheCustodianIsNoActiveOrganisation_Refuses() public {
        _refuses(alice, dora.id, 1);
        _refuses(alice, mallory.id, 1);
        _setStatus(acme.id, 2);
        _refuses(alice, acme.id, 1);
    }

    function test_WhenAllIsWell_AnnouncesTheCustodian() public {
        bytes32 terms = Typed.custodian(alice.id, acme.id, 1, directory.nonces(alice.id), NOW);
        bytes memory signature = _signDirectory(alice, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.CustodianChanged(alice.id, acme.id, 1);
        directory.setCustodian(alice.id, acme.id, 1, NOW, signature);
    }

    function _refuses(Person memory who, address custodian, uint8 custody) private {
        bytes32 terms = Typed.custodian(who.id, custodian, custody, directory.nonces(who.id), NOW);
        bytes memory signature = _signDirectory(who, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, who.id, custodian, custody));
        directory.setCustodian(who.id, custodian, custody, NOW, signature);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract HandOverTest is Clinic {
    Person internal fresh = _person("fresh key");

    function test_WhenNotBothSigned_Refuses() public {
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

    function testFuzz_GivenAnyStatus_HandsOver(uint8 status) public {
        _setStatus(alice.id, status % 3 + 1);
        bytes32 terms = Typed.handOver(alice.id, fresh.id, directory.nonces(alice.id), NOW);
        bytes memory signature = _signDirectory(alice, terms);
        bytes memory acceptance = _signDirectory(fresh, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.HandedOver(alice.id, fresh.id);
        directory.handOver(alice.id, fresh.id, NOW, signature, acceptance);
        (address controller,, uint8 kept,) = directory.authority(alice.id);
        vm.assertTrue(controller == fresh.id && kept == status % 3 + 1);
    }

    function test_WhatTheFormerControllerSignedBefore_DiesWithIt() public {
        bytes32 other = Typed.custodian(alice.id, acme.id, 2, directory.nonces(alice.id) + 1, NOW);
        bytes memory before = _signDirectory(alice, other);
        bytes32 terms = Typed.handOver(alice.id, fresh.id, directory.nonces(alice.id), NOW);
        directory.handOver(alice.id, fresh.id, NOW, _signDirectory(alice, terms), _signDirectory(fresh, terms));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, fresh.id));
        directory.setCustodian(alice.id, acme.id, 2, NOW, before);
    }
}

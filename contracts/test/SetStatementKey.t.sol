// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract SetStatementKeyTest is Clinic {
    Person internal fresh = _person("fresh key");

    function testFuzz_WhenTheKeyIsNew_ItsWindowNeverReachesBack(uint64 from, uint64 until) public {
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

    function testFuzz_GivenTheWindowHasBegun_OnlyItsEndMoves(uint64 until) public {
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

    function test_GivenTheWindowHasEnded_Refuses() public {
        _listStatementKey(dora, fresh.id, 0, 1100);
        vm.roll(1100);
        bytes32 terms = Typed.statementKey(dora.id, fresh.id, 0, OPEN, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.StatementKeyEnded.selector, dora.id, fresh.id, 1100));
        directory.setStatementKey(dora.id, fresh.id, 0, OPEN, NOW, signature);
    }

    function test_GivenTheWindowHasNotBegun_ItIsMovedOrCalledOff() public {
        _listStatementKey(dora, fresh.id, 2000, OPEN);
        _listStatementKey(dora, fresh.id, 1500, OPEN);
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1500));
        _listStatementKey(dora, fresh.id, 1500, 1200);
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1500));
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1300));
    }

    function test_WhenTheWindowWouldBeEmpty_Refuses() public {
        bytes32 terms = Typed.statementKey(dora.id, fresh.id, 1200, 1200, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.EmptyWindow.selector, dora.id, fresh.id, 1200, 1200));
        directory.setStatementKey(dora.id, fresh.id, 1200, 1200, NOW, signature);
    }

    function test_GivenTheWindowHasBegun_ItsEndMayMoveOut() public {
        _listStatementKey(dora, fresh.id, 0, 1100);
        vm.roll(1050);
        _listStatementKey(dora, fresh.id, 0, 1200);
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1000));
        vm.assertTrue(directory.isStatementKey(dora.id, fresh.id, 1199));
        vm.assertFalse(directory.isStatementKey(dora.id, fresh.id, 1200));
    }

    function test_WhenTheKeyHasAnotherUse_Refuses() public {
        address[3] memory keys = [address(0), mercy.id, mercyPublisher.id];
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes32 terms = Typed.statementKey(mercy.id, keys[i], 0, OPEN, directory.nonces(mercy.id), NOW);
            bytes memory signature = _signDirectory(mercy, terms);
            vm.expectRevert(abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, keys[i]));
            directory.setStatementKey(mercy.id, keys[i], 0, OPEN, NOW, signature);
        }
    }

    function test_WhenAllIsWell_AnnouncesTheWindowInForce() public {
        bytes32 terms = Typed.statementKey(dora.id, fresh.id, 7, 2000, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.StatementKeyListed(dora.id, fresh.id, 1000, 2000);
        directory.setStatementKey(dora.id, fresh.id, 7, 2000, NOW, signature);
    }
}

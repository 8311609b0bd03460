// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract SetEncryptionKeyTest is Clinic {
    function test_WhenAllIsWell_TheKeyIsReplacedOrRemovedAndNothingElse() public {
        _setEncryptionKey(dora, _encryptionKey(acme.id));
        (uint16 suite, bytes32 keyHash) = directory.encryptionKeyOf(dora.id);
        vm.assertTrue(suite == 1 && keyHash == _keyHash(acme.id));
        _setEncryptionKey(dora, "");
        (suite, keyHash) = directory.encryptionKeyOf(dora.id);
        vm.assertTrue(suite == 0 && keyHash == 0);
        (address controller, uint8 role, uint8 status, uint64 expiry) = directory.authority(dora.id);
        vm.assertTrue(controller == dora.id && role == 2 && status == 1 && expiry == NOW + YEAR);
    }

    function testFuzz_WhenSuiteAndKeyDoNotFit_Refuses(uint16 suite, uint256 length) public {
        length = length % 3000;
        suite = suite % 4;
        bool fits = suite == 0 ? length == 0 : suite == 1 ? length == 32 : length != 0 && length <= 2048;
        bytes memory key = new bytes(length);
        bytes32 terms = Typed.encryptionKey(dora.id, suite, key, directory.nonces(dora.id), NOW);
        bytes memory signature = _signDirectory(dora, terms);
        if (fits) {
            vm.expectEmit(address(directory));
            emit IDirectory.EncryptionKeyChanged(dora.id, suite, key);
        } else {
            vm.expectRevert(abi.encodeWithSelector(IDirectory.MalformedKey.selector, dora.id, suite, length));
        }
        directory.setEncryptionKey(dora.id, suite, key, NOW, signature);
    }

    function test_WhenTheKeyIsOfTheLongestLength_IsTaken() public {
        for (uint256 length = 2048; length <= 2049; ++length) {
            bytes memory key = new bytes(length);
            bytes32 terms = Typed.encryptionKey(dora.id, 2, key, directory.nonces(dora.id), NOW);
            bytes memory signature = _signDirectory(dora, terms);
            if (length == 2049) {
                vm.expectRevert(abi.encodeWithSelector(IDirectory.MalformedKey.selector, dora.id, 2, length));
            }
            directory.setEncryptionKey(dora.id, 2, key, NOW, signature);
        }
    }
}

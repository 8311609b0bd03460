// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract MoveEndpointTest is Clinic {
    function testFuzz_WhenTheAccountIsNoOrganisation_Refuses(bool doctor) public {
        Person memory who = doctor ? dora : alice;
        bytes memory reason = abi.encodeWithSelector(IDirectory.NotOrganisation.selector, who.id);
        _refuses(who, "https://who.example.org", reason);
        _refuses(who, "", reason);
    }

    function test_WhenItIsTooLong_Refuses() public {
        _refuses(
            mercy, string(new bytes(257)), abi.encodeWithSelector(IDirectory.MalformedEndpoint.selector, mercy.id, 257)
        );
    }

    function test_WhenAnyoneElseSigns_Refuses() public {
        bytes32 terms = Typed.endpoint(mercy.id, "https://evil.example", directory.nonces(mercy.id), NOW);
        bytes memory signature = _signDirectory(mallory, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, mercy.id));
        directory.moveEndpoint(mercy.id, "https://evil.example", NOW, signature);
        signature = _signDirectory(mercy, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, mercy.id));
        directory.moveEndpoint(mercy.id, "https://other.example", NOW, signature);
    }

    function testFuzz_WhenAllIsWell_AnnouncesIt(uint8 length, bool insurer) public {
        _announces(insurer ? acme : mercy, string(new bytes(length)));
    }

    function test_WhenItIsOfTheLongestLengthOrEmpty_IsTaken() public {
        _announces(mercy, string(new bytes(256)));
        _announces(mercy, "");
    }

    function _announces(Person memory who, string memory endpoint) private {
        bytes32 terms = Typed.endpoint(who.id, endpoint, directory.nonces(who.id), NOW);
        bytes memory signature = _signDirectory(who, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.EndpointMoved(who.id, endpoint);
        directory.moveEndpoint(who.id, endpoint, NOW, signature);
    }

    function _refuses(Person memory who, string memory endpoint, bytes memory reason) private {
        bytes32 terms = Typed.endpoint(who.id, endpoint, directory.nonces(who.id), NOW);
        bytes memory signature = _signDirectory(who, terms);
        vm.expectRevert(reason);
        directory.moveEndpoint(who.id, endpoint, NOW, signature);
    }
}

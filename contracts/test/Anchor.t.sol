// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAnchors} from "../src/interfaces/IAnchors.sol";
import {Clinic} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract AnchorTest is Clinic {
    bytes32 internal constant ROOT = keccak256("root");
    bytes32 internal constant MANIFEST = keccak256("manifest");

    function test_WhenTheSenderDoesNotPublishForIt_Refuses() public {
        vm.expectRevert(abi.encodeWithSelector(IAnchors.NotPublisher.selector, mercy.id, address(this)));
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.NotPublisher.selector, address(0), address(this)));
        anchors.anchor(address(0), ROOT, 1, MANIFEST);
        vm.prank(mercy.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.NotPublisher.selector, mercy.id, mercy.id));
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
        vm.prank(acmePublisher.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.NotPublisher.selector, mercy.id, acmePublisher.id));
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
    }

    function test_GivenThePublisherWasTakenOff_Refuses() public {
        bytes32 terms = Typed.publisher(mercy.id, mercyPublisher.id, false, directory.nonces(mercy.id), NOW);
        directory.setPublisher(mercy.id, mercyPublisher.id, false, NOW, _signDirectory(mercy, terms), "");
        vm.prank(mercyPublisher.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.NotPublisher.selector, mercy.id, mercyPublisher.id));
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
    }

    function test_GivenTheOrganisationIsNotActive_Refuses() public {
        bytes memory reason = abi.encodeWithSelector(IAnchors.NotActive.selector, mercy.id);
        _setStatus(mercy.id, 2);
        vm.prank(mercyPublisher.id);
        vm.expectRevert(reason);
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
        _setStatus(mercy.id, 1);
        vm.warp(NOW + YEAR);
        vm.prank(mercyPublisher.id);
        vm.expectRevert(reason);
        anchors.anchor(mercy.id, ROOT, 1, MANIFEST);
    }

    function testFuzz_WhenTheBatchIsEmptyOrTooLarge_Refuses(uint32 count) public {
        vm.prank(mercyPublisher.id);
        if (count == 0 || count > 8192) {
            vm.expectRevert(abi.encodeWithSelector(IAnchors.BatchSize.selector, mercy.id, count));
        }
        anchors.anchor(mercy.id, ROOT, count, MANIFEST);
    }

    function test_WhenTheBatchIsEmpty_Refuses() public {
        vm.prank(mercyPublisher.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.BatchSize.selector, mercy.id, 0));
        anchors.anchor(mercy.id, ROOT, 0, MANIFEST);
    }

    function test_WhenTheBatchIsTheLargest_Anchors() public {
        vm.prank(mercyPublisher.id);
        anchors.anchor(mercy.id, ROOT, 8192, MANIFEST);
        vm.prank(mercyPublisher.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.BatchSize.selector, mercy.id, 8193));
        anchors.anchor(mercy.id, ROOT, 8193, MANIFEST);
    }

    function test_GivenThisVeryAnchorWasMade_RefusesAndSaysWhere() public {
        vm.prank(mercyPublisher.id);
        anchors.anchor(mercy.id, ROOT, 3, MANIFEST);
        vm.roll(1010);
        bytes32 key = keccak256(abi.encode(mercy.id, ROOT, uint32(3), MANIFEST));
        vm.prank(mercyPublisher.id);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.AlreadyAnchored.selector, key, 1000));
        anchors.anchor(mercy.id, ROOT, 3, MANIFEST);
        vm.assertEq(anchors.anchoredAt(key), 1000);
    }

    function test_GivenAnotherOrganisationAnchoredTheSameRoot_Anchors() public {
        vm.prank(acmePublisher.id);
        anchors.anchor(acme.id, ROOT, 3, MANIFEST);
        vm.roll(1001);
        vm.prank(mercyPublisher.id);
        vm.expectEmit(address(anchors));
        emit IAnchors.Anchored(mercy.id, ROOT, 3, MANIFEST, mercyPublisher.id);
        anchors.anchor(mercy.id, ROOT, 3, MANIFEST);
        vm.assertEq(anchors.anchoredAt(keccak256(abi.encode(mercy.id, ROOT, uint32(3), MANIFEST))), 1001);
    }

    function test_VerifyFindsEachLeafByItsPathAndNoOther() public {
        _verifies(".batch", 5);
    }

    function test_VerifyFindsRandomLeavesOfATreeThatIsNotFull() public {
        _verifies(".random", 33);
    }

    /// @dev The vectors' leaves, paths and root were made by `services/record`; the tree is OpenZeppelin's.
    function _verifies(string memory batch, uint32 count) private {
        string memory vectors = vm.readFile("../tests/vectors/record.json");
        bytes32 root = vm.parseJsonBytes32(vectors, string.concat(batch, ".root"));
        vm.prank(mercyPublisher.id);
        anchors.anchor(mercy.id, root, count, MANIFEST);

        for (uint256 i = 0; i < count; ++i) {
            string memory place = string.concat(batch, ".leaves[", vm.toString(i), "]");
            bytes32 leaf = keccak256(
                bytes.concat(
                    keccak256(
                        abi.encode(
                            vm.parseJsonBytes32(vectors, string.concat(place, ".compartment")),
                            uint32(vm.parseJsonUint(vectors, string.concat(place, ".epoch"))),
                            vm.parseJsonBytes32(vectors, string.concat(place, ".contentHash"))
                        )
                    )
                )
            );
            vm.assertEq(leaf, vm.parseJsonBytes32(vectors, string.concat(place, ".leaf")), "leaf");
            bytes32[] memory proof = vm.parseJsonBytes32Array(vectors, string.concat(place, ".proof"));
            vm.assertEq(anchors.verify(mercy.id, root, count, MANIFEST, leaf, proof), 1000);
            vm.assertEq(anchors.verify(acme.id, root, count, MANIFEST, leaf, proof), 0);
            vm.assertEq(anchors.verify(mercy.id, root, count - 1, MANIFEST, leaf, proof), 0);
            vm.assertEq(anchors.verify(mercy.id, root, count, keccak256("another"), leaf, proof), 0);
            vm.assertEq(anchors.verify(mercy.id, root, count, MANIFEST, ~leaf, proof), 0);
            proof[0] = ~proof[0];
            vm.assertEq(anchors.verify(mercy.id, root, count, MANIFEST, leaf, proof), 0);
        }
    }
}

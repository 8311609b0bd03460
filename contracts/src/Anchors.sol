// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IAnchors} from "./interfaces/IAnchors.sol";
import {IDirectory} from "./interfaces/IDirectory.sol";

/// @title Anchors: when which records existed. The interface is the specification.
contract Anchors is IAnchors {
    /// @inheritdoc IAnchors
    IDirectory public immutable directory;

    uint32 private constant RECORDS_CAP = 8192;

    // A whole word each: a narrower one would be read once more before it is written, for 120 gas an anchor.
    mapping(bytes32 key => uint256 number) private _anchors;

    constructor(IDirectory directory_) {
        directory = directory_;
    }

    /// @inheritdoc IAnchors
    function anchor(address org, bytes32 root, uint32 count, bytes32 manifest) external {
        (address publishes, bool active) = directory.publisherOf(msg.sender);
        if (org == address(0) || publishes != org) revert NotPublisher(org, msg.sender);
        if (!active) revert NotActive(org);
        if (count == 0 || count > RECORDS_CAP) revert BatchSize(org, count);
        bytes32 key = _key(org, root, count, manifest);
        if (_anchors[key] != 0) revert AlreadyAnchored(key, anchoredAt(key));

        _anchors[key] = block.number;
        emit Anchored(org, root, count, manifest, msg.sender);
    }

    /// @inheritdoc IAnchors
    function anchoredAt(bytes32 key) public view returns (uint64 number) {
        // Block numbers fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(_anchors[key]);
    }

    /// @inheritdoc IAnchors
    function verify(address org, bytes32 root, uint32 count, bytes32 manifest, bytes32 leaf, bytes32[] calldata proof)
        external
        view
        returns (uint64 number)
    {
        if (!MerkleProof.verifyCalldata(proof, root, leaf)) return 0;
        return anchoredAt(_key(org, root, count, manifest));
    }

    function _key(address org, bytes32 root, uint32 count, bytes32 manifest) private pure returns (bytes32) {
        return keccak256(abi.encode(org, root, count, manifest));
    }
}

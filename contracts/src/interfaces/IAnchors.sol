// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "./IDirectory.sol";

/// @title When which records existed.
/// @notice The Merkle roots of batches, each under its organisation. A leaf is
/// keccak256(bytes.concat(keccak256(abi.encode(bytes32 compartment, uint32 epoch, bytes32 contentHash)))); the tree is
/// OpenZeppelin's StandardMerkleTree.
///
/// An anchor is known by keccak256(abi.encode(address org, bytes32 root, uint32 count, bytes32 manifest)). Since the
/// organisation is part of it, nobody can occupy another's anchor.
///
/// Assumption: nothing here is checked against the manifest. An anchor says that `org` published this root at that
/// block, not that its manifest can be had, nor that its records are well made or were written by permission.
/// Warning: `verify` takes the leaf's hash. A caller must compute it from compartment, epoch and content hash itself:
/// an inner node of the tree, passed as a leaf, verifies as well.
interface IAnchors {
    /// @notice A batch is anchored. `manifest` is the sha2-256 digest of a CIDv1 dag-cbor.
    event Anchored(address indexed org, bytes32 indexed root, uint32 count, bytes32 manifest, address publisher);

    /// @notice Thrown when `publisher` does not anchor for `org`.
    error NotPublisher(address org, address publisher);

    /// @notice Thrown when the organisation is suspended, retired, or its credential has expired.
    error NotActive(address org);

    /// @notice Thrown when this very anchor was made before, at `number`: ask the chain before sending again.
    error AlreadyAnchored(bytes32 key, uint64 number);

    /// @notice Thrown when a batch is empty or holds more than 8192 records.
    error BatchSize(address org, uint32 count);

    /// @notice The Directory whose publishers this contract knows.
    function directory() external view returns (IDirectory);

    /// @notice Anchors a batch; sent by one of the organisation's publishers.
    /// @param root The Merkle root of the batch's leaves.
    /// @param count How many records, 1 to 8192.
    /// @param manifest The sha2-256 digest of the manifest.
    function anchor(address org, bytes32 root, uint32 count, bytes32 manifest) external;

    /// @notice The block an anchor was made in, or 0.
    function anchoredAt(bytes32 key) external view returns (uint64 number);

    /// @notice The block in which a leaf was anchored by this anchor, or 0 if the path does not lead to the root or the
    /// anchor is unknown.
    /// @param leaf The hash of the leaf, see the warning above.
    /// @param proof The siblings from leaf to root.
    function verify(address org, bytes32 root, uint32 count, bytes32 manifest, bytes32 leaf, bytes32[] calldata proof)
        external
        view
        returns (uint64 number);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Advancement, Delegation, GrantTerms, Revocation, Rewrapping, Wrap} from "../../src/interfaces/IConsent.sol";
import {Registration} from "../../src/interfaces/IDirectory.sol";

/// @notice EIP-712 as wallets compute it, from the struct strings of the specification. Nothing is taken from the
/// contracts, so a digest they accept is a digest both sides agree on.
library Typed {
    function digest(address verifyingContract, bytes32 structHash) internal view returns (bytes32) {
        return digest(block.chainid, verifyingContract, structHash);
    }

    function digest(uint256 chainId, address verifyingContract, bytes32 structHash) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Chartseal"),
                keccak256("1"),
                chainId,
                verifyingContract
            )
        );
        return keccak256(bytes.concat(hex"1901", domain, structHash));
    }

    // Encoded in two halves: one abi.encode of so many values has not stack enough.

    function grant(GrantTerms memory t, bytes32 wrapHash) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Grant(address patient,address grantee,string scope,bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash)"
        );
        bytes32 scope = keccak256(bytes(t.scope));
        bytes memory head = abi.encode(typeHash, t.patient, t.grantee, scope, t.record, t.serial, t.permission);
        bytes32 purpose = keccak256(bytes(t.purpose));
        return
            keccak256(bytes.concat(head, abi.encode(t.until, purpose, t.epoch, t.suite, t.recipientKeyHash, wrapHash)));
    }

    function revoke(Revocation memory r) internal pure returns (bytes32) {
        bytes32 typeHash =
            keccak256("Revoke(address patient,address grantee,string scope,bytes32 record,uint64 serial)");
        return keccak256(abi.encode(typeHash, r.patient, r.grantee, keccak256(bytes(r.scope)), r.record, r.serial));
    }

    function delegate(Delegation memory d) internal pure returns (bytes32) {
        bytes32 typeHash =
            keccak256("Delegate(address patient,address delegate,string scope,uint32 maxDuration,uint64 serial)");
        return
            keccak256(abi.encode(typeHash, d.patient, d.delegate, keccak256(bytes(d.scope)), d.maxDuration, d.serial));
    }

    function advance(Advancement memory a, Wrap[] memory wraps) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Advance(address patient,string scope,uint32 epoch,uint16 suite,bytes key,bytes link,bytes32 wraps,address by)"
        );
        bytes memory head = abi.encode(typeHash, a.patient, keccak256(bytes(a.scope)), a.epoch, a.suite);
        return keccak256(
            bytes.concat(head, abi.encode(keccak256(a.key), keccak256(a.link), keccak256(abi.encode(wraps)), a.by))
        );
    }

    function rewrap(Rewrapping memory r, bytes32 wrapHash) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Rewrap(address patient,address grantee,string scope,bytes32 record,uint64 serial,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash,address by)"
        );
        bytes memory head = abi.encode(typeHash, r.patient, r.grantee, keccak256(bytes(r.scope)), r.record, r.serial);
        return keccak256(bytes.concat(head, abi.encode(r.epoch, r.suite, r.recipientKeyHash, wrapHash, r.by)));
    }

    function register(Registration memory r) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Register(address who,uint8 role,uint16 suite,bytes encryptionKey,address custodian,uint8 custody,bytes32 credential,uint64 credentialExpiry,string endpoint,uint64 deadline)"
        );
        bytes memory head =
            abi.encode(typeHash, r.who, r.role, r.suite, keccak256(r.encryptionKey), r.custodian, r.custody);
        bytes32 endpoint = keccak256(bytes(r.endpoint));
        return keccak256(bytes.concat(head, abi.encode(r.credential, r.credentialExpiry, endpoint, r.deadline)));
    }

    function countersign(bytes32 registration, address registrar) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("Countersign(bytes32 registration,address registrar)");
        return keccak256(abi.encode(typeHash, registration, registrar));
    }

    function statementKey(address who, address key, uint64 from, uint64 until, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "StatementKey(address who,address key,uint64 from,uint64 until,uint256 nonce,uint64 deadline)"
        );
        return keccak256(abi.encode(typeHash, who, key, from, until, nonce, deadline));
    }

    function publisher(address org, address publisher_, bool listed, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("Publisher(address org,address publisher,bool listed,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, org, publisher_, listed, nonce, deadline));
    }

    function publisherAccept(address org, address publisher_) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("PublisherAccept(address org,address publisher)"), org, publisher_));
    }

    function custodian(address who, address custodian_, uint8 custody, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("Custodian(address who,address custodian,uint8 custody,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, who, custodian_, custody, nonce, deadline));
    }

    function encryptionKey(address who, uint16 suite, bytes memory key, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("EncryptionKey(address who,uint16 suite,bytes encryptionKey,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, who, suite, keccak256(key), nonce, deadline));
    }

    function credential(address who, bytes32 credential_, uint64 credentialExpiry, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "Credential(address who,bytes32 credential,uint64 credentialExpiry,uint256 nonce,uint64 deadline)"
        );
        return keccak256(abi.encode(typeHash, who, credential_, credentialExpiry, nonce, deadline));
    }

    function endpoint(address who, string memory endpoint_, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash = keccak256("Endpoint(address who,string endpoint,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, who, keccak256(bytes(endpoint_)), nonce, deadline));
    }

    function handOver(address who, address controller, uint256 nonce, uint64 deadline) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("HandOver(address who,address controller,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, who, controller, nonce, deadline));
    }

    function setStatus(address who, uint8 status, address registrar, uint256 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("SetStatus(address who,uint8 status,address registrar,uint256 nonce,uint64 deadline)");
        return keccak256(abi.encode(typeHash, who, status, registrar, nonce, deadline));
    }
}

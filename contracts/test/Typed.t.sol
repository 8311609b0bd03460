// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delegation, GrantTerms, Revocation} from "../src/interfaces/IConsent.sol";
import {Registration} from "../src/interfaces/IDirectory.sol";
import {Clinic} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice The digests of the shared vectors. The other tests sign with `Typed`, so what it computes is what the
/// contracts accept; here it is held against what Rust and TypeScript compute.
contract TypedTest is Clinic {
    string internal vectors;

    function setUp() public override {
        super.setUp();
        vectors = vm.readFile("../tests/vectors/record.json");
    }

    function test_TheDomainIsPublishedByERC5267() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = consent.eip712Domain();
        vm.assertTrue(fields == 0x0f && salt == 0 && extensions.length == 0);
        vm.assertEq(name, "Chartseal");
        vm.assertEq(version, "1");
        vm.assertEq(chainId, block.chainid);
        vm.assertEq(verifyingContract, address(consent));
        (, name, version,, verifyingContract,,) = directory.eip712Domain();
        vm.assertEq(name, "Chartseal");
        vm.assertEq(version, "1");
        vm.assertEq(verifyingContract, address(directory));
    }

    function test_Grant() public view {
        string memory m = ".signed.grant.typedData.message";
        GrantTerms memory t;
        t.patient = _address(m, ".patient");
        t.grantee = _address(m, ".grantee");
        t.scope = _string(m, ".scope");
        t.record = _bytes32(m, ".record");
        t.serial = uint64(_uint(m, ".serial"));
        t.permission = uint8(_uint(m, ".permission"));
        t.until = uint64(_uint(m, ".until"));
        t.purpose = _string(m, ".purpose");
        t.epoch = uint32(_uint(m, ".epoch"));
        t.suite = uint16(_uint(m, ".suite"));
        t.recipientKeyHash = _bytes32(m, ".recipientKeyHash");
        _agrees("grant", Typed.grant(t, _bytes32(m, ".wrapHash")));
    }

    function test_Revoke() public view {
        string memory m = ".signed.revoke.typedData.message";
        Revocation memory r;
        r.patient = _address(m, ".patient");
        r.grantee = _address(m, ".grantee");
        r.scope = _string(m, ".scope");
        r.record = _bytes32(m, ".record");
        r.serial = uint64(_uint(m, ".serial"));
        _agrees("revoke", Typed.revoke(r));
    }

    function test_Register() public view {
        string memory m = ".signed.register.typedData.message";
        Registration memory r;
        r.who = _address(m, ".who");
        r.role = uint8(_uint(m, ".role"));
        r.suite = uint16(_uint(m, ".suite"));
        r.encryptionKey = vm.parseJsonBytes(vectors, string.concat(m, ".encryptionKey"));
        r.custodian = _address(m, ".custodian");
        r.custody = uint8(_uint(m, ".custody"));
        r.credential = _bytes32(m, ".credential");
        r.credentialExpiry = uint64(_uint(m, ".credentialExpiry"));
        r.endpoint = _string(m, ".endpoint");
        r.deadline = uint64(_uint(m, ".deadline"));
        _agrees("register", Typed.register(r));
    }

    function test_Delegate() public view {
        string memory m = ".signed.delegate.typedData.message";
        Delegation memory d;
        d.patient = _address(m, ".patient");
        d.delegate = _address(m, ".delegate");
        d.scope = _string(m, ".scope");
        d.maxDuration = uint32(_uint(m, ".maxDuration"));
        d.serial = uint64(_uint(m, ".serial"));
        _agrees("delegate", Typed.delegate(d));
    }

    function test_Credential() public view {
        string memory m = ".signed.credential.typedData.message";
        _agrees(
            "credential",
            Typed.credential(
                _address(m, ".who"),
                _bytes32(m, ".credential"),
                uint64(_uint(m, ".credentialExpiry")),
                _uint(m, ".nonce"),
                uint64(_uint(m, ".deadline"))
            )
        );
    }

    function test_Endpoint() public view {
        string memory m = ".signed.endpoint.typedData.message";
        _agrees(
            "endpoint",
            Typed.endpoint(
                _address(m, ".who"), _string(m, ".endpoint"), _uint(m, ".nonce"), uint64(_uint(m, ".deadline"))
            )
        );
    }

    function test_Statement() public view {
        string memory m = ".signed.statement.struct";
        bytes32 typeHash = keccak256(
            "Record(bytes32 compartment,bytes32 id,uint32 version,bytes32 previous,bytes32 resource,address author,uint64 authoredAt)"
        );
        bytes memory head = abi.encode(typeHash, _bytes32(m, ".compartment"), _bytes32(m, ".id"));
        bytes memory tail = abi.encode(
            _uint(m, ".version"),
            _bytes32(m, ".previous"),
            _bytes32(m, ".resource"),
            _address(m, ".author"),
            _uint(m, ".authoredAt")
        );
        bytes32 digest = Typed.digest(
            vm.parseJsonUint(vectors, ".contracts.chainId"),
            vm.parseJsonAddress(vectors, ".contracts.consent"),
            keccak256(bytes.concat(head, tail))
        );
        vm.assertEq(digest, vm.parseJsonBytes32(vectors, ".signed.statement.digest"));
    }

    function test_Places() public view {
        address patient = vm.parseJsonAddress(vectors, ".places.patient");
        address grantee = vm.parseJsonAddress(vectors, ".places.grantee");
        string memory scope = vm.parseJsonString(vectors, ".places.scope");
        bytes32 record = vm.parseJsonBytes32(vectors, ".places.record_commitment");
        vm.assertEq(_compartment(patient, scope), vm.parseJsonBytes32(vectors, ".places.compartment"));
        vm.assertEq(_slot(patient, grantee, scope), vm.parseJsonBytes32(vectors, ".places.slot_of_scope"));
        vm.assertEq(
            keccak256(abi.encode(patient, grantee, _recordTarget(patient, record))),
            vm.parseJsonBytes32(vectors, ".places.slot_of_record")
        );
    }

    function _agrees(string memory name, bytes32 structHash) private view {
        string memory place = string.concat(".signed.", name);
        bytes32 digest = Typed.digest(
            vm.parseJsonUint(vectors, string.concat(place, ".typedData.domain.chainId")),
            vm.parseJsonAddress(vectors, string.concat(place, ".typedData.domain.verifyingContract")),
            structHash
        );
        vm.assertEq(digest, vm.parseJsonBytes32(vectors, string.concat(place, ".digest")), name);
    }

    function _address(string memory place, string memory field) private view returns (address) {
        return vm.parseJsonAddress(vectors, string.concat(place, field));
    }

    function _bytes32(string memory place, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(vectors, string.concat(place, field));
    }

    function _string(string memory place, string memory field) private view returns (string memory) {
        return vm.parseJsonString(vectors, string.concat(place, field));
    }

    function _uint(string memory place, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(vectors, string.concat(place, field));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {IConsent} from "../../src/interfaces/IConsent.sol";
import {IDirectory} from "../../src/interfaces/IDirectory.sol";
import {vm} from "./Vm.sol";

interface DeployedDirectory is IDirectory, IAccessControl, IERC5267 {
    function REGISTRAR() external view returns (bytes32);
    function nonces(address who) external view returns (uint256);
}

interface DeployedConsent is IConsent, IERC5267 {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// @notice The contracts as they are deployed: from the committed bytecode, through their interfaces. So the tests are
/// about the bytes that ship, and compile in seconds because they contain none of them.
///
/// Coverage, in the profile `source`, needs them as it compiles them itself.
library Deployed {
    function directory(address admin) internal returns (DeployedDirectory) {
        return DeployedDirectory(create("Directory", abi.encode(admin)));
    }

    function consent(IDirectory people) internal returns (DeployedConsent) {
        return DeployedConsent(create("Consent", abi.encode(people)));
    }

    function anchors(IDirectory people) internal returns (IAnchors) {
        return IAnchors(create("Anchors", abi.encode(people)));
    }

    function create(string memory name, bytes memory arguments) internal returns (address created) {
        bytes memory creation = initcode(name, arguments);
        assembly {
            created := create(0, add(creation, 32), mload(creation))
        }
        vm.assertTrue(created != address(0), name);
    }

    function initcode(string memory name, bytes memory arguments) internal view returns (bytes memory) {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", "default"))) == keccak256("source")) {
            return bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        }
        string memory artifact = vm.readFile(string.concat("abi/", name, ".json"));
        return bytes.concat(vm.parseJsonBytes(artifact, ".bytecode"), arguments);
    }
}

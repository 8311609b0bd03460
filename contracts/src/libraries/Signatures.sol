// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Whose signature it is.
library Signatures {
    /// @notice Whether `signer` stands behind `digest`: by sending the transaction itself with an empty signature, by
    /// ECDSA, or by ERC-1271.
    /// @dev ECDSA comes first because an account with delegated code (EIP-7702) still signs with its key, and because
    /// OpenZeppelin's checker would ask only its code. A refusing or broken contract counts as no.
    function isBy(address signer, bytes32 digest, bytes memory signature) internal view returns (bool) {
        if (signature.length == 0 && msg.sender == signer) return true;
        if (signer != address(0) && recover(digest, signature) == signer) return true;
        return signer.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(signer, digest, signature);
    }

    /// @notice The key that signed `digest` by ECDSA (65 bytes, low `s`), or zero.
    function recover(bytes32 digest, bytes memory signature) internal pure returns (address key) {
        // On any error the recovered address is zero, and which error it was is nobody's business.
        // slither-disable-next-line unused-return
        (key,,) = ECDSA.tryRecover(digest, signature);
    }
}

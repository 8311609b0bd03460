// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The lengths that belong to a suite.
/// @notice Suite 1 is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305. Suite 0 is none, with empty bytes.
/// Others are not known yet and are let through up to a cap that has room for X-Wing (keys 1216, seals 1168 bytes): the
/// contracts carry them, readers decide.
library Suites {
    uint16 internal constant NONE = 0;
    uint16 internal constant X25519_CHACHA = 1;
    uint256 internal constant CAP = 2048;

    /// @notice Whether a public key of this length may stand beside `suite`.
    function fitsKey(uint16 suite, uint256 length) internal pure returns (bool) {
        return _fits(suite, length, 32);
    }

    /// @notice Whether a sealed 32-byte secret (wrap or link: enc, then ciphertext and tag) of this length may.
    function fitsSeal(uint16 suite, uint256 length) internal pure returns (bool) {
        return _fits(suite, length, 80);
    }

    function _fits(uint16 suite, uint256 length, uint256 ofX25519) private pure returns (bool) {
        if (suite == NONE) return length == 0;
        if (suite == X25519_CHACHA) return length == ofX25519;
        return length != 0 && length <= CAP;
    }
}

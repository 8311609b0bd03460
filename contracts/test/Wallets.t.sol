// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IConsent, Revocation} from "../src/interfaces/IConsent.sol";
import {IDirectory, Registration} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {ApprovingWallet, BrokenWallet, OwnedWallet} from "./support/Wallets.sol";

/// @notice Who counts as the signer: keys, contract accounts, keys with delegated code.
contract WalletsTest is Clinic {
    bytes32 internal slot;

    function setUp() public override {
        super.setUp();
        _advance(alice, 1);
        slot = _grantRead(alice, dora.id, 1);
    }

    function test_AContractAccountRegistersGrantsAndRevokesThroughItsOwner() public {
        Person memory owner = _person("owner");
        Person memory wallet = Person({id: address(new OwnedWallet(owner.id)), key: owner.key});
        _register(wallet, _patientOf(wallet, mercy.id, 1));
        bytes32 other = _grantRead(wallet, dora.id, 1);
        vm.assertTrue(consent.isLive(other, 1));
        vm.assertTrue(_revoke(wallet, dora.id, 1));
        vm.assertFalse(consent.isLive(other, 1));
    }

    function test_AContractAccountIsNotSignedForByOthers() public {
        Person memory owner = _person("owner");
        Person memory wallet = Person({id: address(new OwnedWallet(owner.id)), key: mallory.key});
        Registration memory r = _patientOf(wallet, mercy.id, 1);
        bytes memory signature = _signDirectory(mallory, Typed.register(r));
        bytes memory countersignature = _countersignature(r);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, wallet.id));
        directory.register(r, signature, admin.id, countersignature);
    }

    function test_AContractControllerRevokesByApprovingTheDigest() public {
        ApprovingWallet wallet = new ApprovingWallet();
        bytes32 terms = Typed.handOver(alice.id, address(wallet), directory.nonces(alice.id), NOW);
        bytes memory signature = _signDirectory(alice, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, address(wallet)));
        directory.handOver(alice.id, address(wallet), NOW, signature, "");
        wallet.approve(Typed.digest(address(directory), terms));
        directory.handOver(alice.id, address(wallet), NOW, signature, "");

        Revocation memory r = _revocation(alice.id, dora.id, 1);
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, address(wallet)));
        consent.revoke(r, "");
        wallet.approve(Typed.digest(address(consent), Typed.revoke(r)));
        vm.assertTrue(consent.revoke(r, ""));
    }

    function test_AKeyWithDelegatedCodeStillSignsWithItsKey() public {
        vm.etch(alice.id, address(new BrokenWallet()).code);
        vm.assertTrue(_revoke(alice, dora.id, 1));
    }

    function test_ABrokenContractIsNobodysSignature() public {
        vm.etch(alice.id, address(new BrokenWallet()).code);
        _refusesBySignature(_revocation(alice.id, dora.id, 1), new bytes(65));
        _refusesBySignature(_revocation(alice.id, dora.id, 1), "");
    }

    function test_ARegistrarMayBeAContract() public {
        ApprovingWallet board = new ApprovingWallet();
        bytes32 role = directory.REGISTRAR();
        vm.prank(admin.id);
        directory.grantRole(role, address(board));
        board.approve(
            Typed.digest(
                address(directory), Typed.setStatus(dora.id, 2, address(board), directory.nonces(address(board)), NOW)
            )
        );
        directory.setStatus(dora.id, 2, address(board), NOW, "");
        vm.assertFalse(directory.isActive(dora.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, address(board)));
        directory.setStatus(dora.id, 2, address(board), NOW, "");
    }

    function test_ASignatureWithAHighSIsRefused() public {
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        (uint8 v, bytes32 low, bytes32 s) = vm.sign(alice.key, Typed.digest(address(consent), Typed.revoke(r)));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        _refusesBySignature(r, abi.encodePacked(low, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)));
    }

    function test_ASenderWhoSignsBadlyIsNotHelpedByBeingTheSender() public {
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        bytes memory signature = _sign(mallory, Typed.digest(address(consent), Typed.revoke(r)));
        vm.prank(alice.id);
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.revoke(r, signature);
    }

    function test_NobodySignsForTheZeroAddress() public {
        Registration memory r = _patientOf(Person({id: address(0), key: 0}), mercy.id, 1);
        bytes memory countersignature = _countersignature(r);
        bytes[3] memory signatures = [bytes(""), new bytes(65), "x"];
        for (uint256 i = 0; i < signatures.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, address(0)));
            directory.register(r, signatures[i], admin.id, countersignature);
        }
    }

    function testFuzz_AnyOtherBytesAreRefused(bytes calldata signature) public {
        _refusesBySignature(_revocation(alice.id, dora.id, 1), signature);
    }

    function test_ASignatureForAnotherContractOrChainIsRefused() public {
        Revocation memory r = _revocation(alice.id, dora.id, 1);
        _refusesBySignature(r, _sign(alice, Typed.digest(address(directory), Typed.revoke(r))));
        _refusesBySignature(r, _sign(alice, Typed.digest(1, address(consent), Typed.revoke(r))));
    }

    function _refusesBySignature(Revocation memory r, bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, r.patient));
        consent.revoke(r, signature);
        vm.assertTrue(consent.isLive(slot, 1));
    }
}

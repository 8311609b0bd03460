// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory, Registration} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract RegisterTest is Clinic {
    Person internal carol = _person("carol");

    function test_GivenTheAddressIsRegistered_Refuses() public {
        Registration memory r = _professional(alice, 2);
        _refuses(alice, r, abi.encodeWithSelector(IDirectory.AlreadyRegistered.selector, alice.id));
    }

    function test_GivenTheDeadlineHasPassed_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 2);
        vm.warp(r.deadline + 1);
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.DeadlinePassed.selector, carol.id, r.deadline));
    }

    function test_GivenTheDeadlineIsNow_Registers() public {
        Registration memory r = _patientOf(carol, mercy.id, 2);
        vm.warp(r.deadline);
        _register(carol, r);
        vm.assertTrue(directory.isActive(carol.id));
    }

    function test_GivenTheRegistrarLacksTheRole_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 2);
        bytes32 registration = Typed.register(r);
        bytes memory signature = _signDirectory(carol, registration);
        bytes memory countersignature = _signDirectory(mallory, Typed.countersign(registration, mallory.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotRegistrar.selector, mallory.id));
        directory.register(r, signature, mallory.id, countersignature);
    }

    function test_WhenTheAccountDidNotSignTheseTerms_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        bytes memory signature = _signDirectory(carol, Typed.register(r));
        r.custody = 2;
        bytes memory countersignature = _countersignature(r);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, carol.id));
        directory.register(r, signature, admin.id, countersignature);
    }

    function test_WhenTheRegistrarCountersignedAnother_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        bytes memory countersignature = _countersignature(r);
        r.custody = 2;
        bytes memory signature = _signDirectory(carol, Typed.register(r));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, admin.id));
        directory.register(r, signature, admin.id, countersignature);
    }

    function test_WhenTheAccountSendsItItself_TheSignatureMayBeEmpty() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        bytes memory countersignature = _countersignature(r);
        vm.prank(carol.id);
        directory.register(r, "", admin.id, countersignature);
        vm.assertTrue(directory.isActive(carol.id));
    }

    function test_WhenTheRelayerSendsAnEmptySignature_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        bytes memory countersignature = _countersignature(r);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, carol.id));
        directory.register(r, "", admin.id, countersignature);
    }

    function testFuzz_WhenSuiteAndKeyDoNotFit_Refuses(uint16 suite, uint256 length) public {
        length = length % 3000;
        bool fits = suite == 0 ? length == 0 : suite == 1 ? length == 32 : length != 0 && length <= 2048;
        Registration memory r = _patientOf(carol, mercy.id, 1);
        r.suite = suite;
        r.encryptionKey = new bytes(length);
        if (fits) {
            _register(carol, r);
            (uint16 kept, bytes32 keyHash) = directory.encryptionKeyOf(carol.id);
            vm.assertEq(kept, suite);
            vm.assertEq(keyHash, length == 0 ? bytes32(0) : keccak256(r.encryptionKey));
        } else {
            _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedKey.selector, carol.id, suite, length));
        }
    }

    function testFuzz_WhenTheRoleIsNoneOfTheFour_Refuses(uint8 role) public {
        vm.assume(role == 0 || role > 4);
        Registration memory r = _patientOf(carol, mercy.id, 1);
        r.role = role;
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.UnknownRole.selector, carol.id, role));
    }

    function test_WhenAPatientCarriesACredential_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        r.credentialExpiry = NOW + YEAR;
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedCredential.selector, carol.id, 0, NOW + YEAR));
    }

    function test_WhenAPatientOrADoctorNamesAnEndpoint_Refuses() public {
        Registration memory r = _patientOf(carol, mercy.id, 1);
        r.endpoint = "https://carol.example.org";
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedEndpoint.selector, carol.id, 25));
        r = _professional(carol, 2);
        r.endpoint = "https://carol.example.org";
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedEndpoint.selector, carol.id, 25));
    }

    function test_WhenTheCustodianIsNoActiveOrganisation_Refuses() public {
        Registration memory r = _patientOf(carol, dora.id, 1);
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, carol.id, dora.id, 1));
        _setStatus(acme.id, 2);
        r = _patientOf(carol, acme.id, 1);
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, carol.id, acme.id, 1));
        r = _patientOf(carol, mallory.id, 1);
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, carol.id, mallory.id, 1));
    }

    function testFuzz_WhenCustodianAndModeDoNotFit_Refuses(uint8 custody, bool named) public {
        Registration memory r = _patientOf(carol, named ? mercy.id : address(0), custody);
        bool fits = named ? custody == 1 || custody == 2 : custody == 0;
        if (fits) {
            _register(carol, r);
            (address custodian, uint8 mode) = directory.custodianOf(carol.id);
            vm.assertEq(custodian, r.custodian);
            vm.assertEq(mode, custody);
        } else {
            _refuses(
                carol, r, abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, carol.id, r.custodian, custody)
            );
        }
    }

    function test_WhenAProfessionalHasNoCredentialOrAnExpiredOne_Refuses() public {
        Registration memory r = _professional(carol, 2);
        r.credentialExpiry = NOW;
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedCredential.selector, carol.id, r.credential, NOW));
        r = _professional(carol, 2);
        r.credential = 0;
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.MalformedCredential.selector, carol.id, 0, NOW + YEAR));
    }

    function test_WhenAProfessionalNamesACustodian_Refuses() public {
        Registration memory r = _professional(carol, 2);
        r.custodian = mercy.id;
        r.custody = 2;
        _refuses(carol, r, abi.encodeWithSelector(IDirectory.UnfitCustodian.selector, carol.id, mercy.id, 2));
    }

    function test_WhenAllIsWell_KeepsAndAnnouncesTheAccount() public {
        Registration memory r = _professional(carol, 4);
        bytes memory signature = _signDirectory(carol, Typed.register(r));
        bytes memory countersignature = _countersignature(r);
        vm.expectEmit(address(directory));
        emit IDirectory.Registered(
            carol.id, 4, admin.id, 1, r.encryptionKey, address(0), 0, r.credential, r.credentialExpiry, r.endpoint
        );
        directory.register(r, signature, admin.id, countersignature);

        (address controller, uint8 role, uint8 status, uint64 expiry) = directory.authority(carol.id);
        vm.assertEq(controller, carol.id);
        vm.assertEq(role, 4);
        vm.assertEq(status, 1);
        vm.assertEq(expiry, r.credentialExpiry);
        (bool active, uint16 suite, bytes32 keyHash) = directory.recipientOf(carol.id);
        vm.assertTrue(active && suite == 1 && keyHash == _keyHash(carol.id));
    }

    function test_AnUnknownAccountIsNothing() public view {
        (address controller, uint8 role, uint8 status,) = directory.authority(mallory.id);
        vm.assertTrue(controller == address(0) && role == 0 && status == 0);
        vm.assertFalse(directory.isActive(mallory.id));
    }

    function _refuses(Person memory who, Registration memory r, bytes memory reason) private {
        bytes memory signature = _signDirectory(who, Typed.register(r));
        bytes memory countersignature = _countersignature(r);
        vm.expectRevert(reason);
        directory.register(r, signature, admin.id, countersignature);
    }
}

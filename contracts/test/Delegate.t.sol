// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delegation, IConsent} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {ApprovingWallet} from "./support/Wallets.sol";

contract DelegateTest is Clinic {
    address internal guardians;

    function setUp() public override {
        super.setUp();
        guardians = address(new ApprovingWallet());
    }

    function test_WhenAnyoneElseSigns_Refuses() public {
        Delegation memory d = _delegation(alice.id, guardians, 1 days, 1);
        Person[4] memory others = [mallory, dora, mercy, mercyStatements];
        for (uint256 i = 0; i < others.length; ++i) {
            _refuses(others[i], d, abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        }
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.delegate(d, "");
        d.patient = dora.id;
        _refuses(dora, d, abi.encodeWithSelector(IConsent.NotPatient.selector, dora.id));
    }

    function test_WhenTheControllerSendsItItself_TheSignatureMayBeEmpty() public {
        vm.prank(alice.id);
        vm.assertTrue(consent.delegate(_delegation(alice.id, guardians, 1 days, 1), ""));
    }

    function testFuzz_WhenATermIsChangedAfterSigning_Refuses(uint256 which) public {
        Delegation memory d = _delegation(alice.id, guardians, 1 days, 1);
        bytes memory signature = _signConsent(alice, Typed.delegate(d));
        which = which % 3;
        if (which == 0) d.delegate = address(directory);
        if (which == 1) d.maxDuration = 2 days;
        if (which == 2) d.serial = 2;
        vm.expectRevert(abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        consent.delegate(d, signature);
    }

    function test_WhenTheScopeIsNotEmergency_Refuses() public {
        Delegation memory d = _delegation(alice.id, guardians, 1 days, 1);
        string[3] memory scopes = ["clinical", "", "Emergency"];
        for (uint256 i = 0; i < scopes.length; ++i) {
            d.scope = scopes[i];
            _refuses(
                alice,
                d,
                abi.encodeWithSelector(IConsent.MalformedDelegation.selector, alice.id, guardians, uint32(1 days))
            );
        }
    }

    function testFuzz_WhenDelegateAndDurationDoNotFit_Refuses(bool named, uint32 maxDuration) public {
        address delegate = named ? guardians : address(0);
        if (named ? maxDuration != 0 && maxDuration <= 30 days : maxDuration == 0) {
            vm.assertTrue(_delegate(alice, delegate, maxDuration, 1));
            return;
        }
        bytes memory reason =
            abi.encodeWithSelector(IConsent.MalformedDelegation.selector, alice.id, delegate, maxDuration);
        _refuses(alice, _delegation(alice.id, delegate, maxDuration, 1), reason);
    }

    function test_WhenTheDurationIsTheLongest_IsTaken() public {
        vm.assertTrue(_delegate(alice, guardians, 30 days, 1));
        _refuses(
            alice,
            _delegation(alice.id, guardians, 30 days + 1, 2),
            abi.encodeWithSelector(IConsent.MalformedDelegation.selector, alice.id, guardians, uint32(30 days + 1))
        );
    }

    function test_WhenTheDelegateHasNoCode_Refuses() public {
        _refuses(
            alice,
            _delegation(alice.id, dora.id, 1 days, 1),
            abi.encodeWithSelector(IConsent.NotContract.selector, dora.id)
        );
    }

    function test_GivenThisDelegationIsInForce_ChangesNothing() public {
        vm.assertTrue(_delegate(alice, guardians, 1 days, 4));
        vm.recordLogs();
        vm.assertFalse(_delegate(alice, guardians, 1 days, 4));
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function testFuzz_GivenANewerDelegation_Refuses(uint64 first, uint64 second) public {
        vm.assume(first != 0 && second < first);
        _keepsTheFirst(first, second);
    }

    function testFuzz_GivenAnotherWithThisSerial_Refuses(uint64 serial) public {
        vm.assume(serial != 0);
        _keepsTheFirst(serial, serial);
    }

    function testFuzz_GivenThePatientIsNotActive_OnlyEndingWorks(bool retired) public {
        _delegate(alice, guardians, 1 days, 1);
        _setStatus(alice.id, retired ? 3 : 2);
        _refuses(
            alice,
            _delegation(alice.id, guardians, 2 days, 2),
            abi.encodeWithSelector(IConsent.NotActive.selector, alice.id)
        );
        vm.assertTrue(_delegate(alice, address(0), 0, 2));
        (address delegate,, uint64 serial) = consent.delegateOf(alice.id);
        vm.assertTrue(delegate == address(0) && serial == 2);
    }

    function test_WhenAllIsWell_KeepsOneWordAndAnnouncesIt() public {
        Delegation memory d = _delegation(alice.id, guardians, 1 days, 7);
        bytes memory signature = _signConsent(alice, Typed.delegate(d));
        vm.expectEmit(address(consent));
        emit IConsent.Delegated(alice.id, guardians, "emergency", 1 days, 7);
        vm.assertTrue(consent.delegate(d, signature));
        (address delegate, uint32 maxDuration, uint64 serial) = consent.delegateOf(alice.id);
        vm.assertTrue(delegate == guardians && maxDuration == 1 days && serial == 7);
        (delegate,,) = consent.delegateOf(bob.id);
        vm.assertEq(delegate, address(0));
    }

    /// @dev Each time one term differs, so that it is never the same decision sent again.
    function _keepsTheFirst(uint64 first, uint64 second) private {
        _delegate(alice, guardians, 1 days, first);
        bytes memory reason = abi.encodeWithSelector(IConsent.DelegationNotAhead.selector, alice.id, second, first);
        _refuses(alice, _delegation(alice.id, guardians, 2 days, second), reason);
        _refuses(alice, _delegation(alice.id, address(directory), 1 days, second), reason);
        (address delegate, uint32 maxDuration, uint64 serial) = consent.delegateOf(alice.id);
        vm.assertTrue(delegate == guardians && maxDuration == 1 days && serial == first);
    }

    function _refuses(Person memory signer, Delegation memory d, bytes memory reason) private {
        bytes memory signature = _signConsent(signer, Typed.delegate(d));
        vm.expectRevert(reason);
        consent.delegate(d, signature);
    }
}

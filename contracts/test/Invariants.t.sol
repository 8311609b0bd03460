// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Actors} from "./support/Actors.sol";
import {vm} from "./support/Vm.sol";

/// @notice What no order of events may break, said in words first.
contract InvariantsTest {
    Actors internal actors;

    function setUp() public {
        actors = new Actors();
        actors.setUp();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](17);
        selectors[0] = Actors.patientSignsGrant.selector;
        selectors[1] = Actors.patientSignsRevocation.selector;
        selectors[2] = Actors.relayerDeliversGrant.selector;
        selectors[3] = Actors.relayerDeliversRevocation.selector;
        selectors[4] = Actors.relayerInventsAGrant.selector;
        selectors[5] = Actors.keyHolderAdvances.selector;
        selectors[6] = Actors.relayerRepeatsAnOldAdvance.selector;
        selectors[7] = Actors.publisherAnchors.selector;
        selectors[8] = Actors.registrarSetsStatus.selector;
        selectors[9] = Actors.granteeChangesItsKey.selector;
        selectors[10] = Actors.timePasses.selector;
        selectors[11] = Actors.patientHandsOver.selector;
        selectors[12] = Actors.patientNamesADelegate.selector;
        selectors[13] = Actors.guardiansGrant.selector;
        selectors[14] = Actors.keyHolderRewraps.selector;
        selectors[15] = Actors.registrarTriesToChooseAKey.selector;
        selectors[16] = Actors.professionalRenewsItsPapers.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(actors), selectors: selectors});
    }

    /// @notice The control: what the actors do arrives, so that the invariants below are about something.
    function test_TheActorsReallyAct() public {
        actors.patientSignsGrant(0, 0, 1 days, 2);
        actors.keyHolderAdvances(0, 0, 0, 1);
        actors.keyHolderAdvances(1, 2, 0, 1);
        actors.patientSignsRevocation(0, 0, 64);
        vm.assertEq(actors.revocationsDelivered(), 0);
        actors.relayerDeliversRevocation(0);
        actors.publisherAnchors(true, 1, true);
        vm.assertEq(actors.granted(), 1);
        vm.assertEq(actors.advanced(), 2);
        vm.assertEq(actors.revocationsDelivered(), 1);
        vm.assertEq(actors.anchored(), 1);
        vm.assertEq(actors.revoked(actors.slots()[0]), 1);
        actors.patientHandsOver(0, 1);
        actors.patientSignsGrant(0, 0, 1 days, 2);
        actors.keyHolderRewraps(0, 0);
        actors.patientNamesADelegate(0, 1 days, false);
        actors.guardiansGrant(0, 0, 1 hours, 1);
        actors.registrarTriesToChooseAKey(0, "");
        vm.assertEq(actors.granted(), 2);
        vm.assertEq(actors.rewrapped(), 1);
        vm.assertEq(actors.emergencies(), 1);
    }

    /// @notice Rewrapping and advancing change no term.
    function invariant_RewrapAndAdvanceChangeNoTerm() public view {
        vm.assertEq(actors.termsChanged(), 0);
    }

    /// @notice A registrar chooses nobody's key, and nobody decides for an account it does not control.
    function invariant_ARegistrarChoosesNobodysKey() public view {
        vm.assertFalse(actors.isSomebodyElsesKey());
    }

    /// @notice A delegate grants within scope, permission and duration, never over a grant that lives.
    function invariant_AnEmergencyStaysWithinItsBounds() public view {
        vm.assertEq(actors.emergenciesBeyond(), 0);
    }

    /// @notice No grant stands without the patient's decision over exactly its terms.
    function invariant_NoGrantWithoutThePatientsDecision() public view {
        bytes32[4] memory slots = actors.slots();
        for (uint256 i = 0; i < slots.length; ++i) {
            vm.assertTrue(actors.isDecided(slots[i]));
        }
    }

    /// @notice A revoked serial never lives again, in whatever order the messages arrive.
    function invariant_ARevokedSerialNeverLivesAgain() public view {
        bytes32[4] memory slots = actors.slots();
        for (uint256 i = 0; i < slots.length; ++i) {
            vm.assertFalse(actors.livesThoughRevoked(slots[i]));
        }
    }

    /// @notice A valid revocation never fails, whoever is suspended, whatever the serial.
    function invariant_AValidRevocationNeverFails() public view {
        vm.assertEq(actors.revocationsFailed(), 0);
    }

    /// @notice Epochs only grow.
    function invariant_EpochsOnlyGrow() public view {
        vm.assertEq(actors.epochsShrunk(), 0);
    }

    /// @notice Nothing that becomes of grants, keys or people makes a key holder's advance fail.
    function invariant_NothingHindersAnAdvance() public view {
        vm.assertEq(actors.advancesHindered(), 0);
    }

    /// @notice No publisher can hinder another's anchor.
    function invariant_NoPublisherHindersAnother() public view {
        vm.assertEq(actors.anchorsHindered(), 0);
    }

    /// @notice The relayer alone changes nothing.
    function invariant_TheRelayerAloneChangesNothing() public view {
        vm.assertEq(actors.changedUnsigned(), 0);
    }

    /// @notice Nobody is allowed anything while a party is inactive or the grant does not live.
    function invariant_NobodyInactiveIsAllowed() public view {
        vm.assertFalse(actors.allowedThoughInactive());
    }
}

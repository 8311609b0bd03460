// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {GrantTerms, IConsent, Rewrapping} from "../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract RewrapTest is Clinic {
    bytes32 internal slot;

    function setUp() public override {
        super.setUp();
        _advance(alice, 1);
        slot = _grantRead(alice, dora.id, 1);
    }

    function test_WhenTheGrantDoesNotLive_Refuses() public {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 2, alice.id);
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotLive.selector, slot, 2));
        r.serial = 1;
        _revoke(alice, dora.id, 1);
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotLive.selector, slot, 1));
        GrantTerms memory t = _writeTerms(alice.id, dora.id, 2);
        consent.grant(t, "", _signGrant(alice, t, ""));
        r.serial = 2;
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotLive.selector, slot, 2));
    }

    function test_GivenAPartyIsNotActive_Refuses() public {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        _setStatus(dora.id, 2);
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, dora.id));
        _setStatus(dora.id, 1);
        _setStatus(alice.id, 2);
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotActive.selector, alice.id));
    }

    function test_WhenItNamesARecord_Refuses() public {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        r.scope = "";
        r.record = keccak256("record");
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.MalformedTarget.selector, 0, r.record));
    }

    function testFuzz_WhenTheCompartmentHasNotHadTheEpoch_Refuses(uint32 epoch) public {
        vm.assume(epoch != 1);
        _refusesTheEpoch(epoch);
    }

    function test_WhenTheEpochIsTheNextOne_Refuses() public {
        _refusesTheEpoch(2);
    }

    function test_WhenTheEpochIsAnEarlierOne_AnnouncesTheWrap() public {
        _advance(alice, 2);
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        r.epoch = 1;
        vm.expectEmit(address(consent));
        emit IConsent.Rewrapped(slot, 1, 1, 1, _keyHash(dora.id), wrap, alice.id);
        consent.rewrap(r, wrap, _sign(alice, r, wrap));
    }

    function testFuzz_WhenTheWrapHasNotTheLengthOfItsSuite_Refuses(uint256 length) public {
        length = length % 200;
        vm.assume(length != 80);
        (Rewrapping memory r,) = _rewrapping(alice.id, dora.id, 1, alice.id);
        _refuses(alice, r, new bytes(length), abi.encodeWithSelector(IConsent.MalformedSeal.selector, 1, length));
        r.suite = 0;
        _refuses(alice, r, "", abi.encodeWithSelector(IConsent.MalformedSeal.selector, 0, 0));
    }

    function test_WhenItIsNotForTheGranteesKey_Refuses() public {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        r.recipientKeyHash = _keyHash(acme.id);
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.NotRecipientKey.selector, dora.id, _keyHash(acme.id)));
        _setEncryptionKey(dora, _encryptionKey(acme.id));
        consent.rewrap(r, wrap, _sign(alice, r, wrap));
    }

    function test_WhenNeitherPatientNorCustodianSigned_Refuses() public {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        _refuses(dora, r, wrap, abi.encodeWithSelector(IConsent.BadSignature.selector, alice.id));
        r.by = mercy.id;
        _refuses(dora, r, wrap, abi.encodeWithSelector(IConsent.NotStatementKey.selector, mercy.id, dora.id));
        r.by = dora.id;
        _refuses(dora, r, wrap, abi.encodeWithSelector(IConsent.NotKeyHolder.selector, alice.id, dora.id));
        _setCustodian(alice, mercy.id, 1);
        r.by = mercy.id;
        _refuses(mercyStatements, r, wrap, abi.encodeWithSelector(IConsent.NotKeyHolder.selector, alice.id, mercy.id));
    }

    function testFuzz_WhenEitherSigned_AnnouncesTheWrapAndChangesNoTerm(bool custodian) public {
        (uint64 serial, uint64 revoked, uint64 until, uint8 permission) = consent.slotState(slot);
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, custodian ? mercy.id : alice.id);
        bytes memory signature = _sign(custodian ? mercyStatements : alice, r, wrap);
        vm.expectEmit(address(consent));
        emit IConsent.Rewrapped(slot, 1, 1, 1, _keyHash(dora.id), wrap, r.by);
        consent.rewrap(r, wrap, signature);
        (uint64 serial2, uint64 revoked2, uint64 until2, uint8 permission2) = consent.slotState(slot);
        vm.assertTrue(
            serial == serial2 && revoked == revoked2 && until == until2 && permission == permission2, "a term changed"
        );
    }

    function _sign(Person memory signer, Rewrapping memory r, bytes memory wrap) private view returns (bytes memory) {
        return _signConsent(signer, Typed.rewrap(r, wrap.length == 0 ? bytes32(0) : keccak256(wrap)));
    }

    function _refusesTheEpoch(uint32 epoch) private {
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(alice.id, dora.id, 1, alice.id);
        r.epoch = epoch;
        bytes32 compartment = _compartment(alice.id, "clinical");
        _refuses(alice, r, wrap, abi.encodeWithSelector(IConsent.UnknownEpoch.selector, compartment, epoch));
    }

    function _refuses(Person memory signer, Rewrapping memory r, bytes memory wrap, bytes memory reason) private {
        bytes memory signature = _sign(signer, r, wrap);
        vm.expectRevert(reason);
        consent.rewrap(r, wrap, signature);
    }
}

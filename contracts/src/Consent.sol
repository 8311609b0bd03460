// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {
    Advancement,
    Delegation,
    GrantTerms,
    IConsent,
    PERMISSION_READ,
    PERMISSION_WRITE,
    Revocation,
    Rewrapping,
    Wrap
} from "./interfaces/IConsent.sol";
import {CUSTODY_GATEWAY, IDirectory, ROLE_PATIENT, STATUS_ACTIVE} from "./interfaces/IDirectory.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Suites} from "./libraries/Suites.sol";

/// @title Consent: who may read and write what. The interface is the specification.
contract Consent is IConsent, EIP712, Multicall {
    /// @inheritdoc IConsent
    IDirectory public immutable directory;

    uint256 private constant SCOPE_CAP = 32;
    uint256 private constant PURPOSE_CAP = 64;
    // A hospital stay; a patient may always set less.
    uint32 private constant EMERGENCY_CAP = 30 days;
    bytes32 private constant EMERGENCY_SCOPE = keccak256("emergency");

    bytes32 private constant GRANT = keccak256(
        "Grant(address patient,address grantee,string scope,bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash)"
    );
    bytes32 private constant REVOKE =
        keccak256("Revoke(address patient,address grantee,string scope,bytes32 record,uint64 serial)");
    bytes32 private constant ADVANCE = keccak256(
        "Advance(address patient,string scope,uint32 epoch,uint16 suite,bytes key,bytes link,bytes32 wraps,address by)"
    );
    bytes32 private constant REWRAP = keccak256(
        "Rewrap(address patient,address grantee,string scope,bytes32 record,uint64 serial,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash,address by)"
    );

    bytes32 private constant DELEGATE =
        keccak256("Delegate(address patient,address delegate,string scope,uint32 maxDuration,uint64 serial)");

    struct SlotWord {
        uint64 serial;
        uint64 revoked;
        uint64 until;
        uint8 permission;
        // The first bytes of the newest grant's digest fill the word: they tell the same grant sent again from
        // another with the same serial, and decide nothing else.
        bytes7 fingerprint;
    }

    struct EpochWord {
        uint32 number;
        bytes28 keyHash;
    }

    struct DelegateWord {
        address delegate;
        uint32 maxDuration;
        uint64 serial;
    }

    mapping(bytes32 slot => SlotWord) private _slots;
    mapping(bytes32 compartment => EpochWord) private _epochs;
    mapping(address patient => DelegateWord) private _delegates;

    constructor(IDirectory directory_) EIP712("Chartseal", "1") {
        directory = directory_;
    }

    /// @inheritdoc IConsent
    function grant(GrantTerms memory terms, bytes memory wrap, bytes memory signature) external returns (bool changed) {
        bytes32 slot = _slot(terms.patient, terms.grantee, _target(terms.patient, terms.scope, terms.record));
        bytes32 digest = _hashTypedDataV4(_hashGrant(terms, wrap));
        if (_isInForce(slot, terms.serial, digest)) return false;

        if (!_requirePatient(terms.patient, digest, signature)) revert NotActive(terms.patient);
        _enter(slot, digest, terms, wrap, signature);
        return true;
    }

    /// @inheritdoc IConsent
    function grantInEmergency(GrantTerms memory terms, bytes memory wrap) external returns (bool changed) {
        bytes32 slot = _slot(terms.patient, terms.grantee, _target(terms.patient, terms.scope, terms.record));
        // Not the digest the patient would sign, so that the same terms from both are two decisions.
        bytes32 digest = keccak256(abi.encode(_hashGrant(terms, wrap), msg.sender));
        if (_isInForce(slot, terms.serial, digest)) return false;

        DelegateWord memory word = _delegates[terms.patient];
        if (msg.sender != word.delegate) revert NotDelegate(terms.patient, msg.sender);
        // Only a patient has a delegate.
        _requireActive(terms.patient);
        bool within = keccak256(bytes(terms.scope)) == EMERGENCY_SCOPE && terms.permission == PERMISSION_READ
            && terms.until <= block.timestamp + word.maxDuration;
        if (!within) revert BeyondDelegation(slot, terms.permission, terms.until);
        // What the patient has granted itself is not the delegate's to replace.
        if (_lives(_slots[slot])) revert StillLive(slot, _slots[slot].serial);
        emit GrantedInEmergency(slot, terms.patient, msg.sender, terms.serial);
        _enter(slot, digest, terms, wrap, "");
        return true;
    }

    /// @inheritdoc IConsent
    function delegate(Delegation memory d, bytes memory signature) external returns (bool changed) {
        bool patientActive = _requirePatient(
            d.patient,
            _hashTypedDataV4(
                keccak256(
                    abi.encode(DELEGATE, d.patient, d.delegate, keccak256(bytes(d.scope)), d.maxDuration, d.serial)
                )
            ),
            signature
        );
        bool ends = d.delegate == address(0);
        bool fits = keccak256(bytes(d.scope)) == EMERGENCY_SCOPE && d.maxDuration <= EMERGENCY_CAP
            && ends == (d.maxDuration == 0);
        if (!fits) revert MalformedDelegation(d.patient, d.delegate, d.maxDuration);

        DelegateWord memory word = _delegates[d.patient];
        if (d.serial == word.serial && d.delegate == word.delegate && d.maxDuration == word.maxDuration) return false;
        if (d.serial <= word.serial) revert DelegationNotAhead(d.patient, d.serial, word.serial);
        if (!ends) {
            if (!patientActive) revert NotActive(d.patient);
            if (d.delegate.code.length == 0) revert NotContract(d.delegate);
        }

        _delegates[d.patient] = DelegateWord({delegate: d.delegate, maxDuration: d.maxDuration, serial: d.serial});
        emit Delegated(d.patient, d.delegate, d.scope, d.maxDuration, d.serial);
        return true;
    }

    /// @inheritdoc IConsent
    function revoke(Revocation memory r, bytes memory signature) external returns (bool changed) {
        bytes32 slot = _slot(r.patient, r.grantee, _target(r.patient, r.scope, r.record));
        _requirePatient(
            r.patient,
            _hashTypedDataV4(
                keccak256(abi.encode(REVOKE, r.patient, r.grantee, keccak256(bytes(r.scope)), r.record, r.serial))
            ),
            signature
        );
        if (r.serial <= _slots[slot].revoked) return false;

        _slots[slot].revoked = r.serial;
        emit Revoked(slot, r.patient, r.grantee, r.serial);
        return true;
    }

    /// @inheritdoc IConsent
    function advance(Advancement memory a, Wrap[] memory wraps, bytes memory signature) external {
        if (bytes(a.scope).length == 0) revert MalformedTarget(0, 0);
        bytes32 compartment = _target(a.patient, a.scope, 0);
        uint32 current = _epochs[compartment].number;
        if (a.epoch <= current) revert EpochNotAhead(compartment, a.epoch, current);
        if (a.suite == Suites.NONE || !Suites.fitsKey(a.suite, a.key.length)) {
            revert MalformedSeal(a.suite, a.key.length);
        }
        if (a.link.length != 0) _requireSeal(a.suite, a.link.length);
        _requireKeyHolder(a.patient, a.by, _hashTypedDataV4(_hashAdvance(a, wraps)), signature);

        _epochs[compartment] = EpochWord({number: a.epoch, keyHash: bytes28(keccak256(a.key))});
        emit Advanced(compartment, a.patient, a.scope, a.epoch, a.suite, a.key, a.link, a.by);
        _writeWraps(a, compartment, wraps);
    }

    /// @inheritdoc IConsent
    function rewrap(Rewrapping memory r, bytes memory wrap, bytes memory signature) external {
        if (r.record != 0) revert MalformedTarget(bytes(r.scope).length, r.record);
        bytes32 compartment = _target(r.patient, r.scope, 0);
        bytes32 slot = _slot(r.patient, r.grantee, compartment);
        _requireActive(r.patient);
        if (!_isReadable(slot, r.serial)) revert NotLive(slot, r.serial);
        if (r.epoch == 0 || r.epoch > _epochs[compartment].number) revert UnknownEpoch(compartment, r.epoch);
        _requireRecipient(r.grantee, r.suite, r.recipientKeyHash, wrap);
        _requireKeyHolder(r.patient, r.by, _hashTypedDataV4(_hashRewrap(r, wrap)), signature);

        emit Rewrapped(slot, r.serial, r.epoch, r.suite, r.recipientKeyHash, wrap, r.by);
    }

    /// @inheritdoc IConsent
    function isAllowed(address patient, address grantee, bytes32 target, uint8 permission)
        external
        view
        returns (bool)
    {
        SlotWord memory word = _slots[_slot(patient, grantee, target)];
        return permission != 0 && word.permission & permission == permission && _lives(word)
            && directory.isActive(patient) && directory.isActive(grantee);
    }

    /// @inheritdoc IConsent
    function isLive(bytes32 slot, uint64 serial) external view returns (bool) {
        SlotWord memory word = _slots[slot];
        return word.serial == serial && _lives(word);
    }

    /// @inheritdoc IConsent
    function slotState(bytes32 slot)
        external
        view
        returns (uint64 serial, uint64 revoked, uint64 until, uint8 permission)
    {
        SlotWord memory word = _slots[slot];
        return (word.serial, word.revoked, word.until, word.permission);
    }

    /// @inheritdoc IConsent
    function epochOf(bytes32 compartment) external view returns (uint32 number, bytes28 keyHash) {
        EpochWord memory word = _epochs[compartment];
        return (word.number, word.keyHash);
    }

    /// @inheritdoc IConsent
    function delegateOf(address patient) external view returns (address delegate_, uint32 maxDuration, uint64 serial) {
        DelegateWord memory word = _delegates[patient];
        return (word.delegate, word.maxDuration, word.serial);
    }

    /// @dev Whether exactly these terms are the newest of the slot, and not revoked.
    function _isInForce(bytes32 slot, uint64 serial, bytes32 digest) private view returns (bool) {
        SlotWord memory word = _slots[slot];
        return serial == word.serial && serial > word.revoked && word.fingerprint == _fingerprint(digest);
    }

    /// @dev The decision has been made by who may make it; here it is checked and kept.
    function _enter(bytes32 slot, bytes32 digest, GrantTerms memory terms, bytes memory wrap, bytes memory signature)
        private
    {
        SlotWord memory word = _slots[slot];
        uint64 newest = word.serial > word.revoked ? word.serial : word.revoked;
        // Widened, so that a slot revoked for ever refuses instead of overflowing.
        if (terms.serial != uint256(newest) + 1) revert SerialNotNext(slot, terms.serial, newest);
        _requireTerms(slot, terms);
        if (bytes(terms.scope).length != 0 && terms.permission & PERMISSION_READ != 0) {
            _requireRecipient(terms.grantee, terms.suite, terms.recipientKeyHash, wrap);
        } else {
            if (wrap.length != 0 || terms.suite != Suites.NONE || terms.recipientKeyHash != 0) {
                revert MalformedSeal(terms.suite, wrap.length);
            }
            _requireActive(terms.grantee);
        }

        word.serial = terms.serial;
        word.until = terms.until;
        word.permission = terms.permission;
        word.fingerprint = _fingerprint(digest);
        _slots[slot] = word;
        emit Granted(
            slot,
            terms.patient,
            terms.grantee,
            terms.scope,
            terms.record,
            terms.serial,
            terms.permission,
            terms.until,
            terms.purpose,
            terms.epoch,
            terms.suite,
            terms.recipientKeyHash,
            wrap,
            signature
        );
    }

    /// @dev Skips what cannot be of use any more, so that a revocation, an expiry or a changed key between signing and
    /// mining never fails the advance. A wrap of the wrong length was wrong when it was signed: that does fail it.
    function _writeWraps(Advancement memory a, bytes32 compartment, Wrap[] memory wraps) private {
        if (wraps.length == 0) return;
        bool patientActive = directory.isActive(a.patient);
        for (uint256 i = 0; i < wraps.length; ++i) {
            Wrap memory w = wraps[i];
            _requireSeal(a.suite, w.wrap.length);
            bytes32 slot = _slot(a.patient, w.grantee, compartment);
            if (!patientActive || !_isReadable(slot, w.serial)) continue;
            // Ours, asked for views, and it neither reverts nor calls on: one wrap cannot take the others down.
            // slither-disable-next-line calls-loop
            (bool active, uint16 suite, bytes32 keyHash) = directory.recipientOf(w.grantee);
            if (active && suite == a.suite && keyHash == w.recipientKeyHash) {
                emit Rewrapped(slot, w.serial, a.epoch, a.suite, w.recipientKeyHash, w.wrap, a.by);
            }
        }
    }

    function _requireTerms(bytes32 slot, GrantTerms memory terms) private view {
        if (terms.grantee == terms.patient) revert OwnGrantee(terms.patient);
        if (terms.permission == 0 || terms.permission > PERMISSION_READ | PERMISSION_WRITE) {
            revert UnknownPermission(slot, terms.permission);
        }
        if (terms.until <= block.timestamp) revert Expired(slot, terms.until);
        if (bytes(terms.purpose).length > PURPOSE_CAP) revert MalformedPurpose(slot, bytes(terms.purpose).length);
    }

    /// @dev A wrap that the grantee, as the Directory knows it now, can use.
    function _requireRecipient(address grantee, uint16 suite, bytes32 recipientKeyHash, bytes memory wrap)
        private
        view
    {
        _requireSeal(suite, wrap.length);
        (bool active, uint16 currentSuite, bytes32 keyHash) = directory.recipientOf(grantee);
        if (!active) revert NotActive(grantee);
        if (suite != currentSuite || recipientKeyHash != keyHash) revert NotRecipientKey(grantee, recipientKeyHash);
    }

    function _requireSeal(uint16 suite, uint256 length) private pure {
        if (suite == Suites.NONE || !Suites.fitsSeal(suite, length)) revert MalformedSeal(suite, length);
    }

    function _requireActive(address who) private view {
        if (!directory.isActive(who)) revert NotActive(who);
    }

    /// @dev Who may open epochs and write wraps: whoever holds the patient's root.
    function _requireKeyHolder(address patient, address by, bytes32 digest, bytes memory signature) private view {
        if (by == patient) {
            _requirePatient(patient, digest, signature);
            return;
        }
        // Only patients have a custodian, so this also refuses accounts that are none.
        (address custodian, uint8 custody) = directory.custodianOf(patient);
        if (by != custodian || custody != CUSTODY_GATEWAY) revert NotKeyHolder(patient, by);
        _requireActive(custodian);
        address key = Signatures.recover(digest, signature);
        if (!directory.isStatementKey(custodian, key, uint64(block.number))) revert NotStatementKey(custodian, key);
    }

    /// @dev The patient's own decision. Whether it must also be active is the caller's to say.
    function _requirePatient(address patient, bytes32 digest, bytes memory signature)
        private
        view
        returns (bool active)
    {
        address controller;
        (controller, active) = _patient(patient);
        _requireSignature(controller, digest, signature);
    }

    function _requireSignature(address signer, bytes32 digest, bytes memory signature) private view {
        if (!Signatures.isBy(signer, digest, signature)) revert BadSignature(signer);
    }

    function _patient(address who) private view returns (address controller, bool active) {
        uint8 role;
        uint8 status;
        // A patient has no credential that could expire.
        // slither-disable-next-line unused-return
        (controller, role, status,) = directory.authority(who);
        if (role != ROLE_PATIENT) revert NotPatient(who);
        active = status == STATUS_ACTIVE;
    }

    function _isReadable(bytes32 slot, uint64 serial) private view returns (bool) {
        SlotWord memory word = _slots[slot];
        return word.serial == serial && word.permission & PERMISSION_READ != 0 && _lives(word);
    }

    function _lives(SlotWord memory word) private view returns (bool) {
        return word.serial > word.revoked && word.until > block.timestamp;
    }

    function _target(address patient, string memory scope, bytes32 record) private pure returns (bytes32) {
        uint256 length = bytes(scope).length;
        if ((length == 0) == (record == 0) || length > SCOPE_CAP) revert MalformedTarget(length, record);
        // 64 bytes against at least 128: a commitment, whatever its bytes, never leads to a compartment.
        return length == 0 ? keccak256(abi.encode(patient, record)) : keccak256(abi.encode(patient, scope));
    }

    function _slot(address patient, address grantee, bytes32 target) private pure returns (bytes32) {
        return keccak256(abi.encode(patient, grantee, target));
    }

    /// @dev Cut short on purpose, see SlotWord.
    function _fingerprint(bytes32 digest) private pure returns (bytes7) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes7(digest);
    }

    function _wrapHash(bytes memory wrap) private pure returns (bytes32) {
        return wrap.length == 0 ? bytes32(0) : keccak256(wrap);
    }

    function _hashGrant(GrantTerms memory terms, bytes memory wrap) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                GRANT,
                terms.patient,
                terms.grantee,
                keccak256(bytes(terms.scope)),
                terms.record,
                terms.serial,
                terms.permission,
                terms.until,
                keccak256(bytes(terms.purpose)),
                terms.epoch,
                terms.suite,
                terms.recipientKeyHash,
                _wrapHash(wrap)
            )
        );
    }

    function _hashAdvance(Advancement memory a, Wrap[] memory wraps) private pure returns (bytes32) {
        // First, because the encoder of an array needs the stack for itself.
        bytes32 wrapsHash = keccak256(abi.encode(wraps));
        return keccak256(
            abi.encode(
                ADVANCE,
                a.patient,
                keccak256(bytes(a.scope)),
                a.epoch,
                a.suite,
                keccak256(a.key),
                keccak256(a.link),
                wrapsHash,
                a.by
            )
        );
    }

    function _hashRewrap(Rewrapping memory r, bytes memory wrap) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                REWRAP,
                r.patient,
                r.grantee,
                keccak256(bytes(r.scope)),
                r.record,
                r.serial,
                r.epoch,
                r.suite,
                r.recipientKeyHash,
                _wrapHash(wrap),
                r.by
            )
        );
    }
}

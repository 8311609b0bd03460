// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Advancement, GrantTerms, Revocation, Rewrapping, Wrap} from "../../src/interfaces/IConsent.sol";
import {Clinic, Person} from "./Clinic.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";
import {ApprovingWallet} from "./Wallets.sol";

/// @notice What people and relayers do, in any order: patients sign and hand over, anyone delivers what was signed whenever
/// and as often as they like, guardians open emergencies, registrars suspend, keys change, time passes, mallory, the
/// registrar and the relayer try their luck. A re-org is none of these: what stands after one is a chain on which some of
/// the signed messages were delivered, in some order, and every such chain is among these.
///
/// It writes down what was decided, and what was ever found wrong; `Invariants.t.sol` says which must hold.
contract Actors is Clinic {
    struct SignedGrant {
        GrantTerms terms;
        bytes wrap;
        bytes signature;
    }

    struct SignedRevocation {
        Revocation terms;
        bytes signature;
        address controller;
    }

    SignedGrant[] private _grants;
    SignedRevocation[] private _revocations;

    /// @notice keccak256(slot, serial, until, permission) of every grant a patient signed.
    mapping(bytes32 decision => bool) public decided;
    /// @notice The highest serial delivered in a valid revocation.
    mapping(bytes32 slot => uint64) public revoked;
    mapping(bytes32 compartment => uint32) private _epochs;

    uint256 public revocationsFailed;
    uint256 public epochsShrunk;
    uint256 public anchorsHindered;
    uint256 public advancesHindered;
    uint256 public changedUnsigned;
    uint256 public termsChanged;
    uint256 public keysChosenByOthers;
    uint256 public emergenciesBeyond;
    /// @notice How often the interesting things happened, so that an idle run shows.
    uint256 public granted;
    uint256 public revocationsDelivered;
    uint256 public advanced;
    uint256 public anchored;
    uint256 public rewrapped;
    uint256 public emergencies;

    address private _guardians;
    mapping(address who => bytes32) private _keyHashes;
    mapping(address who => uint256) private _controllers;

    function setUp() public override {
        super.setUp();
        _guardians = address(new ApprovingWallet());
        address[5] memory people = [alice.id, bob.id, dora.id, acme.id, mercy.id];
        for (uint256 i = 0; i < people.length; ++i) {
            _keyHashes[people[i]] = _keyHash(people[i]);
        }
        _controllers[alice.id] = alice.key;
        _controllers[bob.id] = bob.key;
    }

    modifier changingNoTerm() {
        bytes32 before = _terms();
        _;
        if (_terms() != before) ++termsChanged;
    }

    modifier watchingEpochs() {
        _;
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 compartment = _compartment(_patient(i).id, "clinical");
            (uint32 number,) = consent.epochOf(compartment);
            if (number < _epochs[compartment]) ++epochsShrunk;
            _epochs[compartment] = number;
        }
    }

    // ---- patients decide; what they sign is sent at once, later, or never ----

    function patientSignsGrant(uint256 who, uint256 whom, uint64 lasting, uint8 dice) external watchingEpochs {
        Person memory patient = _patient(who);
        address grantee = _grantee(whom).id;
        bytes32 slot = _slot(patient.id, grantee, "clinical");
        (uint64 newest, uint64 dead,,) = consent.slotState(slot);
        // Mostly the next serial; sometimes one that is taken, or one too many.
        uint64 serial = (newest > dead ? newest : dead) + (dice % 8 == 0 ? 0 : dice % 8 == 1 ? 2 : 1);
        GrantTerms memory t = _writeTerms(patient.id, grantee, serial);
        bytes memory wrap;
        if (dice & 16 == 0) {
            (t, wrap) = _readTerms(patient.id, grantee, serial);
            if (dice & 32 == 0) t.permission = READ | WRITE;
        }
        t.until = uint64(block.timestamp) + 1 + lasting % 60 days;
        decided[keccak256(abi.encode(slot, serial, t.until, t.permission))] = true;
        _grants.push(SignedGrant({terms: t, wrap: wrap, signature: _signGrant(patient, t, wrap)}));
        if (dice & 64 == 0) _deliverGrant(_grants.length - 1);
    }

    function patientSignsRevocation(uint256 who, uint256 whom, uint8 dice) external watchingEpochs {
        Person memory patient = _patient(who);
        address grantee = _grantee(whom).id;
        (uint64 newest,,,) = consent.slotState(_slot(patient.id, grantee, "clinical"));
        Revocation memory r = _revocation(patient.id, grantee, newest + (dice % 4 == 3 ? dice % 5 : 0));
        _revocations.push(
            SignedRevocation({
                terms: r, signature: _signConsent(patient, Typed.revoke(r)), controller: _controller(patient.id)
            })
        );
        if (dice & 64 == 0) _deliverRevocation(_revocations.length - 1);
    }

    function patientHandsOver(uint256 who, uint256 next) external watchingEpochs {
        Person memory patient = _patient(who);
        uint256 key = uint256(keccak256(abi.encode("controller", next % 3)));
        Person memory heir = Person({id: vm.addr(key), key: key});
        uint64 deadline = uint64(block.timestamp);
        bytes32 terms = Typed.handOver(patient.id, heir.id, directory.nonces(patient.id), deadline);
        directory.handOver(patient.id, heir.id, deadline, _signDirectory(patient, terms), _signDirectory(heir, terms));
        _controllers[patient.id] = key;
    }

    function patientNamesADelegate(uint256 who, uint32 maxDuration, bool ends) external watchingEpochs {
        Person memory patient = _patient(who);
        (,, uint64 serial) = consent.delegateOf(patient.id);
        if (!ends && !directory.isActive(patient.id)) return;
        _delegate(patient, ends ? address(0) : _guardians, ends ? 0 : 1 + maxDuration % 30 days, serial + 1);
    }

    // ---- emergencies ----

    /// @dev Sometimes in mallory's name, for another scope, too long, or over a grant that lives.
    function guardiansGrant(uint256 who, uint256 whom, uint64 lasting, uint8 dice) external watchingEpochs {
        address patient = _patient(who).id;
        address grantee = _grantee(whom).id;
        string memory scope = dice % 16 == 0 ? "clinical" : "emergency";
        bytes32 slot = _slot(patient, grantee, scope);
        (uint64 newest, uint64 dead,,) = consent.slotState(slot);
        bool stood = consent.isLive(slot, newest);
        (GrantTerms memory t, bytes memory wrap) =
            _emergencyTerms(patient, grantee, (newest > dead ? newest : dead) + 1);
        t.scope = scope;
        t.until = uint64(block.timestamp) + 1 + lasting % 40 days;
        t.recipientKeyHash = _keyHashes[grantee];
        if (dice & 32 != 0) t.permission = READ | WRITE;
        address sender = dice & 64 == 0 ? _guardians : mallory.id;
        (address delegate, uint32 maxDuration,) = consent.delegateOf(patient);
        vm.prank(sender);
        try consent.grantInEmergency(t, wrap) {
            ++emergencies;
            bool within = sender == delegate && dice % 16 != 0 && t.permission == READ && !stood
                && t.until <= block.timestamp + maxDuration && directory.isActive(patient)
                && directory.isActive(grantee);
            if (!within) ++emergenciesBeyond;
        } catch {}
    }

    // ---- anyone delivers, as often as they like ----

    function relayerDeliversGrant(uint256 which) external watchingEpochs {
        if (_grants.length != 0) _deliverGrant(which % _grants.length);
    }

    function relayerDeliversRevocation(uint256 which) external watchingEpochs {
        if (_revocations.length != 0) _deliverRevocation(which % _revocations.length);
    }

    function relayerInventsAGrant(uint256 who, uint256 whom, bytes calldata signature) external watchingEpochs {
        address patient = _patient(who).id;
        address grantee = _grantee(whom).id;
        bytes32 slot = _slot(patient, grantee, "clinical");
        (uint64 newest, uint64 dead,,) = consent.slotState(slot);
        GrantTerms memory t = _writeTerms(patient, grantee, (newest > dead ? newest : dead) + 1);
        try consent.grant(t, "", signature) {
            ++changedUnsigned;
        } catch {}
        try consent.grant(t, "", _signGrant(mallory, t, "")) {
            ++changedUnsigned;
        } catch {}
        Revocation memory r = _revocation(patient, grantee, type(uint64).max);
        try consent.revoke(r, signature) {
            ++changedUnsigned;
        } catch {}
        try consent.revoke(r, _signConsent(mallory, Typed.revoke(r))) {
            ++changedUnsigned;
        } catch {}
        Advancement memory a = _advancement(patient, type(uint32).max, patient);
        Wrap[] memory none = new Wrap[](0);
        try consent.advance(a, none, signature) {
            ++changedUnsigned;
        } catch {}
        a.by = mercy.id;
        try consent.advance(a, none, _signConsent(mallory, Typed.advance(a, none))) {
            ++changedUnsigned;
        } catch {}
    }

    // ---- epochs ----

    /// @dev Alice's custodian keeps her root, bob his own; wraps go out for whatever serial comes along.
    function keyHolderAdvances(uint256 who, uint32 skip, uint256 whom, uint64 serial)
        external
        watchingEpochs
        changingNoTerm
    {
        Person memory patient = _patient(who);
        bool byCustodian = patient.id == alice.id && directory.isActive(mercy.id);
        (uint32 number,) = consent.epochOf(_compartment(patient.id, "clinical"));
        Advancement memory a = _advancement(patient.id, number + 1 + skip % 3, byCustodian ? mercy.id : patient.id);
        Wrap[] memory wraps = _wrapFor(_grantee(whom).id, serial % 6);
        bytes memory signature = _signConsent(byCustodian ? mercyStatements : patient, Typed.advance(a, wraps));
        try consent.advance(a, wraps, signature) {
            ++advanced;
        } catch {
            ++advancesHindered;
        }
    }

    function keyHolderRewraps(uint256 who, uint256 whom) external watchingEpochs changingNoTerm {
        Person memory patient = _patient(who);
        Person memory grantee = _grantee(whom);
        (uint64 serial,,,) = consent.slotState(_slot(patient.id, grantee.id, "clinical"));
        (Rewrapping memory r, bytes memory wrap) = _rewrapping(patient.id, grantee.id, serial, patient.id);
        r.recipientKeyHash = _keyHashes[grantee.id];
        try consent.rewrap(r, wrap, _signConsent(patient, Typed.rewrap(r, keccak256(wrap)))) {
            ++rewrapped;
        } catch {}
    }

    function relayerRepeatsAnOldAdvance(uint256 who, uint32 back) external watchingEpochs {
        Person memory patient = _patient(who);
        (uint32 number,) = consent.epochOf(_compartment(patient.id, "clinical"));
        Advancement memory a = _advancement(patient.id, number - (number == 0 ? 0 : back % number), patient.id);
        Wrap[] memory none = new Wrap[](0);
        try consent.advance(a, none, _signConsent(patient, Typed.advance(a, none))) {
            ++epochsShrunk;
        } catch {}
    }

    // ---- publishers ----

    function publisherAnchors(bool first, uint256 batch, bool copied) external watchingEpochs {
        bytes32 root = keccak256(abi.encode("root", batch % 16));
        // The other one anchors the very same batch first, which must not matter.
        if (copied) _anchor(!first, root);
        address org = first ? mercy.id : acme.id;
        bool mayAnchor = directory.isActive(org)
            && anchors.anchoredAt(keccak256(abi.encode(org, root, uint32(4), keccak256("manifest")))) == 0;
        bool did = _anchor(first, root);
        if (mayAnchor && !did) ++anchorsHindered;
        if (did) ++anchored;
    }

    // ---- the world ----

    function registrarSetsStatus(uint256 whom, uint8 status) external watchingEpochs {
        Person[4] memory people = [alice, dora, acme, mercy];
        // Retirement is rare, or every run would end with nobody left.
        uint8 next = status < 8 ? 3 : status % 2 + 1;
        (,, uint8 current,) = directory.authority(people[whom % 4].id);
        if (current != 3) _setStatus(people[whom % 4].id, next);
    }

    function registrarTriesToChooseAKey(uint256 whom, bytes32 key) external watchingEpochs {
        Person[4] memory people = [_patient(0), _patient(1), dora, acme];
        address who = people[whom % 4].id;
        uint64 deadline = uint64(block.timestamp);
        uint256 nonce = directory.nonces(who);
        bytes memory chosen = abi.encodePacked(key);
        bytes memory signature = _signDirectory(admin, Typed.encryptionKey(who, 1, chosen, nonce, deadline));
        vm.prank(admin.id);
        try directory.setEncryptionKey(who, 1, chosen, deadline, signature) {
            ++keysChosenByOthers;
        } catch {}
        bytes32 terms = Typed.handOver(who, admin.id, nonce, deadline);
        signature = _signDirectory(admin, terms);
        vm.prank(admin.id);
        try directory.handOver(who, admin.id, deadline, signature, signature) {
            ++keysChosenByOthers;
        } catch {}
    }

    function granteeChangesItsKey(bool other) external watchingEpochs {
        _setEncryptionKey(dora, _encryptionKey(other ? acme.id : dora.id));
        _keyHashes[dora.id] = _keyHash(other ? acme.id : dora.id);
    }

    function professionalRenewsItsPapers(uint256 whom, uint64 lasting) external watchingEpochs {
        Person[3] memory people = [dora, acme, mercy];
        _renewCredential(people[whom % 3], uint64(block.timestamp) + 1 + lasting % 1000 days);
    }

    function timePasses(uint64 span) external watchingEpochs {
        vm.warp(block.timestamp + span % 20 days);
        vm.roll(block.number + 1 + span % 100);
    }

    // ---- what the invariants look at ----

    function slots() external view returns (bytes32[4] memory all) {
        for (uint256 i = 0; i < 4; ++i) {
            all[i] = _slot(_patient(i / 2).id, _grantee(i % 2).id, "clinical");
        }
    }

    function isSomebodyElsesKey() external view returns (bool) {
        address[5] memory people = [alice.id, bob.id, dora.id, acme.id, mercy.id];
        for (uint256 i = 0; i < people.length; ++i) {
            (, bytes32 keyHash) = directory.encryptionKeyOf(people[i]);
            if (keyHash != _keyHashes[people[i]]) return true;
        }
        return keysChosenByOthers != 0;
    }

    function isDecided(bytes32 slot) external view returns (bool) {
        (uint64 serial,, uint64 until, uint8 permission) = consent.slotState(slot);
        return serial == 0 && permission == 0 || decided[keccak256(abi.encode(slot, serial, until, permission))];
    }

    function livesThoughRevoked(bytes32 slot) external view returns (bool) {
        (uint64 serial, uint64 dead,,) = consent.slotState(slot);
        return dead != revoked[slot] || serial <= dead && consent.isLive(slot, serial);
    }

    function allowedThoughInactive() external view returns (bool) {
        for (uint256 i = 0; i < 4; ++i) {
            address patient = _patient(i / 2).id;
            address grantee = _grantee(i % 2).id;
            bytes32 target = _compartment(patient, "clinical");
            bool allowed =
                consent.isAllowed(patient, grantee, target, READ) || consent.isAllowed(patient, grantee, target, WRITE);
            (uint64 serial,,,) = consent.slotState(keccak256(abi.encode(patient, grantee, target)));
            bool lives = consent.isLive(keccak256(abi.encode(patient, grantee, target)), serial);
            if (allowed && !(lives && directory.isActive(patient) && directory.isActive(grantee))) return true;
        }
        return false;
    }

    function _deliverGrant(uint256 which) private {
        SignedGrant memory g = _grants[which];
        try consent.grant(g.terms, g.wrap, g.signature) returns (bool changed) {
            if (changed) ++granted;
        } catch {}
    }

    function _deliverRevocation(uint256 which) private {
        SignedRevocation memory r = _revocations[which];
        try consent.revoke(r.terms, r.signature) {
            ++revocationsDelivered;
            bytes32 slot = _slot(r.terms.patient, r.terms.grantee, "clinical");
            if (r.terms.serial > revoked[slot]) revoked[slot] = r.terms.serial;
        } catch {
            // What a former controller signed is no longer the patient's decision.
            if (r.controller == _controller(r.terms.patient)) ++revocationsFailed;
        }
    }

    function _anchor(bool first, bytes32 root) private returns (bool) {
        vm.prank(first ? mercyPublisher.id : acmePublisher.id);
        try anchors.anchor(first ? mercy.id : acme.id, root, 4, keccak256("manifest")) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev By its id, with the key of its controller of now.
    function _patient(uint256 which) private view returns (Person memory) {
        address id = which % 2 == 0 ? alice.id : bob.id;
        return Person({id: id, key: _controllers[id]});
    }

    function _controller(address who) private view returns (address controller) {
        (controller,,,) = directory.authority(who);
    }

    function _terms() private view returns (bytes32) {
        bytes memory all;
        for (uint256 i = 0; i < 4; ++i) {
            (uint64 serial, uint64 dead, uint64 until, uint8 permission) =
                consent.slotState(_slot(_patient(i / 2).id, _grantee(i % 2).id, "clinical"));
            all = abi.encode(all, serial, dead, until, permission);
        }
        return keccak256(all);
    }

    function _grantee(uint256 which) private view returns (Person memory) {
        return which % 2 == 0 ? dora : mercy;
    }
}

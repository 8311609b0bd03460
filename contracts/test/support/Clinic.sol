// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {Advancement, Delegation, GrantTerms, Revocation, Rewrapping, Wrap} from "../../src/interfaces/IConsent.sol";
import {Registration} from "../../src/interfaces/IDirectory.sol";
import {Deployed, DeployedConsent, DeployedDirectory} from "./Deployed.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";

struct Person {
    address id;
    uint256 key;
}

/// @notice The people of every test, and how they sign. The test contract itself is the relayer: it sends everything
/// and is nobody's controller.
///
/// Alice is a patient whose root mercy keeps (custody gateway), bob one who keeps his own (custody self). Dora is a
/// doctor, mercy a hospital, acme an insurer, mallory registered nowhere.
abstract contract Clinic {
    uint64 internal constant NOW = 1_800_000_000;
    uint64 internal constant YEAR = 365 days;
    uint64 internal constant OPEN = type(uint64).max;
    uint8 internal constant READ = 1;
    uint8 internal constant WRITE = 2;

    DeployedDirectory internal directory;
    DeployedConsent internal consent;
    IAnchors internal anchors;

    Person internal admin = _person("admin");
    Person internal alice = _person("alice");
    Person internal bob = _person("bob");
    Person internal dora = _person("dora");
    Person internal mercy = _person("mercy");
    Person internal acme = _person("acme");
    Person internal mallory = _person("mallory");
    Person internal mercyStatements = _person("mercy statements");
    Person internal mercyPublisher = _person("mercy publisher");
    Person internal acmePublisher = _person("acme publisher");

    function setUp() public virtual {
        vm.warp(NOW);
        vm.roll(1000);
        directory = Deployed.directory(admin.id);
        consent = Deployed.consent(directory);
        anchors = Deployed.anchors(directory);

        _register(mercy, _professional(mercy, 3));
        _register(acme, _professional(acme, 4));
        _register(dora, _professional(dora, 2));
        _register(alice, _patientOf(alice, mercy.id, 2));
        _register(bob, _patientOf(bob, mercy.id, 1));
        _listStatementKey(mercy, mercyStatements.id, 0, OPEN);
        _listPublisher(mercy, mercyPublisher);
        _listPublisher(acme, acmePublisher);
    }

    // ---- people ----

    function _person(string memory name) internal pure returns (Person memory person) {
        person.key = uint256(keccak256(bytes(name)));
        person.id = vm.addr(person.key);
    }

    function _sign(Person memory person, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(person.key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signDirectory(Person memory person, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(person, Typed.digest(address(directory), structHash));
    }

    function _signConsent(Person memory person, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(person, Typed.digest(address(consent), structHash));
    }

    function _encryptionKey(address id) internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encode("encryption key", id)));
    }

    function _keyHash(address id) internal pure returns (bytes32) {
        return keccak256(_encryptionKey(id));
    }

    // ---- Directory ----

    function _patientOf(Person memory who, address custodian, uint8 custody)
        internal
        pure
        returns (Registration memory r)
    {
        r.who = who.id;
        r.role = 1;
        r.suite = 1;
        r.encryptionKey = _encryptionKey(who.id);
        r.custodian = custodian;
        r.custody = custody;
        r.deadline = NOW + 600;
    }

    function _professional(Person memory who, uint8 role) internal pure returns (Registration memory r) {
        r.who = who.id;
        r.role = role;
        r.suite = 1;
        r.encryptionKey = _encryptionKey(who.id);
        r.credential = keccak256(abi.encode("salted papers", who.id));
        r.credentialExpiry = NOW + YEAR;
        if (role >= 3) r.endpoint = "https://records.example.org/chartseal";
        r.deadline = NOW + 600;
    }

    function _countersignature(Registration memory r) internal view returns (bytes memory) {
        return _signDirectory(admin, Typed.countersign(Typed.register(r), admin.id));
    }

    function _register(Person memory who, Registration memory r) internal {
        directory.register(r, _signDirectory(who, Typed.register(r)), admin.id, _countersignature(r));
    }

    function _listStatementKey(Person memory who, address key, uint64 from, uint64 until) internal {
        uint64 deadline = uint64(block.timestamp);
        bytes memory signature =
            _signDirectory(who, Typed.statementKey(who.id, key, from, until, directory.nonces(who.id), deadline));
        directory.setStatementKey(who.id, key, from, until, deadline, signature);
    }

    function _listPublisher(Person memory org, Person memory publisher) internal {
        uint64 deadline = uint64(block.timestamp);
        bytes32 terms = Typed.publisher(org.id, publisher.id, true, directory.nonces(org.id), deadline);
        bytes memory signature = _signDirectory(org, terms);
        bytes memory acceptance = _signDirectory(publisher, Typed.publisherAccept(org.id, publisher.id));
        directory.setPublisher(org.id, publisher.id, true, deadline, signature, acceptance);
    }

    function _setStatus(address who, uint8 status) internal {
        uint64 deadline = uint64(block.timestamp);
        bytes32 terms = Typed.setStatus(who, status, admin.id, directory.nonces(admin.id), deadline);
        directory.setStatus(who, status, admin.id, deadline, _signDirectory(admin, terms));
    }

    function _setEncryptionKey(Person memory who, bytes memory key) internal {
        uint64 deadline = uint64(block.timestamp);
        uint16 suite = key.length == 0 ? 0 : 1;
        bytes32 terms = Typed.encryptionKey(who.id, suite, key, directory.nonces(who.id), deadline);
        directory.setEncryptionKey(who.id, suite, key, deadline, _signDirectory(who, terms));
    }

    function _setCustodian(Person memory who, address custodian, uint8 custody) internal {
        uint64 deadline = uint64(block.timestamp);
        bytes32 terms = Typed.custodian(who.id, custodian, custody, directory.nonces(who.id), deadline);
        directory.setCustodian(who.id, custodian, custody, deadline, _signDirectory(who, terms));
    }

    function _renewCredential(Person memory who, uint64 expiry) internal {
        uint64 deadline = uint64(block.timestamp);
        bytes32 terms = Typed.credential(who.id, keccak256("new papers"), expiry, directory.nonces(who.id), deadline);
        directory.renewCredential(
            who.id,
            keccak256("new papers"),
            expiry,
            deadline,
            _signDirectory(who, terms),
            admin.id,
            _signDirectory(admin, Typed.countersign(terms, admin.id))
        );
    }

    // ---- Consent ----

    function _compartment(address patient, string memory scope) internal pure returns (bytes32) {
        return keccak256(abi.encode(patient, scope));
    }

    function _slot(address patient, address grantee, string memory scope) internal pure returns (bytes32) {
        return keccak256(abi.encode(patient, grantee, _compartment(patient, scope)));
    }

    /// @dev The target of a grant of one record.
    function _recordTarget(address patient, bytes32 record) internal pure returns (bytes32) {
        return keccak256(abi.encode(patient, record));
    }

    function _delegation(address patient, address delegate, uint32 maxDuration, uint64 serial)
        internal
        pure
        returns (Delegation memory d)
    {
        d.patient = patient;
        d.delegate = delegate;
        d.scope = "emergency";
        d.maxDuration = maxDuration;
        d.serial = serial;
    }

    function _delegate(Person memory patient, address delegate, uint32 maxDuration, uint64 serial)
        internal
        returns (bool)
    {
        Delegation memory d = _delegation(patient.id, delegate, maxDuration, serial);
        return consent.delegate(d, _signConsent(patient, Typed.delegate(d)));
    }

    /// @dev What a delegate may grant: READ of `emergency` for a day.
    function _emergencyTerms(address patient, address grantee, uint64 serial)
        internal
        view
        returns (GrantTerms memory t, bytes memory wrap)
    {
        (t, wrap) = _readTerms(patient, grantee, serial);
        t.scope = "emergency";
        t.until = uint64(block.timestamp) + 1 days;
        t.purpose = "ETREAT";
    }

    function _wrapHash(bytes memory wrap) internal pure returns (bytes32) {
        return wrap.length == 0 ? bytes32(0) : keccak256(wrap);
    }

    function _seal(string memory what) internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256(bytes(what)), keccak256(abi.encode(what, 1)), bytes16(keccak256(bytes(what))));
    }

    function _readTerms(address patient, address grantee, uint64 serial)
        internal
        view
        returns (GrantTerms memory t, bytes memory wrap)
    {
        t.patient = patient;
        t.grantee = grantee;
        t.scope = "clinical";
        t.serial = serial;
        t.permission = READ;
        t.until = uint64(block.timestamp) + 30 days;
        t.purpose = "TREAT";
        t.epoch = 1;
        t.suite = 1;
        t.recipientKeyHash = _keyHash(grantee);
        wrap = _seal("wrap");
    }

    function _writeTerms(address patient, address grantee, uint64 serial) internal view returns (GrantTerms memory t) {
        t.patient = patient;
        t.grantee = grantee;
        t.scope = "clinical";
        t.serial = serial;
        t.permission = WRITE;
        t.until = uint64(block.timestamp) + 30 days;
        t.purpose = "TREAT";
    }

    function _signGrant(Person memory patient, GrantTerms memory t, bytes memory wrap)
        internal
        view
        returns (bytes memory)
    {
        return _signConsent(patient, Typed.grant(t, _wrapHash(wrap)));
    }

    function _grantRead(Person memory patient, address grantee, uint64 serial) internal returns (bytes32 slot) {
        (GrantTerms memory t, bytes memory wrap) = _readTerms(patient.id, grantee, serial);
        consent.grant(t, wrap, _signGrant(patient, t, wrap));
        return _slot(patient.id, grantee, "clinical");
    }

    function _revocation(address patient, address grantee, uint64 serial) internal pure returns (Revocation memory r) {
        r.patient = patient;
        r.grantee = grantee;
        r.scope = "clinical";
        r.serial = serial;
    }

    function _revoke(Person memory patient, address grantee, uint64 serial) internal returns (bool) {
        Revocation memory r = _revocation(patient.id, grantee, serial);
        return consent.revoke(r, _signConsent(patient, Typed.revoke(r)));
    }

    function _advancement(address patient, uint32 epoch, address by) internal pure returns (Advancement memory a) {
        a.patient = patient;
        a.scope = "clinical";
        a.epoch = epoch;
        a.suite = 1;
        a.key = abi.encodePacked(keccak256(abi.encode("epoch key", patient, epoch)));
        a.link = epoch == 1 ? bytes("") : _seal("link");
        a.by = by;
    }

    function _advance(Person memory patient, uint32 epoch) internal {
        Advancement memory a = _advancement(patient.id, epoch, patient.id);
        Wrap[] memory none = new Wrap[](0);
        consent.advance(a, none, _signConsent(patient, Typed.advance(a, none)));
    }

    function _wrapFor(address grantee, uint64 serial) internal pure returns (Wrap[] memory wraps) {
        wraps = new Wrap[](1);
        wraps[0] = Wrap({grantee: grantee, serial: serial, recipientKeyHash: _keyHash(grantee), wrap: _seal("next")});
    }

    function _rewrapping(address patient, address grantee, uint64 serial, address by)
        internal
        pure
        returns (Rewrapping memory r, bytes memory wrap)
    {
        r.patient = patient;
        r.grantee = grantee;
        r.scope = "clinical";
        r.serial = serial;
        r.epoch = 1;
        r.suite = 1;
        r.recipientKeyHash = _keyHash(grantee);
        r.by = by;
        wrap = _seal("again");
    }
}

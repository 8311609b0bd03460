// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {
    CUSTODY_GATEWAY,
    CUSTODY_NONE,
    IDirectory,
    ROLE_HOSPITAL,
    ROLE_INSURER,
    ROLE_PATIENT,
    Registration,
    STATUS_ACTIVE,
    STATUS_RETIRED
} from "./interfaces/IDirectory.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Suites} from "./libraries/Suites.sol";

/// @title Directory: who is who. The interface is the specification.
contract Directory is IDirectory, EIP712, AccessControl, Nonces {
    /// @notice Whoever holds it countersigns registrations and sets statuses; meant for a multisig.
    bytes32 public constant REGISTRAR = keccak256("REGISTRAR");

    uint256 private constant ENDPOINT_CAP = 256;

    bytes32 private constant REGISTER = keccak256(
        "Register(address who,uint8 role,uint16 suite,bytes encryptionKey,address custodian,uint8 custody,bytes32 credential,uint64 credentialExpiry,string endpoint,uint64 deadline)"
    );
    bytes32 private constant COUNTERSIGN = keccak256("Countersign(bytes32 registration,address registrar)");
    bytes32 private constant STATEMENT_KEY =
        keccak256("StatementKey(address who,address key,uint64 from,uint64 until,uint256 nonce,uint64 deadline)");
    bytes32 private constant PUBLISHER =
        keccak256("Publisher(address org,address publisher,bool listed,uint256 nonce,uint64 deadline)");
    bytes32 private constant PUBLISHER_ACCEPT = keccak256("PublisherAccept(address org,address publisher)");
    bytes32 private constant CUSTODIAN =
        keccak256("Custodian(address who,address custodian,uint8 custody,uint256 nonce,uint64 deadline)");
    bytes32 private constant ENCRYPTION_KEY =
        keccak256("EncryptionKey(address who,uint16 suite,bytes encryptionKey,uint256 nonce,uint64 deadline)");
    bytes32 private constant CREDENTIAL =
        keccak256("Credential(address who,bytes32 credential,uint64 credentialExpiry,uint256 nonce,uint64 deadline)");
    bytes32 private constant ENDPOINT =
        keccak256("Endpoint(address who,string endpoint,uint256 nonce,uint64 deadline)");
    bytes32 private constant HAND_OVER =
        keccak256("HandOver(address who,address controller,uint256 nonce,uint64 deadline)");
    bytes32 private constant SET_STATUS =
        keccak256("SetStatus(address who,uint8 status,address registrar,uint256 nonce,uint64 deadline)");

    /// One word, because every decision elsewhere reads exactly these.
    struct Standing {
        address controller;
        uint8 role;
        uint8 status;
        uint64 credentialExpiry;
        uint16 suite;
    }

    struct Custody {
        address custodian;
        uint8 mode;
    }

    struct Window {
        uint64 from;
        uint64 until;
    }

    mapping(address who => Standing) private _standings;
    mapping(address who => bytes32 keyHash) private _keyHashes;
    mapping(address patient => Custody) private _custodies;
    mapping(address who => mapping(address key => Window)) private _statementKeys;
    mapping(address publisher => address org) private _publisherOrgs;

    constructor(address admin) EIP712("Chartseal", "1") {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(REGISTRAR, admin);
    }

    /// @inheritdoc IDirectory
    function register(Registration memory r, bytes memory signature, address registrar, bytes memory countersignature)
        external
    {
        if (_standings[r.who].controller != address(0)) revert AlreadyRegistered(r.who);
        _requireInTime(r.who, r.deadline);
        _requireWellFormed(r);

        bytes32 registration = _hashRegistration(r);
        _requireSignature(r.who, registration, signature);
        _requireCountersignature(registration, registrar, countersignature);

        _standings[r.who] = Standing({
            controller: r.who, role: r.role, status: STATUS_ACTIVE, credentialExpiry: r.credentialExpiry, suite: r.suite
        });
        if (r.suite != Suites.NONE) _keyHashes[r.who] = keccak256(r.encryptionKey);
        if (r.custody != CUSTODY_NONE) _custodies[r.who] = Custody({custodian: r.custodian, mode: r.custody});
        emit Registered(
            r.who,
            r.role,
            registrar,
            r.suite,
            r.encryptionKey,
            r.custodian,
            r.custody,
            r.credential,
            r.credentialExpiry,
            r.endpoint
        );
    }

    /// @inheritdoc IDirectory
    function setStatementKey(
        address who,
        address key,
        uint64 from,
        uint64 until,
        uint64 deadline,
        bytes memory signature
    ) external {
        address controller = _requireDecision(
            who,
            deadline,
            keccak256(abi.encode(STATEMENT_KEY, who, key, from, until, _useNonce(who), deadline)),
            signature
        );
        if (key == address(0) || key == controller || _publisherOrgs[key] != address(0)) revert KeyInTwoUses(who, key);

        Window memory window = _moved(who, key, from, until);
        _statementKeys[who][key] = window;
        emit StatementKeyListed(who, key, window.from, window.until);
    }

    /// @inheritdoc IDirectory
    function setPublisher(
        address org,
        address publisher,
        bool listed,
        uint64 deadline,
        bytes memory signature,
        bytes memory acceptance
    ) external {
        address controller = _requireDecision(
            org, deadline, keccak256(abi.encode(PUBLISHER, org, publisher, listed, _useNonce(org), deadline)), signature
        );
        address current = _publisherOrgs[publisher];
        if (listed) {
            if (!_isOrganisation(_standings[org].role)) revert NotOrganisation(org);
            if (current != address(0)) revert PublisherTaken(publisher, current);
            if (publisher == controller || _statementKeys[org][publisher].until != 0) {
                revert KeyInTwoUses(org, publisher);
            }
            _requireSignature(publisher, keccak256(abi.encode(PUBLISHER_ACCEPT, org, publisher)), acceptance);
            _publisherOrgs[publisher] = org;
        } else {
            if (current != org) revert PublisherNotListed(org, publisher);
            delete _publisherOrgs[publisher];
        }
        emit PublisherListed(org, publisher, listed);
    }

    /// @inheritdoc IDirectory
    function setCustodian(address who, address custodian, uint8 custody, uint64 deadline, bytes memory signature)
        external
    {
        _requireDecision(
            who,
            deadline,
            keccak256(abi.encode(CUSTODIAN, who, custodian, custody, _useNonce(who), deadline)),
            signature
        );
        _requireFitCustodian(who, _standings[who].role, custodian, custody);

        _custodies[who] = Custody({custodian: custodian, mode: custody});
        emit CustodianChanged(who, custodian, custody);
    }

    /// @inheritdoc IDirectory
    function setEncryptionKey(
        address who,
        uint16 suite,
        bytes memory encryptionKey,
        uint64 deadline,
        bytes memory signature
    ) external {
        _requireDecision(
            who,
            deadline,
            keccak256(abi.encode(ENCRYPTION_KEY, who, suite, keccak256(encryptionKey), _useNonce(who), deadline)),
            signature
        );
        if (!Suites.fitsKey(suite, encryptionKey.length)) revert MalformedKey(who, suite, encryptionKey.length);

        _standings[who].suite = suite;
        _keyHashes[who] = suite == Suites.NONE ? bytes32(0) : keccak256(encryptionKey);
        emit EncryptionKeyChanged(who, suite, encryptionKey);
    }

    /// @inheritdoc IDirectory
    function renewCredential(
        address who,
        bytes32 credential,
        uint64 credentialExpiry,
        uint64 deadline,
        bytes memory signature,
        address registrar,
        bytes memory countersignature
    ) external {
        bytes32 terms = keccak256(abi.encode(CREDENTIAL, who, credential, credentialExpiry, _useNonce(who), deadline));
        _requireDecision(who, deadline, terms, signature);
        _requireCountersignature(terms, registrar, countersignature);
        _requireFitCredential(who, _standings[who].role, credential, credentialExpiry);

        _standings[who].credentialExpiry = credentialExpiry;
        emit CredentialRenewed(who, credential, credentialExpiry, registrar);
    }

    /// @inheritdoc IDirectory
    function moveEndpoint(address who, string memory endpoint, uint64 deadline, bytes memory signature) external {
        _requireDecision(
            who,
            deadline,
            keccak256(abi.encode(ENDPOINT, who, keccak256(bytes(endpoint)), _useNonce(who), deadline)),
            signature
        );
        if (!_isOrganisation(_standings[who].role)) revert NotOrganisation(who);
        _requireFitEndpoint(who, _standings[who].role, bytes(endpoint).length);

        emit EndpointMoved(who, endpoint);
    }

    /// @inheritdoc IDirectory
    function handOver(address who, address controller, uint64 deadline, bytes memory signature, bytes memory acceptance)
        external
    {
        if (controller == address(0)) revert NoController(who);
        bytes32 terms = keccak256(abi.encode(HAND_OVER, who, controller, _useNonce(who), deadline));
        _requireDecision(who, deadline, terms, signature);
        _requireSignature(controller, terms, acceptance);

        _standings[who].controller = controller;
        emit HandedOver(who, controller);
    }

    /// @inheritdoc IDirectory
    function setStatus(address who, uint8 status, address registrar, uint64 deadline, bytes memory signature) external {
        _requireInTime(who, deadline);
        _requireRegistrar(registrar);
        if (status < STATUS_ACTIVE || status > STATUS_RETIRED) revert UnknownStatus(who, status);
        Standing storage standing = _standings[who];
        if (standing.controller == address(0)) revert UnknownAccount(who);
        if (standing.status == STATUS_RETIRED) revert Retired(who);
        _requireSignature(
            registrar,
            keccak256(abi.encode(SET_STATUS, who, status, registrar, _useNonce(registrar), deadline)),
            signature
        );

        _standings[who].status = status;
        emit StatusChanged(who, status, registrar);
    }

    /// @inheritdoc IDirectory
    function authority(address who)
        external
        view
        returns (address controller, uint8 role, uint8 status, uint64 credentialExpiry)
    {
        Standing storage standing = _standings[who];
        return (standing.controller, standing.role, standing.status, standing.credentialExpiry);
    }

    /// @inheritdoc IDirectory
    function isActive(address who) external view returns (bool) {
        return _isActive(_standings[who]);
    }

    /// @inheritdoc IDirectory
    function custodianOf(address who) external view returns (address custodian, uint8 custody) {
        Custody storage chosen = _custodies[who];
        return (chosen.custodian, chosen.mode);
    }

    /// @inheritdoc IDirectory
    function encryptionKeyOf(address who) external view returns (uint16 suite, bytes32 keyHash) {
        return (_standings[who].suite, _keyHashes[who]);
    }

    /// @inheritdoc IDirectory
    function recipientOf(address who) external view returns (bool active, uint16 suite, bytes32 keyHash) {
        Standing storage standing = _standings[who];
        return (_isActive(standing), standing.suite, _keyHashes[who]);
    }

    /// @inheritdoc IDirectory
    function isStatementKey(address who, address key, uint64 number) external view returns (bool) {
        Window storage window = _statementKeys[who][key];
        return window.from <= number && number < window.until;
    }

    /// @inheritdoc IDirectory
    function publisherOrg(address publisher) external view returns (address org) {
        return _publisherOrgs[publisher];
    }

    /// @inheritdoc IDirectory
    function publisherOf(address publisher) external view returns (address org, bool active) {
        org = _publisherOrgs[publisher];
        active = _isActive(_standings[org]);
    }

    /// @dev The window a key has after its account asked for [from, until): the past is left as it was.
    function _moved(address who, address key, uint64 from, uint64 until) private view returns (Window memory window) {
        uint64 present = uint64(block.number);
        window = _statementKeys[who][key];
        if (window.until == 0) {
            window.from = from < present ? present : from;
            if (until <= window.from) revert EmptyWindow(who, key, window.from, until);
            window.until = until;
            return window;
        }
        if (window.until <= present) revert StatementKeyEnded(who, key, window.until);
        if (window.from > present) window.from = from < present ? present : from;
        window.until = until < present ? present : until;
    }

    function _requireWellFormed(Registration memory r) private view {
        if (r.role < ROLE_PATIENT || r.role > ROLE_INSURER) revert UnknownRole(r.who, r.role);
        if (!Suites.fitsKey(r.suite, r.encryptionKey.length)) {
            revert MalformedKey(r.who, r.suite, r.encryptionKey.length);
        }
        if (r.role == ROLE_PATIENT) {
            if (r.credential != 0 || r.credentialExpiry != 0) {
                revert MalformedCredential(r.who, r.credential, r.credentialExpiry);
            }
        } else {
            _requireFitCredential(r.who, r.role, r.credential, r.credentialExpiry);
        }
        _requireFitEndpoint(r.who, r.role, bytes(r.endpoint).length);
        _requireFitCustodian(r.who, r.role, r.custodian, r.custody);
    }

    function _requireFitCredential(address who, uint8 role, bytes32 credential, uint64 expiry) private view {
        if (role == ROLE_PATIENT || credential == 0 || expiry <= block.timestamp) {
            revert MalformedCredential(who, credential, expiry);
        }
    }

    function _requireFitEndpoint(address who, uint8 role, uint256 length) private pure {
        if (length > (_isOrganisation(role) ? ENDPOINT_CAP : 0)) revert MalformedEndpoint(who, length);
    }

    function _requireFitCustodian(address who, uint8 role, address custodian, uint8 custody) private view {
        if (custodian == address(0) && custody == CUSTODY_NONE) return;
        Standing storage standing = _standings[custodian];
        bool fits = role == ROLE_PATIENT && custody != CUSTODY_NONE && custody <= CUSTODY_GATEWAY
            && _isOrganisation(standing.role) && _isActive(standing);
        if (!fits) revert UnfitCustodian(who, custodian, custody);
    }

    function _requireRegistrar(address registrar) private view {
        if (!hasRole(REGISTRAR, registrar)) revert NotRegistrar(registrar);
    }

    /// @dev The caller has consumed the nonce inside `structHash`; a revert here gives it back.
    function _requireDecision(address who, uint64 deadline, bytes32 structHash, bytes memory signature)
        private
        view
        returns (address controller)
    {
        _requireInTime(who, deadline);
        controller = _standings[who].controller;
        if (controller == address(0)) revert UnknownAccount(who);
        _requireSignature(controller, structHash, signature);
    }

    /// @dev A registrar's yes to a struct somebody else signed: it says whose papers it saw, and chooses nothing in it.
    function _requireCountersignature(bytes32 terms, address registrar, bytes memory signature) private view {
        _requireRegistrar(registrar);
        _requireSignature(registrar, keccak256(abi.encode(COUNTERSIGN, terms, registrar)), signature);
    }

    function _requireInTime(address who, uint64 deadline) private view {
        if (block.timestamp > deadline) revert DeadlinePassed(who, deadline);
    }

    function _requireSignature(address signer, bytes32 structHash, bytes memory signature) private view {
        if (!Signatures.isBy(signer, _hashTypedDataV4(structHash), signature)) revert BadSignature(signer);
    }

    function _isActive(Standing storage standing) private view returns (bool) {
        // Read together: one storage read instead of three.
        (uint8 role, uint8 status, uint64 expiry) = (standing.role, standing.status, standing.credentialExpiry);
        return status == STATUS_ACTIVE && (role == ROLE_PATIENT || expiry > block.timestamp);
    }

    function _isOrganisation(uint8 role) private pure returns (bool) {
        return role == ROLE_HOSPITAL || role == ROLE_INSURER;
    }

    function _hashRegistration(Registration memory r) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                REGISTER,
                r.who,
                r.role,
                r.suite,
                keccak256(r.encryptionKey),
                r.custodian,
                r.custody,
                r.credential,
                r.credentialExpiry,
                keccak256(bytes(r.endpoint)),
                r.deadline
            )
        );
    }
}

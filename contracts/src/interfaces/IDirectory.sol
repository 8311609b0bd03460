// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

// What an account is. Numbers are part of every signature; they are never renumbered.
uint8 constant ROLE_PATIENT = 1;
uint8 constant ROLE_DOCTOR = 2;
uint8 constant ROLE_HOSPITAL = 3;
uint8 constant ROLE_INSURER = 4;

uint8 constant STATUS_ACTIVE = 1;
uint8 constant STATUS_SUSPENDED = 2;
uint8 constant STATUS_RETIRED = 3;

uint8 constant CUSTODY_NONE = 0;
uint8 constant CUSTODY_SELF = 1;
uint8 constant CUSTODY_GATEWAY = 2;

/// @notice What an account signs to come in, field by field the EIP-712 struct `Register`.
/// @param who The address that registers: the account's id for ever, its controller until it is handed over.
/// @param role 1 patient, 2 doctor, 3 hospital, 4 insurer.
/// @param suite The suite of `encryptionKey`; 0 with an empty key.
/// @param encryptionKey The HPKE public key wraps and releases are sealed to. Suite 1: 32 bytes. May be empty:
/// such an account cannot be granted READ until it sets a key.
/// @param custodian For a patient: the active organisation that keeps its release keys, or zero. Else zero.
/// @param custody 0 iff `custodian` is zero, else 1 self (the patient holds the root) or 2 gateway (the custodian does).
/// @param credential For all but patients: a salted commitment to the papers a registrar saw. Patients: zero.
/// @param credentialExpiry Unix seconds, exclusive. For all but patients, in the future. Patients: zero.
/// @param endpoint For organisations: the https address of their gateway, at most 256 bytes. Else empty.
/// @param deadline Unix seconds, inclusive, after which the registration is refused.
struct Registration {
    address who;
    uint8 role;
    uint16 suite;
    bytes encryptionKey;
    address custodian;
    uint8 custody;
    bytes32 credential;
    uint64 credentialExpiry;
    string endpoint;
    uint64 deadline;
}

/// @title Who is who.
/// @notice Accounts, the address that decides for each, and the keys that act for them. Every decision is signed by
/// the account (its controller); registration and status also by a registrar, who never chooses a key.
///
/// Signatures are EIP-712 over the domain {name "Chartseal", version "1", chainId, verifyingContract}, published by
/// ERC-5267. A 65-byte ECDSA signature with a low `s` is tried first, then ERC-1271 if the signer has code. An empty
/// signature stands for the signer when it is itself `msg.sender`.
///
/// Where a function takes a `deadline`, the nonce signed is `nonces(signer's account)` (for a registrar:
/// `nonces(registrar)`) and is consumed; one decision can therefore be outstanding per account at a time.
///
/// Assumption: registrars check papers and are honest about roles. A registrar can suspend or retire an account,
/// and can register an invented organisation; it cannot sign a decision, read a record or replace a key.
/// Warning: it is not possible to change an account's id, to undo a retirement, or to recover an account whose
/// controller is lost, except by a controller that is itself a contract with its own recovery.
interface IDirectory {
    /// @notice An account came in. Carries what is not in state: the key itself, the credential, the endpoint.
    event Registered(
        address indexed who,
        uint8 indexed role,
        address registrar,
        uint16 suite,
        bytes encryptionKey,
        address custodian,
        uint8 custody,
        bytes32 credential,
        uint64 credentialExpiry,
        string endpoint
    );

    /// @notice `key` signs statements for `who` in blocks from `from` up to, not including, `until`.
    /// @dev Both are the window in force, which may differ from the one signed: a window never reaches into the past.
    event StatementKeyListed(address indexed who, address indexed key, uint64 from, uint64 until);

    /// @notice `publisher` may (or may no longer) anchor for `org`.
    event PublisherListed(address indexed org, address indexed publisher, bool listed);

    /// @notice A patient chose another custodian or custody mode.
    event CustodianChanged(address indexed who, address indexed custodian, uint8 custody);

    /// @notice An account chose another encryption key. Wraps for the former one want a `rewrap`.
    event EncryptionKeyChanged(address indexed who, uint16 suite, bytes encryptionKey);

    /// @notice A professional or an organisation showed new papers; `registrar` saw them.
    event CredentialRenewed(address indexed who, bytes32 credential, uint64 credentialExpiry, address registrar);

    /// @notice An organisation's gateway has another address.
    event EndpointMoved(address indexed who, string endpoint);

    /// @notice Another address decides for `who` from now on.
    event HandedOver(address indexed who, address indexed controller);

    /// @notice A registrar suspended, reinstated or retired an account.
    event StatusChanged(address indexed who, uint8 status, address registrar);

    /// @notice Thrown when an address is registered a second time.
    error AlreadyRegistered(address who);

    /// @notice Thrown when an account is named that was never registered.
    error UnknownAccount(address who);

    /// @notice Thrown when the signature is not `signer`'s over exactly these terms (nonce included).
    error BadSignature(address signer);

    /// @notice Thrown when a signed decision arrives after its deadline.
    error DeadlinePassed(address who, uint64 deadline);

    /// @notice Thrown when `registrar` does not hold the REGISTRAR role.
    error NotRegistrar(address registrar);

    /// @notice Thrown when a role is not 1 to 4.
    error UnknownRole(address who, uint8 role);

    /// @notice Thrown when a status is not 1 to 3.
    error UnknownStatus(address who, uint8 status);

    /// @notice Thrown when a retired account would be given another status.
    error Retired(address who);

    /// @notice Thrown when suite and length of a key do not belong together, or the key is over the cap.
    error MalformedKey(address who, uint16 suite, uint256 length);

    /// @notice Thrown when a patient carries a credential, or anyone else carries none or an expired one.
    error MalformedCredential(address who, bytes32 credential, uint64 credentialExpiry);

    /// @notice Thrown when an endpoint is given by anyone but an organisation, or is over 256 bytes.
    error MalformedEndpoint(address who, uint256 length);

    /// @notice Thrown when custodian and custody mode do not fit: someone other than a patient, a mode without a
    /// custodian or the reverse, or a custodian that is not an active organisation.
    error UnfitCustodian(address who, address custodian, uint8 custody);

    /// @notice Thrown when the account must be a hospital or an insurer and is not.
    error NotOrganisation(address who);

    /// @notice Thrown when `publisher` already anchors for an organisation (`org` may be the same one).
    error PublisherTaken(address publisher, address org);

    /// @notice Thrown when `publisher` is to be taken off a list it is not on.
    error PublisherNotListed(address org, address publisher);

    /// @notice Thrown when one key would be both publisher and statement key of an account, or is its controller.
    error KeyInTwoUses(address who, address key);

    /// @notice Thrown when a statement key's window has ended: it is final, list a fresh key instead.
    error StatementKeyEnded(address who, address key, uint64 until);

    /// @notice Thrown when a window would be empty when first listed.
    error EmptyWindow(address who, address key, uint64 from, uint64 until);

    /// @notice Thrown when an account would be handed to nobody.
    error NoController(address who);

    /// @notice Registers an account: its own decision, countersigned by a registrar.
    /// @param signature By `r.who` over `Register(address who,uint8 role,uint16 suite,bytes encryptionKey,
    /// address custodian,uint8 custody,bytes32 credential,uint64 credentialExpiry,string endpoint,uint64 deadline)`.
    /// @param registrar Holds the REGISTRAR role; may be a contract.
    /// @param countersignature By `registrar` over `Countersign(bytes32 registration,address registrar)`, where
    /// registration is the struct hash of `Register`.
    function register(
        Registration calldata r,
        bytes calldata signature,
        address registrar,
        bytes calldata countersignature
    ) external;

    /// @notice Lists a key that signs statements and releases for `who`, or moves the end of its window.
    /// @dev Blocks before this one are never touched, so a statement that was valid stays valid and none becomes so
    /// afterwards: an earlier `from` begins now, an earlier `until` ends now, and the `from` of a window that has
    /// begun stays. A window that has ended is final.
    /// @param from First block. Ignored once the window has begun.
    /// @param until First block after the window; type(uint64).max leaves it open.
    /// @param signature By the controller over `StatementKey(address who,address key,uint64 from,uint64 until,
    /// uint256 nonce,uint64 deadline)`.
    function setStatementKey(
        address who,
        address key,
        uint64 from,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Lists an address that may anchor for an organisation, or takes it off.
    /// @dev One address publishes for one organisation. Distinct from relayers only by convention: those have no
    /// place on chain.
    /// @param signature By the controller of `org` over `Publisher(address org,address publisher,bool listed,
    /// uint256 nonce,uint64 deadline)`.
    /// @param acceptance When listing: by `publisher` over `PublisherAccept(address org,address publisher)`, so that
    /// nobody lists another's address. It does not expire: it holds for this organisation whenever the publisher is
    /// free. Ignored when taking off.
    function setPublisher(
        address org,
        address publisher,
        bool listed,
        uint64 deadline,
        bytes calldata signature,
        bytes calldata acceptance
    ) external;

    /// @notice Names the custodian of a patient's release keys, and the custody mode of its root.
    /// @dev The former custodian's authority to `advance` and `rewrap` ends at once; what it knows, it still knows.
    /// @param signature By the controller over `Custodian(address who,address custodian,uint8 custody,uint256 nonce,
    /// uint64 deadline)`.
    function setCustodian(address who, address custodian, uint8 custody, uint64 deadline, bytes calldata signature)
        external;

    /// @notice Replaces the encryption key of an account; suite 0 and an empty key leave it without one.
    /// @param signature By the controller over `EncryptionKey(address who,uint16 suite,bytes encryptionKey,
    /// uint256 nonce,uint64 deadline)`.
    function setEncryptionKey(
        address who,
        uint16 suite,
        bytes calldata encryptionKey,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Renews the credential of anyone but a patient: its own decision, countersigned by a registrar.
    /// @dev Works in every status and after the former credential has expired, and changes no status: a suspended account
    /// stays suspended. The new expiry may be the earlier one, if that is what both signed.
    /// @param credential A salted commitment to the papers the registrar saw; not zero.
    /// @param credentialExpiry Unix seconds, exclusive, in the future.
    /// @param signature By the controller over `Credential(address who,bytes32 credential,uint64 credentialExpiry,
    /// uint256 nonce,uint64 deadline)`.
    /// @param registrar Holds the REGISTRAR role; may be a contract.
    /// @param countersignature By `registrar` over `Countersign(bytes32 registration,address registrar)`, where
    /// registration is the struct hash of `Credential`. The nonce inside lets it count once.
    function renewCredential(
        address who,
        bytes32 credential,
        uint64 credentialExpiry,
        uint64 deadline,
        bytes calldata signature,
        address registrar,
        bytes calldata countersignature
    ) external;

    /// @notice Moves the gateway of an organisation to another address, at most 256 bytes; empty says there is none.
    /// @dev The last event counts; nothing is kept in state.
    /// @param signature By the controller over `Endpoint(address who,string endpoint,uint256 nonce,uint64 deadline)`.
    function moveEndpoint(address who, string calldata endpoint, uint64 deadline, bytes calldata signature) external;

    /// @notice Gives the account to another controller. Works in every status: it changes who decides, not what is
    /// allowed. Signatures of the former controller that are still under way die with it.
    /// @param signature By the controller over `HandOver(address who,address controller,uint256 nonce,
    /// uint64 deadline)`.
    /// @param acceptance By the new controller over the same struct.
    function handOver(
        address who,
        address controller,
        uint64 deadline,
        bytes calldata signature,
        bytes calldata acceptance
    ) external;

    /// @notice Suspends (2), reinstates (1) or retires (3) an account. Retirement is final.
    /// @param signature By `registrar` over `SetStatus(address who,uint8 status,address registrar,uint256 nonce,
    /// uint64 deadline)`, with `nonces(registrar)`.
    function setStatus(address who, uint8 status, address registrar, uint64 deadline, bytes calldata signature) external;

    /// @notice The account's word of state, in one storage read. All zero for an unknown account.
    function authority(address who)
        external
        view
        returns (address controller, uint8 role, uint8 status, uint64 credentialExpiry);

    /// @notice Whether the account is active and, for all but patients, its credential has not expired.
    function isActive(address who) external view returns (bool);

    /// @notice A patient's custodian and custody mode; zero where there is none.
    function custodianOf(address who) external view returns (address custodian, uint8 custody);

    /// @notice Suite and keccak256 of the account's encryption key; zero where there is none.
    function encryptionKeyOf(address who) external view returns (uint16 suite, bytes32 keyHash);

    /// @notice Both in one call: whether the account is active, and the suite and keccak256 of its encryption key.
    function recipientOf(address who) external view returns (bool active, uint16 suite, bytes32 keyHash);

    /// @notice Whether `key` signs statements for `who` in block `number`. Says nothing about the account's status.
    function isStatementKey(address who, address key, uint64 number) external view returns (bool);

    /// @notice The organisation `publisher` anchors for, or zero. Says nothing about the organisation's status.
    function publisherOrg(address publisher) external view returns (address org);

    /// @notice Both in one call: the organisation `publisher` anchors for, and whether it is active.
    function publisherOf(address publisher) external view returns (address org, bool active);
}

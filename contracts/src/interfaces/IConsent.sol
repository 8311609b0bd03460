// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "./IDirectory.sol";

uint8 constant PERMISSION_READ = 1;
uint8 constant PERMISSION_WRITE = 2;

/// @notice The terms of a grant: the EIP-712 struct `Grant` without `wrapHash`, which is taken from the wrap.
/// @param patient Whose records.
/// @param grantee Who may read or write them; any other registered account.
/// @param scope The class of records, at most 32 bytes; empty iff one record is granted.
/// @param record A salted commitment to one record, or zero.
/// @param serial One more than the newest serial granted or revoked in the slot.
/// @param permission READ 1, WRITE 2, or both 3.
/// @param until Unix seconds, exclusive.
/// @param purpose A purpose code, at most 64 bytes.
/// @param epoch The epoch whose secret is wrapped. Not looked at where there is no wrap.
/// @param suite The suite of the wrap; 0 where there is none.
/// @param recipientKeyHash keccak256 of the grantee's encryption key; 0 where there is no wrap.
struct GrantTerms {
    address patient;
    address grantee;
    string scope;
    bytes32 record;
    uint64 serial;
    uint8 permission;
    uint64 until;
    string purpose;
    uint32 epoch;
    uint16 suite;
    bytes32 recipientKeyHash;
}

/// @notice The EIP-712 struct `Revoke`: every serial of the slot up to `serial` is dead.
struct Revocation {
    address patient;
    address grantee;
    string scope;
    bytes32 record;
    uint64 serial;
}

/// @notice A new epoch: the EIP-712 struct `Advance` without `wraps`, which is taken from the wraps.
/// @param patient Whose compartment.
/// @param scope Which one, 1 to 32 bytes.
/// @param epoch Greater than the one in force; numbers may skip.
/// @param suite The suite of key, link and wraps.
/// @param key The epoch's public key. Suite 1: 32 bytes.
/// @param link The former epoch's secret sealed to `key`, or empty: then a reader of this epoch cannot walk back to
/// earlier ones, which is right for the first epoch only or where a patient starts afresh.
/// @param by Whose decision: the patient, or in custody mode gateway its custodian.
struct Advancement {
    address patient;
    string scope;
    uint32 epoch;
    uint16 suite;
    bytes key;
    bytes link;
    address by;
}

/// @notice The new epoch's secret for one grantee of the scope; suite and epoch are those of the advance.
struct Wrap {
    address grantee;
    uint64 serial;
    bytes32 recipientKeyHash;
    bytes wrap;
}

/// @notice A fresh wrap for a grant that lives: the EIP-712 struct `Rewrap` without `wrapHash`.
/// @dev `record` must be zero: the wrap of a single record never comes on chain.
struct Rewrapping {
    address patient;
    address grantee;
    string scope;
    bytes32 record;
    uint64 serial;
    uint32 epoch;
    uint16 suite;
    bytes32 recipientKeyHash;
    address by;
}

/// @notice The EIP-712 struct `Delegate`: which contract may let someone read a patient's `emergency` scope when the patient
/// cannot decide, guardians for instance.
/// @param patient Whose records, and whose decision this is.
/// @param delegate A contract, or zero to end the delegation.
/// @param scope "emergency"; nothing else can be delegated. It is here so that the patient sees what it signs.
/// @param maxDuration Seconds: how long each grant by the delegate may last at most; 1 to 30 days, or 0 to end it.
/// @param serial Greater than that of any delegation before.
struct Delegation {
    address patient;
    address delegate;
    string scope;
    uint32 maxDuration;
    uint64 serial;
}

/// @title Who may read and write what.
/// @notice One word of state per slot, one per compartment; everything else is in the events, from which the whole
/// index can be rebuilt.
///
/// A target is a compartment, keccak256(abi.encode(address patient, string scope)), or one record,
/// keccak256(abi.encode(address patient, bytes32 record)) of a salted commitment: 64 bytes are hashed for the one, at least
/// 128 for the other, so no commitment leads to a compartment. A slot is
/// keccak256(abi.encode(address patient, address grantee, bytes32 target)). A grant lives from its block on, while its
/// serial is the slot's newest, above every revoked serial, and `until` is ahead. Serials only rise, so the order in which
/// signed messages arrive never brings a revoked one back.
///
/// To narrow, extend or renew a grant is to grant again: the next serial with other terms. It replaces the former one
/// whole, at once, whether that still lived or not; what the new terms do not say is no longer granted. Serials rise with
/// each, so the wider terms cannot come back by a late message. There is no other way to change a term.
///
/// A patient may name one contract, its delegate, that can grant READ of the scope `emergency` for a limited time. The
/// delegate cannot replace a grant that lives, cannot grant anything else, and whatever it grants the patient revokes like
/// its own.
///
/// Signatures are EIP-712 over {name "Chartseal", version "1", chainId, verifyingContract} (ERC-5267), checked as in
/// `IDirectory`: ECDSA first, then ERC-1271, empty when `msg.sender` is the controller. A custodian's decisions are
/// signed by one of its statement keys, by ECDSA only, and are never empty.
///
/// A wrap is 80 bytes in suite 1 and opens nothing without its release key. Where several are seen for one
/// (slot, serial, epoch, recipientKeyHash) the first is the wrap: anyone may repeat a signed `rewrap`, and a repetition
/// must not replace what a custodian keeps a release key for.
///
/// Warning: revoking ends what the chain and an honest custodian allow. It cannot take back an epoch secret the
/// grantee has opened; only `advance` keeps later records from it.
/// Warning: `revoke` with a serial far ahead also kills the grants not yet made up to it, and with type(uint64).max the
/// slot for ever.
/// Warning: a record's commitment is 32 bytes of anyone's choosing. A wallet that shows a grant of one record should have
/// computed its commitment.
/// Warning: ending a delegation does not end what the delegate granted. It runs out by itself within `maxDuration`;
/// `revoke` ends it at once, and with type(uint64).max keeps that grantee out of the delegate's reach for ever.
/// Warning: `multicall` is all or nothing. `revoke` and `advance` never hinder each other, but an `advance` that has
/// become stale takes the whole batch with it; then send the revocation alone.
/// Assumption: the contract cannot see whether a wrap, link or key is what it claims to be. Readers check each opened
/// secret against the epoch's public key.
interface IConsent {
    /// @notice A grant came into force. `signature` is the patient's; empty if its controller sent the transaction. Empty
    /// too after a `GrantedInEmergency` of the same slot and serial: then it is not the patient's decision.
    event Granted(
        bytes32 indexed slot,
        address indexed patient,
        address indexed grantee,
        string scope,
        bytes32 record,
        uint64 serial,
        uint8 permission,
        uint64 until,
        string purpose,
        uint32 epoch,
        uint16 suite,
        bytes32 recipientKeyHash,
        bytes wrap,
        bytes signature
    );

    /// @notice The `Granted` that follows is `delegate`'s decision, not the patient's own.
    event GrantedInEmergency(bytes32 indexed slot, address indexed patient, address indexed delegate, uint64 serial);

    /// @notice A patient named a delegate, or with zero ended the delegation.
    event Delegated(address indexed patient, address indexed delegate, string scope, uint32 maxDuration, uint64 serial);

    /// @notice Every serial of the slot up to `serial` is dead.
    event Revoked(bytes32 indexed slot, address indexed patient, address indexed grantee, uint64 serial);

    /// @notice A compartment has a new epoch key.
    event Advanced(
        bytes32 indexed compartment,
        address indexed patient,
        string scope,
        uint32 epoch,
        uint16 suite,
        bytes key,
        bytes link,
        address by
    );

    /// @notice A live grant has a wrap of this epoch, from an `advance` or a `rewrap`. No term changed.
    event Rewrapped(
        bytes32 indexed slot,
        uint64 serial,
        uint32 epoch,
        uint16 suite,
        bytes32 recipientKeyHash,
        bytes wrap,
        address by
    );

    /// @notice Thrown when the signature is not `signer`'s over exactly these terms.
    error BadSignature(address signer);

    /// @notice Thrown when `who` is not registered as a patient.
    error NotPatient(address who);

    /// @notice Thrown when an account that takes part is unknown, suspended, retired, or its credential has expired.
    error NotActive(address who);

    /// @notice Thrown when a patient would be its own grantee.
    error OwnGrantee(address patient);

    /// @notice Thrown when scope and record are both named or both missing, or the scope is over 32 bytes.
    error MalformedTarget(uint256 scopeLength, bytes32 record);

    /// @notice Thrown when a permission is not 1, 2 or 3.
    error UnknownPermission(bytes32 slot, uint8 permission);

    /// @notice Thrown when a purpose is over 64 bytes.
    error MalformedPurpose(bytes32 slot, uint256 length);

    /// @notice Thrown when the terms had run out before they arrived.
    error Expired(bytes32 slot, uint64 until);

    /// @notice Thrown when `serial` is not one more than `newest`, the newest serial granted or revoked.
    error SerialNotNext(bytes32 slot, uint64 serial, uint64 newest);

    /// @notice Thrown when the grant named is not the one that lives in the slot, or carries no READ.
    error NotLive(bytes32 slot, uint64 serial);

    /// @notice Thrown when the sender is not the delegate the patient has named.
    error NotDelegate(address patient, address sender);

    /// @notice Thrown when a delegate would grant another scope than `emergency`, more than READ, or for longer than the
    /// patient allowed.
    error BeyondDelegation(bytes32 slot, uint8 permission, uint64 until);

    /// @notice Thrown when a delegate would replace a grant that lives.
    error StillLive(bytes32 slot, uint64 serial);

    /// @notice Thrown when a delegation is of another scope than `emergency`, for more than 30 days a grant, or names a
    /// delegate without a duration or the reverse.
    error MalformedDelegation(address patient, address delegate, uint32 maxDuration);

    /// @notice Thrown when a delegation's serial is not above `newest`, that of the patient's newest.
    error DelegationNotAhead(address patient, uint64 serial, uint64 newest);

    /// @notice Thrown when a delegate has no code: one key alone shall not open an emergency.
    error NotContract(address delegate);

    /// @notice Thrown when a wrap, link or key has not the length of its suite, or stands where none belongs.
    error MalformedSeal(uint16 suite, uint256 length);

    /// @notice Thrown when a wrap is not for the encryption key the Directory lists for the grantee now.
    error NotRecipientKey(address grantee, bytes32 recipientKeyHash);

    /// @notice Thrown when a rewrap is for an epoch the compartment has not had yet (or for 0).
    error UnknownEpoch(bytes32 compartment, uint32 epoch);

    /// @notice Thrown when an advance does not go forward.
    error EpochNotAhead(bytes32 compartment, uint32 epoch, uint32 current);

    /// @notice Thrown when `by` is neither the patient nor its custodian in mode gateway.
    error NotKeyHolder(address patient, address by);

    /// @notice Thrown when the signature is not by a statement key the custodian lists in this block; `key` is zero if
    /// it is nobody's.
    error NotStatementKey(address custodian, address key);

    /// @notice The Directory whose accounts this contract knows.
    function directory() external view returns (IDirectory);

    /// @notice Gives `terms.grantee` the permission, by the patient's decision.
    /// @dev READ of a scope carries a wrap to the grantee's Directory key of this moment. Its epoch is not compared with
    /// the compartment's, so that a grant and the advance it was prepared for may be mined in either order. WRITE alone,
    /// and a grant of one record, carry no wrap: suite 0, recipientKeyHash 0, wrap empty.
    /// @param wrap The epoch secret sealed to the grantee.
    /// @param signature By the patient's controller over `Grant(address patient,address grantee,string scope,
    /// bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,
    /// bytes32 recipientKeyHash,bytes32 wrapHash)`, wrapHash = keccak256(wrap), or 0 where there is no wrap.
    /// @return changed False, with no event, if exactly this grant (wrap included) is the one in the slot already and
    /// not revoked: sending the same bytes twice is safe.
    function grant(GrantTerms calldata terms, bytes calldata wrap, bytes calldata signature)
        external
        returns (bool changed);

    /// @notice Gives `terms.grantee` READ of the patient's `emergency` scope, by the decision of the delegate, which calls.
    /// @dev For at most `maxDuration` seconds from this block, and only where no grant lives in the slot. Else as `grant`; the
    /// patient must be active. The one decision that is sent and not signed: a delegate is a contract, and what its members
    /// sign is its own affair.
    /// @return changed False, with no event, if exactly this grant of the delegate is the one in the slot already and not
    /// revoked.
    function grantInEmergency(GrantTerms calldata terms, bytes calldata wrap) external returns (bool changed);

    /// @notice Names the patient's delegate for emergencies in place of the former one, or ends the delegation.
    /// @dev Naming needs an active patient; ending works in every status. No deadline: a higher serial overtakes whatever is
    /// still under way.
    /// @param signature By the patient's controller over `Delegate(address patient,address delegate,string scope,
    /// uint32 maxDuration,uint64 serial)`.
    /// @return changed False, with no event, if exactly this delegation is in force already.
    function delegate(Delegation calldata d, bytes calldata signature) external returns (bool changed);

    /// @notice Ends every serial of the slot up to `r.serial`, whether granted, yet to be mined, or never made.
    /// @dev Depends on the patient's signature and nothing else: no deadline, no status of either account, no serial.
    /// @param signature By the patient's controller over `Revoke(address patient,address grantee,string scope,
    /// bytes32 record,uint64 serial)`.
    /// @return changed False, with no event, if that serial was revoked already.
    function revoke(Revocation calldata r, bytes calldata signature) external returns (bool changed);

    /// @notice Opens an epoch of a compartment, the first one too.
    /// @dev Works in every status of the patient: it can only close. Wraps whose grant does not live (newest serial, not
    /// revoked, READ, unexpired, both accounts active) or whose recipient key is no longer the grantee's are skipped,
    /// so that nothing that happens meanwhile makes an advance fail; those written have their `Rewrapped`.
    /// @param wraps The new epoch secret for the grantees who keep READ.
    /// @param signature By the patient's controller, or a statement key of its custodian, over `Advance(
    /// address patient,string scope,uint32 epoch,uint16 suite,bytes key,bytes link,bytes32 wraps,address by)`, with
    /// wraps = keccak256(abi.encode(Wrap[])).
    function advance(Advancement calldata a, Wrap[] calldata wraps, bytes calldata signature) external;

    /// @notice Gives a live READ grant of a scope a wrap, after the grantee changed its key or an advance left it out.
    /// @param wrap The epoch secret sealed to the grantee's Directory key of this moment.
    /// @param signature By the patient's controller, or a statement key of its custodian, over `Rewrap(
    /// address patient,address grantee,string scope,bytes32 record,uint64 serial,uint32 epoch,uint16 suite,
    /// bytes32 recipientKeyHash,bytes32 wrapHash,address by)`.
    function rewrap(Rewrapping calldata r, bytes calldata wrap, bytes calldata signature) external;

    /// @notice Whether `grantee` holds all of `permission` on the target now: the newest grant is unrevoked and
    /// unexpired, and patient and grantee are both active.
    function isAllowed(address patient, address grantee, bytes32 target, uint8 permission) external view returns (bool);

    /// @notice Whether `serial` is the slot's newest grant, unrevoked and unexpired. Says nothing about the accounts.
    function isLive(bytes32 slot, uint64 serial) external view returns (bool);

    /// @notice The slot's word: newest serial granted, highest serial revoked, and the newest grant's terms.
    function slotState(bytes32 slot)
        external
        view
        returns (uint64 serial, uint64 revoked, uint64 until, uint8 permission);

    /// @notice The patient's delegate, how many seconds each of its grants may last, and the delegation's serial.
    function delegateOf(address patient) external view returns (address delegate_, uint32 maxDuration, uint64 serial);

    /// @notice The compartment's epoch and the first 28 bytes of keccak256 of its public key; 0 before the first.
    function epochOf(bytes32 compartment) external view returns (uint32 number, bytes28 keyHash);
}

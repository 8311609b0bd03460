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

/// @title Who may read and write what.
/// @notice One word of state per slot, one per compartment; everything else is in the events, from which the whole
/// index can be rebuilt.
///
/// A target is a compartment, keccak256(abi.encode(address patient, string scope)), or a salted commitment to one
/// record. A slot is keccak256(abi.encode(address patient, address grantee, bytes32 target)). A grant lives from its
/// block on, while its serial is the slot's newest, above every revoked serial, and `until` is ahead. Serials only
/// rise, so the order in which signed messages arrive never brings a revoked one back.
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
/// computed its commitment; the contract only refuses one that is an opened compartment.
/// Warning: `multicall` is all or nothing. `revoke` and `advance` never hinder each other, but an `advance` that has
/// become stale takes the whole batch with it; then send the revocation alone.
/// Assumption: the contract cannot see whether a wrap, link or key is what it claims to be. Readers check each opened
/// secret against the epoch's public key.
interface IConsent {
    /// @notice A grant came into force. `signature` is the patient's; empty if its controller sent the transaction.
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

    /// @notice Thrown when scope and record are both named or both missing, the scope is over 32 bytes, or a record
    /// is the compartment of an opened epoch.
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

    /// @notice The compartment's epoch and the first 28 bytes of keccak256 of its public key; 0 before the first.
    function epochOf(bytes32 compartment) external view returns (uint32 number, bytes28 keyHash);
}

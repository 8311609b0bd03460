//! The contracts, as their committed interface says (`contracts/src/interfaces`).

alloy::sol! {
    #[derive(Debug, PartialEq, Eq)]
    contract Directory {
        struct Registration {
            address who; uint8 role; uint16 suite; bytes encryptionKey; address custodian; uint8 custody;
            bytes32 credential; uint64 credentialExpiry; string endpoint; uint64 deadline;
        }
        event Registered(address indexed who, uint8 indexed role, address registrar, uint16 suite, bytes encryptionKey, address custodian, uint8 custody, bytes32 credential, uint64 credentialExpiry, string endpoint);
        event StatementKeyListed(address indexed who, address indexed key, uint64 from, uint64 until);
        event PublisherListed(address indexed org, address indexed publisher, bool listed);
        event CustodianChanged(address indexed who, address indexed custodian, uint8 custody);
        event EncryptionKeyChanged(address indexed who, uint16 suite, bytes encryptionKey);
        event HandedOver(address indexed who, address indexed controller);
        event StatusChanged(address indexed who, uint8 status, address registrar);
        error AlreadyRegistered(address who);

        function register(Registration r, bytes signature, address registrar, bytes countersignature) external;
        function setStatementKey(address who, address key, uint64 from, uint64 until, uint64 deadline, bytes signature) external;
        function setPublisher(address org, address publisher, bool listed, uint64 deadline, bytes signature, bytes acceptance) external;
        function setCustodian(address who, address custodian, uint8 custody, uint64 deadline, bytes signature) external;
        function setEncryptionKey(address who, uint16 suite, bytes encryptionKey, uint64 deadline, bytes signature) external;
        function handOver(address who, address controller, uint64 deadline, bytes signature, bytes acceptance) external;
        function setStatus(address who, uint8 status, address registrar, uint64 deadline, bytes signature) external;

        function nonces(address owner) external view returns (uint256);
        function hasRole(bytes32 role, address account) external view returns (bool);
        function authority(address who) external view returns (address controller, uint8 role, uint8 status, uint64 credentialExpiry);
        function isStatementKey(address who, address key, uint64 blockNumber) external view returns (bool);
        function publisherOrg(address publisher) external view returns (address);
    }

    #[derive(Debug, PartialEq, Eq)]
    contract Consent {
        struct GrantTerms {
            address patient; address grantee; string scope; bytes32 record; uint64 serial; uint8 permission;
            uint64 until; string purpose; uint32 epoch; uint16 suite; bytes32 recipientKeyHash;
        }
        struct Revocation { address patient; address grantee; string scope; bytes32 record; uint64 serial; }
        struct Advancement { address patient; string scope; uint32 epoch; uint16 suite; bytes key; bytes link; address by; }
        struct Rewrapping {
            address patient; address grantee; string scope; bytes32 record; uint64 serial; uint32 epoch;
            uint16 suite; bytes32 recipientKeyHash; address by;
        }
        struct Wrap { address grantee; uint64 serial; bytes32 recipientKeyHash; bytes wrap; }
        event Granted(bytes32 indexed slot, address indexed patient, address indexed grantee, string scope, bytes32 record, uint64 serial, uint8 permission, uint64 until, string purpose, uint32 epoch, uint16 suite, bytes32 recipientKeyHash, bytes wrap, bytes signature);
        event Revoked(bytes32 indexed slot, address indexed patient, address indexed grantee, uint64 serial);
        event Advanced(bytes32 indexed compartment, address indexed patient, string scope, uint32 epoch, uint16 suite, bytes key, bytes link, address by);
        event Rewrapped(bytes32 indexed slot, uint64 serial, uint32 epoch, uint16 suite, bytes32 recipientKeyHash, bytes wrap, address by);
        error WrongSerial(bytes32 slot, uint64 expected, uint64 given);

        function grant(GrantTerms terms, bytes wrap, bytes signature) external returns (bool changed);
        function revoke(Revocation r, bytes signature) external returns (bool changed);
        function advance(Advancement a, Wrap[] wraps, bytes signature) external;
        function rewrap(Rewrapping r, bytes wrap, bytes signature) external;

        function slotState(bytes32 slot) external view returns (uint64 serial, uint64 revoked, uint64 until, uint8 permission);
        function isAllowed(address patient, address grantee, bytes32 target, uint8 permission) external view returns (bool);
        function epochOf(bytes32 compartment) external view returns (uint32 number, bytes28 keyHash);
    }

    #[derive(Debug, PartialEq, Eq)]
    contract Anchors {
        event Anchored(address indexed org, bytes32 indexed root, uint32 count, bytes32 manifest, address publisher);
        error AlreadyAnchored(bytes32 key);

        function anchor(address org, bytes32 root, uint32 count, bytes32 manifest) external;
        function anchoredAt(bytes32 key) external view returns (uint64);
        function verify(address org, bytes32 root, uint32 count, bytes32 manifest, bytes32 leaf, bytes32[] proof) external view returns (uint64);
    }
}

pub use Anchors::{AnchorsErrors, AnchorsEvents};
pub use Consent::{ConsentErrors, ConsentEvents};
pub use Directory::{DirectoryErrors, DirectoryEvents};

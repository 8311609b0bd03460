// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDirectory} from "../src/interfaces/IDirectory.sol";
import {Clinic, Person} from "./support/Clinic.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

contract SetPublisherTest is Clinic {
    Person internal fresh = _person("fresh key");

    function test_WhenThePublisherIsTakenOrTheAccountNoOrganisation_Refuses() public {
        _refusesPublisher(
            acme,
            mercyPublisher,
            abi.encodeWithSelector(IDirectory.PublisherTaken.selector, mercyPublisher.id, mercy.id)
        );
        _refusesPublisher(dora, fresh, abi.encodeWithSelector(IDirectory.NotOrganisation.selector, dora.id));
    }

    function test_WhenThePublisherDidNotAccept_Refuses() public {
        bytes32 terms = Typed.publisher(acme.id, fresh.id, true, directory.nonces(acme.id), NOW);
        bytes memory signature = _signDirectory(acme, terms);
        bytes memory forMercy = _signDirectory(fresh, Typed.publisherAccept(mercy.id, fresh.id));
        vm.expectRevert(abi.encodeWithSelector(IDirectory.BadSignature.selector, fresh.id));
        directory.setPublisher(acme.id, fresh.id, true, NOW, signature, forMercy);
    }

    function test_WhenItIsTakenOff_ByItsOrganisationAlone() public {
        bytes32 terms = Typed.publisher(acme.id, mercyPublisher.id, false, directory.nonces(acme.id), NOW);
        bytes memory signature = _signDirectory(acme, terms);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.PublisherNotListed.selector, acme.id, mercyPublisher.id));
        directory.setPublisher(acme.id, mercyPublisher.id, false, NOW, signature, "");
        terms = Typed.publisher(mercy.id, mercyPublisher.id, false, directory.nonces(mercy.id), NOW);
        directory.setPublisher(mercy.id, mercyPublisher.id, false, NOW, _signDirectory(mercy, terms), "");
        vm.assertEq(directory.publisherOrg(mercyPublisher.id), address(0));
        _listPublisher(acme, mercyPublisher);
        vm.assertEq(directory.publisherOrg(mercyPublisher.id), acme.id);
    }

    function test_WhenTheKeyHasAnotherUse_Refuses() public {
        _refusesPublisher(
            mercy,
            mercyStatements,
            abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, mercyStatements.id)
        );
        _refusesPublisher(mercy, mercy, abi.encodeWithSelector(IDirectory.KeyInTwoUses.selector, mercy.id, mercy.id));
    }

    function test_WhenItIsListedOrTakenOff_AnnouncesIt() public {
        bytes32 terms = Typed.publisher(mercy.id, fresh.id, true, directory.nonces(mercy.id), NOW);
        bytes memory signature = _signDirectory(mercy, terms);
        bytes memory acceptance = _signDirectory(fresh, Typed.publisherAccept(mercy.id, fresh.id));
        vm.expectEmit(address(directory));
        emit IDirectory.PublisherListed(mercy.id, fresh.id, true);
        directory.setPublisher(mercy.id, fresh.id, true, NOW, signature, acceptance);
        (address org, bool active) = directory.publisherOf(fresh.id);
        vm.assertTrue(org == mercy.id && active);

        terms = Typed.publisher(mercy.id, fresh.id, false, directory.nonces(mercy.id), NOW);
        signature = _signDirectory(mercy, terms);
        vm.expectEmit(address(directory));
        emit IDirectory.PublisherListed(mercy.id, fresh.id, false);
        directory.setPublisher(mercy.id, fresh.id, false, NOW, signature, "");
        (org, active) = directory.publisherOf(fresh.id);
        vm.assertTrue(org == address(0) && !active);
    }

    function _refusesPublisher(Person memory org, Person memory publisher, bytes memory reason) private {
        bytes32 terms = Typed.publisher(org.id, publisher.id, true, directory.nonces(org.id), NOW);
        bytes memory signature = _signDirectory(org, terms);
        bytes memory acceptance = _signDirectory(publisher, Typed.publisherAccept(org.id, publisher.id));
        vm.expectRevert(reason);
        directory.setPublisher(org.id, publisher.id, true, NOW, signature, acceptance);
    }
}

//! The Merkle tree over a batch: OpenZeppelin's StandardMerkleTree, so that `@openzeppelin/merkle-tree`
//! and `MerkleProof.sol` verify it unchanged.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue;

use crate::{content::ContentHash, place::Compartment};

/// leaf = keccak256(bytes.concat(keccak256(abi.encode(bytes32 compartment, uint32 epoch, bytes32 contentHash)))).
///
/// Hashed twice, so that no inner node (64 bytes hashed once) can pass for a leaf.
pub fn leaf(compartment: Compartment, epoch: u32, content: ContentHash) -> B256 {
    keccak256(keccak256((compartment.0, epoch, content.0).abi_encode_params()))
}

/// A complete binary tree in one array: the root at 0, the children of `i` at `2i+1` and `2i+2`, the
/// leaves, ascending, from the end backwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<B256>,
}

/// A tree needs at least one leaf, and no leaf twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLeaves {
    /// No leaves were given.
    #[error("a batch needs at least one record")]
    Empty,
    /// A leaf stands twice.
    #[error("leaf {0} stands twice in the batch; a record is anchored once")]
    Twice(B256),
}

impl Tree {
    /// Builds the tree. `leaves` may come in any order; they are sorted here.
    pub fn new(mut leaves: Vec<B256>) -> Result<Self, BadLeaves> {
        leaves.sort_unstable();
        if leaves.is_empty() {
            return Err(BadLeaves::Empty);
        }
        if let Some(pair) = leaves.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(BadLeaves::Twice(pair[0]));
        }
        let n = leaves.len();
        let mut nodes = vec![B256::ZERO; 2 * n - 1];
        for (i, leaf) in leaves.into_iter().enumerate() {
            nodes[2 * n - 2 - i] = leaf;
        }
        for i in (0..n - 1).rev() {
            nodes[i] = pair(nodes[2 * i + 1], nodes[2 * i + 2]);
        }
        Ok(Self { nodes })
    }

    /// The root.
    pub fn root(&self) -> B256 {
        self.nodes[0]
    }

    /// How many leaves.
    pub fn len(&self) -> usize {
        self.nodes.len().div_ceil(2)
    }

    /// Never: a tree has at least one leaf.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The siblings from `leaf` to the root, or `None` if the leaf is not in the tree. At most 13 for 8192 leaves.
    pub fn proof(&self, leaf: B256) -> Option<Vec<B256>> {
        let n = self.len();
        // Leaves ascend from the end of the array backwards, so the array from n-1 on descends.
        let at = self.nodes[n - 1..].binary_search_by(|node| leaf.cmp(node)).ok()?;
        let mut i = n - 1 + at;
        let mut proof = Vec::new();
        while i > 0 {
            proof.push(self.nodes[if i % 2 == 1 { i + 1 } else { i - 1 }]);
            i = (i - 1) / 2;
        }
        Some(proof)
    }
}

/// Whether `proof` leads from `leaf` to `root`. What `MerkleProof.verify` computes.
pub fn verify(root: B256, leaf: B256, proof: &[B256]) -> bool {
    proof.iter().fold(leaf, |node, sibling| pair(node, *sibling)) == root
}

fn pair(a: B256, b: B256) -> B256 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    keccak256([low.0, high.0].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u32) -> Vec<B256> {
        let compartment = Compartment(B256::repeat_byte(3));
        (0..n)
            .map(|i| leaf(compartment, i, ContentHash::of(&i.to_be_bytes())))
            .collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_has_a_proof_that_verifies() {
        for n in 1..70 {
            let all = leaves(n);
            let tree = Tree::new(all.clone()).unwrap();
            assert_eq!(tree.len(), n as usize);
            for leaf in all {
                assert!(verify(tree.root(), leaf, &tree.proof(leaf).unwrap()));
            }
        }
    }

    #[test]
    fn a_foreign_leaf_has_no_proof_and_a_changed_proof_fails() {
        let tree = Tree::new(leaves(9)).unwrap();
        assert_eq!(tree.proof(B256::repeat_byte(9)), None);
        let one = leaves(9)[4];
        let mut proof = tree.proof(one).unwrap();
        proof[1].0[0] ^= 1;
        assert!(!verify(tree.root(), one, &proof));
        assert!(!verify(tree.root(), B256::ZERO, &tree.proof(one).unwrap()));
    }

    #[test]
    fn an_inner_node_does_not_pass_for_a_leaf_of_the_format() {
        let tree = Tree::new(leaves(4)).unwrap();
        // The Merkle path alone would accept it; the leaf function can never give this value for a real record.
        let inner = tree.nodes[1];
        assert!(verify(tree.root(), inner, &[tree.nodes[2]]));
        assert!(tree.proof(inner).is_none());
    }

    #[test]
    fn order_does_not_matter_and_twice_is_refused() {
        let mut all = leaves(10);
        let root = Tree::new(all.clone()).unwrap().root();
        all.reverse();
        assert_eq!(Tree::new(all.clone()).unwrap().root(), root);
        all.push(all[3]);
        assert_eq!(Tree::new(all.clone()), Err(BadLeaves::Twice(all[3])));
        assert_eq!(Tree::new(vec![]), Err(BadLeaves::Empty));
    }
}

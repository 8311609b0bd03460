use std::{
    collections::{HashMap, HashSet, hash_map},
    sync::Arc,
};

use crate::{block::Key, car::Section};

/// Which file holds which block. A block may lie in several files, and its bytes are equally good in each.
#[derive(Default)]
pub(super) struct Index {
    files: HashMap<Arc<str>, Entry>,
    first: HashMap<Key, Place>,
    /// Further places of a block, which are rare: kept apart so that the usual entry stays small.
    further: HashMap<Key, Vec<Place>>,
}

struct Entry {
    keys: Vec<Key>,
    damage: Option<String>,
}

#[derive(Clone)]
pub(super) struct Place {
    pub file: Arc<str>,
    pub offset: u64,
    pub length: u32,
}

impl Index {
    /// Takes in a file; what was known under its name is dropped.
    pub fn add(&mut self, name: String, sections: Vec<Section>, damage: Option<String>) {
        self.remove(&name);
        let file: Arc<str> = name.into();
        let keys = sections.iter().map(|section| section.key).collect();
        for Section { key, offset, length } in sections {
            let place = Place {
                file: file.clone(),
                offset,
                length,
            };
            match self.first.entry(key) {
                hash_map::Entry::Vacant(entry) => drop(entry.insert(place)),
                // The newcomer goes first: it may have been imported to mend the other.
                hash_map::Entry::Occupied(mut entry) => {
                    let other = entry.insert(place);
                    if other.file != file {
                        self.further.entry(key).or_default().push(other);
                    }
                }
            }
        }
        self.files.insert(file, Entry { keys, damage });
    }

    pub fn remove(&mut self, name: &str) {
        let Some(entry) = self.files.remove(name) else { return };
        for key in entry.keys {
            if let Some(places) = self.further.get_mut(&key) {
                places.retain(|place| &*place.file != name);
                if places.is_empty() {
                    self.further.remove(&key);
                }
            }
            if self.first.get(&key).is_some_and(|place| &*place.file == name) {
                match self.further.get_mut(&key).and_then(Vec::pop) {
                    Some(other) => self.first.insert(key, other),
                    None => self.first.remove(&key),
                };
            }
        }
    }

    pub fn places(&self, key: &Key) -> impl Iterator<Item = &Place> {
        self.first
            .get(key)
            .into_iter()
            .chain(self.further.get(key).into_iter().flatten())
    }

    /// Names not known yet, and names known that are not among these.
    pub fn differences(&self, names: HashSet<String>) -> (Vec<String>, Vec<String>) {
        let gone = self
            .files
            .keys()
            .filter(|name| !names.contains(&***name))
            .map(|name| name.to_string())
            .collect();
        let new = names
            .into_iter()
            .filter(|name| !self.files.contains_key(name.as_str()))
            .collect();
        (new, gone)
    }

    pub fn damaged(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(name, entry)| Some((&**name, entry.damage.as_deref()?)))
    }
}

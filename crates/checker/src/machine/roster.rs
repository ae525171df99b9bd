//! A map for what is numbered in the order of its making: two rows side by side, without the room that a tree leaves in
//! its nodes and without a block of its own for each few entries. There can be ten thousand checks and servers.

/// A key that is a number, given in the order of making.
pub(super) trait Numbered: Copy + Ord {
    fn number(self) -> u32;
}

/// The values by ascending keys. What is removed leaves a hole that [`Roster::tidy`] closes.
#[derive(Clone, Debug)]
pub(super) struct Roster<K, V> {
    keys: Vec<K>,
    values: Vec<Option<V>>,
    holes: usize,
}

impl<K: Numbered, V> Roster<K, V> {
    pub(super) const fn new() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), holes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len() - self.holes
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how many there is room, holes included.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.values.capacity()
    }

    /// The place of a key, or where it would go. While nothing is missing between the first one and this, its distance
    /// from the first one is its place; otherwise the place is before that.
    fn find(&self, key: &K) -> Result<usize, usize> {
        let first = self.keys.first().map_or(0, |first| first.number());
        let at = usize::try_from(key.number().saturating_sub(first)).unwrap_or(usize::MAX);
        match self.keys.get(at) {
            Some(found) if found == key => Ok(at),
            _ => self.keys.get(..at).unwrap_or(&self.keys).binary_search(key),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.values.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.values.get_mut(at)?.as_mut()
    }

    /// Adds a value, or puts it in the place of another. A key above all others costs least.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.keys.last().is_none_or(|last| *last < key) {
            self.keys.push(key);
            self.values.push(Some(value));
            return;
        }
        match self.find(&key) {
            Ok(at) => {
                let Some(place) = self.values.get_mut(at) else { return };
                if place.replace(value).is_none() {
                    self.holes -= 1;
                }
            }
            Err(at) => {
                self.keys.insert(at, key);
                self.values.insert(at, Some(value));
            }
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        let removed = self.values.get_mut(at)?.take()?;
        self.holes += 1;
        Some(removed)
    }

    /// Closes the holes and gives back what is not needed: after many have come or gone.
    pub(super) fn tidy(&mut self) {
        if self.holes > 0 {
            let mut values = self.values.iter();
            self.keys.retain(|_| values.next().is_some_and(Option::is_some));
            self.values.retain(Option::is_some);
            self.holes = 0;
        }
        self.keys.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.keys.iter().zip(&self.values).filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.keys.iter().zip(&mut self.values).filter_map(|(key, value)| Some((key, value.as_mut()?)))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().flatten()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut().flatten()
    }
}

/// For tests: what is not there is a fault of theirs.
#[cfg(test)]
impl<K: Numbered, V> std::ops::Index<&K> for Roster<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Numbered for u8 {
        fn number(self) -> u32 {
            self.into()
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(ops in prop::collection::vec((0_u8..3, 0_u8..40, any::<u16>()), 0..200)) {
            let (mut roster, mut map) = (Roster::new(), BTreeMap::new());
            for (op, key, value) in ops {
                match op {
                    0 => {
                        roster.insert(key, value);
                        map.insert(key, value);
                    }
                    1 => prop_assert_eq!(roster.remove(&key), map.remove(&key)),
                    _ => roster.tidy(),
                }
                prop_assert_eq!(roster.get(&key), map.get(&key));
                prop_assert_eq!(roster.get_mut(&key), map.get_mut(&key));
                prop_assert_eq!(roster.len(), map.len());
                prop_assert!(roster.iter().eq(&map));
                prop_assert!(roster.iter_mut().map(|(key, value)| (*key, *value)).eq(map.clone()));
                prop_assert!(roster.keys().eq(map.keys()));
                prop_assert!(roster.values().eq(map.values()));
                prop_assert!(roster.values_mut().map(|value| *value).eq(map.values().copied()));
            }
        }
    }
}

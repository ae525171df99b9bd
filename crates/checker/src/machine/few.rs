//! A list that mostly has one element, and then needs no memory beside itself: the checks of a server, the servers of a
//! check.

use std::ops::{Deref, DerefMut};

/// The elements, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Few<T> {
    One(T),
    #[expect(clippy::box_collection, reason = "it is to be small where it is not used")]
    More(Box<Vec<T>>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut list: Vec<T>) -> Self {
        match (list.pop(), list.is_empty()) {
            (Some(one), true) => Self::One(one),
            (last, _) => {
                list.extend(last);
                list.shrink_to_fit();
                Self::More(Box::new(list))
            }
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(list) => list,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::One(one) => std::slice::from_mut(one),
            Self::More(list) => list,
        }
    }
}

/// In ascending order.
impl<T: Copy + Ord> Few<T> {
    /// Adds an element that may be there already. One above all others costs least.
    pub(super) fn insert(&mut self, element: T) {
        let Err(at) = self.binary_search(&element) else { return };
        match self {
            Self::One(one) => {
                let mut list = vec![*one];
                list.insert(at, element);
                *self = Self::More(Box::new(list));
            }
            Self::More(list) if list.is_empty() => *self = Self::One(element),
            Self::More(list) => list.insert(at, element),
        }
    }

    pub(super) fn remove(&mut self, element: T) {
        let Ok(at) = self.binary_search(&element) else { return };
        match self {
            Self::One(_) => *self = Self::default(),
            Self::More(list) => {
                list.remove(at);
                if let [one] = list.as_slice() {
                    *self = Self::One(*one);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(ops in prop::collection::vec((any::<bool>(), 0_u8..6), 0..60)) {
            let (mut few, mut set) = (Few::default(), BTreeSet::new());
            for (insert, element) in ops {
                if insert {
                    few.insert(element);
                    set.insert(element);
                } else {
                    few.remove(element);
                    set.remove(&element);
                }
                prop_assert!(few.iter().eq(&set));
                prop_assert_eq!(matches!(few, Few::One(_)), set.len() == 1);
            }
        }

        #[test]
        fn it_is_a_list(list in prop::collection::vec(any::<u8>(), 0..5)) {
            let few = Few::from(list.clone());
            prop_assert_eq!(&*few, &*list);
        }
    }
}

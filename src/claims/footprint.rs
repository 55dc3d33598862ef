//! How many bytes of memory parsed values take, the allocator's part included.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The bytes that the allocator uses for an allocation of `bytes`.
///
/// As malloc of glibc counts: a header of 8 bytes, multiples of 16, 32 at least. Other allocators
/// differ by a few per cent.
pub(crate) const fn allocated(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let rounded = bytes
        .saturating_add(HEADER)
        .div_ceil(UNIT)
        .saturating_mul(UNIT);
    if rounded < SMALLEST {
        SMALLEST
    } else {
        rounded
    }
}

/// What the value holds on the heap, the value itself not included.
///
/// `serde_json` bounds the depth of what it parses, and thereby the recursion.
pub(crate) fn of_json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => allocated(text.capacity()),
        Value::Array(array) => {
            let own = allocated(array.capacity().saturating_mul(size_of::<Value>()));
            array.iter().map(of_json).fold(own, usize::saturating_add)
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                allocated(name.capacity()).saturating_add(of_json(value))
            };
            let own = object(members.len());
            members.iter().map(member).fold(own, usize::saturating_add)
        }
    }
}

/// The tables of an object: an `IndexMap` where the feature `preserve_order` of `serde_json` is on, else a `BTreeMap`.
fn object(members: usize) -> usize {
    const IS_ORDERED: bool = size_of::<Map<String, Value>>() > size_of::<BTreeMap<String, Value>>();
    if members == 0 {
        0
    } else if IS_ORDERED {
        index_map(members)
    } else {
        nodes(members)
    }
}

/// A table of indices, at most seven eighths full, and as many entries as it has place for.
fn index_map(members: usize) -> usize {
    let buckets = match members {
        ..=3 => 4,
        4..=7 => 8,
        more => more.saturating_mul(8).div_ceil(7).next_power_of_two(),
    };
    let places = if buckets < 8 {
        buckets.saturating_sub(1)
    } else {
        buckets / 8 * 7
    };
    let indices = buckets
        .saturating_mul(size_of::<usize>() + 1)
        .saturating_add(GROUP);
    allocated(indices).saturating_add(allocated(places.saturating_mul(BUCKET)))
}

/// The nodes of a B-tree at their emptiest: one that was split has five members or more.
fn nodes(members: usize) -> usize {
    if members <= NODE_CAPACITY {
        return allocated(LEAF);
    }
    let leaves = members.saturating_add(1).div_ceil(FEWEST_IN_NODE + 1);
    let inner = leaves.div_ceil(FEWEST_IN_NODE + 1);
    allocated(LEAF)
        .saturating_mul(leaves)
        .saturating_add(allocated(INNER).saturating_mul(inner))
}

const HEADER: usize = 8;
const UNIT: usize = 16;
const SMALLEST: usize = 32;

const MEMBER: usize = size_of::<String>() + size_of::<Value>();

/// A hash, a name and a value.
const BUCKET: usize = size_of::<usize>() + MEMBER;
/// What the hash table reads at once beyond its end.
const GROUP: usize = 16;

/// Of `std`'s B-tree nodes.
const NODE_CAPACITY: usize = 11;
const FEWEST_IN_NODE: usize = 5;
/// Members, the parent, and two numbers.
const LEAF: usize = NODE_CAPACITY * MEMBER + 16;
const INNER: usize = LEAF + (NODE_CAPACITY + 1) * size_of::<usize>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_has_a_header_and_is_rounded() {
        let cases = [
            (0, 0),
            (1, 32),
            (24, 32),
            (25, 48),
            (40, 48),
            (41, 64),
            (1000, 1008),
        ];
        for (bytes, expected) in cases {
            assert_eq!(allocated(bytes), expected, "{bytes}");
        }
    }
}

//! Which partition a key lives in: murmur2, as Kafka's own clients do it (`murmur2_random` with a key).
//!
//! The choice is made here and given to the broker explicitly, so both logs agree and any Kafka tool finds the same partition.

/// The partition of `key` in a topic with this many partitions.
///
/// The answer is part of the stored data: a household's timeline lives where its key says. Never change it.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let count = u32::try_from(partitions)
        .ok()
        .filter(|count| *count > 0)
        .expect("a topic has at least one partition");
    let partition = (murmur2(key) & 0x7fff_ffff) % count;
    i32::try_from(partition).expect("a remainder by an i32 fits an i32")
}

fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).expect("a key is shorter than 4 GiB");
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word = <[u8; 4]>::try_from(word).expect("a chunk of four has four bytes");
        let mut mixed = u32::from_le_bytes(word).wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MIX) ^ mixed.wrapping_mul(MIX);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The published figures of Kafka's own client for these strings.
    #[test]
    fn hashes_as_kafkas_clients_do() {
        for (key, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_partition_that_exists(key in proptest::collection::vec(any::<u8>(), 0..80), partitions in 1..200_i32) {
            let partition = partition_of(&key, partitions);
            prop_assert!((0..partitions).contains(&partition));
        }
    }
}

//! Types of every size and alignment: what went in comes out, aligned, from
//! every place in the ring.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{Options, ReadError, WriteError};

/// Through many laps, with all of the ways in and out, so that values of a size that is no power of
/// two come to lie everywhere, across the ring's end too.
fn comes_out<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>() as u64;
    let laps = if size_of::<T>() < 8 { 3 } else { 20 };
    let (mut pushed, mut popped) = (0, 0);
    while popped < laps * whole {
        match pushed % 3 {
            0 => producer.push(value(pushed)).unwrap(),
            1 => {
                let mut slots = producer.reserve(1).unwrap();
                slots[0] = value(pushed);
                slots.commit().unwrap();
            }
            _ => producer.push_slice(&values(pushed, 1)).unwrap(),
        }
        pushed += 1;
        if pushed - popped == whole || pushed % 7 == 0 {
            check_value(consumer.pop().unwrap().unwrap(), popped);
            popped += 1;
            // It may have been the only one.
            if pushed > popped {
                let batch = consumer.pop_batch().unwrap().unwrap();
                assert_eq!(batch.as_ptr().addr() % align_of::<T>(), 0);
                assert_eq!(batch.len() as u64, pushed - popped);
                check_values(&batch, popped);
                popped += batch.len() as u64;
            }
        }
    }
}

#[test]
fn values_of_every_shape_come_out_as_they_went_in() {
    for kind in KINDS {
        for_each_type!(comes_out(kind));
    }
}

fn is_full_at_its_capacity<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    assert_eq!((producer.capacity(), consumer.capacity()), (whole, whole));
    let mut index = 0;
    // Again and again: where the first one lies shifts from lap to lap unless
    // the size is a power of two.
    for _ in 0..5 {
        assert_eq!((producer.len(), producer.free(), consumer.len()), (0, whole, 0));
        assert!(producer.is_empty() && consumer.is_empty());
        for n in 0..whole {
            assert_eq!((producer.len(), producer.free(), consumer.len()), (n, whole - n, n));
            producer.try_push(value(index + n as u64)).unwrap();
            assert!(!producer.is_empty() && !consumer.is_empty());
        }
        assert_eq!((producer.len(), producer.free(), consumer.len()), (whole, 0, whole));
        let refused = producer.try_push(value(index)).unwrap_err();
        assert!(matches!(refused.error, WriteError::Full));
        for n in 0..whole as u64 {
            check_value(consumer.try_pop().unwrap().unwrap(), index + n);
        }
        assert_fails!(consumer.try_pop(), ReadError::Empty);
        index += whole as u64;
    }
}

#[test]
fn a_ring_holds_as_many_values_as_fit_into_its_bytes() {
    for kind in KINDS {
        for_each_type!(is_full_at_its_capacity(kind));
    }
}

fn is_aligned<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>() as u64;
    for index in 0..2 * whole {
        let mut slots = producer.reserve(1).unwrap();
        assert_eq!(slots.as_ptr().addr() % align_of::<T>(), 0);
        fill_values(&mut slots, index);
        slots.commit().unwrap();
        let batch = consumer.pop_batch().unwrap().unwrap();
        assert_eq!(batch.as_ptr().addr() % align_of::<T>(), 0);
        check_values(&batch, index);
    }
}

#[test]
fn every_slot_is_aligned() {
    for kind in KINDS {
        for_each_type!(is_aligned(kind));
    }
}

/// A ring that one value fills.
#[test]
fn a_value_as_large_as_the_ring() {
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(4096))]
    struct Page([u8; 4096]);
    if page() != size_of::<Page>() {
        return crate::support::skip("pages are not of 4096 bytes here");
    }
    for kind in KINDS {
        let (_name, mut producer, mut consumer) =
            kind.slots_with::<Page>(&Options::new().capacity(page()));
        assert_eq!((producer.capacity(), producer.free()), (1, 1));
        for index in 0..5 {
            producer.push(value(index)).unwrap();
            assert!(producer.try_push(value(index)).is_err());
            let batch = consumer.pop_batch().unwrap().unwrap();
            assert_eq!((batch.len(), batch.as_ptr().addr() % 4096), (1, 0));
            check_values(&batch, index);
        }
    }
}

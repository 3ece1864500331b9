//! Records that are plain data.

use crate::{assert_fails, record_support::*, stream_support::*};
use bytemuck::{Pod, Zeroable};
use shmpipe::record::{PodError, WriteError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Frame {
    time: u64,
    values: [f32; 3],
    state: u32,
}

/// Wants more than a ring gives unless told.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u64; 8]);

fn frame_of(time: u64) -> Frame {
    Frame { time, values: [time as f32, 0.5, -1.0], state: 7 }
}

#[test]
fn values_are_what_they_were() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let soon = Instant::now() + FOR_EVER;
        sender.kind(1).send_pod(&frame_of(0)).unwrap();
        sender.kind(2).try_send_pod(&frame_of(1)).unwrap();
        sender.kind(3).send_pod_timeout(&frame_of(2), Duration::ZERO).unwrap();
        sender.kind(4).send_pod_deadline(&frame_of(3), soon).unwrap();
        let mut batch = sender.batch();
        batch.kind(5).send_pod(&frame_of(4)).unwrap();
        batch.commit().unwrap();
        for time in 0..5 {
            assert_eq!(
                *receiver.peek().unwrap().unwrap().as_pod::<Frame>().unwrap(),
                frame_of(time)
            );
            let record = receiver.recv().unwrap().unwrap();
            assert_eq!(record.as_pod::<Frame>(), Ok(&frame_of(time)));
            assert_eq!(record.as_pods::<Frame>(), Ok(&[frame_of(time)][..]));
            assert_eq!(record.as_pods::<u32>().unwrap().len(), 6);
            assert_eq!(record.kind(), time as u32 + 1);
        }
    }
}

#[test]
fn many_values_in_a_record() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for n in [0, 1, 2, 100] {
            let frames: Vec<_> = (0..n).map(frame_of).collect();
            sender.send(bytemuck::cast_slice(&frames)).unwrap();
            let mut records = receiver.recv_batch().unwrap().unwrap();
            let view = records.next().unwrap().unwrap();
            assert_eq!(view.as_pods::<Frame>(), Ok(&frames[..]));
        }
    }
}

#[test]
fn a_record_of_another_size() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let expected = size_of::<Frame>();
        for found in [0, 1, expected - 1, expected + 1, 2 * expected, 3 * expected - 1] {
            sender.send(&vec![1; found]).unwrap();
            let record = receiver.recv().unwrap().unwrap();
            let error = PodError::Size { expected, found };
            assert_eq!(record.as_pod::<Frame>(), Err(error));
            if found.is_multiple_of(expected) {
                assert_eq!(record.as_pods::<Frame>().unwrap().len(), found / expected);
            } else {
                assert_eq!(record.as_pods::<Frame>(), Err(error));
            }
            // The record is not used up by that.
            assert_eq!(*record, vec![1; found]);
            let message = error.to_string();
            assert!(message.contains(&found.to_string()), "{message}");
        }
    }
}

/// A type that wants more than the ring's alignment is refused wherever the record lies, also where
/// it happens to be aligned: or whether it works would depend on what was sent before.
#[test]
fn a_type_that_wants_another_alignment() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let line = Line([1, 2, 3, 4, 5, 6, 7, 8]);
            for _ in 0..2 * room(align) / frame(align, size_of::<Line>()) {
                sender.send_pod(&line).unwrap();
                let view = receiver.peek().unwrap().unwrap();
                if align >= 64 {
                    assert_eq!(view.as_pod::<Line>(), Ok(&line), "{kind:?} {align}");
                    assert_eq!(view.as_pods::<Line>(), Ok(&[line][..]));
                } else {
                    let error = PodError::Align { needed: 64 };
                    assert_eq!(view.as_pod::<Line>(), Err(error), "{kind:?} {align}");
                    assert_eq!(view.as_pods::<Line>(), Err(error));
                    assert!(error.to_string().contains("64"), "{error}");
                }
                assert_eq!(view.as_pod::<[u64; 8]>(), Ok(&line.0), "aligned to 8 at least");
                let record = receiver.recv().unwrap().unwrap();
                assert_eq!(record.as_pod::<Line>().is_ok(), align >= 64);
            }
        }
    }
}

#[test]
fn values_that_never_fit() {
    for kind in KINDS {
        let (_name, mut sender, _receiver) = kind.records();
        let value = [0_u128; 4096];
        let too_large =
            |error: &WriteError| matches!(error, WriteError::TooLarge { requested: 65_536, .. });
        assert_fails!(sender.send_pod(&value), error if too_large(&error));
        assert_fails!(sender.try_send_pod(&value), error if too_large(&error));
        assert_fails!(sender.send_pod_timeout(&value, FOR_EVER), error if too_large(&error));
        assert_fails!(sender.batch().send_pod(&value), error if too_large(&error));
    }
}

#[test]
fn values_of_no_size() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        sender.send_pod(&()).unwrap();
        sender.send(b"x").unwrap();
        let record = receiver.recv().unwrap().unwrap();
        assert_eq!(record.as_pod::<()>(), Ok(&()));
        // How many would there be?
        let _ = record.as_pods::<()>();
        drop(record);
        let record = receiver.recv().unwrap().unwrap();
        assert_eq!(record.as_pod::<()>(), Err(PodError::Size { expected: 0, found: 1 }));
        let _ = record.as_pods::<()>();
    }
}

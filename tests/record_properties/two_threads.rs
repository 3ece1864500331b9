//! In two threads, with the forms that wait: what comes out is what went in.

use crate::{
    Ending, aligns, config, endings, factors, kinds, record_support::*, stream_support::*,
};
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options, Wait,
    record::{ReadError, Receiver, Sender},
};
use std::{io::IoSlice, thread, time::Duration};

/// One operation of a sender that waits.
#[derive(Clone, Copy, Debug)]
enum Put {
    Send,
    Vectored,
    Reserve,
    /// Reserves that much more than is sent.
    Truncate(usize),
    Batch(u64),
    Abort,
    Pause,
}

/// One operation of a receiver that waits.
#[derive(Clone, Copy, Debug)]
enum Take {
    Recv,
    Timed,
    Peek,
    Batch(u64),
    Pause,
}

fn puts() -> impl Strategy<Value = Put> {
    prop_oneof![
        2 => Just(Put::Send),
        1 => Just(Put::Vectored),
        1 => Just(Put::Reserve),
        1 => (0..500_usize).prop_map(Put::Truncate),
        2 => (0..60_u64).prop_map(Put::Batch),
        1 => Just(Put::Abort),
        1 => Just(Put::Pause),
    ]
}

fn takes() -> impl Strategy<Value = Take> {
    prop_oneof![
        2 => Just(Take::Recv),
        1 => Just(Take::Timed),
        1 => Just(Take::Peek),
        2 => (1..60_u64).prop_map(Take::Batch),
        1 => Just(Take::Pause),
    ]
}

fn waits() -> impl Strategy<Value = Wait> {
    prop::sample::select(vec![Wait::Adaptive, Wait::Spin, Wait::Sleep])
}

/// Long enough that the other end catches up and sleeps, now and then.
const PAUSE: Duration = Duration::from_micros(60);

/// Sends records from `number` on; how many.
fn put(sender: &mut Sender, operation: Put, number: u64, longest: usize) -> u64 {
    let bytes = content(number, length(number, longest));
    let kind = kind_of(number);
    match operation {
        Put::Send => sender.kind(kind).send(&bytes).unwrap(),
        Put::Vectored => {
            let (left, right) = bytes.split_at(bytes.len() / 3);
            sender.kind(kind).send_vectored(&[left, right].map(IoSlice::new)).unwrap();
        }
        Put::Reserve => {
            let mut reservation = sender.kind(kind).reserve(bytes.len()).unwrap();
            reservation.copy_from_slice(&bytes);
            reservation.commit().unwrap();
        }
        Put::Truncate(more) => {
            let len = (bytes.len() + more).min(sender.max_len());
            let mut reservation = sender.reserve(len).unwrap();
            reservation.fill(0xdd);
            reservation[..bytes.len()].copy_from_slice(&bytes);
            reservation.set_kind(kind);
            reservation.commit_truncated(bytes.len()).unwrap();
        }
        Put::Batch(count) => {
            let mut batch = sender.batch();
            for number in number..number + count {
                let bytes = content(number, length(number, longest));
                batch.kind(kind_of(number)).send(&bytes).unwrap();
            }
            batch.commit().unwrap();
            return count;
        }
        Put::Abort => {
            drop(sender.reserve(bytes.len()).unwrap());
            let _ = sender.batch().try_send(b"never");
            return 0;
        }
        Put::Pause => {
            thread::sleep(PAUSE);
            return 0;
        }
    }
    1
}

/// Receives records and checks that they begin with `number`; how many, `None` at the end.
fn take(
    receiver: &mut Receiver,
    operation: Take,
    number: u64,
    longest: usize,
) -> Result<Option<u64>, ReadError> {
    match operation {
        Take::Recv => Ok(receiver.recv()?.map(|record| {
            check_record(&record, record.kind(), number, longest);
            1
        })),
        Take::Timed => match receiver.recv_timeout(PAUSE) {
            Err(ReadError::Timeout) => Ok(Some(0)),
            received => Ok(received?.map(|record| {
                check_record(&record, record.kind(), number, longest);
                1
            })),
        },
        Take::Peek => Ok(receiver.peek()?.map(|view| {
            check_record(&view, view.kind(), number, longest);
            0
        })),
        Take::Batch(most) => {
            let Some(mut records) = receiver.recv_batch()? else { return Ok(None) };
            let mut count = 0;
            while count < most
                && let Some(view) = records.next()?
            {
                check_record(&view, view.kind(), number + count, longest);
                count += 1;
            }
            assert!(count > 0);
            Ok(Some(count))
        }
        Take::Pause => {
            thread::sleep(PAUSE);
            Ok(Some(0))
        }
    }
}

fn what_comes_out_is_what_went_in(
    (_name, mut sender, mut receiver): Ends,
    puts: Vec<Put>,
    takes: &[Take],
    ending: Ending,
) {
    let longest = sender.max_len();
    let sending = thread::spawn(move || {
        let mut number = 0;
        for operation in puts {
            number += put(&mut sender, operation, number, longest);
        }
        assert_eq!(sender.stats().operations, number);
        assert_eq!((sender.stats().late_wakeups, sender.stats().leaked), (0, 0));
        ending.end(sender);
        number
    });
    let mut number = 0;
    let end = loop {
        // Peeks and pauses alone would never come to the end.
        let turn = takes.iter().copied().chain([Take::Recv]);
        let ended = turn.into_iter().find_map(|operation| {
            match take(&mut receiver, operation, number, longest) {
                Ok(Some(count)) => {
                    number += count;
                    None
                }
                end => Some(end),
            }
        });
        if let Some(end) = ended {
            break end;
        }
    };
    assert!(ending.is_told(&end), "{end:?} of {ending:?}");
    assert_eq!(number, joined(sending));
    assert_eq!(receiver.stats().operations, number);
    assert_eq!(receiver.stats().leaked, 0);
    // A time-out may be up in the very instant in which something comes.
    let timed = takes.iter().any(|take| matches!(take, Take::Timed));
    assert!(timed || receiver.stats().late_wakeups == 0, "a wake-up was lost");
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn nothing_is_lost_or_changed(
        kind in kinds(),
        align in aligns(),
        factor in factors(),
        policies in (waits(), waits()),
        puts in vec(puts(), 0..120),
        takes in vec(takes(), 1..20),
        ending in endings(),
    ) {
        let options = Options::new()
            .capacity(factor * room(align))
            .payload_align(align)
            .liveness_interval(FOR_EVER);
        let of_sender = options.clone().wait(policies.0);
        let ends = kind.records_of(&of_sender, &options.wait(policies.1));
        what_comes_out_is_what_went_in(ends, puts, &takes, ending);
    }
}

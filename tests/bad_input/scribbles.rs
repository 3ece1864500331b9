//! Somebody wrote into the shared words: every byte of them in turn. Each must come to an error or
//! to a ring that works, in the time that was allowed.

use super::*;
use shmpipe::{Wait, stream::ReadError};
use std::{io::Write, ops::Range, sync::atomic::Ordering, time::Instant};
use support::{Child, DEADLINE, Memory, Shared, alone, wait_to_be_killed};

/// Identity and control block.
const WORDS: Range<usize> = 0..1152;

/// How a byte is changed: all bits, the lowest, the highest.
const CHANGES: [u8; 3] = [0xff, 0x01, 0x80];

/// Where the reader's semaphore keeps the number of its tokens.
const DATA_TOKENS: u64 = 648;

/// Long enough to sleep once.
const MOMENT: Duration = Duration::from_micros(200);

/// Runs `case` for every byte and every change, in processes of their own, and names those that
/// such a process died of.
fn each(case: impl Fn(&dyn Fn(&Memory))) {
    let doing = Shared::new();
    let all: Vec<_> = WORDS.flat_map(|at| CHANGES.map(|change| (at, change))).collect();
    let mut deaths = Vec::new();
    let mut next = 0;
    while next < all.len() {
        let child = Child::fork(|_| {
            for (i, (at, change)) in all.iter().enumerate().skip(next) {
                doing[0].store(i as u64, Ordering::Relaxed);
                let started = Instant::now();
                case(&|memory| {
                    let mut byte = [0];
                    memory.read_exact_at(&mut byte, *at as u64).unwrap();
                    memory.write_all_at(&[byte[0] ^ change], *at as u64).unwrap();
                });
                assert!(started.elapsed() < DEADLINE, "it took {:?}", started.elapsed());
            }
        });
        let status = child.status();
        if status == 0 {
            break;
        }
        let died = doing[0].load(Ordering::Relaxed) as usize;
        let (at, change) = all[died];
        deaths.push(format!("byte {at} ^ {change:#x}: wait status {status:#x}"));
        next = died + 1;
    }
    assert!(deaths.is_empty(), "{deaths:#?}");
}

/// Whatever a reader can do. What it says is its business.
fn use_reader(reader: &mut Reader) {
    let _ = reader.peer();
    let (len, free, capacity) = (reader.len(), reader.free(), reader.capacity());
    assert!(len <= capacity && free <= capacity);
    for _ in 0..3 {
        let n = reader.try_fill_buf().map_or(0, <[u8]>::len);
        assert!(n <= capacity);
        reader.consume(n.min(2));
        let mut bytes = [0; 7];
        assert!(reader.read_timeout(&mut bytes, MOMENT).unwrap_or(0) <= 7);
    }
}

/// Whatever a writer can do.
fn use_writer(writer: &mut Writer) {
    let _ = writer.peer();
    let (len, free, capacity) = (writer.len(), writer.free(), writer.capacity());
    assert!(len <= capacity && free <= capacity);
    assert!(writer.try_write(b"abc").unwrap_or(0) <= 3);
    if let Ok(mut reserved) = writer.try_reserve(capacity / 2) {
        reserved.fill(9);
        let _ = reserved.commit(capacity / 2);
    }
    // And until it is full, if it is.
    let more = vec![7; capacity];
    for _ in 0..2 {
        assert!(writer.write_timeout(&more, MOMENT).unwrap_or(0) <= capacity);
    }
}

#[test]
fn a_ring_that_nobody_was_at() {
    alone(|| {
        let name = RingName::new("template");
        let options = options().wait(Wait::Sleep);
        let mut writer: Writer = options.create_new(&name).unwrap();
        writer.write_all(b"unread bytes").unwrap();
        drop(writer);
        let template = name.memory().content();
        let template = &template;
        let options = &options;
        each(|scribble| {
            let name = RingName::new("offline");
            name.make(template);
            scribble(&name.memory());
            let said = |error: OpenError| {
                assert!(error.to_string().starts_with(&format!("ring {}", name.as_str())));
                assert!(!matches!(error.kind(), OpenErrorKind::Os(_)), "{error}");
            };
            let writer = options.clone().resume().open::<Writer>(&name);
            let mut writer = writer.map_err(said).ok();
            if let Some(writer) = &mut writer {
                use_writer(writer);
            }
            let mut reader = options.open::<Reader>(&name).map_err(said).ok();
            if let Some(reader) = &mut reader {
                use_reader(reader);
            }
            if let Some(writer) = writer {
                let _ = writer.finish_and_wait_timeout(MOMENT);
            }
            if let Some(reader) = &mut reader {
                use_reader(reader);
            }
        });
    });
}

#[test]
fn a_ring_at_work() {
    alone(|| {
        let options = options().wait(Wait::Sleep);
        let options = &options;
        each(|scribble| {
            let name = RingName::new("online");
            let mut writer: Writer = options.create_new(&name).unwrap();
            let mut reader: Reader = options.open(&name).unwrap();
            let memory = name.memory();
            writer.write_all(b"some bytes").unwrap();
            assert_eq!(reader.fill_buf().unwrap().len(), 10);
            reader.consume(5);
            scribble(&memory);
            use_reader(&mut reader);
            use_writer(&mut writer);
            use_reader(&mut reader);
            let _ = writer.finish_and_wait_timeout(MOMENT);
            use_reader(&mut reader);
        });
    });
}

/// Each token wakes a sleeper for nothing. That may cost time, but not the sight of a death.
#[test]
fn a_flood_of_tokens_hides_no_death() {
    alone(|| {
        let name = RingName::new("flood");
        let options = options().wait(Wait::Sleep);
        let mut reader: Reader = options.open_or_create(&name).unwrap();
        let mut child = Child::fork(|line| {
            let _writer: Writer = options.open(&name).unwrap();
            line.say("attached");
            wait_to_be_killed();
        });
        child.expect("attached");
        name.memory().write_all_at(&i32::MAX.to_ne_bytes(), DATA_TOKENS).unwrap();
        child.kill();
        // Without a deadline of its own, at which it would look once more.
        let read = reader.fill_buf();
        assert!(matches!(read, Err(ReadError::Died)), "{read:?}");
    });
}

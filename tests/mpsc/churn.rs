//! Coming and going, again and again: nothing is used up, and nobody is in the way of another.
//!
//! Ten thousand times; the long form a million times:
//!
//! ```text
//! cargo test --release --test mpsc -- --ignored --nocapture churn
//! ```

use crate::{
    assert_fails,
    many_support::*,
    stream_support::*,
    support::{Child, Holdings, alone, alone_within, progress},
};
use shmpipe::{
    Options,
    mpsc::{ReadError, Sender},
};
use std::time::{Duration, Instant};

/// One after the other, a few at a time; now and then one that sends.
fn come_and_go(site: &ManySite, times: u64) {
    let mut receiver = site.receiver(&Options::new());
    let keeper = site.sender(&Options::new());
    let holdings = Holdings::now();
    let began = Instant::now();
    let (mut came, mut records) = (0, 0);
    let mut here: Vec<Sender> = vec![];
    let mut random = Random::new();
    while came < times {
        if here.len() + 1 < site.producers {
            let mut sender = match random.below(4) {
                0 => keeper.try_clone().unwrap(),
                _ => site.sender(&Options::new()),
            };
            came += 1;
            assert_eq!(u64::from(sender.id().number()), came + 1);
            if came % 7 == 0 {
                sender.send(&came.to_ne_bytes()).unwrap();
                records += 1;
            }
            here.push(sender);
        }
        while here.len() as u64 > random.below(site.producers as u64) {
            let leaves = random.below(here.len() as u64) as usize;
            here.swap_remove(leaves).finish().unwrap();
        }
        while let Ok(Some(record)) = receiver.try_recv() {
            let number = u64::from_ne_bytes((&*record).try_into().unwrap());
            assert_eq!(u64::from(record.producer().number()), number + 1);
            records -= 1;
        }
        assert_eq!(records, 0);
        if came % 100_000 == 0 {
            progress(format!("{came} came and went"));
        }
    }
    drop(here);
    let took = began.elapsed();
    println!("{times} joins and leaves: {:.0} a second", times as f64 / took.as_secs_f64());
    assert_eq!(Holdings::now(), holdings);
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    keeper.finish().unwrap();
    // Of all these only those who may still be told of are remembered.
    let _ = receiver.recv();
    assert!(receiver.ends().len() <= site.producers + 1);
    site.assert_free_seats(site.producers);
}

/// Several processes at once, each on its own.
fn at_once(site: &ManySite, processes: u64, times: u64) {
    let began = Instant::now();
    let children: Vec<_> = (0..processes)
        .map(|process| {
            Child::fork(|_| {
                for turn in 0..times {
                    let mut sender = site.sender(&Options::new());
                    let author = process * times + turn;
                    send_signed(&mut sender, author, 0, 90).unwrap();
                    if turn % 2 == 0 {
                        send_signed(&mut sender, author, 1, 90).unwrap();
                    }
                    sender.finish().unwrap();
                }
            })
        })
        .collect();
    let mut receiver = site.receiver(&Options::new());
    let mut book = Book::new(90);
    // A stream ends whenever nobody is there for a moment.
    while book.total() < processes * (times + times.div_ceil(2)) {
        let _ = receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap();
    }
    children.into_iter().for_each(Child::join);
    let rate = (processes * times) as f64 / began.elapsed().as_secs_f64();
    println!("{processes} processes: {rate:.0} joins and leaves a second");
    site.assert_free_seats(site.producers);
}

#[test]
fn ten_thousand_come_and_go() {
    alone(|| {
        for (site, times) in ManySite::each(5).iter().zip([7000, 1000]) {
            come_and_go(site, times);
        }
        // What one has left must be received before its seat is had again: more
        // than there are blocks.
        for site in ManySite::each(80) {
            at_once(&site, 4, 250);
        }
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_million_come_and_go() {
    alone_within(Duration::from_secs(1200), || {
        come_and_go(&ManySite::new(true, 5, page()), 1_000_000);
    });
}

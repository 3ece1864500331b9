//! In two threads, with the forms that wait: what comes out is what went in.

use crate::{capacities, config, endings, kinds, stream_support::*};
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options, Wait,
    stream::{ReadError, Reader, TransferError, Writer},
};
use std::{
    fs::File,
    io::{Read, Seek, Write},
    thread,
    time::Duration,
};

/// One blocking operation of a writer.
#[derive(Clone, Copy, Debug)]
enum Put {
    Write(usize),
    WriteAll(usize),
    Reserve(usize),
    ReserveUpTo(usize),
    ReadFrom(usize),
    Pause,
}

/// One blocking operation of a reader.
#[derive(Clone, Copy, Debug)]
enum Take {
    Read(usize),
    Timed(usize),
    Fill(usize),
    WriteTo(usize),
    Pause,
}

fn puts() -> impl Strategy<Value = Put> {
    let size = || prop_oneof![4 => 0..200_usize, 1 => 0..10_000_usize];
    prop_oneof![
        size().prop_map(Put::Write),
        size().prop_map(Put::WriteAll),
        size().prop_map(Put::Reserve),
        size().prop_map(Put::ReserveUpTo),
        size().prop_map(Put::ReadFrom),
        Just(Put::Pause),
    ]
}

fn takes() -> impl Strategy<Value = Take> {
    let size = || prop_oneof![4 => 1..200_usize, 1 => 1..10_000_usize];
    prop_oneof![
        size().prop_map(Take::Read),
        size().prop_map(Take::Timed),
        size().prop_map(Take::Fill),
        size().prop_map(Take::WriteTo),
        Just(Take::Pause),
    ]
}

/// Long enough that the other end catches up and sleeps, now and then.
const PAUSE: Duration = Duration::from_micros(60);

fn put(writer: &mut Writer, operation: Put, position: u64) -> usize {
    let reserved = |mut reservation: shmpipe::stream::Reservation<'_>| {
        fill(&mut reservation, position);
        let n = reservation.len();
        reservation.commit(n).unwrap();
        n
    };
    match operation {
        Put::Write(n) => writer.write(&bytes_from(position, n)).unwrap(),
        Put::WriteAll(n) => {
            writer.write_all(&bytes_from(position, n)).unwrap();
            n
        }
        Put::Reserve(n) => {
            let n = n.min(writer.capacity());
            reserved(writer.reserve(n).unwrap())
        }
        Put::ReserveUpTo(n) => reserved(writer.reserve_up_to(n).unwrap()),
        Put::ReadFrom(n) => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes_from(position, n)).unwrap();
            file.rewind().unwrap();
            writer.read_from(&file, n).unwrap()
        }
        Put::Pause => {
            thread::sleep(PAUSE);
            0
        }
    }
}

/// Takes bytes as the operation says; `None` at the end, which is still to be told.
fn take(reader: &mut Reader, operation: Take, file: &File) -> Result<Option<Vec<u8>>, ReadError> {
    let mut into = vec![0; 10_000];
    let n = match operation {
        Take::Read(n) => match reader.read(&mut into[..n]) {
            Ok(n) => n,
            Err(error) => return Err(error.downcast().unwrap()),
        },
        Take::Timed(n) => match reader.read_timeout(&mut into[..n], PAUSE) {
            Err(ReadError::Timeout) => return Ok(Some(Vec::new())),
            read => read?,
        },
        Take::Fill(n) => {
            let shown = reader.fill_buf()?;
            let n = n.min(shown.len());
            into[..n].copy_from_slice(&shown[..n]);
            reader.consume(n);
            n
        }
        Take::WriteTo(n) => match reader.write_to(file, n) {
            Ok(n) => {
                let mut file = file;
                file.rewind().unwrap();
                file.read_exact(&mut into[..n]).unwrap();
                file.rewind().unwrap();
                n
            }
            Err(TransferError::Ring(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        },
        Take::Pause => {
            thread::sleep(PAUSE);
            return Ok(Some(Vec::new()));
        }
    };
    into.truncate(n);
    Ok((n > 0).then_some(into))
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn in_two_threads_what_comes_out_is_what_went_in(
        kind in kinds(),
        capacity in capacities(),
        policies in prop::array::uniform2(
            prop::sample::select(vec![Wait::Adaptive, Wait::Adaptive, Wait::Sleep, Wait::Spin])
        ),
        puts in vec(puts(), 1..200),
        takes in vec(takes(), 1..200),
        ending in endings(),
    ) {
        let options = Options::new().capacity(capacity).liveness_interval(FOR_EVER);
        let [of_writer, of_reader] = policies.map(|policy| options.clone().wait(policy));
        let (_name, mut writer, mut reader) = kind.pair_of(&of_writer, &of_reader);
        let writing = thread::spawn(move || {
            let mut position = 0;
            for operation in puts {
                position += put(&mut writer, operation, position) as u64;
            }
            ending.end(writer);
            position
        });
        let reading = thread::spawn(move || {
            let file = tempfile::tempfile().unwrap();
            let mut position = 0;
            let mut last = Ok(());
            // Pauses alone would get it nowhere.
            for operation in takes.iter().chain(&[Take::Read(1000)]).cycle() {
                match take(&mut reader, *operation, &file) {
                    Ok(Some(bytes)) => {
                        check(&bytes, position);
                        position += bytes.len() as u64;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        last = Err(error);
                        break;
                    }
                }
            }
            assert!(ending.is_told(last.map(|()| &[][..])));
            assert!(ending.is_told(reader.fill_buf()));
            position
        });
        prop_assert_eq!(joined(reading), joined(writing));
    }
}

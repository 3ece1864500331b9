//! What becomes of locks that belong to processes when those fork.

use crate::{
    Place, options, raw,
    support::{Child, Orphan, alone, wait_to_be_killed},
};
use shmpipe::{
    OpenErrorKind, Peer,
    stream::{Reader, Writer},
};
use std::io::{Read, Write};

#[test]
fn a_forked_child_neither_releases_nor_keeps_locks() {
    alone(|| {
        let place = Place::new();
        let (key, name) = place.key();
        let writer: Writer = options().create_new(&name).unwrap();
        let mut reader: Reader = options().open(&name).unwrap();
        assert_eq!(raw::attached(), [raw::segment(key).unwrap(); 4]);
        // One that drops them, one that forgets them, one that is killed.
        let dropping = Child::fork(|_| {
            assert_eq!(raw::attached(), [], "nothing is inherited");
            // SAFETY: this process drops its copies and never the originals; the
            // parent's are in its own memory.
            drop(unsafe { (std::ptr::read(&writer), std::ptr::read(&reader)) });
        });
        dropping.join();
        Child::fork(|_| {}).join();
        let mut child = Child::fork(|line| {
            line.say("there");
            wait_to_be_killed();
        });
        child.expect("there");
        child.kill();
        assert_eq!((writer.peer().unwrap(), reader.peer().unwrap()), (Peer::Alive, Peer::Alive));
        for error in [
            options().open::<Writer>(&name).map(drop).unwrap_err(),
            options().open::<Reader>(&name).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error.kind(), OpenErrorKind::RoleTaken { .. }), "{error:?}");
        }
        writer.finish().unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"");
        drop(reader);
        place.assert_empty();

        // And one that outlives its parent.
        let mut reader: Reader = options().create_new(&name).unwrap();
        let mut orphan = Orphan::prepare();
        let mut child = Child::fork(|line| {
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"last words").unwrap();
            orphan.fork();
            line.say("forked");
            wait_to_be_killed();
        });
        child.expect("forked");
        assert_eq!(reader.peer().unwrap(), Peer::Alive);
        child.kill();
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"last words");
        drop(options().open::<Writer>(&name).unwrap());
        orphan.assert_alive();
        drop(reader);
        place.assert_empty();
    });
}

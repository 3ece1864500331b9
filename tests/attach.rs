//! Ends come and go.

mod support;

use shmpipe::{
    Options,
    stream::{Reader, Writer},
};
use std::io::{Read, Write};
use support::{Child, RingName, alone};

#[test]
fn smoke() {
    alone(|| {
        let name = RingName::new("smoke");
        let mut child = Child::fork(|line| {
            let mut writer: Writer = Options::new().open_or_create(&name).unwrap();
            writer.write_all(b"hello").unwrap();
            line.say("written");
            line.expect("go");
            writer.finish().unwrap();
        });
        child.expect("written");
        let mut reader: Reader = Options::new().open(&name).unwrap();
        child.say("go");
        child.join();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        drop(reader);
        name.assert_gone();
    });
}

//! stub
use crate::args::Args;
use crate::row::Row;
/// o
#[derive(clap::Args)]
pub struct Options {}
/// r
pub fn run(_: &Args, _: &Options) -> Result<(Vec<Row>, bool), Box<dyn std::error::Error>> { Ok((vec![], true)) }

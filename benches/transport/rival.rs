//! A transport by its name, and the processes of a flow over it.

use super::stage::{self, ROLE_FLAG, Stage};
use super::tally::Ledger;
use super::{End, Flow, Input, Make, Output, TRANSPORTS, Transport, Unavailable};

/// A transport and the specification it was made from, by which another process makes it again.
pub struct Rival {
    /// `name` or `name:options`.
    pub spec: String,
    /// The transport.
    pub transport: Box<dyn Transport>,
}

/// What stands for a ledger where there is none.
pub const NO_LEDGER: &str = "-";

impl Rival {
    /// Makes the transport that `spec` describes: `pipe`, `pipe:1M`, `ring:256K:spin`.
    pub fn parse(spec: &str) -> Result<Self, Unavailable> {
        let (make, options) = find(spec).map_err(Unavailable::because)?;
        Ok(Rival { spec: spec.to_owned(), transport: make(options)? })
    }

    /// Refuses what names no transport, before anything is done; for command lines.
    pub fn check_name(spec: &str) -> Result<String, String> {
        find(spec).map(|_| spec.to_owned())
    }

    /// The processes that carry `input` to `output`.
    pub fn flow(&self, input: &Input, output: &dyn Output) -> Result<Flow, Unavailable> {
        if let Some(flow) = self.transport.programs(input, output) {
            return flow;
        }
        if !self.transport.carries_files() {
            return Err(Unavailable::because(
                "it carries what a program makes in memory, no files",
            ));
        }
        let mut flow = self.link(["send", "receive"], &[])?;
        if let Some(first) = flow.stages.first_mut() {
            first.stdin(input.open()?);
        }
        if let Some(last) = flow.stages.last_mut() {
            last.stdout(stage::output_of(output)?);
        }
        Ok(flow)
    }

    /// The processes of which one makes so many bytes in memory and the other uses and checks them.
    pub fn flow_in_memory(&self, len: u64) -> Result<Flow, Unavailable> {
        if let Some(flow) = self.transport.programs_in_memory(len) {
            return Ok(flow);
        }
        if !self.transport.carries_memory() {
            return Err(Unavailable::because("it carries whole files only"));
        }
        self.link(["make", "use"], &[&len.to_string()])
    }

    /// A sender and a receiver in these roles, with what they are told besides.
    fn link(&self, roles: [&str; 2], told: &[&str]) -> Result<Flow, Unavailable> {
        let failed = |e| Unavailable::because(format!("a page for what is counted: {e}"));
        let page = Ledger::page().map_err(failed)?;
        let ledger = Some(Ledger::on(&page).map_err(failed)?);
        let link = self.transport.connect()?;
        let stage = |label: &str, role: &str, end: End| {
            let mut stage = Stage::role(label, &[role, &self.spec]);
            let end = end.pass_to(&mut stage);
            let page = stage.pass(page.try_clone().map_err(failed)?);
            stage.arg(end).arg(page.to_string());
            for told in told {
                stage.arg(told);
            }
            Ok(stage)
        };
        let stages = if let End::Child = link.receiver {
            // The shell's parent is the sender, which is this very program. What the child does is
            // read(2) and write(2), so it has nothing to write down.
            let (spec, role, told) = (&self.spec, roles[1], told.join(" "));
            let child = format!("{ROLE_FLAG} {role} {spec} fd:9 {NO_LEDGER} {told}");
            let command = format!("exec /proc/$PPID/exe {child} 9<&0 </dev/null");
            vec![stage("sender", roles[0], End::Name(command))?]
        } else {
            vec![
                stage("sender", roles[0], link.sender)?,
                stage("receiver", roles[1], link.receiver)?,
            ]
        };
        Ok(Flow { stages, guard: link.guard, ledger, counted: true })
    }
}

/// What makes the transport that `spec` names, and the options for it.
fn find(spec: &str) -> Result<(Make, &str), String> {
    let (name, options) = spec.split_once(':').unwrap_or((spec, ""));
    let known = TRANSPORTS.iter().find(|(known, _)| *known == name);
    known.map(|(_, make)| (*make, options)).ok_or_else(|| {
        let known: Vec<&str> = TRANSPORTS.iter().map(|(known, _)| *known).collect();
        format!("no transport is called “{name}”; there are {}", known.join(", "))
    })
}

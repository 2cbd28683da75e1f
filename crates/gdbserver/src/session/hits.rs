//! All arrivals at places, over the whole recording: what no live program can tell.

use std::ops::ControlFlow;

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{Addr, Tid};

use super::{Outcome, REFUSED, Session};
use crate::hex;
use crate::link::{Link, Run};
use crate::packet::RrCommand;

/// More of them are counted, and not listed.
const LISTED: usize = 200;

impl Session<'_> {
    /// A line for each arrival of the process at one of the addresses: number, position, thread.
    pub(super) fn hits(&mut self, command: &RrCommand, link: &Link) -> Outcome {
        let addr = |text: &String| {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            hex::number(digits.as_bytes()).map(Addr::new)
        };
        let Some(addrs) = command.arguments.iter().map(addr).collect::<Option<Vec<Addr>>>() else {
            return Outcome::Reply(REFUSED.to_vec());
        };
        let site =
            |(id, addr): (u32, &Addr)| Site::new(SiteId::new(id), SiteTarget::Absolute(*addr));
        let sites: Vec<Site> = (0..).zip(&addrs).map(site).collect();
        let pid = self.life.pid;
        let (mut lines, mut count) = (Vec::new(), 0_u64);
        link.running().begin(REFUSED.to_vec());
        let listed = self.execution.hits(&sites, 0, &mut |hit, now| {
            let tasks = now.tasks();
            let tid = tasks.iter().find(|info| info.task == hit.task && info.pid == pid);
            if let Some(info) = tid {
                count += 1;
                if lines.len() < LISTED {
                    lines.push((count, hit.position.to_string(), info.tid));
                }
            }
            ControlFlow::Continue(())
        });
        let line =
            |(n, position, tid): &(u64, String, Tid)| format!("{n}\t{position}\tthread {tid}\n");
        let mut text: String = lines.iter().map(line).collect();
        match listed {
            Ok(()) if count > lines.len() as u64 => text += &format!("… {count} in all\n"),
            Ok(()) if count == 0 => text += "It never comes there.\n",
            Ok(()) => {}
            Err(error) => text = format!("{error}\n"),
        }
        match link.running().end() {
            Run::Answered => Outcome::Answered,
            Run::Over | Run::Interrupted => Outcome::Reply(hex::encode(text.as_bytes()).into()),
        }
    }
}

//! Watching the wire.

use crate::frame::{Datagram, Frame};
use crate::job::Process;
use crate::lab::Host;
use crate::wait::DEADLINE;

/// Length field of the mark that answers a request to catch up.
pub(crate) const MARK: u32 = u32::MAX;

/// A running capture of one network card.
#[derive(Debug)]
pub struct Capture {
    sniffer: Process,
    marks: usize,
}

impl Capture {
    pub(crate) fn start(host: &Host, card: &str) -> Self {
        let helper = crate::binary::helper();
        let sniffer = host.command(&helper).args(["sniff", card]).start_dialogue();
        let mut capture = Self { sniffer, marks: 0 };
        capture.catch_up();
        capture
    }

    /// Returns when everything that the kernel has seen so far is in the capture.
    fn catch_up(&mut self) {
        self.marks += 1;
        self.sniffer.say("mark\n");
        let marks = self.marks;
        self.sniffer.wait_stdout("that it has caught up", DEADLINE, |bytes| read(bytes).1 >= marks);
    }

    /// All frames since the start.
    pub fn frames(&mut self) -> Vec<Frame> {
        self.catch_up();
        read(&self.sniffer.stdout_bytes()).0
    }

    /// All IPv6 UDP datagrams since the start.
    pub fn datagrams(&mut self) -> Vec<Datagram> {
        self.frames().iter().filter_map(Frame::datagram).collect()
    }

    /// The first frame that contains one of these byte strings.
    pub fn find(&mut self, forms: &[Vec<u8>]) -> Option<Frame> {
        let holds = |frame: &Frame| {
            forms.iter().any(|form| frame.bytes.windows(form.len()).any(|window| window == form))
        };
        self.frames().into_iter().find(holds)
    }
}

/// Frames, and the number of marks.
fn read(mut bytes: &[u8]) -> (Vec<Frame>, usize) {
    let (mut frames, mut marks) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes.split_at_checked(12) {
        let at_ns = u64::from_be_bytes(head[..8].try_into().expect("8 bytes"));
        let len = u32::from_be_bytes(head[8..].try_into().expect("4 bytes"));
        if len == MARK {
            marks += 1;
            bytes = rest;
            continue;
        }
        let Some((frame, rest)) = rest.split_at_checked(len as usize) else { break };
        frames.push(Frame { at_ns, bytes: frame.to_vec() });
        bytes = rest;
    }
    (frames, marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_frames_and_marks_and_leaves_the_unfinished() {
        let mut bytes = Vec::new();
        bytes.extend(7_u64.to_be_bytes());
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend(b"abc");
        bytes.extend(8_u64.to_be_bytes());
        bytes.extend(MARK.to_be_bytes());
        bytes.extend(9_u64.to_be_bytes());
        bytes.extend(5_u32.to_be_bytes());
        bytes.extend(b"ab");
        let (frames, marks) = read(&bytes);
        assert_eq!(marks, 1);
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].at_ns, frames[0].bytes.as_slice()), (7, b"abc".as_slice()));
    }
}

//! Markers, and records of open transactions: writes that the log may refuse.

use crate::coordinator::machine::{Machine, Subject};
use crate::coordinator::markers::{MarkerAnswer, Marking};
use crate::coordinator::writes::{Tentative, Written};
use crate::log::TransactionCheck;
use crate::record::control::TransactionMarker;

use super::Active;

impl<M: Machine> Active<M> {
    /// Writes a marker. The machine is told when it is in the log, since the log may refuse it.
    pub(super) fn mark(&mut self, marker: &TransactionMarker, answer: MarkerAnswer) {
        let marking = Marking::new(marker, self.take_place(), answer);
        let batch = marker.batch(self.clock.now());
        let check = if marker.version.bumps_epoch() {
            TransactionCheck::EndsWithNewEpoch
        } else {
            TransactionCheck::Trusted
        };
        let subject = Subject::all("end of a transaction");
        self.append(subject, batch, check, Written::Marker(marking));
    }

    /// A write is in the log.
    pub(super) fn written(&mut self, kind: Written<M::Effect>) {
        match kind {
            Written::Records => return,
            Written::Marker(Marking { end, answer }) => {
                self.machine.transaction_ended(&end, self.clock.now());
                drop(answer.send(Ok(())));
            }
            Written::InTransaction(tentative) => {
                let Tentative { under, places, .. } = &tentative;
                self.machine.settled(*under, places, true);
                tentative.release(&*self.have);
            }
        }
        self.held.set(self.machine.held());
    }

    /// The log has refused a write.
    pub(super) fn take_back(&mut self, kind: &Written<M::Effect>) {
        if let Written::InTransaction(tentative) = kind {
            let Tentative { under, places, .. } = tentative;
            self.machine.settled(*under, places, false);
            self.held.set(self.machine.held());
        }
    }
}

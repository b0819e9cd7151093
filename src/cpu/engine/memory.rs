//! The memory of the CPU engine.

use super::super::neighbor::Candidates;
use super::super::network::Workspace;
use super::Cpu;
use crate::engine::Memory;

impl Cpu {
    pub(super) fn memory_in_use(&self) -> Memory {
        let beads = self.system.n_beads();
        // Positions and velocities three times and noise, the forces of both classes twice and
        // those that act, and three energies per bead; the forces of the host and their sum.
        let vectors = 7 + 5 + self.host.n_vectors();
        let lists: usize =
            self.batches.iter().flat_map(|batch| &batch.candidates).map(Candidates::bytes).sum();
        let vectors = (24 * vectors + 8 * 3) * beads;
        let work: usize = self.workspaces().iter().map(Workspace::bytes).sum();
        let weights = self.network.as_ref().map_or(0, |network| network.bytes());
        let allocated = (vectors + lists + work + weights + self.host.bytes_of_hills()) as u64;
        Memory { allocated, reserved: allocated }
    }
}

//! Tests that count allocated memory. They replace the global allocator, so they need a process of
//! their own.

// An allocator that counts the memory of each thread.
#[path = "common/counting.rs"]
mod counting;
// Writes DCD files.
#[path = "common/dcd.rs"]
mod dcd;
// Mutated files.
#[path = "common/mutate.rs"]
mod mutate;
// Structure files of peptides.
#[allow(dead_code, reason = "these tests use a part")]
#[path = "common/peptide.rs"]
mod peptide;
// Writes `.pt` files.
mod pt;
// A small model of TorchMD.
#[path = "torchmd/small.rs"]
mod torchmd;

// Damaged and malicious model and structure files: no panic, bounded memory.
mod hostile;
// Damaged cases of `verify`: no panic, bounded memory.
mod hostile_case;
// Damaged trajectories: no panic, bounded memory.
mod hostile_trajectory;

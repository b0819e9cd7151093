//! Reading of files of `torch.save`: a zip file with a pickle and the bytes of the tensors.
//!
//! The pickle is converted to a graph of [`Node`]s, which are data only. No Python code is imported
//! or called: a class is a name; an object is a class with arguments and a state; a call is a
//! function name with arguments. Nodes refer to each other by number ([`NodeId`]). So an object
//! that is shared, or that contains itself, is one node, and a state that it gets later is visible
//! from all references.
//!
//! The size of the file limits the memory that reading takes, for every content of the file.

mod archive;
mod container;
mod graph;
mod machine;
mod memo;
mod opcodes;
mod scalar;
mod tensor;

pub use archive::Archive;
pub use graph::{Elements, Global, Node, NodeId};
pub use scalar::Scalar;
pub use tensor::{DenseTensor, Dtype, SparseTensor, Tensor};

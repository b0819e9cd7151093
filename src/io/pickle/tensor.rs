//! The tensors of an archive: the place of their bytes in the file, and the order of their
//! elements.

use std::ops::Range;

use half::{bf16, f16};

use super::archive::Archive;
use super::graph::{Node, NodeId};
use crate::error::{Error, Result};
use crate::io::content::check_shape;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Dtype::F64,
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::Bf16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "CharStorage" => Dtype::I8,
            // The size of an untyped storage is in bytes. The tensor itself gives the type.
            "ByteStorage" | "UntypedStorage" => Dtype::U8,
            "BoolStorage" => Dtype::Bool,
            _ => return None,
        })
    }

    fn of_torch(name: &str) -> Option<Self> {
        Some(match name {
            "float64" | "double" => Dtype::F64,
            "float32" | "float" => Dtype::F32,
            "float16" | "half" => Dtype::F16,
            "bfloat16" => Dtype::Bf16,
            "int64" | "long" => Dtype::I64,
            "int32" | "int" => Dtype::I32,
            "int16" | "short" => Dtype::I16,
            "int8" => Dtype::I8,
            "uint8" => Dtype::U8,
            "bool" => Dtype::Bool,
            _ => return None,
        })
    }

    fn value(self, bytes: &[u8]) -> f64 {
        // Every caller passes `size()` bytes.
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            let mut array = [0; N];
            array.copy_from_slice(bytes);
            array
        }
        match self {
            Dtype::F64 => f64::from_le_bytes(array(bytes)),
            Dtype::F32 => f32::from_le_bytes(array(bytes)).into(),
            Dtype::F16 => f16::from_le_bytes(array(bytes)).into(),
            Dtype::Bf16 => bf16::from_le_bytes(array(bytes)).into(),
            Dtype::I64 => i64::from_le_bytes(array(bytes)) as f64,
            Dtype::I32 => i32::from_le_bytes(array(bytes)).into(),
            Dtype::I16 => i16::from_le_bytes(array(bytes)).into(),
            Dtype::I8 => i8::from_le_bytes(array(bytes)).into(),
            Dtype::U8 | Dtype::Bool => bytes[0].into(),
        }
    }

    fn integer(self, bytes: &[u8]) -> Option<i64> {
        match self {
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 => None,
            Dtype::I64 => bytes.try_into().ok().map(i64::from_le_bytes),
            // The conversion through f64 is exact, because the integers have at most 32 bits.
            _ => Some(self.value(bytes) as i64),
        }
    }
}

/// A strided view of a storage. All its elements lie inside the storage.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseTensor {
    /// The type of the elements.
    pub dtype: Dtype,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The distance between neighbors along each axis, in elements.
    strides: Vec<usize>,
    /// The bytes of the file from the first element on.
    data: Range<usize>,
}

impl DenseTensor {
    /// The number of elements.
    pub fn numel(&self) -> usize {
        // `Archive::dense` has checked that the product does not overflow.
        self.shape.iter().product()
    }
}

/// A sparse tensor in coordinate form.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseTensor {
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The indices of the entries, `[shape.len(), n]`, integers.
    pub indices: DenseTensor,
    /// The values of the entries, `[n]`.
    pub values: DenseTensor,
}

/// A tensor.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Tensor {
    Dense(DenseTensor),
    Sparse(SparseTensor),
}

/// The largest number of axes, more than any tensor of a model has.
const MAX_AXES: usize = 16;

impl Archive {
    /// The tensor that a node represents; `None` if it represents another kind of object.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tensor that does not fit into its storage; [`Error::Unsupported`]
    /// for an element type or a layout that models do not use.
    pub fn tensor(&self, id: NodeId) -> Result<Option<Tensor>> {
        let mut call = self.call(id);
        if let Some((function, [tensor, ..])) = call
            && &*function.module == "torch._utils"
            && function.name.starts_with("_rebuild_parameter")
        {
            call = self.call(*tensor);
        }
        let Some((function, arguments)) = call else {
            return Ok(None);
        };
        match (&*function.module, &*function.name) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_tensor") => {
                self.dense(arguments, &function.name).map(|dense| Some(Tensor::Dense(dense)))
            }
            ("torch._utils", "_rebuild_sparse_tensor") => self.sparse(arguments).map(Some),
            ("torch._utils", "_rebuild_parameter") => {
                Err(Error::invalid("a parameter", "a parameter inside", "a tensor inside"))
            }
            ("torch._utils", name) if name.starts_with("_rebuild") => {
                Err(Error::unsupported(format!("a tensor made by {name}"), ""))
            }
            _ => Ok(None),
        }
    }

    fn dense(&self, arguments: &[NodeId], function: &str) -> Result<DenseTensor> {
        let malformed = || Error::invalid("a tensor", "malformed", "storage, offset, size, stride");
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err(malformed());
        };
        let Node::Persistent(storage) = self.node(*storage) else {
            return Err(malformed());
        };
        let Some([kind, class, key, _device, count, ..]) = self.tuple(*storage) else {
            return Err(malformed());
        };
        let (Some("storage"), Some(class), Some(key)) =
            (self.str(*kind), self.global(*class), self.str(*key))
        else {
            return Err(malformed());
        };
        let field = || format!("tensor storage {key}");
        let unknown = |name: &str| Error::unsupported(format!("the element type {name}"), "");
        let stored = Dtype::of_storage(&class.name).ok_or_else(|| unknown(&class.name))?;
        let dtype = match arguments.get(6).filter(|_| function == "_rebuild_tensor_v3") {
            Some(dtype) => {
                let name = self.global(*dtype).ok_or_else(malformed)?;
                Dtype::of_torch(&name.name).ok_or_else(|| unknown(&name.name))?
            }
            None => stored,
        };
        let Some(range) = self.container.range(&format!("data/{key}")) else {
            return Err(Error::invalid(field(), "no such zip member", format!("data/{key}")));
        };
        let declared = self.size(*count).and_then(|n| n.checked_mul(stored.size()));
        if declared != Some(range.len()) {
            let found = format!("{} bytes", range.len());
            let expected = declared.map_or("a countable size".into(), |n| format!("{n} bytes"));
            return Err(Error::invalid(field(), found, expected));
        }

        let sizes = |id: NodeId| -> Option<Vec<usize>> {
            let elements = self.tuple(id).filter(|elements| elements.len() <= MAX_AXES)?;
            elements.iter().map(|n| self.size(*n)).collect()
        };
        let offset = self.size(*offset).ok_or_else(malformed)?;
        let shape = self.shape(*shape).ok_or_else(malformed)?;
        let mut strides = sizes(*strides).ok_or_else(malformed)?;
        if strides.len() != shape.len() {
            return Err(malformed());
        }
        check_shape("a tensor", &shape)?;
        // The offset after the last byte; `None` if a product overflows.
        let end = || {
            let numel = shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size))?;
            let mut last = offset;
            for (size, stride) in shape.iter().zip(&strides).filter(|_| numel > 0) {
                last = last.checked_add((size - 1).checked_mul(*stride)?)?;
            }
            last.checked_add(usize::from(numel > 0))?.checked_mul(dtype.size())
        };
        match end() {
            Some(end) if end <= range.len() || shape.contains(&0) => {
                // The stride of an axis of one element is not used and may have any value.
                for (stride, size) in strides.iter_mut().zip(&shape) {
                    *stride = if *size > 1 { *stride } else { 0 };
                }
                let start = offset.saturating_mul(dtype.size()).min(range.len());
                let start = range.start + start;
                Ok(DenseTensor { dtype, shape, strides, data: start..range.end })
            }
            _ => Err(Error::invalid(
                field(),
                format!("offset {offset}, size {shape:?}, stride {strides:?}"),
                format!("a view inside its {} bytes", range.len()),
            )),
        }
    }

    fn sparse(&self, arguments: &[NodeId]) -> Result<Tensor> {
        let malformed = || Error::invalid("a sparse tensor", "malformed", "indices, values, size");
        let [layout, data, ..] = arguments else {
            return Err(malformed());
        };
        let layout = self.call(*layout).and_then(|(_, arguments)| self.str(*arguments.first()?));
        if layout != Some("torch.sparse_coo") {
            let what = format!("the tensor layout {}", layout.unwrap_or("without a name"));
            return Err(Error::unsupported(what, ""));
        }
        let Some([indices, values, shape, ..]) = self.tuple(*data) else {
            return Err(malformed());
        };
        let dense = |id: NodeId| match self.call(id) {
            Some((function, arguments)) if function.name.starts_with("_rebuild_tensor") => {
                self.dense(arguments, &function.name)
            }
            _ => Err(malformed()),
        };
        let (indices, values) = (dense(*indices)?, dense(*values)?);
        let shape = self.shape(*shape).ok_or_else(malformed)?;
        if values.shape.len() != 1 || indices.shape != [shape.len(), values.shape[0]] {
            return Err(Error::invalid(
                "a sparse tensor",
                format!("indices {:?}, values {:?}", indices.shape, values.shape),
                format!("indices [{}, n], values [n]", shape.len()),
            ));
        }
        Ok(Tensor::Sparse(SparseTensor { shape, indices, values }))
    }

    fn size(&self, id: NodeId) -> Option<usize> {
        usize::try_from(self.int(id)?).ok()
    }

    /// A shape, given as a tuple or as a `torch.Size`.
    fn shape(&self, id: NodeId) -> Option<Vec<usize>> {
        let tuple = match self.call(id) {
            Some((function, [tuple])) if &*function.name == "Size" => *tuple,
            _ => id,
        };
        let elements = self.tuple(tuple).filter(|elements| elements.len() <= MAX_AXES)?;
        elements.iter().map(|n| self.size(*n)).collect()
    }

    /// Calls `read` with the bytes of each element, in row-major order.
    fn for_each(&self, tensor: &DenseTensor, mut read: impl FnMut(&[u8])) {
        let bytes = &self.container.bytes()[tensor.data.clone()];
        let (numel, size) = (tensor.numel(), tensor.dtype.size());
        let mut index = vec![0; tensor.shape.len()];
        let mut at = 0;
        for _ in 0..numel {
            read(&bytes[at * size..(at + 1) * size]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += tensor.strides[axis];
                if index[axis] < tensor.shape[axis] {
                    break;
                }
                at -= index[axis] * tensor.strides[axis];
                index[axis] = 0;
            }
        }
    }

    fn collect<T>(&self, tensor: &DenseTensor, read: impl Fn(&[u8]) -> T) -> Result<Vec<T>> {
        let numel = tensor.numel();
        self.charge(numel.saturating_mul(size_of::<T>()))?;
        let mut values = Vec::with_capacity(numel);
        self.for_each(tensor, |bytes| values.push(read(bytes)));
        Ok(values)
    }

    /// The elements in row-major order, little-endian.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file requests far more memory than its own size.
    pub fn bytes_of(&self, tensor: &DenseTensor) -> Result<Vec<u8>> {
        let n_bytes = tensor.numel().saturating_mul(tensor.dtype.size());
        self.charge(n_bytes)?;
        let mut all = Vec::with_capacity(n_bytes);
        self.for_each(tensor, |bytes| all.extend_from_slice(bytes));
        Ok(all)
    }

    /// The elements in row-major order as f64. Integers beyond 2^53 are rounded.
    ///
    /// # Errors
    /// See [`Archive::bytes_of`].
    pub fn numbers(&self, tensor: &DenseTensor) -> Result<Vec<f64>> {
        self.collect(tensor, |bytes| tensor.dtype.value(bytes))
    }

    /// The elements in row-major order; `None` if they are not integers.
    ///
    /// # Errors
    /// See [`Archive::bytes_of`].
    pub fn integers(&self, tensor: &DenseTensor) -> Result<Option<Vec<i64>>> {
        if let Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 = tensor.dtype {
            return Ok(None);
        }
        self.collect(tensor, |bytes| tensor.dtype.integer(bytes).unwrap_or_default()).map(Some)
    }
}

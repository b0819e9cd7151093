//! Writes small `.pt` files as `torch.save` does, and unsound ones.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "the items of a test binary have no other reach")]

mod parts;

pub use parts::*;

/// A Python value.
#[derive(Clone)]
pub enum Py {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    /// Module and name.
    Global(&'static str, &'static str),
    /// Class and state.
    Object(Box<Py>, Box<Py>),
    /// A subclass of dict, and its items.
    Subclass(Box<Py>, Vec<(Py, Py)>),
    /// Function and arguments.
    Call(Box<Py>, Vec<Py>),
    Tensor(Tensor),
    /// A value, and a state that the pickle's BUILD opcode gives it.
    Build(Box<Py>, Box<Py>),
    /// A value stored in the pickle's memo under a number. An object is stored before its state is
    /// written, so that the state can refer to it.
    Share(u8, Box<Py>),
    Ref(u8),
}

#[derive(Clone)]
pub struct Tensor {
    pub storage: &'static str,
    pub data: Vec<u8>,
    pub itemsize: usize,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
    pub offset: i64,
}

fn contiguous(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

pub fn f32s(shape: &[i64], values: impl IntoIterator<Item = f32>) -> Py {
    let data = values.into_iter().flat_map(f32::to_le_bytes).collect();
    tensor("FloatStorage", 4, shape, data)
}

pub fn i64s(shape: &[i64], values: impl IntoIterator<Item = i64>) -> Py {
    let data = values.into_iter().flat_map(i64::to_le_bytes).collect();
    tensor("LongStorage", 8, shape, data)
}

pub fn tensor(storage: &'static str, itemsize: usize, shape: &[i64], data: Vec<u8>) -> Py {
    let (shape, strides) = (shape.to_vec(), contiguous(shape));
    Py::Tensor(Tensor { storage, data, itemsize, shape, strides, offset: 0 })
}

pub fn sparse(indices: Py, values: Py, shape: &[i64]) -> Py {
    let global = |module, name| Box::new(Py::Global(module, name));
    let layout =
        Py::Call(global("torch.serialization", "_get_layout"), vec!["torch.sparse_coo".into()]);
    let size = Py::Tuple(shape.iter().map(|n| Py::Int(*n)).collect());
    let size = Py::Call(global("torch", "Size"), vec![size]);
    let data = Py::Tuple(vec![indices, values, size, Py::Bool(true)]);
    Py::Call(global("torch._utils", "_rebuild_sparse_tensor"), vec![layout, data])
}

impl From<&str> for Py {
    fn from(text: &str) -> Py {
        Py::Str(text.to_owned())
    }
}

pub fn dict<'a>(items: impl IntoIterator<Item = (&'a str, Py)>) -> Py {
    Py::Dict(items.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

pub fn object(module: &'static str, name: &'static str, state: Py) -> Py {
    Py::Object(Box::new(Py::Global(module, name)), Box::new(state))
}

/// A `torch.nn.Module`: class, tensors, submodules, attributes.
pub fn module<'a>(
    class: (&'static str, &'static str),
    tensors: impl IntoIterator<Item = (&'a str, Py)>,
    modules: impl IntoIterator<Item = (&'a str, Py)>,
    attributes: impl IntoIterator<Item = (&'a str, Py)>,
) -> Py {
    let parts = [
        ("training", Py::Bool(false)),
        ("_parameters", dict([])),
        ("_buffers", dict(tensors)),
        ("_modules", dict(modules)),
    ];
    object(class.0, class.1, dict(parts.into_iter().chain(attributes)))
}

/// The bytes of a pickle, and the storages of its tensors.
#[derive(Default)]
pub struct Pickle {
    pub bytes: Vec<u8>,
    pub storages: Vec<Vec<u8>>,
}

impl Pickle {
    pub fn of(value: &Py) -> Self {
        let mut pickle = Pickle { bytes: vec![0x80, 2], storages: Vec::new() };
        pickle.put(value);
        pickle.bytes.push(b'.');
        pickle
    }

    fn str(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.bytes.push(b'J');
                self.bytes.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 8]);
                self.bytes.extend(value.to_le_bytes());
            }
        }
    }

    fn all(&mut self, values: &[Py]) {
        self.bytes.push(b'(');
        values.iter().for_each(|value| self.put(value));
    }

    fn ints(&mut self, values: &[i64]) {
        self.bytes.push(b'(');
        values.iter().for_each(|value| self.int(*value));
        self.bytes.push(b't');
    }

    fn items(&mut self, items: &[(Py, Py)]) {
        self.bytes.push(b'(');
        for (key, value) in items {
            self.put(key);
            self.put(value);
        }
        self.bytes.push(b'u');
    }

    fn put(&mut self, value: &Py) {
        match value {
            Py::Share(id, inner) => match &**inner {
                Py::Object(class, state) => {
                    self.put(class);
                    self.bytes.extend([b')', 0x81, b'q', *id]);
                    self.put(state);
                    self.bytes.push(b'b');
                }
                Py::List(elements) => {
                    self.bytes.extend([b']', b'q', *id]);
                    self.all(elements);
                    self.bytes.push(b'e');
                }
                other => {
                    self.put(other);
                    self.bytes.extend([b'q', *id]);
                }
            },
            Py::Ref(id) => self.bytes.extend([b'h', *id]),
            Py::None => self.bytes.push(b'N'),
            Py::Bool(value) => self.bytes.push(if *value { 0x88 } else { 0x89 }),
            Py::Int(value) => self.int(*value),
            Py::Float(value) => {
                self.bytes.push(b'G');
                self.bytes.extend(value.to_be_bytes());
            }
            Py::Str(text) => self.str(text),
            Py::Tuple(elements) => {
                self.all(elements);
                self.bytes.push(b't');
            }
            Py::List(elements) => {
                self.bytes.push(b']');
                self.all(elements);
                self.bytes.push(b'e');
            }
            Py::Dict(items) => {
                self.bytes.push(b'}');
                self.items(items);
            }
            Py::Subclass(class, items) => {
                self.put(class);
                self.bytes.extend([b')', 0x81]);
                self.items(items);
            }
            Py::Global(module, name) => self.global(module, name),
            Py::Object(class, state) => {
                self.put(class);
                self.bytes.extend([b')', 0x81]);
                self.put(state);
                self.bytes.push(b'b');
            }
            Py::Call(function, arguments) => {
                self.put(function);
                self.all(arguments);
                self.bytes.extend([b't', b'R']);
            }
            Py::Build(value, state) => {
                self.put(value);
                self.put(state);
                self.bytes.push(b'b');
            }
            Py::Tensor(tensor) => self.tensor(tensor),
        }
    }

    fn tensor(&mut self, tensor: &Tensor) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend([b'(', b'(']);
        self.str("storage");
        self.global("torch", tensor.storage);
        self.str(&self.storages.len().to_string());
        self.str("cpu");
        self.int((tensor.data.len() / tensor.itemsize) as i64);
        self.bytes.extend([b't', b'Q']);
        self.int(tensor.offset);
        self.ints(&tensor.shape);
        self.ints(&tensor.strides);
        self.bytes.push(0x89);
        self.global("collections", "OrderedDict");
        self.bytes.extend([b')', b'R', b't', b'R']);
        self.storages.push(tensor.data.clone());
    }

    /// The members of the zip file, in order.
    pub fn members(self) -> Vec<(String, Vec<u8>)> {
        let mut members = vec![
            ("stem/data.pkl".to_owned(), self.bytes),
            ("stem/byteorder".to_owned(), b"little".to_vec()),
        ];
        for (key, data) in self.storages.into_iter().enumerate() {
            members.push((format!("stem/data/{key}"), data));
        }
        members
    }
}

/// The bytes of a `.pt` file that holds a value.
pub fn file(value: &Py) -> Vec<u8> {
    zip(&Pickle::of(value).members())
}

/// The bytes of a zip file of uncompressed members. It has no checksums, so that mutated members
/// are read, too.
pub fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let header = bytes.len() as u32;
        let (size, name_len) = (data.len() as u32, name.len() as u16);
        bytes.extend(b"PK\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        bytes.extend(size.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(name_len.to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes.extend(data);

        directory
            .extend(b"PK\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        directory.extend(size.to_le_bytes());
        directory.extend(size.to_le_bytes());
        directory.extend(name_len.to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, n) = (bytes.len() as u32, members.len() as u16);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend(n.to_le_bytes());
    bytes.extend(n.to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

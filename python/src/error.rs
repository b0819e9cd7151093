//! Errors of the library as exceptions of `flashschnet.errors`.

use flashschnet::Error;
use flashschnet::cli::Unparsed;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::exit::attach;

/// The exception of an error: its class has the name of the variant, and its attributes are the fields.
pub(crate) fn exception(error: Error) -> PyErr {
    attach(|py| instance(py, &error).map_or_else(|error| error, PyErr::from_value))
}

/// The same as an object.
pub(crate) fn instance<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let message = error.to_string();
    let fields = PyDict::new(py);
    let class = match error {
        Error::Io { path, source } => {
            fields.set_item("filename", path.as_os_str())?;
            fields.set_item("errno", source.raw_os_error())?;
            fields.set_item("strerror", source.to_string())?;
            "IoError"
        }
        Error::Invalid { origin, field, found, expected } => {
            fields.set_item("origin", origin)?;
            fields.set_item("field", field)?;
            fields.set_item("found", found)?;
            fields.set_item("expected", expected)?;
            "InvalidError"
        }
        Error::Unsupported { origin, what, advice } => {
            fields.set_item("origin", origin)?;
            fields.set_item("what", what)?;
            fields.set_item("advice", advice)?;
            "UnsupportedError"
        }
        Error::Structure { origin, kind, what, lines } => {
            fields.set_item("origin", origin)?;
            fields.set_item("kind", kind)?;
            fields.set_item("what", what)?;
            fields.set_item("lines", lines)?;
            "StructureError"
        }
        Error::Exists(path) => {
            fields.set_item("filename", path.as_os_str())?;
            "ExistsError"
        }
        Error::NoAdapter { found, advice } => {
            fields.set_item("found", found)?;
            fields.set_item("advice", advice)?;
            "NoAdapterError"
        }
        Error::OutOfMemory { what, needed, available, fits, advice } => {
            fields.set_item("what", what)?;
            fields.set_item("needed", needed)?;
            fields.set_item("available", available)?;
            fields.set_item("fits", fits)?;
            fields.set_item("advice", advice)?;
            "OutOfMemoryError"
        }
        Error::Gpu { during, message } => {
            fields.set_item("during", during)?;
            fields.set_item("message", message)?;
            "GpuError"
        }
        Error::DeviceLost { during, message } => {
            fields.set_item("during", during)?;
            fields.set_item("message", message)?;
            "DeviceLostError"
        }
        Error::WrongResults { device, found } => {
            fields.set_item("device", device)?;
            fields.set_item("found", found)?;
            "WrongResultsError"
        }
        Error::BlowUp { replica, step, what, last_good, advice } => {
            fields.set_item("replica", replica)?;
            fields.set_item("step", step)?;
            fields.set_item("what", what)?;
            fields.set_item("last_good", last_good)?;
            fields.set_item("advice", advice)?;
            "BlowUpError"
        }
        Error::Overlap { replica, what } => {
            fields.set_item("replica", replica)?;
            fields.set_item("what", what)?;
            "OverlapError"
        }
        Error::TooManyNeighbors { replica, bead, found, limit } => {
            fields.set_item("replica", replica)?;
            fields.set_item("bead", bead)?;
            fields.set_item("found", found)?;
            fields.set_item("limit", limit)?;
            "TooManyNeighborsError"
        }
        // A variant that this package does not know yet.
        _ => "Error",
    };
    let exception = py.import("flashschnet.errors")?.getattr(class)?.call1((message,))?;
    for (name, value) in fields {
        exception.setattr(name.cast::<pyo3::types::PyString>()?, value)?;
    }
    Ok(exception)
}

/// An exception of the program or of the library.
pub(crate) fn of_program(error: anyhow::Error) -> PyErr {
    let error = match error.downcast::<Error>() {
        Ok(error) => return exception(error),
        Err(error) => error,
    };
    let class = if error.is::<Unparsed>() { "OptionError" } else { "Error" };
    let message = error.to_string();
    attach(|py| {
        let make = || py.import("flashschnet.errors")?.getattr(class)?.call1((message,));
        make().map_or_else(|error| error, PyErr::from_value)
    })
}

//! The settings of a simulation.

use std::mem::offset_of;

use flashschnet::engine::{Minimization, OnBlowUp as Action, Watch};
use flashschnet::{Error, engine, units};

use crate::pointer::{Place, array, value};
use crate::status::{Result, Status, guard};

/// The equations of motion.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrator {
    /// Langevin dynamics, BAOAB splitting. The friction is in 1/ps.
    Langevin = 0,
    /// Constant energy, velocity Verlet. There is no friction.
    Nve = 1,
    /// Overdamped Langevin (Brownian) dynamics. The friction is in kcal ps/(mol A^2), and there are no
    /// velocities.
    Overdamped = 2,
    /// Overdamped dynamics as in the published tool chain, which samples exp(-E/(1 kcal/mol)) at any
    /// temperature. Only for comparison.
    OverdampedPublished = 3,
}

/// The action when a replica exceeds a limit.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBlowUp {
    /// The run ends with FSN_STATUS_BLOW_UP.
    Stop = 0,
    /// The replica freezes and has NaN as its energies. The others go on, and the run ends with
    /// FSN_STATUS_BLOW_UP when all are frozen.
    Freeze = 1,
}

/// The settings of a simulation. fsn_settings_init sets all fields; then change those you want.
/// Later versions add fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of bytes of the struct that the program was compiled with.
    pub size: usize,
    /// The number of replicas, 1. Replica r starts from structure r modulo the number of structures.
    pub n_replicas: usize,
    /// An fsn_integrator, FSN_INTEGRATOR_LANGEVIN.
    pub integrator: i32,
    /// The steps with one evaluation of the network (multiple time steps), 1. Every number of steps
    /// has to be a multiple of it.
    pub mts: u32,
    /// The friction, 1, in the unit of the integrator.
    pub friction: f64,
    /// The time step, 0.004 ps.
    pub dt: f64,
    /// The temperature of all replicas, 300 K.
    pub temperature: f64,
    /// The temperature of each replica, K, [n_temperatures]; NULL for one temperature. The array is
    /// read when the simulation is made.
    pub temperatures: *const f64,
    /// The number of temperatures: that of replicas, or 0 for one temperature.
    pub n_temperatures: usize,
    /// The seed of the random numbers, 7.
    pub seed: u64,
    /// The number of the first replica, 0. It selects structure and random numbers: replica 5 moves
    /// alone as it does among others.
    pub first_replica: u32,
    /// An fsn_on_blow_up, FSN_ON_BLOW_UP_STOP.
    pub on_blow_up: i32,
    /// The largest force on a bead, 1e5 kcal/mol/A. Infinity is no limit.
    pub max_force: f64,
    /// The largest kinetic energy of a bead, 1000 kT.
    pub max_kinetic: f64,
    /// The largest length of a harmonic bond, 3 rest lengths.
    pub max_stretch: f64,
    /// If not 0, the motion of each center of mass is removed from the velocities at the start; 0.
    pub remove_com_motion: i32,
    /// If not 0, the energy of the start is minimized; 0.
    pub minimize: i32,
    /// If not 0, a start with clashes is refused; 1.
    pub check_start: i32,
    /// Not used; 0.
    pub reserved: i32,
}

/// The bytes of the settings of the first version.
const FIRST_SIZE: usize = offset_of!(Settings, reserved) + size_of::<i32>();

impl Settings {
    fn new(size: usize) -> Self {
        let of = flashschnet::Settings::default();
        let Watch { max_force, max_kinetic, max_stretch, .. } = of.watch;
        Settings {
            size,
            n_replicas: of.n_replicas,
            integrator: Integrator::Langevin as i32,
            mts: of.mts,
            friction: of.integrator.friction().unwrap_or_default(),
            dt: of.dt,
            temperature: 300.0,
            temperatures: std::ptr::null(),
            n_temperatures: 0,
            seed: of.seed,
            first_replica: of.first_replica,
            on_blow_up: OnBlowUp::Stop as i32,
            max_force,
            max_kinetic,
            max_stretch,
            remove_com_motion: i32::from(of.remove_com_motion),
            minimize: i32::from(of.minimize.is_some()),
            check_start: i32::from(of.check_start),
            reserved: 0,
        }
    }

    /// The settings of the caller, with defaults for fields that the caller does not know.
    ///
    /// # Safety
    /// `pointer` leads to settings of as many bytes as their size says, or is NULL.
    pub(crate) unsafe fn read(pointer: *const Settings) -> Result<Self> {
        if pointer.is_null() {
            return Ok(Settings::new(size_of::<Settings>()));
        }
        // SAFETY: the size is the first field of all versions.
        let size = *unsafe { value("settings", pointer.cast::<usize>()) }?;
        check_size("settings.size", size)?;
        let mut settings = Settings::new(size);
        let to = (&raw mut settings).cast::<u8>();
        // SAFETY: that of the caller; `settings` has at least `size` bytes, and its fields are numbers.
        unsafe { std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), to, size) };
        check_number("settings.reserved", settings.reserved, &[0])?;
        Ok(settings)
    }

    /// The settings of the library.
    ///
    /// # Safety
    /// `temperatures` leads to the numbers that it should, or is NULL.
    pub(crate) unsafe fn to_library(self) -> Result<flashschnet::Settings> {
        // SAFETY: that of the caller.
        let kelvin =
            unsafe { array("settings.temperatures", self.temperatures, self.n_temperatures) }?;
        let one = [self.temperature];
        let kelvin = if kelvin.is_empty() { &one } else { kelvin };
        check_number("settings.integrator", self.integrator, &[0, 1, 2, 3])?;
        check_number("settings.on_blow_up", self.on_blow_up, &[0, 1])?;
        let friction = self.friction;
        Ok(flashschnet::Settings {
            n_replicas: self.n_replicas,
            integrator: match self.integrator {
                n if n == Integrator::Nve as i32 => engine::Integrator::Nve,
                n if n == Integrator::Overdamped as i32 => {
                    engine::Integrator::Overdamped { friction }
                }
                n if n == Integrator::OverdampedPublished as i32 => {
                    engine::Integrator::OverdampedPublished { friction }
                }
                _ => engine::Integrator::Langevin { friction },
            },
            dt: self.dt,
            mts: self.mts,
            beta: kelvin.iter().map(|kelvin| units::beta(*kelvin)).collect(),
            seed: self.seed,
            first_replica: self.first_replica,
            watch: Watch {
                max_force: self.max_force,
                max_kinetic: self.max_kinetic,
                max_stretch: self.max_stretch,
                on_blow_up: match self.on_blow_up == OnBlowUp::Freeze as i32 {
                    true => Action::Freeze,
                    false => Action::Stop,
                },
            },
            remove_com_motion: self.remove_com_motion != 0,
            minimize: (self.minimize != 0).then(Minimization::default),
            check_start: self.check_start != 0,
            ..flashschnet::Settings::default()
        })
    }
}

fn check_size(name: &str, size: usize) -> Result<()> {
    let newest = size_of::<Settings>();
    if size > newest {
        let advice = format!("this library knows {newest} bytes; use a newer library");
        return Err(Error::unsupported(format!("{name} of {size} bytes"), advice).into());
    }
    match size >= FIRST_SIZE {
        true => Ok(()),
        false => Err(Error::invalid(name, size, "sizeof(fsn_settings)").into()),
    }
}

fn check_number(name: &str, number: i32, known: &[i32]) -> Result<()> {
    match known.contains(&number) {
        true => Ok(()),
        false => {
            let known = known.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
            Err(Error::invalid(name, number, format!("one of {known}")).into())
        }
    }
}

/// Sets all fields of settings to their defaults. size is sizeof(fsn_settings).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_settings_init(settings: *mut Settings, size: usize) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        Place::new("settings", settings)?;
        check_size("size", size)?;
        let defaults = Settings::new(size);
        let from = (&raw const defaults).cast::<u8>();
        std::ptr::copy_nonoverlapping(from, settings.cast::<u8>(), size);
        Ok(())
    })
}

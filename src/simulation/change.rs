//! Changes of replicas between steps.

use super::{Reset, Simulation};
use crate::error::{Error, Result};
use crate::units;

impl Simulation {
    /// Replaces the velocities, Å/ps, `[n_beads]` over all replicas. Forces and neighbor lists stay.
    /// [`Simulation::last_good`] stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count or numbers that are not finite; errors of the device.
    pub fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        self.engine.set_velocities(velocities)
    }

    /// Multiplies the velocities of each replica by its factor, `[n_replicas]`: √(T_new/T_old) after a
    /// change of temperature, 0 to stop it.
    ///
    /// # Errors
    /// See [`Simulation::set_velocities`].
    pub fn scale_velocities(&mut self, factors: &[f64]) -> Result<()> {
        let n_replicas = self.system.n_replicas();
        if factors.len() != n_replicas {
            let expected = format!("{n_replicas}, one per replica");
            return Err(Error::invalid("factors", factors.len(), expected));
        }
        let mut velocities = self.velocities()?;
        for (r, factor) in factors.iter().enumerate() {
            let of_replica = velocities[self.system.beads(r)].as_flattened_mut();
            of_replica.iter_mut().for_each(|v| *v *= factor);
        }
        self.engine.set_velocities(&velocities)
    }

    /// Replaces the temperatures of the thermostats, K, `[n_replicas]`. Velocities stay:
    /// [`Simulation::scale_velocities`] changes them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count or numbers that are not temperatures, and if replica
    /// exchange or [`Settings::anneal`](super::Settings::anneal) sets the temperatures; errors of
    /// the device.
    pub fn set_temperatures(&mut self, kelvin: &[f64]) -> Result<()> {
        let broken = |kelvin: &&f64| !(**kelvin > 0.0 && kelvin.is_finite());
        if let Some(kelvin) = kelvin.iter().find(broken) {
            return Err(Error::invalid("temperatures", kelvin, "temperatures > 0 K"));
        }
        let beta: Vec<f64> = kelvin.iter().map(|kelvin| units::beta(*kelvin)).collect();
        self.engine.set_beta(&beta)?;
        self.watching.good.state.beta = beta;
        Ok(())
    }

    /// Exchanges positions and velocities of the two replicas of each pair, one pair after the other.
    /// Replicas of a pair have one molecule and are counted from 0 within the run. Temperatures and
    /// labels stay with the replica. The whole state goes through the host, once for all pairs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for replicas that do not exist, of different molecules, or frozen: then
    /// nothing changes; see also [`Simulation::state`].
    pub fn swap(&mut self, pairs: &[[usize; 2]]) -> Result<()> {
        for pair in pairs {
            pair.iter().try_for_each(|replica| self.check_replica(*replica))?;
            let molecules = pair.map(|replica| self.system.molecule_of()[replica]);
            if molecules[0] != molecules[1] {
                let found = format!("molecules {} and {}", molecules[0], molecules[1]);
                return Err(Error::invalid("replicas to swap", found, "replicas of one molecule"));
            }
        }
        let mut state = self.state()?;
        if let Some(replica) =
            pairs.as_flattened().iter().find(|replica| state.is_frozen(**replica))
        {
            return Err(Error::invalid("replica", replica, "one that is not frozen"));
        }
        for &[first, second] in pairs {
            for (i, j) in self.system.beads(first).zip(self.system.beads(second)) {
                state.positions.swap(i, j);
                state.velocities.swap(i, j);
            }
            state.origins.swap(first, second);
        }
        self.replace(state)
    }

    /// Puts replicas to given positions, or to those of their last good state, and lets them move. The
    /// other replicas, the step, temperatures and labels stay. The random numbers of the dynamics are
    /// those of the present step, so with a thermostat a replica does not repeat its path. The whole
    /// state goes through the host, once for all of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a replica that does not exist or has no good state, because the state
    /// was set with a frozen replica, and for wrong positions and velocities. Then nothing changes.
    pub fn reset(&mut self, resets: &[Reset]) -> Result<()> {
        resets.iter().try_for_each(|reset| self.check_replica(reset.replica))?;
        let mut state = self.state()?;
        let Simulation { watching, system, dynamics, .. } = self;
        for reset in resets {
            watching.good.reset((system, dynamics), reset, &mut state)?;
        }
        self.replace(state)
    }

    /// The index within the run of the replica with a global number, as [`Error::BlowUp`] and files have
    /// it: they count from [`Settings::first_replica`](super::Settings::first_replica). `None` if the
    /// run has no such replica.
    pub fn index_of(&self, replica: u32) -> Option<usize> {
        self.dynamics.replica_ids.iter().position(|id| *id == replica)
    }

    fn check_replica(&self, replica: usize) -> Result<()> {
        let n_replicas = self.system.n_replicas();
        match replica < n_replicas {
            true => Ok(()),
            false => Err(Error::invalid("replica", replica, format!("one below {n_replicas}"))),
        }
    }
}

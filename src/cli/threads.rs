//! The threads of the CPU backend.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use rayon::{ThreadBuilder, ThreadPoolBuilder};

/// Starts one thread for each processor, or as many as `RAYON_NUM_THREADS` says. If the system does
/// not start that many, the program runs with half of those that it does start, and so leaves some
/// to the drivers of devices. Without any thread it runs on the main thread alone.
pub(super) fn start() -> Result<(), rayon::ThreadPoolBuildError> {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok());
    let wanted = asked
        .filter(|n| *n > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let wanted = wanted.min(rayon::max_num_threads());
    // The threads start before the pool is built: a pool that fails to start cannot be replaced.
    // They start one by one, so that a lack of memory is found before all of them need more.
    let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
    let receiver = Arc::new(Mutex::new(receiver));
    let (ready, is_ready) = mpsc::channel();
    let spawn = |_: &usize| {
        let (receiver, ready) = (receiver.clone(), ready.clone());
        let thread = Builder::new().spawn(move || ready.send(()).map(|()| work(&receiver)));
        thread.is_ok() && is_ready.recv().is_ok()
    };
    let started = (0..wanted).take_while(spawn).count();
    let n_threads = if started < wanted { started.div_ceil(2) } else { wanted };
    if n_threads < wanted {
        let used = n_threads.max(1);
        log::warn!("the system started {started} of {wanted} threads; the program runs on {used}");
    }
    let pool = ThreadPoolBuilder::new();
    if n_threads == 0 {
        return pool.num_threads(1).use_current_thread().build_global();
    }
    // `work` ends only after a send or after this sender is dropped, so a send does not fail.
    let send =
        move |thread| sender.send(thread).map_err(|_| std::io::Error::other("a thread has ended"));
    pool.num_threads(n_threads).spawn_handler(send).build_global()
}

/// Waits for a place in the pool and works there. Ends if there is none.
fn work(places: &Mutex<Receiver<ThreadBuilder>>) {
    let place = places.lock().unwrap_or_else(PoisonError::into_inner).recv();
    if let Ok(place) = place {
        place.run();
    }
}

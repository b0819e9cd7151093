/*
 * flashschnet: molecular dynamics of coarse-grained proteins with CGSchNet potentials.
 *
 * Units: Angstrom, ps, kcal/mol, K. Masses are in 418.4 amu, so that kcal/mol = mass A^2/ps^2.
 *
 * Vectors: an array of n vectors has 3 n numbers, x y z of the first bead, then of the second. The
 * beads of all replicas, or of all items, follow each other. Lengths that are called n_beads count
 * beads, not numbers.
 *
 * Errors: a function returns FSN_STATUS_OK or the reason why it failed. fsn_last_error has the message.
 * A call that fails changes no argument, but sets a handle that it was to make to NULL. NULL where a
 * value is needed, a wrong length or an unknown number is FSN_STATUS_INVALID.
 * No function ends the process, unless an allocation fails that the library could not foresee.
 *
 * Ownership: a function that takes a pointer to a pointer to a handle makes the handle, and the caller
 * frees it, once, with the function of its type. Freeing NULL does nothing. Handles can be freed in
 * any order: a simulation keeps what it needs of its model. Arrays and strings that are passed in are
 * read during the call only. Arrays for results belong to the caller and may have any content before.
 *
 * Threads: every function can be called from any thread. Any number of calls at a time can use one
 * model, structures, backend or checkpoint. A potential or a simulation does one call at a time;
 * another one, also one from its own callback, returns FSN_STATUS_BUSY. Nothing may use a handle while
 * it is freed, or afterwards. A call that computes on the CPU fails with FSN_STATUS_UNSUPPORTED in a
 * process that was forked from one that has computed there.
 *
 * Molecules are in free space: there are no periodic boxes.
 *
 * Strings are UTF-8, paths too. Callbacks must return: no longjmp and no exception.
 *
 * This file is made by cbindgen from the sources in c/src.
 */

#ifndef FLASHSCHNET_H
#define FLASHSCHNET_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface. It grows when a program that was compiled with an earlier header
 * would no longer work. Functions, fields at the end of structs and numbers of enums can be added
 * without a new version.
 */
#define FSN_ABI_VERSION 1

/**
 * The result of a call.
 */
enum fsn_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The call did what it should.
   */
  FSN_STATUS_OK = 0,
  /**
   * A file could not be read or written.
   */
  FSN_STATUS_IO = 1,
  /**
   * A value, an argument or the content of a file is wrong.
   */
  FSN_STATUS_INVALID = 2,
  /**
   * The input is valid, but this version does not support it.
   */
  FSN_STATUS_UNSUPPORTED = 3,
  /**
   * A system cannot be made from a structure file.
   */
  FSN_STATUS_STRUCTURE = 4,
  /**
   * The output file exists already.
   */
  FSN_STATUS_EXISTS = 5,
  /**
   * There is no usable device.
   */
  FSN_STATUS_NO_ADAPTER = 6,
  /**
   * The job needs more memory than the device or the host has.
   */
  FSN_STATUS_OUT_OF_MEMORY = 7,
  /**
   * The driver of the GPU reported an error.
   */
  FSN_STATUS_GPU = 8,
  /**
   * The GPU no longer responds.
   */
  FSN_STATUS_DEVICE_LOST = 9,
  /**
   * The GPU computes wrongly: it did not give the known answers.
   */
  FSN_STATUS_WRONG_RESULTS = 10,
  /**
   * A replica exceeded a limit of fsn_settings.
   */
  FSN_STATUS_BLOW_UP = 11,
  /**
   * Beads are in one place, where the energy is not defined: two with a repulsion between them, or
   * more than two.
   */
  FSN_STATUS_OVERLAP = 12,
  /**
   * A bead has more neighbors than the model allows.
   */
  FSN_STATUS_TOO_MANY_NEIGHBORS = 13,
  /**
   * An error without a number of its own.
   */
  FSN_STATUS_OTHER = 100,
  /**
   * Another call uses the handle, on another thread or around the callback that made this call.
   */
  FSN_STATUS_BUSY = 101,
  /**
   * An error in the library itself, a panic. Its message is also on stderr. A potential or
   * simulation that was in use is not used any more: it can only be freed.
   */
  FSN_STATUS_PANIC = 102,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_status fsn_status;
#else
typedef int32_t fsn_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Kinds of backends.
 */
enum fsn_backend_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The best hardware GPU that computes correctly, or the CPU if there is none.
   */
  FSN_BACKEND_KIND_AUTO = 0,
  /**
   * A GPU through Vulkan, Metal, DX12 or OpenGL, also a software adapter if there is no other.
   */
  FSN_BACKEND_KIND_WGPU = 1,
  /**
   * An NVIDIA GPU through CUDA, if the library was built with it.
   */
  FSN_BACKEND_KIND_CUDA = 2,
  /**
   * The CPU, f32 with threads and vector instructions.
   */
  FSN_BACKEND_KIND_CPU = 3,
  /**
   * The CPU, f64 in plain loops: slow, but the definition of every result.
   */
  FSN_BACKEND_KIND_REFERENCE = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_backend_kind fsn_backend_kind;
#else
typedef int32_t fsn_backend_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Flags of fsn_backend_open. They can be joined with |.
 */
enum fsn_backend_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The defaults of the program for dynamics: mixed precision on a GPU with 16-bit floats. Without
   * it, every backend but the reference computes in f32.
   */
  FSN_BACKEND_FLAG_FOR_DYNAMICS = 1,
  /**
   * No optional feature of an adapter, and only WebGPU's default limits.
   */
  FSN_BACKEND_FLAG_PORTABLE = 2,
  /**
   * A GPU is used without the test whether it computes correctly.
   */
  FSN_BACKEND_FLAG_TRUSTED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_backend_flag fsn_backend_flag;
#else
typedef uint32_t fsn_backend_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The equations of motion.
 */
enum fsn_integrator
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Langevin dynamics, BAOAB splitting. The friction is in 1/ps.
   */
  FSN_INTEGRATOR_LANGEVIN = 0,
  /**
   * Constant energy, velocity Verlet. There is no friction.
   */
  FSN_INTEGRATOR_NVE = 1,
  /**
   * Overdamped Langevin (Brownian) dynamics. The friction is in kcal ps/(mol A^2), and there are no
   * velocities.
   */
  FSN_INTEGRATOR_OVERDAMPED = 2,
  /**
   * Overdamped dynamics as in the published tool chain, which samples exp(-E/(1 kcal/mol)) at any
   * temperature. Only for comparison.
   */
  FSN_INTEGRATOR_OVERDAMPED_PUBLISHED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_integrator fsn_integrator;
#else
typedef int32_t fsn_integrator;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The action when a replica exceeds a limit.
 */
enum fsn_on_blow_up
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The run ends with FSN_STATUS_BLOW_UP.
   */
  FSN_ON_BLOW_UP_STOP = 0,
  /**
   * The replica freezes and has NaN as its energies. The others go on, and the run ends with
   * FSN_STATUS_BLOW_UP when all are frozen.
   */
  FSN_ON_BLOW_UP_FREEZE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_on_blow_up fsn_on_blow_up;
#else
typedef int32_t fsn_on_blow_up;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Levels of messages.
 */
enum fsn_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * No message.
   */
  FSN_LOG_LEVEL_OFF = 0,
  /**
   * Errors that no function returns.
   */
  FSN_LOG_LEVEL_ERROR = 1,
  /**
   * Input that looks wrong, and devices that cannot be used.
   */
  FSN_LOG_LEVEL_WARN = 2,
  /**
   * Notes.
   */
  FSN_LOG_LEVEL_INFO = 3,
  /**
   * Details for developers.
   */
  FSN_LOG_LEVEL_DEBUG = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fsn_log_level fsn_log_level;
#else
typedef int32_t fsn_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A backend. It does not change, and any number of potentials and simulations can share it.
 */
typedef struct fsn_backend fsn_backend;

/**
 * The state of all replicas at one step with all settings, the SHA-256 of model and structures, and
 * the backend. It does not change.
 */
typedef struct fsn_checkpoint fsn_checkpoint;

/**
 * A model: a SchNet network and priors. It does not change.
 */
typedef struct fsn_model fsn_model;

/**
 * The potential of molecules on a backend.
 */
typedef struct fsn_potential fsn_potential;

/**
 * Replicas in motion on a backend.
 */
typedef struct fsn_simulation fsn_simulation;

/**
 * Structures: molecules with positions, and perhaps with velocities. They do not change.
 */
typedef struct fsn_structures fsn_structures;

/**
 * The tuples of beads of a prior of the model.
 */
typedef struct fsn_list {
  /**
   * The name of the prior, or of the list that it shares with others.
   */
  const char *name;
  /**
   * Beads of a tuple, 2 to 4.
   */
  size_t order;
  /**
   * Beads, counted from 0, [n_tuples, order].
   */
  const uint32_t *beads;
  /**
   * The number of tuples.
   */
  size_t n_tuples;
} fsn_list;

/**
 * The settings of a simulation. fsn_settings_init sets all fields; then change those you want.
 * Later versions add fields at the end.
 */
typedef struct fsn_settings {
  /**
   * The number of bytes of the struct that the program was compiled with.
   */
  size_t size;
  /**
   * The number of replicas, 1. Replica r starts from structure r modulo the number of structures.
   */
  size_t n_replicas;
  /**
   * An fsn_integrator, FSN_INTEGRATOR_LANGEVIN.
   */
  int32_t integrator;
  /**
   * The steps with one evaluation of the network (multiple time steps), 1. Every number of steps
   * has to be a multiple of it.
   */
  uint32_t mts;
  /**
   * The friction, 1, in the unit of the integrator.
   */
  double friction;
  /**
   * The time step, 0.004 ps.
   */
  double dt;
  /**
   * The temperature of all replicas, 300 K.
   */
  double temperature;
  /**
   * The temperature of each replica, K, [n_temperatures]; NULL for one temperature. The array is
   * read when the simulation is made.
   */
  const double *temperatures;
  /**
   * The number of temperatures: that of replicas, or 0 for one temperature.
   */
  size_t n_temperatures;
  /**
   * The seed of the random numbers, 7.
   */
  uint64_t seed;
  /**
   * The number of the first replica, 0. It selects structure and random numbers: replica 5 moves
   * alone as it does among others.
   */
  uint32_t first_replica;
  /**
   * An fsn_on_blow_up, FSN_ON_BLOW_UP_STOP.
   */
  int32_t on_blow_up;
  /**
   * The largest force on a bead, 1e5 kcal/mol/A. Infinity is no limit.
   */
  double max_force;
  /**
   * The largest kinetic energy of a bead, 1000 kT.
   */
  double max_kinetic;
  /**
   * The largest length of a harmonic bond, 3 rest lengths.
   */
  double max_stretch;
  /**
   * If not 0, the motion of each center of mass is removed from the velocities at the start; 0.
   */
  int32_t remove_com_motion;
  /**
   * If not 0, the energy of the start is minimized; 0.
   */
  int32_t minimize;
  /**
   * If not 0, a start with clashes is refused; 1.
   */
  int32_t check_start;
  /**
   * Not used; 0.
   */
  int32_t reserved;
} fsn_settings;

/**
 * The replicas at one step of a run. All is valid during the callback only. Later versions add fields
 * at the end.
 */
typedef struct fsn_frame {
  /**
   * Steps done.
   */
  uint64_t step;
  /**
   * Simulated time, ps.
   */
  double time;
  /**
   * The number of replicas.
   */
  size_t n_replicas;
  /**
   * The number of beads of all replicas.
   */
  size_t n_beads;
  /**
   * A, [3 n_beads].
   */
  const double *positions;
  /**
   * A/ps, [3 n_beads]; without meaning for the overdamped integrators.
   */
  const double *velocities;
  /**
   * Potential energy, kcal/mol, [n_replicas]; NaN for a frozen replica.
   */
  const double *potential;
  /**
   * Kinetic energy, kcal/mol, [n_replicas]; NaN for a frozen replica and for the overdamped
   * integrators.
   */
  const double *kinetic;
  /**
   * Temperature of the kinetic energy, K, [n_replicas]; NaN like it.
   */
  const double *temperature;
  /**
   * Energy of the force callback, kcal/mol, [n_replicas]; NaN for a frozen replica. NULL without a
   * force callback.
   */
  const double *callback;
} fsn_frame;

/**
 * Receives a frame. 0 goes on, any other number ends the run at this step. It is called on the thread
 * that called fsn_simulation_run_observed.
 */
typedef int32_t (*fsn_frame_callback)(const struct fsn_frame *frame, void *user_data);

/**
 * Computes forces in every step. It gets the positions of all replicas, A, [3 n_beads], and writes
 * energies, kcal/mol, [n_replicas], and forces, kcal/mol/A, [3 n_beads]. Both are 0 before the call.
 * 0 goes on, any other number is an error. It is called on the thread that uses the simulation. It
 * cannot use the simulation itself: a call returns FSN_STATUS_BUSY.
 */
typedef int32_t (*fsn_force_callback)(const double *positions,
                                      size_t n_beads,
                                      double *energies,
                                      size_t n_replicas,
                                      double *forces,
                                      void *user_data);

/**
 * Receives a message with its level, an fsn_log_level. It can be called on any thread, on several at a
 * time, and must not call functions of this library.
 */
typedef void (*fsn_log_callback)(int32_t level, const char *message, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * FSN_ABI_VERSION of the library. A program compares it with the macro of the header that it was
 * compiled with.
 */
uint32_t fsn_abi_version(void);

/**
 * The version of flashschnet, for example "0.1.0". The string is never freed.
 */
const char *fsn_version(void);

/**
 * The message of the last call on this thread that failed; "" if none did. It names the value, what
 * was found and what is expected. Calls that succeed leave it. The string is valid up to the next
 * call on this thread that fails.
 */
const char *fsn_last_error(void);

/**
 * The name of a status, for example "invalid"; "unknown" for another number. The string is never
 * freed.
 */
const char *fsn_status_name(int32_t status);

/**
 * Loads a model from a native file (safetensors) or a .pt or .ckpt file of mlcg, flashmd or TorchMD.
 * A model of TorchMD is a network without priors.
 */
fsn_status fsn_model_load(const char *path,
                          struct fsn_model **model);

/**
 * The built-in model, for demonstrations and measurements: a made-up network of 324,480 parameters
 * with priors, for the structure of fsn_structures_builtin.
 */
fsn_status fsn_model_builtin(struct fsn_model **model);

/**
 * Frees a model.
 */
void fsn_model_free(struct fsn_model *model);

/**
 * Loads structures from a native file (safetensors) or a .pt file of mlcg or flashmd, also from one
 * that holds a model as well.
 */
fsn_status fsn_structures_load(const char *path, struct fsn_structures **structures);

/**
 * The built-in structure: a compact, made-up chain of 269 beads.
 */
fsn_status fsn_structures_builtin(struct fsn_structures **structures);

/**
 * Makes one structure of arrays. types [n_beads] are rows of the embedding of the model, positions, A,
 * [3 n_beads]. masses [n_beads] may be NULL: only dynamics with velocities need them. lists [n_lists]
 * has the tuples of each prior that the model has.
 */
fsn_status fsn_structures_new(const uint32_t *types,
                              const double *masses,
                              const double *positions,
                              size_t n_beads,
                              const struct fsn_list *lists,
                              size_t n_lists,
                              struct fsn_structures **structures);

/**
 * Frees structures.
 */
void fsn_structures_free(struct fsn_structures *structures);

/**
 * The number of structures.
 */
fsn_status fsn_structures_count(const struct fsn_structures *structures, size_t *count);

/**
 * The number of beads of the structure with an index, counted from 0.
 */
fsn_status fsn_structures_n_beads(const struct fsn_structures *structures,
                                  size_t index,
                                  size_t *n_beads);

/**
 * The molecule of the structure with an index: structures of the same molecule have the same number.
 * A potential of these structures has these molecules.
 */
fsn_status fsn_structures_molecule(const struct fsn_structures *structures,
                                   size_t index,
                                   uint32_t *molecule);

/**
 * Writes the positions of the structure with an index, A, [3 n_beads]. n_beads is the number of its
 * beads.
 */
fsn_status fsn_structures_positions(const struct fsn_structures *structures,
                                    size_t index,
                                    double *positions,
                                    size_t n_beads);

/**
 * Writes the types of the beads of the structure with an index, [n_beads], which are rows of the
 * embedding. n_beads is the number of its beads.
 */
fsn_status fsn_structures_types(const struct fsn_structures *structures,
                                size_t index,
                                uint32_t *types,
                                size_t n_beads);

/**
 * Writes the masses of the beads of the structure with an index, [n_beads]. n_beads is the number of its
 * beads. A structure without masses is FSN_STATUS_INVALID.
 */
fsn_status fsn_structures_masses(const struct fsn_structures *structures,
                                 size_t index,
                                 double *masses,
                                 size_t n_beads);

/**
 * Opens a backend. kind is an fsn_backend_kind. adapter is the index of an adapter, a part of its
 * name, or NULL for the best one. flags are fsn_backend_flag, or 0. A GPU is tested before its first
 * use and refused with FSN_STATUS_WRONG_RESULTS if it computes wrongly.
 */
fsn_status fsn_backend_open(int32_t kind,
                            const char *adapter,
                            uint32_t flags,
                            struct fsn_backend **backend);

/**
 * Frees a backend. Potentials and simulations go on with the device.
 */
void fsn_backend_free(struct fsn_backend *backend);

/**
 * The kind of a backend, an fsn_backend_kind; never FSN_BACKEND_KIND_AUTO.
 */
fsn_status fsn_backend_get_kind(const struct fsn_backend *backend, int32_t *kind);

/**
 * The name of the GPU, or NULL for a backend on the CPU. The string lives as long as the backend.
 */
fsn_status fsn_backend_adapter(const struct fsn_backend *backend, const char **name);

/**
 * The reason why FSN_BACKEND_KIND_AUTO took the CPU or another GPU than the best, or NULL. The string
 * lives as long as the backend.
 */
fsn_status fsn_backend_reason(const struct fsn_backend *backend,
                              const char **reason);

/**
 * Makes the potential of the molecules of structures.
 */
fsn_status fsn_potential_new(const struct fsn_model *model,
                             const struct fsn_structures *structures,
                             const struct fsn_backend *backend,
                             struct fsn_potential **potential);

/**
 * Frees a potential. During a call that uses it this does nothing, but sets the last error.
 */
void fsn_potential_free(struct fsn_potential *potential);

/**
 * The number of molecules of a potential.
 */
fsn_status fsn_potential_n_molecules(const struct fsn_potential *potential, uint32_t *n_molecules);

/**
 * The number of beads of a molecule, counted from 0.
 */
fsn_status fsn_potential_n_beads(const struct fsn_potential *potential,
                                 uint32_t molecule,
                                 size_t *n_beads);

/**
 * Evaluates n_items conformations. Their results do not depend on each other.
 *
 * molecules [n_items] has the molecule of each item, numbered as by fsn_structures_molecule; NULL
 * stands for molecule 0 in all items. positions, A, [3 n_beads], has the beads of all items, one item
 * after the other, and n_beads is their number in all.
 *
 * energies, kcal/mol, [n_items], and forces, kcal/mol/A, [3 n_beads], are results. NULL for forces
 * saves the time to compute them.
 *
 * An item can fail for itself, for example with a coordinate that is NaN (FSN_STATUS_INVALID) or with
 * beads in one place (FSN_STATUS_OVERLAP). Then its energy and forces are NaN. statuses [n_items] has the
 * status of each item, and fsn_potential_message the message. If statuses is NULL, the call returns the
 * status of the first item that failed, with its message, after all results are written.
 *
 * A call with another number of items than before can take longer: room is made on the device, and
 * kept for the last eight.
 */
fsn_status fsn_potential_evaluate(struct fsn_potential *potential,
                                  const uint32_t *molecules,
                                  size_t n_items,
                                  const double *positions,
                                  size_t n_beads,
                                  double *energies,
                                  double *forces,
                                  fsn_status *statuses);

/**
 * The message of an item that failed in the latest evaluation, or NULL if it did not. The string is
 * valid up to the next evaluation.
 */
fsn_status fsn_potential_message(const struct fsn_potential *potential,
                                 size_t item,
                                 const char **message);

/**
 * Sets all fields of settings to their defaults. size is sizeof(fsn_settings).
 */
fsn_status fsn_settings_init(struct fsn_settings *settings, size_t size);

/**
 * Makes replicas at step 0, with the positions of structures, and their velocities or random ones.
 * settings are read during the call; NULL stands for the defaults.
 */
fsn_status fsn_simulation_new(const struct fsn_model *model,
                              const struct fsn_structures *structures,
                              const struct fsn_settings *settings,
                              const struct fsn_backend *backend,
                              struct fsn_simulation **simulation);

/**
 * Makes the replicas of a checkpoint, which continue its run. The settings are those of the
 * checkpoint. Model and structures must have the values of then. same_bits is 1 if the backend is
 * that of the checkpoint, too, so that the run continues with the same bits, and else 0; it may be
 * NULL.
 */
fsn_status fsn_simulation_continue(const struct fsn_model *model,
                                   const struct fsn_structures *structures,
                                   const struct fsn_checkpoint *checkpoint,
                                   const struct fsn_backend *backend,
                                   struct fsn_simulation **simulation,
                                   int32_t *same_bits);

/**
 * Frees a simulation. During a call that uses it this does nothing, but sets the last error.
 */
void fsn_simulation_free(struct fsn_simulation *simulation);

/**
 * Moves every replica by n_steps steps. done is the number of steps done; it may be NULL. After an error
 * fsn_simulation_step has the step. Only a callback of fsn_simulation_run_observed can end a run early.
 */
fsn_status fsn_simulation_run(struct fsn_simulation *simulation,
                              uint64_t n_steps,
                              uint64_t *done);

/**
 * Moves every replica by n_steps steps, or fewer if the callback ends the run. The callback gets
 * user_data and a frame at every step that is a multiple of every. done is the number of steps done
 * in this call; it may be NULL. Steps are counted from the start of the simulation, and step 0 has no
 * frame. The callback cannot use the simulation: a call returns FSN_STATUS_BUSY.
 */
fsn_status fsn_simulation_run_observed(struct fsn_simulation *simulation,
                                       uint64_t n_steps,
                                       uint64_t every,
                                       fsn_frame_callback callback,
                                       void *user_data,
                                       uint64_t *done);

/**
 * The number of replicas.
 */
fsn_status fsn_simulation_n_replicas(const struct fsn_simulation *simulation, size_t *n_replicas);

/**
 * The beads of a replica, counted from 0: its first one among those of all replicas, and their
 * number.
 */
fsn_status fsn_simulation_beads(const struct fsn_simulation *simulation,
                                size_t replica,
                                size_t *first,
                                size_t *n_beads);

/**
 * The number of beads of all replicas.
 */
fsn_status fsn_simulation_n_beads(const struct fsn_simulation *simulation, size_t *n_beads);

/**
 * The number of steps done since step 0.
 */
fsn_status fsn_simulation_step(const struct fsn_simulation *simulation, uint64_t *step);

/**
 * The simulated time, ps.
 */
fsn_status fsn_simulation_time(const struct fsn_simulation *simulation, double *time);

/**
 * Writes the positions of all replicas, A, [3 n_beads]. n_beads is the number of all beads.
 */
fsn_status fsn_simulation_positions(struct fsn_simulation *simulation,
                                    double *positions,
                                    size_t n_beads);

/**
 * Writes the velocities of all replicas, A/ps, [3 n_beads]. n_beads is the number of all beads.
 */
fsn_status fsn_simulation_velocities(struct fsn_simulation *simulation,
                                     double *velocities,
                                     size_t n_beads);

/**
 * Writes the forces of the potential on all beads, kcal/mol/A, [3 n_beads], without external forces
 * and those of a callback. n_beads is the number of all beads.
 */
fsn_status fsn_simulation_forces(struct fsn_simulation *simulation, double *forces, size_t n_beads);

/**
 * Writes potential and kinetic energies, kcal/mol, and temperatures of the kinetic energies, K, of
 * each replica, [n_replicas], as in fsn_frame. Each array may be NULL. n_replicas is the number of
 * replicas.
 */
fsn_status fsn_simulation_energies(struct fsn_simulation *simulation,
                                   double *potential,
                                   double *kinetic,
                                   double *temperature,
                                   size_t n_replicas);

/**
 * Writes for each replica, [n_replicas], 1 if it is frozen, because it exceeded a limit of fsn_settings,
 * and else 0. n_replicas is the number of replicas.
 */
fsn_status fsn_simulation_frozen(struct fsn_simulation *simulation,
                                 int32_t *frozen,
                                 size_t n_replicas);

/**
 * The time step, ps, and how many steps an outer step has: every number of steps has to be a multiple
 * of mts. Either may be NULL.
 */
fsn_status fsn_simulation_time_step(const struct fsn_simulation *simulation,
                                    double *dt,
                                    uint32_t *mts);

/**
 * Replaces the positions of all replicas, A, [3 n_beads]. Frozen replicas move again.
 */
fsn_status fsn_simulation_set_positions(struct fsn_simulation *simulation,
                                        const double *positions,
                                        size_t n_beads);

/**
 * Replaces the velocities of all replicas, A/ps, [3 n_beads].
 */
fsn_status fsn_simulation_set_velocities(struct fsn_simulation *simulation,
                                         const double *velocities,
                                         size_t n_beads);

/**
 * Multiplies the velocities of each replica by its factor, [n_replicas]: sqrt(T_new/T_old) after a
 * change of temperature.
 */
fsn_status fsn_simulation_scale_velocities(struct fsn_simulation *simulation,
                                           const double *factors,
                                           size_t n_replicas);

/**
 * Replaces the temperatures of the thermostats, K, [n_replicas]. Velocities stay.
 */
fsn_status fsn_simulation_set_temperatures(struct fsn_simulation *simulation,
                                           const double *temperatures,
                                           size_t n_replicas);

/**
 * Exchanges positions and velocities of the two replicas of each pair, [2 n_pairs], one pair after the
 * other, so that a replica can be in several. Replicas of a pair have one molecule. Temperatures stay.
 * The time is that of a few steps, for any number of pairs.
 */
fsn_status fsn_simulation_swap(struct fsn_simulation *simulation,
                               const size_t *pairs,
                               size_t n_pairs);

/**
 * Puts replicas back to their last good states, with new random velocities, and lets them move if
 * they were frozen. The time is that of a few steps, for any number of replicas.
 */
fsn_status fsn_simulation_reset(struct fsn_simulation *simulation,
                                const size_t *replicas,
                                size_t n_replicas);

/**
 * Has a callback add forces in every step; NULL removes it. Frames have its energies, which the
 * potential energy does not include. A GPU waits for it in every step. Checkpoints do not contain it.
 * user_data must live until the callback is removed or the simulation is freed.
 *
 * It is called by functions that run, and by fsn_simulation_energies. If it fails, or returns numbers
 * that are not finite, the run ends with an error at the last whole step, and can go on.
 */
fsn_status fsn_simulation_set_force_callback(struct fsn_simulation *simulation,
                                             fsn_force_callback callback,
                                             void *user_data);

/**
 * Sets external forces, kcal/mol/A, [3 n_beads], which are added to those of the potential until they
 * are replaced. NULL with n_beads 0 removes them. Energies and checkpoints do not contain them.
 */
fsn_status fsn_simulation_set_external_forces(struct fsn_simulation *simulation,
                                              const double *forces,
                                              size_t n_beads);

/**
 * Makes a checkpoint of a simulation at its present step. External forces are not part of it.
 */
fsn_status fsn_checkpoint_new(struct fsn_simulation *simulation,
                              struct fsn_checkpoint **checkpoint);

/**
 * Loads the newest checkpoint of a folder that is whole. A warning says why a newer one is not taken.
 */
fsn_status fsn_checkpoint_load(const char *folder,
                               struct fsn_checkpoint **checkpoint);

/**
 * Reads a checkpoint from n_bytes bytes of fsn_checkpoint_bytes, or of a file.
 */
fsn_status fsn_checkpoint_from_bytes(const uint8_t *bytes,
                                     size_t n_bytes,
                                     struct fsn_checkpoint **checkpoint);

/**
 * Frees a checkpoint.
 */
void fsn_checkpoint_free(struct fsn_checkpoint *checkpoint);

/**
 * Saves a checkpoint in a folder, which has to exist. The one that was there is kept beside it, and
 * at every moment one of the two is whole.
 */
fsn_status fsn_checkpoint_save(const struct fsn_checkpoint *checkpoint, const char *folder);

/**
 * The bytes of a checkpoint, as in its file. They live as long as the checkpoint.
 */
fsn_status fsn_checkpoint_bytes(const struct fsn_checkpoint *checkpoint,
                                const uint8_t **bytes,
                                size_t *n_bytes);

/**
 * The step of a checkpoint.
 */
fsn_status fsn_checkpoint_step(const struct fsn_checkpoint *checkpoint, uint64_t *step);

/**
 * Sets the receiver of the messages of this library, for the whole process. max_level is the highest
 * fsn_log_level that it gets. NULL removes it; there is none at the start. When the call returns, an
 * earlier callback is not called any more.
 */
fsn_status fsn_set_log(fsn_log_callback callback,
                       void *user_data,
                       int32_t max_level);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FLASHSCHNET_H */

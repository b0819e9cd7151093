/*
 * Wrong calls, and what they return: misuse MODEL FOLDER, with a model for the built-in structure and an
 * empty folder. The first call that returns something else ends the program with a message. Without
 * arguments it does not free a handle.
 */
#include <flashschnet.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_checks = 0;

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        n_checks++;                                                                                \
        if (!(condition)) {                                                                        \
            printf("line %d: not %s; last error: %s\n", __LINE__, #condition, fsn_last_error());   \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

/* The call returns the status, and the message has the text. */
#define FAILS(call, expected, text)                                                                \
    do {                                                                                           \
        fsn_status found = (call);                                                                 \
        n_checks++;                                                                                \
        if (found != (expected) || strstr(fsn_last_error(), text) == NULL) {                       \
            printf("line %d: %s returns %s, %s\n", __LINE__, #call, fsn_status_name(found),        \
                   fsn_last_error());                                                              \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

#define INVALID(call, text) FAILS(call, FSN_STATUS_INVALID, text)
#define GOOD(call) HOLDS((call) == FSN_STATUS_OK)

/* Not a handle: a call must not have made one, and must have put NULL there. */
#define JUNK(type) ((type *)&n_checks)

typedef struct {
    fsn_simulation *simulation;
    int frames;
} watcher;

/* Calls that use the running simulation fail; others do not. */
static int32_t from_callback(const fsn_frame *frame, void *user_data) {
    watcher *watching = user_data;
    uint64_t step;
    watching->frames++;
    HOLDS(frame->step == 2 && frame->n_replicas == 2 && frame->potential[1] < INFINITY);
    FAILS(fsn_simulation_step(watching->simulation, &step), FSN_STATUS_BUSY, "simulation: another");
    FAILS(fsn_simulation_run(watching->simulation, 2, NULL), FSN_STATUS_BUSY, "simulation: another");
    INVALID(fsn_model_builtin(NULL), "model: found NULL");
    fsn_simulation_free(watching->simulation);
    HOLDS(strstr(fsn_last_error(), "simulation: another call uses it") != NULL);
    return 1;
}

typedef struct {
    int warnings;
    char text[200];
} messages;

static void keep(int32_t level, const char *message, void *user_data) {
    messages *kept = user_data;
    kept->warnings += level == FSN_LOG_LEVEL_WARN;
    strncpy(kept->text, message, sizeof kept->text - 1);
}

static void model_and_structures(const char *folder) {
    char path[4096];
    fsn_model *model = JUNK(fsn_model);
    fsn_structures *structures = JUNK(fsn_structures);
    INVALID(fsn_model_load(NULL, &model), "path: found NULL");
    HOLDS(model == NULL);
    INVALID(fsn_model_load("x", NULL), "model: found NULL");
    INVALID(fsn_model_load("\xff\xfe", &model), "UTF-8");
    FAILS(fsn_model_load("/no/such/file", &model), FSN_STATUS_IO, "/no/such/file");
    model = JUNK(fsn_model);
    snprintf(path, sizeof path, "%s/bad", folder);
    FILE *file = fopen(path, "w");
    HOLDS(file != NULL && fputs("no model", file) >= 0 && fclose(file) == 0);
    INVALID(fsn_model_load(path, &model), path);
    HOLDS(model == NULL);
    INVALID(fsn_structures_load(path, &structures), path);
    HOLDS(structures == NULL);
    fsn_model_free(NULL);
    fsn_structures_free(NULL);

    size_t n = 77;
    uint32_t molecule = 77;
    double positions[3 * 269];
    GOOD(fsn_structures_builtin(&structures));
    INVALID(fsn_structures_count(NULL, &n), "structures: found NULL");
    INVALID(fsn_structures_count(structures, NULL), "count: found NULL");
    INVALID(fsn_structures_n_beads(structures, 1, &n), "index: found 1, expected an index below 1");
    INVALID(fsn_structures_molecule(structures, SIZE_MAX, &molecule), "index: found");
    HOLDS(n == 77 && molecule == 77);
    positions[0] = 0.5;
    INVALID(fsn_structures_positions(structures, 0, positions, 268), "n_beads: found 268, expected 269");
    INVALID(fsn_structures_positions(structures, 0, NULL, 269), "positions: found NULL");
    INVALID(fsn_structures_positions(structures, 0, (double *)((char *)positions + 4), 269),
            "a multiple of 8");
    HOLDS(positions[0] == 0.5);

    /* The same structure, made of its arrays. */
    uint32_t types[269], beads[4] = {0, 1, 1, 2};
    double masses[269], again[3 * 269];
    fsn_structures *made = JUNK(fsn_structures);
    INVALID(fsn_structures_types(structures, 0, types, 268), "n_beads: found 268");
    INVALID(fsn_structures_masses(structures, 0, NULL, 269), "masses: found NULL");
    GOOD(fsn_structures_types(structures, 0, types, 269));
    GOOD(fsn_structures_masses(structures, 0, masses, 269));
    GOOD(fsn_structures_positions(structures, 0, positions, 269));
    fsn_list list = {"bonds", 2, beads, 2};
    INVALID(fsn_structures_new(NULL, masses, positions, 269, &list, 1, &made), "types: found NULL");
    HOLDS(made == NULL);
    INVALID(fsn_structures_new(types, masses, positions, 269, NULL, 1, &made), "lists: found NULL");
    list.order = 5;
    INVALID(fsn_structures_new(types, masses, positions, 269, &list, 1, &made), "list.order: found 5");
    list.order = 2;
    list.n_tuples = SIZE_MAX;
    INVALID(fsn_structures_new(types, masses, positions, 269, &list, 1, &made), "list.n_tuples");
    list.n_tuples = 2;
    beads[3] = 269;
    INVALID(fsn_structures_new(types, masses, positions, 269, &list, 1, &made), "bonds");
    beads[3] = 2;
    list.name = "\xff";
    INVALID(fsn_structures_new(types, masses, positions, 269, &list, 1, &made), "UTF-8");
    list.name = "bonds";
    GOOD(fsn_structures_new(types, masses, positions, 269, &list, 1, &made));
    GOOD(fsn_structures_positions(made, 0, again, 269));
    HOLDS(memcmp(again, positions, sizeof again) == 0);
    fsn_structures_free(made);
    GOOD(fsn_structures_new(types, NULL, positions, 269, NULL, 0, &made));
    INVALID(fsn_structures_masses(made, 0, masses, 269), "masses of the structure: found 0");
    fsn_structures_free(made);
    fsn_structures_free(structures);
}

static void backends(void) {
    fsn_backend *backend;
    const char *name = "x";
    int32_t kind;
    INVALID(fsn_backend_open(99, NULL, 0, &backend), "kind: found 99");
    INVALID(fsn_backend_open(FSN_BACKEND_KIND_CPU, NULL, 64, &backend), "flags: found 64");
    INVALID(fsn_backend_open(FSN_BACKEND_KIND_CPU, "0", 0, &backend), "no adapter with the cpu");
    INVALID(fsn_backend_open(FSN_BACKEND_KIND_CPU, "\xff", 0, &backend), "UTF-8");
    HOLDS(backend == NULL);
    GOOD(fsn_backend_open(FSN_BACKEND_KIND_REFERENCE, NULL, 0, &backend));
    GOOD(fsn_backend_get_kind(backend, &kind));
    GOOD(fsn_backend_adapter(backend, &name));
    HOLDS(kind == FSN_BACKEND_KIND_REFERENCE && name == NULL);
    INVALID(fsn_backend_adapter(backend, NULL), "name: found NULL");
    fsn_backend_free(backend);
    fsn_backend_free(NULL);
}

static void potentials(const fsn_model *model, const fsn_structures *structures,
                       const fsn_backend *backend) {
    fsn_potential *potential = JUNK(fsn_potential);
    uint32_t molecules[2] = {0, 1};
    size_t n_beads;
    static double positions[2 * 3 * 269], forces[2 * 3 * 269];
    double energies[2] = {7, 7};
    fsn_status statuses[2];
    const char *message;
    INVALID(fsn_potential_new(NULL, structures, backend, &potential), "model: found NULL");
    HOLDS(potential == NULL);
    INVALID(fsn_potential_new(model, NULL, backend, &potential), "structures: found NULL");
    INVALID(fsn_potential_new(model, structures, NULL, &potential), "backend: found NULL");
    GOOD(fsn_potential_new(model, structures, backend, &potential));
    INVALID(fsn_potential_n_beads(potential, 1, &n_beads), "a molecule below 1");
    GOOD(fsn_structures_positions(structures, 0, positions, 269));
    memcpy(positions + 3 * 269, positions, 3 * 269 * sizeof(double));

    INVALID(fsn_potential_evaluate(NULL, NULL, 1, positions, 269, energies, NULL, NULL), "potential");
    INVALID(fsn_potential_evaluate(potential, NULL, 1, NULL, 269, energies, NULL, NULL), "positions");
    INVALID(fsn_potential_evaluate(potential, NULL, 1, positions, 269, NULL, NULL, NULL), "energies");
    INVALID(fsn_potential_evaluate(potential, NULL, 1, positions, 268, energies, NULL, NULL),
            "n_beads: found 268, expected 269");
    INVALID(fsn_potential_evaluate(potential, NULL, SIZE_MAX / 16, positions, 269, energies, NULL, NULL),
            "n_beads: found 269");
    INVALID(fsn_potential_evaluate(potential, NULL, SIZE_MAX, positions, 269, energies, NULL, NULL),
            "memory can hold");
    INVALID(fsn_potential_evaluate(potential, NULL, 1, positions, SIZE_MAX / 2, energies, NULL, NULL),
            "memory can hold");
    INVALID(fsn_potential_evaluate(potential, molecules, 2, positions, 2 * 269, energies, NULL, NULL),
            "molecules[1]: found 1");
    HOLDS(energies[0] == 7 && energies[1] == 7);

    /* An item that fails: with statuses it is no error, without them it is. */
    positions[3 * 269] = INFINITY;
    GOOD(fsn_potential_evaluate(potential, NULL, 2, positions, 2 * 269, energies, forces, statuses));
    HOLDS(statuses[0] == FSN_STATUS_OK && statuses[1] == FSN_STATUS_INVALID);
    HOLDS(isfinite(energies[0]) && isnan(energies[1]) && isnan(forces[3 * 269]) && !isnan(forces[0]));
    GOOD(fsn_potential_message(potential, 0, &message));
    HOLDS(message == NULL);
    GOOD(fsn_potential_message(potential, 1, &message));
    HOLDS(strstr(message, "positions[0]") != NULL);
    INVALID(fsn_potential_message(potential, 2, &message), "an item below 2");
    INVALID(fsn_potential_evaluate(potential, NULL, 2, positions, 2 * 269, energies, NULL, NULL),
            "positions[0]");

    /* Forces may take the place of positions, and no items are no error. */
    positions[3 * 269] = positions[0];
    double first = energies[0];
    GOOD(fsn_potential_evaluate(potential, NULL, 2, positions, 2 * 269, energies, positions, NULL));
    HOLDS(energies[0] == first && energies[1] == first);
    HOLDS(memcmp(positions, forces, 3 * 269 * sizeof(double)) == 0);
    GOOD(fsn_potential_evaluate(potential, NULL, 0, NULL, 0, NULL, NULL, NULL));
    fsn_potential_free(potential);
    fsn_potential_free(NULL);
}

static void settings_of(const fsn_model *model, const fsn_structures *structures,
                        const fsn_backend *backend) {
    fsn_simulation *simulation;
    fsn_settings settings;
    double kelvin[2] = {300, 310};
    INVALID(fsn_settings_init(NULL, sizeof settings), "settings: found NULL");
    INVALID(fsn_settings_init(&settings, 3), "size: found 3");
    FAILS(fsn_settings_init(&settings, 100000), FSN_STATUS_UNSUPPORTED, "a newer library");
#define REFUSED(field, value, text)                                                                \
    GOOD(fsn_settings_init(&settings, sizeof settings));                                           \
    settings.field = (value);                                                                      \
    INVALID(fsn_simulation_new(model, structures, &settings, backend, &simulation), text);         \
    HOLDS(simulation == NULL)
    REFUSED(size, 8, "settings.size: found 8");
    REFUSED(n_replicas, 0, "replicas: found 0");
    REFUSED(n_replicas, SIZE_MAX, "replicas: found");
    REFUSED(integrator, 17, "settings.integrator: found 17");
    REFUSED(on_blow_up, -1, "settings.on_blow_up: found -1");
    REFUSED(mts, 0, "mts: found 0");
    REFUSED(dt, NAN, "dt: found NaN");
    REFUSED(friction, -1, "friction: found -1");
    REFUSED(temperature, 0, "beta");
    REFUSED(max_force, -1, "max-force: found -1");
    REFUSED(reserved, 1, "settings.reserved: found 1");
    REFUSED(n_temperatures, 1, "settings.temperatures: found NULL");
    GOOD(fsn_settings_init(&settings, sizeof settings));
    settings.temperatures = kelvin;
    settings.n_temperatures = 2;
    INVALID(fsn_simulation_new(model, structures, &settings, backend, &simulation),
            "temperature: found 2 values");
    INVALID(fsn_simulation_new(NULL, structures, NULL, backend, &simulation), "model: found NULL");
}

/* Swaps and resets of two replicas of the built-in structure. */
static void changes(fsn_simulation *simulation) {
    const size_t pair[2] = {0, 1}, second = 1;
    static double before[3 * 538], after[3 * 538], velocities[3 * 538];
    const size_t half = sizeof before / 2;
    GOOD(fsn_simulation_velocities(simulation, before, 538));
    GOOD(fsn_simulation_swap(simulation, pair, 1));
    GOOD(fsn_simulation_velocities(simulation, after, 538));
    HOLDS(memcmp(after, before + 3 * 269, half) == 0 && memcmp(after + 3 * 269, before, half) == 0);
    GOOD(fsn_simulation_swap(simulation, pair, 1));

    memcpy(velocities, before, sizeof before);
    velocities[3 * 269] = 1e5;
    GOOD(fsn_simulation_set_velocities(simulation, velocities, 538));
    int32_t frozen[2];
    FAILS(fsn_simulation_run(simulation, 1, NULL), FSN_STATUS_BLOW_UP, "replica 1");
    INVALID(fsn_simulation_frozen(simulation, frozen, 1), "n_replicas: found 1");
    GOOD(fsn_simulation_frozen(simulation, frozen, 2));
    HOLDS(frozen[0] == 0 && frozen[1] == 1);
    GOOD(fsn_simulation_reset(simulation, &second, 1));
    GOOD(fsn_simulation_frozen(simulation, frozen, 2));
    HOLDS(frozen[1] == 0);
    GOOD(fsn_simulation_run(simulation, 1, NULL));
}

static void simulations(const fsn_model *model, const fsn_structures *structures,
                        const fsn_backend *backend, const char *folder) {
    char path[4096];
    fsn_simulation *simulation, *other;
    fsn_checkpoint *checkpoint;
    fsn_settings settings;
    size_t first = 7, n = 7;
    uint64_t done = 7;
    double numbers[2 * 3 * 269] = {0};
    GOOD(fsn_settings_init(&settings, sizeof settings));
    settings.n_replicas = 2;
    GOOD(fsn_simulation_new(model, structures, &settings, backend, &simulation));

    INVALID(fsn_simulation_run(NULL, 1, NULL), "simulation: found NULL");
    INVALID(fsn_simulation_run_observed(simulation, 2, 1, NULL, NULL, &done), "callback: found NULL");
    INVALID(fsn_simulation_run_observed(simulation, 2, 0, from_callback, NULL, &done), "every: found 0");
    double dt = 7;
    uint32_t mts = 7;
    INVALID(fsn_simulation_time_step(NULL, &dt, &mts), "simulation: found NULL");
    HOLDS(dt == 7 && mts == 7);
    GOOD(fsn_simulation_time_step(simulation, &dt, &mts));
    HOLDS(dt == settings.dt && mts == 1);
    INVALID(fsn_simulation_beads(simulation, 2, &first, &n), "a replica below 2");
    INVALID(fsn_simulation_beads(simulation, 1, &first, NULL), "n_beads: found NULL");
    HOLDS(first == 7 && n == 7 && done == 7);
    GOOD(fsn_simulation_beads(simulation, 1, &first, &n));
    HOLDS(first == 269 && n == 269);
    INVALID(fsn_simulation_positions(simulation, numbers, 269), "n_beads: found 269, expected 538");
    INVALID(fsn_simulation_energies(simulation, numbers, NULL, NULL, 3), "n_replicas: found 3");
    GOOD(fsn_simulation_energies(simulation, NULL, NULL, NULL, 2));
    INVALID(fsn_simulation_set_positions(simulation, numbers, 269), "positions: found 269");
    FAILS(fsn_simulation_set_positions(simulation, numbers, 538), FSN_STATUS_OVERLAP, "replica 0");
    INVALID(fsn_simulation_set_velocities(simulation, NULL, 538), "velocities: found NULL");
    INVALID(fsn_simulation_set_temperatures(simulation, numbers, 1), "temperatures: found");
    INVALID(fsn_simulation_scale_velocities(simulation, numbers, 1), "factors: found 1");
    INVALID(fsn_simulation_set_external_forces(simulation, NULL, 538), "forces: found NULL");
    GOOD(fsn_simulation_set_external_forces(simulation, NULL, 0));
    const size_t pairs[4] = {0, 1, 0, 2};
    INVALID(fsn_simulation_swap(simulation, pairs, 2), "replica: found 2");
    INVALID(fsn_simulation_swap(simulation, NULL, 1), "pairs: found NULL");
    INVALID(fsn_simulation_reset(simulation, pairs, 4), "replica: found 2");
    INVALID(fsn_simulation_reset(simulation, NULL, 1), "replicas: found NULL");

    watcher watching = {simulation, 0};
    GOOD(fsn_simulation_run_observed(simulation, 8, 2, from_callback, &watching, &done));
    HOLDS(watching.frames == 1 && done == 2);

    INVALID(fsn_checkpoint_new(NULL, &checkpoint), "simulation: found NULL");
    HOLDS(checkpoint == NULL);
    GOOD(fsn_checkpoint_new(simulation, &checkpoint));
    FAILS(fsn_checkpoint_save(checkpoint, "/no/such/folder"), FSN_STATUS_IO, "/no/such/folder");
    INVALID(fsn_checkpoint_save(checkpoint, ""), "found an empty text");
    GOOD(fsn_checkpoint_save(checkpoint, folder));
    GOOD(fsn_checkpoint_save(checkpoint, folder));
    const uint8_t *bytes;
    size_t n_bytes;
    GOOD(fsn_checkpoint_bytes(checkpoint, &bytes, &n_bytes));
    fsn_checkpoint *copy;
    GOOD(fsn_checkpoint_from_bytes(bytes, n_bytes, &copy));
    GOOD(fsn_checkpoint_step(copy, &done));
    HOLDS(done == 2);
    fsn_checkpoint_free(copy);
    INVALID(fsn_checkpoint_from_bytes(bytes, n_bytes - 1, &copy), "");
    HOLDS(copy == NULL);
    INVALID(fsn_checkpoint_from_bytes(NULL, 5, &copy), "bytes: found NULL");
    INVALID(fsn_checkpoint_load("/no/such/folder", &copy), "/no/such/folder");
    INVALID(fsn_simulation_continue(model, structures, NULL, backend, &other, NULL), "checkpoint");
    fsn_checkpoint_free(checkpoint);

    /* A damaged checkpoint: the one before it is taken, with a warning. */
    messages kept = {0, ""};
    INVALID(fsn_set_log(keep, &kept, 99), "max_level: found 99");
    GOOD(fsn_set_log(keep, &kept, FSN_LOG_LEVEL_WARN));
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", folder);
    FILE *file = fopen(path, "w");
    HOLDS(file != NULL && fputs("damaged", file) >= 0 && fclose(file) == 0);
    GOOD(fsn_checkpoint_load(folder, &checkpoint));
    GOOD(fsn_set_log(NULL, NULL, 0));
    HOLDS(kept.warnings == 1 && strstr(kept.text, "the newest checkpoint is not taken") != NULL);
    fsn_checkpoint_free(checkpoint);
    fsn_checkpoint_free(NULL);

    GOOD(fsn_simulation_run(simulation, 2, &done));
    HOLDS(done == 2);
    changes(simulation);
    fsn_simulation_free(simulation);
    fsn_simulation_free(NULL);
}

/* What a force callback adds, and what it returns. */
typedef struct {
    fsn_simulation *simulation;
    double force;
    int32_t result;
} puller;

static int32_t pull(const double *positions, size_t n_beads, double *energies, size_t n_replicas,
                    double *forces, void *user_data) {
    const puller *by = user_data;
    size_t n;
    HOLDS(n_beads == 538 && n_replicas == 2 && energies[1] == 0 && forces[3 * 269] == 0);
    FAILS(fsn_simulation_n_beads(by->simulation, &n), FSN_STATUS_BUSY, "");
    energies[1] = -by->force * positions[3 * 269];
    forces[3 * 269] = by->force;
    return by->result;
}

static int32_t compare_energy(const fsn_frame *frame, void *user_data) {
    const puller *by = user_data;
    HOLDS(frame->callback != NULL && frame->callback[0] == 0);
    HOLDS(frame->callback[1] == -by->force * frame->positions[3 * 269]);
    return 0;
}

static int32_t without_callback(const fsn_frame *frame, void *user_data) {
    HOLDS(frame->callback == NULL && user_data == NULL);
    return 0;
}

/* A constant force has the same effect from a callback as from outside. */
static void force_callbacks(const fsn_model *model, const fsn_structures *structures,
                            const fsn_backend *backend) {
    enum { CALLBACK, EXTERNAL, NONE, N };
    fsn_simulation *of[N];
    static double positions[N][3 * 538], forces[3 * 538];
    fsn_settings settings;
    uint64_t done;
    GOOD(fsn_settings_init(&settings, sizeof settings));
    settings.n_replicas = 2;
    for (int k = 0; k < N; k++) {
        GOOD(fsn_simulation_new(model, structures, &settings, backend, &of[k]));
    }
    puller by = {of[CALLBACK], 3.0, 0};
    forces[3 * 269] = by.force;
    GOOD(fsn_simulation_set_force_callback(of[CALLBACK], pull, &by));
    GOOD(fsn_simulation_set_external_forces(of[EXTERNAL], forces, 538));
    GOOD(fsn_simulation_run_observed(of[CALLBACK], 4, 2, compare_energy, &by, NULL));
    GOOD(fsn_simulation_run_observed(of[EXTERNAL], 4, 2, without_callback, NULL, NULL));
    GOOD(fsn_simulation_run(of[NONE], 4, NULL));
    for (int k = 0; k < N; k++) {
        GOOD(fsn_simulation_positions(of[k], positions[k], 538));
    }
    HOLDS(memcmp(positions[CALLBACK], positions[EXTERNAL], sizeof positions[0]) == 0);
    HOLDS(memcmp(positions[CALLBACK], positions[NONE], sizeof positions[0]) != 0);

    by.result = 17;
    INVALID(fsn_simulation_run(of[CALLBACK], 2, NULL), "force callback: found 17, expected 0");
    by.result = 0;
    by.force = NAN;
    INVALID(fsn_simulation_run(of[CALLBACK], 2, NULL), "of the force callback");
    GOOD(fsn_simulation_set_force_callback(of[CALLBACK], NULL, NULL));
    GOOD(fsn_simulation_run(of[CALLBACK], 2, &done));
    HOLDS(done == 2);
    INVALID(fsn_simulation_set_force_callback(NULL, pull, &by), "simulation: found NULL");
    for (int k = 0; k < N; k++) {
        fsn_simulation_free(of[k]);
    }
}

static void leak(void) {
    fsn_structures *structures;
    GOOD(fsn_structures_builtin(&structures));
}

int main(int argc, char **argv) {
    fsn_model *model;
    fsn_structures *structures;
    fsn_backend *backend;
    if (argc == 1) {
        leak();
        return EXIT_SUCCESS;
    }
    HOLDS(argc == 3);
    HOLDS(strcmp(fsn_last_error(), "") == 0);
    HOLDS(fsn_abi_version() == FSN_ABI_VERSION && strlen(fsn_version()) > 4);
    HOLDS(strcmp(fsn_status_name(FSN_STATUS_TOO_MANY_NEIGHBORS), "too many neighbors") == 0);
    model_and_structures(argv[2]);
    backends();
    GOOD(fsn_model_load(argv[1], &model));
    GOOD(fsn_structures_builtin(&structures));
    GOOD(fsn_backend_open(FSN_BACKEND_KIND_CPU, NULL, 0, &backend));
    potentials(model, structures, backend);
    settings_of(model, structures, backend);
    simulations(model, structures, backend, argv[2]);
    force_callbacks(model, structures, backend);
    fsn_backend_free(backend);
    fsn_structures_free(structures);
    fsn_model_free(model);
    printf("%d checks hold\n", n_checks);
    return EXIT_SUCCESS;
}

/*
 * Energies and forces of three conformations, one of them with a wrong coordinate.
 *
 *     score [MODEL STRUCTURES]
 *
 * Without files it takes the built-in model and structure.
 */
#include <flashschnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ITEMS = 3 };

static void check(fsn_status status) {
    if (status != FSN_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", fsn_status_name(status), fsn_last_error());
        exit(EXIT_FAILURE);
    }
}

static double *vectors(size_t n) {
    double *numbers = malloc(3 * n * sizeof *numbers);
    if (numbers == NULL) {
        fprintf(stderr, "no memory for %zu vectors\n", n);
        exit(EXIT_FAILURE);
    }
    return numbers;
}

/* The first structure, the same with one bead moved, and one with a coordinate that is no number. */
static double *conformations(const fsn_structures *structures, size_t n_beads) {
    double *positions = vectors(N_ITEMS * n_beads);
    for (size_t item = 0; item < N_ITEMS; item++) {
        check(fsn_structures_positions(structures, 0, positions + item * 3 * n_beads, n_beads));
    }
    positions[3 * n_beads] += 0.1;
    positions[2 * 3 * n_beads] = NAN;
    return positions;
}

int main(int argc, char **argv) {
    if (fsn_abi_version() != FSN_ABI_VERSION) {
        fprintf(stderr, "the header is that of another version of the library\n");
        return EXIT_FAILURE;
    }
    fsn_model *model;
    fsn_structures *structures;
    check(argc > 2 ? fsn_model_load(argv[1], &model) : fsn_model_builtin(&model));
    check(argc > 2 ? fsn_structures_load(argv[2], &structures) : fsn_structures_builtin(&structures));
    size_t n_beads;
    check(fsn_structures_n_beads(structures, 0, &n_beads));
    double *positions = conformations(structures, n_beads);
    double *forces = vectors(N_ITEMS * n_beads);
    double energies[N_ITEMS];
    fsn_status statuses[N_ITEMS];

    fsn_backend *backend;
    fsn_potential *potential;
    check(fsn_backend_open(FSN_BACKEND_KIND_CPU, NULL, 0, &backend));
    check(fsn_potential_new(model, structures, backend, &potential));
    check(fsn_potential_evaluate(potential, NULL, N_ITEMS, positions, N_ITEMS * n_beads, energies,
                                 forces, statuses));
    for (size_t item = 0; item < N_ITEMS; item++) {
        if (statuses[item] == FSN_STATUS_OK) {
            const double *force = forces + item * 3 * n_beads;
            printf("%.17g kcal/mol, force on the first bead %.17g %.17g %.17g kcal/mol/A\n",
                   energies[item], force[0], force[1], force[2]);
        } else {
            const char *message;
            check(fsn_potential_message(potential, item, &message));
            printf("%s: %s\n", fsn_status_name(statuses[item]), message);
        }
    }
    fsn_potential_free(potential);
    fsn_backend_free(backend);

    free(forces);
    free(positions);
    fsn_structures_free(structures);
    fsn_model_free(model);
    return EXIT_SUCCESS;
}

// Dynamics of two replicas in C++, a checkpoint, and a second simulation that continues from it.
//
//     run FOLDER [MODEL STRUCTURES]
//
// The checkpoint is saved in FOLDER, which has to exist. Without files the program takes the built-in
// model and structure.
#include <flashschnet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void check(fsn_status status) {
    if (status != FSN_STATUS_OK) {
        throw std::runtime_error(std::string(fsn_status_name(status)) + ": " + fsn_last_error());
    }
}

// A handle with the function that frees it.
template <typename T, void (*FREE)(T *)>
struct Free {
    void operator()(T *handle) const { FREE(handle); }
};
template <typename T, void (*FREE)(T *)>
using Handle = std::unique_ptr<T, Free<T, FREE>>;

using Model = Handle<fsn_model, fsn_model_free>;
using Structures = Handle<fsn_structures, fsn_structures_free>;
using Backend = Handle<fsn_backend, fsn_backend_free>;
using Simulation = Handle<fsn_simulation, fsn_simulation_free>;
using Checkpoint = Handle<fsn_checkpoint, fsn_checkpoint_free>;

// The handle of type H that a function makes as its last argument.
template <typename H, typename... Parameters, typename... Arguments>
H make(fsn_status (*function)(Parameters...), Arguments... arguments) {
    typename H::pointer made = nullptr;
    check(function(arguments..., &made));
    return H(made);
}

struct Watcher {
    std::uint64_t last;
    int frames;
};

// Prints a frame, and ends the run at the step that the watcher has.
std::int32_t show(const fsn_frame *frame, void *user_data) {
    auto *watcher = static_cast<Watcher *>(user_data);
    watcher->frames++;
    std::printf("step %llu:", static_cast<unsigned long long>(frame->step));
    for (std::size_t r = 0; r < frame->n_replicas; r++) {
        std::printf(" %.17g", frame->potential[r]);
    }
    std::printf("\n");
    return frame->step >= watcher->last;
}

std::vector<double> positions_of(fsn_simulation *simulation) {
    std::size_t n_beads = 0;
    check(fsn_simulation_n_beads(simulation, &n_beads));
    std::vector<double> positions(3 * n_beads);
    check(fsn_simulation_positions(simulation, positions.data(), n_beads));
    return positions;
}

void run(const char *folder, Model model, Structures structures) {
    auto backend = make<Backend>(fsn_backend_open, FSN_BACKEND_KIND_CPU, nullptr,
                                 static_cast<std::uint32_t>(FSN_BACKEND_FLAG_FOR_DYNAMICS));

    fsn_settings settings;
    check(fsn_settings_init(&settings, sizeof settings));
    settings.n_replicas = 2;
    settings.temperature = 310;
    settings.seed = 11;
    auto simulation =
        make<Simulation>(fsn_simulation_new, model.get(), structures.get(), &settings, backend.get());

    // The run would have 20 steps. The watcher ends it at step 8.
    Watcher watcher{8, 0};
    std::uint64_t done = 0;
    check(fsn_simulation_run_observed(simulation.get(), 20, 4, show, &watcher, &done));
    std::printf("%d frames, %llu steps\n", watcher.frames, static_cast<unsigned long long>(done));

    auto checkpoint = make<Checkpoint>(fsn_checkpoint_new, simulation.get());
    check(fsn_checkpoint_save(checkpoint.get(), folder));
    auto loaded = make<Checkpoint>(fsn_checkpoint_load, folder);

    fsn_simulation *continued = nullptr;
    std::int32_t same_bits = 0;
    check(fsn_simulation_continue(model.get(), structures.get(), loaded.get(), backend.get(),
                                  &continued, &same_bits));
    Simulation second(continued);
    // Each keeps what it needs.
    model.reset();
    structures.reset();
    backend.reset();
    check(fsn_simulation_run(simulation.get(), 4, nullptr));
    check(fsn_simulation_run(second.get(), 4, nullptr));
    auto first_positions = positions_of(simulation.get());
    auto second_positions = positions_of(second.get());
    bool is_same = std::memcmp(first_positions.data(), second_positions.data(),
                               first_positions.size() * sizeof(double)) == 0;
    std::printf("x of bead 0: %.17g, the same bits: %s\n", first_positions[0],
                same_bits == 1 && is_same ? "yes" : "no");
}

} // namespace

int main(int argc, char **argv) {
    if ((argc != 2 && argc != 4) || fsn_abi_version() != FSN_ABI_VERSION) {
        std::fprintf(stderr, "usage: run FOLDER [MODEL STRUCTURES], with the library of this header\n");
        return EXIT_FAILURE;
    }
    try {
        if (argc == 4) {
            run(argv[1], make<Model>(fsn_model_load, argv[2]),
                make<Structures>(fsn_structures_load, argv[3]));
        } else {
            run(argv[1], make<Model>(fsn_model_builtin), make<Structures>(fsn_structures_builtin));
        }
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

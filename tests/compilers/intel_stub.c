// A library for LD_PRELOAD: a GPU of Intel that is not there. Mesa's driver ANV opens it and compiles
// for it; nothing runs. INTEL_STUB_ID is the PCI number of the device, such as 0x9a49.
//
// cc -shared -fPIC intel_stub.c -o libintel_stub.so -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <i915_drm.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PRIMARY "/dev/dri/card0"
#define RENDER "/dev/dri/renderD128"

// The part of libdrm's interface that ANV reads, from xf86drm.h.
struct bus {
    uint16_t domain;
    uint8_t bus, device, function;
};
struct pci {
    uint16_t vendor, device, subvendor, subdevice;
    uint8_t revision;
};
struct device {
    char **nodes;
    int available_nodes, bus_type;
    struct bus *bus;
    struct pci *pci;
};

static uint16_t device_id(void) {
    const char *id = getenv("INTEL_STUB_ID");
    return id ? (uint16_t)strtoul(id, NULL, 0) : 0;
}

static struct device *device(void) {
    static char *nodes[] = {PRIMARY, PRIMARY, RENDER};
    static struct bus bus = {0, 0, 2, 0};
    static struct pci pci = {.vendor = 0x8086};
    static struct device device = {nodes, 1 << 0 | 1 << 2, 0, &bus, &pci};
    pci.device = device_id();
    return &device;
}

int drmGetDevices2(uint32_t flags, struct device **devices, int most) {
    (void)flags;
    if (devices && most > 0) devices[0] = device();
    return 1;
}

int drmGetDevice2(int fd, uint32_t flags, struct device **found) {
    (void)fd, (void)flags;
    *found = device();
    return 0;
}

void drmFreeDevices(struct device **devices, int count) { (void)devices, (void)count; }
void drmFreeDevice(struct device **device) { (void)device; }

static int is_node(const char *path) { return !strcmp(path, PRIMARY) || !strcmp(path, RENDER); }

// The file of the device is plain memory; each buffer is a part of it.
static int memory = -1;
static uint64_t used = 4096;

static int open_node(void) {
    if (memory < 0) {
        memory = memfd_create("intel_stub", MFD_CLOEXEC);
        if (memory < 0 || ftruncate(memory, (off_t)1 << 44)) return -1;
    }
    return dup(memory);
}

int open(const char *path, int flags, ...) {
    if (is_node(path)) return open_node();
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    if (is_node(path)) return open_node();
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    return real(path, flags, mode);
}

static int node_status(const char *path, struct stat *status) {
    memset(status, 0, sizeof *status);
    status->st_mode = S_IFCHR | 0666;
    status->st_rdev = makedev(226, strcmp(path, RENDER) ? 0 : 128);
    return 0;
}

int stat(const char *path, struct stat *status) {
    if (is_node(path)) return node_status(path, status);
    int (*real)(const char *, struct stat *) = (int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat");
    return real(path, status);
}

int stat64(const char *path, struct stat64 *status) {
    if (is_node(path)) return node_status(path, (struct stat *)status);
    int (*real)(const char *, struct stat64 *) =
        (int (*)(const char *, struct stat64 *))dlsym(RTLD_NEXT, "stat64");
    return real(path, status);
}

static int parameter(const struct drm_i915_getparam *get) {
    switch (get->param) {
    case I915_PARAM_CHIPSET_ID: *get->value = device_id(); break;
    case I915_PARAM_REVISION: *get->value = 0; break;
    case I915_PARAM_CS_TIMESTAMP_FREQUENCY: *get->value = 12000000; break;
    case I915_PARAM_EU_TOTAL: *get->value = 24; break;
    case I915_PARAM_SUBSLICE_TOTAL: *get->value = 3; break;
    case I915_PARAM_SLICE_MASK: *get->value = 1; break;
    case I915_PARAM_SUBSLICE_MASK: *get->value = 7; break;
    case I915_PARAM_MMAP_GTT_VERSION: *get->value = 4; break;
    case I915_PARAM_CMD_PARSER_VERSION: *get->value = 10; break;
    case I915_PARAM_HAS_SCHEDULER: *get->value = 7; break;
    default: *get->value = 1;
    }
    return 0;
}

// A slice of three subslices of eight units, each as bits.
static void topology(struct drm_i915_query_topology_info *found) {
    found->max_slices = 1, found->max_subslices = 3, found->max_eus_per_subslice = 8;
    found->subslice_offset = 1, found->subslice_stride = 1;
    found->eu_offset = 2, found->eu_stride = 1;
    memcpy(found->data, "\x01\x07\xff\xff\xff", 5);
}

// Memory of the host and of the device.
static void regions(struct drm_i915_query_memory_regions *found) {
    found->num_regions = 2;
    for (int k = 0; k < 2; k++) {
        found->regions[k].region.memory_class = k;
        found->regions[k].probed_size = found->regions[k].unallocated_size = (uint64_t)1 << 33;
    }
}

static int query(const struct drm_i915_query *query) {
    struct drm_i915_query_item *items = (struct drm_i915_query_item *)(uintptr_t)query->items_ptr;
    for (uint32_t k = 0; k < query->num_items; k++) {
        struct drm_i915_query_item *item = &items[k];
        void *found = (void *)(uintptr_t)item->data_ptr;
        switch (item->query_id) {
        case DRM_I915_QUERY_TOPOLOGY_INFO:
        case DRM_I915_QUERY_GEOMETRY_SUBSLICES:
            if (item->length) topology(found);
            item->length = sizeof(struct drm_i915_query_topology_info) + 5;
            break;
        case DRM_I915_QUERY_MEMORY_REGIONS:
            if (item->length) regions(found);
            item->length = sizeof(struct drm_i915_query_memory_regions) +
                           2 * sizeof(struct drm_i915_memory_region_info);
            break;
        default: item->length = -EINVAL;
        }
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    // DRM's requests have the letter d; all of them are for this device.
    if (_IOC_TYPE(request) != 'd') {
        int (*real)(int, unsigned long, ...) =
            (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
        return real(fd, request, argument);
    }
    static uint32_t handles;
    switch (_IOC_NR(request)) {
    case _IOC_NR(DRM_IOCTL_VERSION): {
        struct drm_version *version = argument;
        version->version_major = 1, version->version_minor = 6;
        if (version->name && version->name_len >= 4) memcpy(version->name, "i915", 4);
        version->name_len = 4, version->date_len = version->desc_len = 0;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_GET_CAP): ((struct drm_get_cap *)argument)->value = 1; return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE):
        ((struct drm_syncobj_create *)argument)->handle = ++handles;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GETPARAM): return parameter(argument);
    case _IOC_NR(DRM_IOCTL_I915_QUERY): return query(argument);
    case _IOC_NR(DRM_IOCTL_I915_REG_READ): errno = EINVAL; return -1;
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE): {
        // The number of a buffer tells its place: the number of its first page.
        struct drm_i915_gem_create *create = argument;
        create->handle = (uint32_t)(used >> 12);
        used += (create->size + 4095) & ~(uint64_t)4095;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE_EXT): {
        struct drm_i915_gem_create_ext *create = argument;
        create->handle = (uint32_t)(used >> 12);
        used += (create->size + 4095) & ~(uint64_t)4095;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_MMAP_OFFSET): {
        struct drm_i915_gem_mmap_offset *map = argument;
        map->offset = (uint64_t)map->handle << 12;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_USERPTR):
        ((struct drm_i915_gem_userptr *)argument)->handle = ++handles;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_CREATE_EXT):
        ((struct drm_i915_gem_context_create_ext *)argument)->ctx_id = ++handles;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_VM_CREATE):
        ((struct drm_i915_gem_vm_control *)argument)->vm_id = ++handles;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM): {
        struct drm_i915_gem_context_param *get = argument;
        get->value = get->param == I915_CONTEXT_PARAM_GTT_SIZE ? (uint64_t)1 << 48 : 0;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_APERTURE): {
        struct drm_i915_gem_get_aperture *get = argument;
        get->aper_size = get->aper_available_size = (uint64_t)1 << 32;
        return 0;
    }
    default: return 0;
    }
}

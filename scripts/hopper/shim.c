/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the host code that CuTe DSL compiled and its runtime: linked with
 * -Wl,--wrap=_cudaLibraryLoadData -Wl,--wrap=_cudaLaunchKernelEx, so that the cubin for
 * sm_90a is loaded in place of the one for sm_12x, and tensor maps lose the bit that
 * CuTe DSL sets for sm_12x alone: bit 65, of the 1,024 that a map has.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

/* One of each in every library of a process: hidden, or the first loaded would serve
 * them all. */
#define OWN __attribute__((visibility("hidden")))

extern const char hopper_cubin[] OWN;

int __real__cudaLibraryLoadData(void **, const void *, void *, void *, unsigned,
                                void *, void *, unsigned);
int __real__cudaLaunchKernelEx(const void *, const void *, void **);

OWN int __wrap__cudaLibraryLoadData(void **library, const void *code, void *options,
                                    void *values, unsigned count,
                                    void *library_options, void *library_values,
                                    unsigned library_count)
{
    (void)code;
    return __real__cudaLibraryLoadData(library, hopper_cubin, options, values, count,
                                       library_options, library_values, library_count);
}

typedef int (*param_info)(const void *kernel, size_t index, size_t *offset,
                          size_t *size);

OWN int __wrap__cudaLaunchKernelEx(const void *config, const void *kernel, void **args)
{
    static param_info info;
    size_t offset, size;

    if (!info) {
        void *driver = dlopen("libcuda.so.1", RTLD_NOW);
        if (driver)
            info = (param_info)dlsym(driver, "cuKernelGetParamInfo");
        if (!info)
            return 999; /* cudaErrorUnknown */
    }
    for (size_t i = 0; info(kernel, i, &offset, &size) == 0; i++)
        if (size == 128)
            ((uint32_t *)args[i])[2] &= ~UINT32_C(2);
    return __real__cudaLaunchKernelEx(config, kernel, args);
}

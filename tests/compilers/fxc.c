// fxc.exe PROFILE CONTROL FILE...: compiles HLSL with FXC, d3dcompiler_47.dll beside this program, as
// wgpu does by default on DX12. CONTROL is a file that FXC has to refuse.
#include <d3dcompiler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

typedef HRESULT(WINAPI *Compile)(LPCVOID, SIZE_T, LPCSTR, const D3D_SHADER_MACRO *, ID3DInclude *,
                                 LPCSTR, LPCSTR, UINT, UINT, ID3DBlob **, ID3DBlob **);

static Compile compile;

static char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, size + 1);
    size_t got = fread(text, 1, size, file);
    fclose(file);
    return got == (size_t)size ? text : NULL;
}

// The entry point is the function that has a workgroup size.
static int entry_of(const char *text, char *entry, size_t room) {
    const char *at = strstr(text, "[numthreads");
    at = at ? strstr(at, "void ") : NULL;
    if (!at) return 0;
    at += strlen("void ");
    size_t length = strcspn(at, "(");
    if (length >= room) return 0;
    memcpy(entry, at, length);
    entry[length] = 0;
    return 1;
}

static int passes(const char *profile, const char *path, int tell) {
    char entry[256], *text = text_of(path);
    if (!text || !entry_of(text, entry, sizeof entry)) {
        printf("FXC: %s: not a shader\n", path);
        return 0;
    }
    ID3DBlob *code = NULL, *errors = NULL;
    HRESULT status = compile(text, strlen(text), path, NULL, NULL, entry, profile,
                             D3DCOMPILE_ENABLE_STRICTNESS, 0, &code, &errors);
    if (FAILED(status) && tell) {
        const char *message = errors ? (const char *)errors->lpVtbl->GetBufferPointer(errors) : "";
        printf("FXC: %s: %08lx %s\n", path, (unsigned long)status, message);
    }
    fflush(stdout);
    free(text);
    return SUCCEEDED(status);
}

int main(int count, char **words) {
    if (count < 4) return 2;
    HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
    compile = library ? (Compile)(void *)GetProcAddress(library, "D3DCompile") : NULL;
    if (!compile) {
        printf("FXC: no d3dcompiler_47.dll\n");
        return 2;
    }
    if (passes(words[1], words[2], 0)) {
        printf("FXC takes %s, which is wrong\n", words[2]);
        return 1;
    }
    int passed = 0;
    for (int k = 3; k < count; k++) passed += passes(words[1], words[k], 1);
    printf("%d of %d\n", passed, count - 3);
    return passed != count - 3;
}

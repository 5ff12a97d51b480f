// Has musl before 1.2.4, such as that of Debian 12, run a Node that was built for a later one. Its libraries have
// relative relocations of the kind DT_RELR (System V ABI, "Dynamic Section"), which the older loader leaves out without
// a word. To be preloaded: of all that is preloaded and linked, musl runs the constructors of this first, and so before
// any code that needs what was left out. It changes memory of that process alone, for our tests.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

typedef struct {
  struct dl_phdr_info info;
  uintptr_t relro, relro_end, begin, end;
  const uint64_t *relr;
  uint64_t relr_bytes;
  const ElfW(Rela) *rela;
  uint64_t rela_bytes;
  const ElfW(Sym) *symbols;
  const char *strings;
} Object;

static Object objects[64];
static int count;

static int note(struct dl_phdr_info *info, size_t size, void *data) {
  if (count == 64) return 1;
  Object *object = &objects[count++];
  object->info = *info;
  uintptr_t base = info->dlpi_addr;
  object->begin = -1;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t begin = base + header->p_vaddr, end = begin + header->p_memsz;
    if (header->p_type == PT_LOAD) {
      if (begin < object->begin) object->begin = begin;
      if (end > object->end) object->end = end;
    }
    if (header->p_type == PT_GNU_RELRO) object->relro = begin & -4096, object->relro_end = end & -4096;
    if (header->p_type != PT_DYNAMIC) continue;
    for (const ElfW(Dyn) *entry = (void *)begin; entry->d_tag; entry++) {
      uintptr_t value = entry->d_un.d_ptr;
      if (entry->d_tag == DT_RELR) object->relr = (void *)(base + value);
      if (entry->d_tag == DT_RELRSZ) object->relr_bytes = value;
      if (entry->d_tag == DT_RELA) object->rela = (void *)(base + value);
      if (entry->d_tag == DT_RELASZ) object->rela_bytes = value;
      if (entry->d_tag == DT_SYMTAB) object->symbols = (void *)(base + value);
      if (entry->d_tag == DT_STRTAB) object->strings = (void *)(base + value);
    }
  }
  return 0;
}

static void protect(const Object *object, int how) {
  if (object->relro_end > object->relro) mprotect((void *)object->relro, object->relro_end - object->relro, how);
}

static void relocate(const Object *object) {
  uintptr_t base = object->info.dlpi_addr;
  uintptr_t *where = 0;
  for (uint64_t i = 0; i < object->relr_bytes / 8; i++) {
    uint64_t entry = object->relr[i];
    if (!(entry & 1)) {
      where = (uintptr_t *)(base + entry);
      *where++ += base;
      continue;
    }
    for (int bit = 0; entry >>= 1; bit++)
      if (entry & 1) where[bit] += base;
    where += 63;
  }
}

/* What the program has a copy of, such as a table of pointers, was copied before it was relocated. */
static void copy_again(const Object *program, const Object *library) {
  for (uint64_t i = 0; i < program->rela_bytes / sizeof *program->rela; i++) {
    const ElfW(Rela) *rela = &program->rela[i];
    if (ELF64_R_TYPE(rela->r_info) != R_X86_64_COPY) continue;
    const ElfW(Sym) *symbol = &program->symbols[ELF64_R_SYM(rela->r_info)];
    char *from = dlsym(RTLD_NEXT, program->strings + symbol->st_name);
    if ((uintptr_t)from < library->begin || (uintptr_t)from >= library->end) continue;
    memcpy((void *)(program->info.dlpi_addr + rela->r_offset), from, symbol->st_size);
  }
}

__attribute__((constructor)) static void apply_all(void) {
  dl_iterate_phdr(note, 0);
  protect(&objects[0], PROT_READ | PROT_WRITE);
  for (int i = 0; i < count; i++) {
    Object *object = &objects[i];
    if (!object->relr) continue;
    protect(object, PROT_READ | PROT_WRITE);
    relocate(object);
    protect(object, PROT_READ);
    copy_again(&objects[0], object);
  }
  protect(&objects[0], PROT_READ);
}

// Every Rust program for Windows loads this DLL, for its random numbers. Older Wines lack it;
// setup.mjs compiles it for them. It passes the request on to what Wine does have.

#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  return RtlGenRandom(data, length);
}

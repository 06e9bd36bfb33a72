// What a shared library's file says of itself, read before the system's loader sees it: a loader
// meets a cut file with a bus error, and runs code of the file before anybody could ask.
#pragma once

#include <cstdint>
#include <string>

namespace mobillm::mlc {

// How the failures of one kind of library are told.
struct ObjectFileErrors {
  const char* missing;  // code where there is no file
  const char* invalid;  // code where it is no whole shared library
  const char* foreign;  // code where it is for another processor
  std::string what;     // begins the sentences: `The TVM runtime library`
  std::string remedy;   // ends them
  // What the library has to define, as a linker sees it; null where nothing is asked.
  const char* symbol = nullptr;
};

// Checks class, byte order, processor and type of an ELF file, and that the file is as long as its
// segments say, and that it defines what it has to. On systems whose libraries are no ELF files it
// checks that there is a file. Returns the build id that its linker gave it, in hexadecimal; empty
// where there is none.
std::string check_object_file(const std::string& path, const ObjectFileErrors& errors);

}  // namespace mobillm::mlc

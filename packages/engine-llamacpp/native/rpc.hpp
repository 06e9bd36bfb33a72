// Computing on other machines, and for them: llama.cpp's RPC.
#pragma once

#include <ggml-backend.h>

#include <chrono>
#include <string>
#include <vector>

#include "devices.hpp"
#include "mobillm/abort_flag.hpp"

namespace mobillm::llamacpp {

// Devices of a server on another machine, which from then on `find_device` finds. The library
// connects, and ends the process where that fails or an answer makes no sense: it has to be known
// that a server of this version answers there.
//
// The library waits for an answer without end. So a thread of its own does, which is left behind
// where `limit` passes: this throws IO_FAILED then, and ABORTED at the flag. While a thread is left
// behind, the library holds its lock, and every other call of this fails in the same way.
std::vector<DeviceInfo> list_rpc_devices(const std::string& endpoint,
                                         std::chrono::milliseconds limit, const AbortFlag& abort);

// The device of a server that was listed before; null when there is none of that id.
ggml_backend_dev_t find_rpc_device(const std::string& id);

// Serves what this machine's CPU or GPU computes to one client after the other, on this thread: for
// a process of its own, because it does not end, and a request that makes no sense ends the
// process. Returns, with false, only where it could not listen. Where no device is named, all of
// this machine's that take layers are served, and the CPU where there is none.
bool serve_rpc(const std::string& endpoint, const std::vector<std::string>& devices, int threads);

}  // namespace mobillm::llamacpp

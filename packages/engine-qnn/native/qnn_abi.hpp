// The part of QNN's C ABI that this engine uses, declared anew: no registry carries Qualcomm's
// headers, and the libraries are found at run time. Sizes and offsets were measured on QAIRT 2.25,
// 2.40 and 2.51 (core API 2.18, 2.30, 2.40), and are asserted below; they are the same on every
// 64-bit ABI that QNN runs on. Names follow Qualcomm's documentation without its prefixes.
//
// QNN promises compatibility of source, not of layout, between minor versions: function tables were
// only ever appended to, and the one union that moved is dealt with at `HtpDeviceConfig`.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>

namespace mobillm::qnn::abi {

static_assert(sizeof(void*) == 8, "QNN's libraries exist for 64-bit processors alone");

// What every call returns: 0 for success; the low 16 bits are the code.
using Status = std::uint64_t;
// An object of the library's own.
using Handle = void*;

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
  std::uint32_t patch;
};
static_assert(sizeof(Version) == 12);

inline constexpr std::uint32_t kUndefined = 0x7fffffff;

// Numbers of back ends.
inline constexpr std::uint32_t kHtpBackend = 6;

// --- Tensors ------------------------------------------------------------------------------------

enum class TensorType : std::uint32_t {
  kInput = 0,   // written by the application
  kOutput = 1,  // read by the application
  kNative = 3,  // between two nodes
  kStatic = 4,
};

enum class DataType : std::uint32_t {
  kInt8 = 0x0008,
  kInt16 = 0x0016,
  kInt32 = 0x0032,
  kInt64 = 0x0064,
  kUint8 = 0x0108,
  kUint16 = 0x0116,
  kUint32 = 0x0132,
  kFloat16 = 0x0216,
  kFloat32 = 0x0232,
  kSfixed4 = 0x0304,
  kSfixed8 = 0x0308,
  kSfixed16 = 0x0316,
  kSfixed32 = 0x0332,
  kUfixed4 = 0x0404,
  kUfixed8 = 0x0408,
  kUfixed16 = 0x0416,
  kUfixed32 = 0x0432,
  kBool8 = 0x0508,
};

inline constexpr std::int32_t kQuantizationDefined = 1;
inline constexpr std::uint32_t kEncodingScaleOffset = 0;

struct ScaleOffset {
  float scale;
  std::int32_t offset;  // real = (stored + offset) × scale
};

// Only the per-tensor encoding is read; the others use up to all of `parameters`.
struct Quantization {
  std::int32_t definition = kUndefined;
  std::uint32_t encoding = kUndefined;
  union {
    ScaleOffset scale_offset;
    std::uint64_t others[4];
  } parameters{};
};
static_assert(sizeof(Quantization) == 40);
static_assert(offsetof(Quantization, parameters) == 8);

struct ClientBuffer {
  void* data = nullptr;
  std::uint32_t bytes = 0;
};
static_assert(sizeof(ClientBuffer) == 16);
static_assert(offsetof(ClientBuffer, bytes) == 8);

// Version 1, which every library seen accepts and reports; version 2 goes on in `later`. Arrays of
// tensors have this size as their stride.
struct Tensor {
  std::uint32_t version = 1;
  alignas(8) std::uint32_t id = 0;
  const char* name = nullptr;
  TensorType type = TensorType::kNative;
  std::uint32_t format = 0;  // 0: dense
  DataType data_type = DataType::kFloat16;
  Quantization quantization;
  std::uint32_t rank = 0;
  std::uint32_t* dimensions = nullptr;
  std::uint32_t memory_type = 0;  // 0: the buffer below
  alignas(8) ClientBuffer buffer;
  std::uint64_t later[3] = {};
};
static_assert(sizeof(Tensor) == 144);
static_assert(offsetof(Tensor, id) == 8);
static_assert(offsetof(Tensor, name) == 16);
static_assert(offsetof(Tensor, type) == 24);
static_assert(offsetof(Tensor, format) == 28);
static_assert(offsetof(Tensor, data_type) == 32);
static_assert(offsetof(Tensor, quantization) == 40);
static_assert(offsetof(Tensor, rank) == 80);
static_assert(offsetof(Tensor, dimensions) == 88);
static_assert(offsetof(Tensor, memory_type) == 96);
static_assert(offsetof(Tensor, buffer) == 104);
static_assert(offsetof(Tensor, later) == 120);

// --- Nodes --------------------------------------------------------------------------------------

struct Scalar {
  DataType data_type = DataType::kUint32;
  union {
    std::uint64_t bits;
    float f32;
    std::uint32_t u32;
    std::int32_t i32;
    std::uint8_t bool8;
  } value{};
};
static_assert(sizeof(Scalar) == 16);
static_assert(offsetof(Scalar, value) == 8);

struct Parameter {
  std::uint32_t kind = 0;  // 0: scalar, 1: tensor
  const char* name = nullptr;
  union Value {
    Value() : scalar() {}
    Scalar scalar;
    Tensor tensor;
  } value;
};
static_assert(sizeof(Parameter) == 160);
static_assert(offsetof(Parameter, name) == 8);
static_assert(offsetof(Parameter, value) == 16);

// Passed by value, as the library wants it.
struct OpConfig {
  std::uint32_t version = 1;
  const char* name = nullptr;
  const char* package = nullptr;
  const char* type = nullptr;
  std::uint32_t parameter_count = 0;
  Parameter* parameters = nullptr;
  std::uint32_t input_count = 0;
  Tensor* inputs = nullptr;
  std::uint32_t output_count = 0;
  Tensor* outputs = nullptr;
};
static_assert(sizeof(OpConfig) == 80);
static_assert(offsetof(OpConfig, name) == 8);
static_assert(offsetof(OpConfig, package) == 16);
static_assert(offsetof(OpConfig, type) == 24);
static_assert(offsetof(OpConfig, parameter_count) == 32);
static_assert(offsetof(OpConfig, parameters) == 40);
static_assert(offsetof(OpConfig, input_count) == 48);
static_assert(offsetof(OpConfig, inputs) == 56);
static_assert(offsetof(OpConfig, output_count) == 64);
static_assert(offsetof(OpConfig, outputs) == 72);

// --- Configurations -----------------------------------------------------------------------------

// Lists of these are arrays of pointers that end with null.
struct Config {
  std::uint32_t option = 0;  // 0: the back end's own, behind `custom`
  const void* custom = nullptr;
};
static_assert(sizeof(Config) == 16);
static_assert(offsetof(Config, custom) == 8);

// HTP's own for graphs. Option 1 carries a float in `value.number`, beside its kind.
struct HtpGraphConfig {
  std::uint32_t option = 0;
  union {
    struct {
      std::uint32_t kind;
      float number;
    } optimization;
    std::uint32_t u32;
    std::uint64_t bits;
  } value{};
};
static_assert(sizeof(HtpGraphConfig) == 16);
static_assert(offsetof(HtpGraphConfig, value) == 8);
inline constexpr std::uint32_t kHtpGraphOptimization = 1;
inline constexpr std::uint32_t kHtpGraphPrecision = 2;
inline constexpr std::uint32_t kHtpGraphVtcmMb = 3;
inline constexpr std::uint32_t kHtpOptimizationLevel = 3;  // kind of kHtpGraphOptimization
inline constexpr std::uint32_t kHtpPrecisionFloat16 = 1;

// HTP's own for contexts.
struct HtpContextConfig {
  std::uint32_t option = 0;
  union {
    bool flag;
    std::uint64_t bits;
  } value{};
};
static_assert(sizeof(HtpContextConfig) == 16);
static_assert(offsetof(HtpContextConfig, value) == 8);
inline constexpr std::uint32_t kHtpContextWeightSharing = 1;

// HTP's own for devices. Its union began at byte 4 up to core API 2.30, and begins at byte 8 since
// a pointer joined it (seen in 2.40). The chip's number fits either, so it is written to both.
struct HtpDeviceConfig {
  std::uint32_t option = 0;
  std::uint32_t value_before_2_40 = 0;
  std::uint32_t value = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(HtpDeviceConfig) == 16);
static_assert(offsetof(HtpDeviceConfig, value_before_2_40) == 4);
static_assert(offsetof(HtpDeviceConfig, value) == 8);
inline constexpr std::uint32_t kHtpDeviceSoc = 0;

// --- Platform -----------------------------------------------------------------------------------

struct HtpDeviceExtension {
  std::uint32_t kind;  // 0: on a chip
  std::uint64_t vtcm_mb;
  std::uint32_t soc_model;
  bool signed_domain;
  bool dlbc;
  std::uint32_t arch;
};
static_assert(sizeof(HtpDeviceExtension) == 32);
static_assert(offsetof(HtpDeviceExtension, vtcm_mb) == 8);
static_assert(offsetof(HtpDeviceExtension, soc_model) == 16);
static_assert(offsetof(HtpDeviceExtension, signed_domain) == 20);
static_assert(offsetof(HtpDeviceExtension, dlbc) == 21);
static_assert(offsetof(HtpDeviceExtension, arch) == 24);

struct HardwareDevice {
  std::uint32_t version;
  alignas(8) std::uint32_t id;
  std::uint32_t kind;
  std::uint32_t core_count;
  void* cores;
  const HtpDeviceExtension* extension;
};
static_assert(sizeof(HardwareDevice) == 40);
static_assert(offsetof(HardwareDevice, id) == 8);
static_assert(offsetof(HardwareDevice, kind) == 12);
static_assert(offsetof(HardwareDevice, core_count) == 16);
static_assert(offsetof(HardwareDevice, cores) == 24);
static_assert(offsetof(HardwareDevice, extension) == 32);

struct PlatformInfo {
  std::uint32_t version;
  alignas(8) std::uint32_t device_count;
  const HardwareDevice* devices;
};
static_assert(sizeof(PlatformInfo) == 24);
static_assert(offsetof(PlatformInfo, device_count) == 8);
static_assert(offsetof(PlatformInfo, devices) == 16);

// --- Context binaries, as the system library reads them
// -------------------------------------------

struct GraphInfo {
  std::uint32_t version;
  const char* name;
  std::uint32_t input_count;
  const Tensor* inputs;
  std::uint32_t output_count;
  const Tensor* outputs;
  std::uint64_t others[5];
};
static_assert(sizeof(GraphInfo) == 88);
static_assert(offsetof(GraphInfo, name) == 8);
static_assert(offsetof(GraphInfo, input_count) == 16);
static_assert(offsetof(GraphInfo, inputs) == 24);
static_assert(offsetof(GraphInfo, output_count) == 32);
static_assert(offsetof(GraphInfo, outputs) == 40);

// What all versions of a binary's description begin with.
struct BinaryInfo {
  std::uint32_t version;
  alignas(8) std::uint32_t backend_id;
  const char* build_id;
  Version core_api;
  Version backend_api;
  const char* soc_version;
};
static_assert(offsetof(BinaryInfo, backend_id) == 8);
static_assert(offsetof(BinaryInfo, build_id) == 16);
static_assert(offsetof(BinaryInfo, core_api) == 24);
static_assert(offsetof(BinaryInfo, backend_api) == 36);
static_assert(offsetof(BinaryInfo, soc_version) == 48);
static_assert(sizeof(BinaryInfo) == 56);

struct BinaryInfo1 {
  BinaryInfo head;
  Version hardware_blob;
  Version blob;
  std::uint32_t hardware_bytes;
  void* hardware;
  std::uint64_t blob_bytes;
  std::uint32_t context_tensor_count;
  const Tensor* context_tensors;
  std::uint32_t graph_count;
  const GraphInfo* graphs;
};
static_assert(offsetof(BinaryInfo1, hardware_blob) == 56);
static_assert(offsetof(BinaryInfo1, blob) == 68);
static_assert(offsetof(BinaryInfo1, hardware_bytes) == 80);
static_assert(offsetof(BinaryInfo1, hardware) == 88);
static_assert(offsetof(BinaryInfo1, blob_bytes) == 96);
static_assert(offsetof(BinaryInfo1, context_tensor_count) == 104);
static_assert(offsetof(BinaryInfo1, context_tensors) == 112);
static_assert(offsetof(BinaryInfo1, graph_count) == 120);
static_assert(offsetof(BinaryInfo1, graphs) == 128);

struct BinaryInfo3 {
  BinaryInfo head;
  Version blob;
  std::uint64_t blob_bytes;
  std::uint32_t context_tensor_count;
  const Tensor* context_tensors;
  std::uint32_t graph_count;
  const GraphInfo* graphs;
  const PlatformInfo* platform;
  std::uint32_t metadata_bytes;
  void* metadata;
  std::uint32_t soc_model;
};
static_assert(offsetof(BinaryInfo3, blob) == 56);
static_assert(offsetof(BinaryInfo3, blob_bytes) == 72);
static_assert(offsetof(BinaryInfo3, context_tensor_count) == 80);
static_assert(offsetof(BinaryInfo3, context_tensors) == 88);
static_assert(offsetof(BinaryInfo3, graph_count) == 96);
static_assert(offsetof(BinaryInfo3, graphs) == 104);
static_assert(offsetof(BinaryInfo3, platform) == 112);
static_assert(offsetof(BinaryInfo3, metadata_bytes) == 120);
static_assert(offsetof(BinaryInfo3, metadata) == 128);
static_assert(offsetof(BinaryInfo3, soc_model) == 136);

// --- Interfaces ---------------------------------------------------------------------------------

// One of the back ends that a library provides. The table of functions follows.
struct Interface {
  std::uint32_t backend_id;
  const char* provider_name;
  Version core_api;
  Version backend_api;
  void (*functions[1])();
};
static_assert(offsetof(Interface, provider_name) == 8);
static_assert(offsetof(Interface, core_api) == 16);
static_assert(offsetof(Interface, backend_api) == 28);
static_assert(offsetof(Interface, functions) == 40);

struct SystemInterface {
  std::uint32_t backend_id;
  const char* provider_name;
  Version system_api;
  void (*functions[1])();
};
static_assert(offsetof(SystemInterface, provider_name) == 8);
static_assert(offsetof(SystemInterface, system_api) == 16);
static_assert(offsetof(SystemInterface, functions) == 32);

// Symbols of the libraries that list them.
using GetProviders = Status(const Interface* const** list, std::uint32_t* count);
using GetSystemProviders = Status(const SystemInterface* const** list, std::uint32_t* count);
inline constexpr const char* kGetProviders = "QnnInterface_getProviders";
inline constexpr const char* kGetSystemProviders = "QnnSystemInterface_getProviders";

using LogCallback = void(const char* format, std::uint32_t level, std::uint64_t timestamp,
                         std::va_list arguments);

// A function of a table: its place, its type, and its name for errors. All that are used here stand
// below slot 54, which every library seen has (the shortest table ends at 58).
template <typename Function>
struct Slot {
  std::size_t index;
  const char* name;
};

inline constexpr Slot<Status(Handle log, const Config* const* configs, Handle* backend)>
    kBackendCreate{1, "backendCreate"};
inline constexpr Slot<Status(const char** id)> kBackendGetBuildId{4, "backendGetBuildId"};
inline constexpr Slot<Status(Handle backend, OpConfig)> kBackendValidateOpConfig{
    7, "backendValidateOpConfig"};
inline constexpr Slot<Status(Handle backend)> kBackendFree{8, "backendFree"};
inline constexpr Slot<Status(Handle backend, Handle device, const Config* const* configs,
                             Handle* context)>
    kContextCreate{9, "contextCreate"};
inline constexpr Slot<Status(Handle context, std::uint64_t* bytes)> kContextGetBinarySize{
    11, "contextGetBinarySize"};
inline constexpr Slot<Status(Handle context, void* buffer, std::uint64_t bytes,
                             std::uint64_t* written)>
    kContextGetBinary{12, "contextGetBinary"};
inline constexpr Slot<Status(Handle backend, Handle device, const Config* const* configs,
                             const void* buffer, std::uint64_t bytes, Handle* context,
                             Handle profile)>
    kContextCreateFromBinary{13, "contextCreateFromBinary"};
inline constexpr Slot<Status(Handle context, Handle profile)> kContextFree{14, "contextFree"};
inline constexpr Slot<Status(Handle context, const char* name, const Config* const* configs,
                             Handle* graph)>
    kGraphCreate{15, "graphCreate"};
inline constexpr Slot<Status(Handle graph, OpConfig)> kGraphAddNode{18, "graphAddNode"};
inline constexpr Slot<Status(Handle graph, Handle profile, Handle signal)> kGraphFinalize{
    19, "graphFinalize"};
inline constexpr Slot<Status(Handle context, const char* name, Handle* graph)> kGraphRetrieve{
    20, "graphRetrieve"};
inline constexpr Slot<Status(Handle graph, const Tensor* inputs, std::uint32_t input_count,
                             Tensor* outputs, std::uint32_t output_count, Handle profile,
                             Handle signal)>
    kGraphExecute{21, "graphExecute"};
inline constexpr Slot<Status(Handle graph, Tensor* tensor)> kTensorCreateGraphTensor{
    24, "tensorCreateGraphTensor"};
inline constexpr Slot<Status(LogCallback* callback, std::uint32_t level, Handle* log)> kLogCreate{
    25, "logCreate"};
inline constexpr Slot<Status(Handle log, std::uint32_t level)> kLogSetLevel{26, "logSetLogLevel"};
inline constexpr Slot<Status(Handle log)> kLogFree{27, "logFree"};
inline constexpr Slot<Status(Handle log, const PlatformInfo** info)> kDeviceGetPlatformInfo{
    37, "deviceGetPlatformInfo"};
inline constexpr Slot<Status(Handle log, const PlatformInfo* info)> kDeviceFreePlatformInfo{
    38, "deviceFreePlatformInfo"};
inline constexpr Slot<Status(Handle log, const Config* const* configs, Handle* device)>
    kDeviceCreate{40, "deviceCreate"};
inline constexpr Slot<Status(Handle device, const PlatformInfo** info)> kDeviceGetInfo{
    42, "deviceGetInfo"};
inline constexpr Slot<Status(Handle device)> kDeviceFree{43, "deviceFree"};
inline constexpr Slot<Status(Status error, const char** text)> kErrorGetMessage{48,
                                                                                "errorGetMessage"};

// Of the system library's table.
inline constexpr Slot<Status(Handle* system)> kSystemCreate{0, "systemContextCreate"};
inline constexpr Slot<Status(Handle system, void* buffer, std::uint64_t bytes,
                             const BinaryInfo** info, std::uint64_t* info_bytes)>
    kSystemGetBinaryInfo{1, "systemContextGetBinaryInfo"};
inline constexpr Slot<Status(Handle system)> kSystemFree{3, "systemContextFree"};

}  // namespace mobillm::qnn::abi

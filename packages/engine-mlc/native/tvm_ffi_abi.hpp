// The part of the C interface of tvm-ffi 0.1 that this engine uses, declared here so that nothing
// of TVM is needed to build it. Field for field as `tvm/ffi/c_api.h` and `dlpack/dlpack.h` lay it
// out (https://tvm.apache.org/ffi, Apache-2.0); names are our own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mobillm::mlc::abi {

static_assert(sizeof(void*) == 8, "tvm-ffi is used on 64-bit systems alone");

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
  std::uint32_t patch;
};

// What an `Any` holds. Numbers below `kStaticObjectBegin` are values without an owner.
enum TypeIndex : std::int32_t {
  kNone = 0,
  kInt = 1,
  kBool = 2,
  kFloat = 3,
  kOpaquePointer = 4,
  kDataType = 5,
  kDevice = 6,
  kRawString = 8,
  kSmallString = 11,
  kStaticObjectBegin = 64,
  kString = 65,
  kFunction = 68,
  kTensor = 70,
};

struct Device {
  std::int32_t type;
  std::int32_t id;
};
static_assert(sizeof(Device) == 8);

inline constexpr std::int32_t kCpu = 1;

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;

  bool operator==(const DataType&) const = default;
};
static_assert(sizeof(DataType) == 4);

inline constexpr std::uint8_t kSignedInteger = 0;
inline constexpr std::uint8_t kUnsignedInteger = 1;
inline constexpr std::uint8_t kFloatingPoint = 2;
inline constexpr std::uint8_t kBrainFloat = 4;

// Begins every object; what is particular to its type follows.
struct Object {
  std::uint64_t reference_counts;
  std::int32_t type_index;
  std::uint32_t padding;
  void (*deleter)(void* self, int flags);
};
static_assert(sizeof(Object) == 24 && offsetof(Object, type_index) == 8 &&
              offsetof(Object, deleter) == 16);

struct Any {
  std::int32_t type_index;
  // Length of a small string; 0 for everything else.
  std::uint32_t small_length;
  union {
    std::int64_t integer;
    double number;
    void* pointer;
    const char* text;
    Object* object;
    DataType data_type;
    Device device;
    char small_bytes[8];
  };
};
static_assert(sizeof(Any) == 16 && offsetof(Any, small_length) == 4 && offsetof(Any, integer) == 8);

struct ByteArray {
  const char* data;
  std::size_t size;
};
static_assert(sizeof(ByteArray) == 16);

// Follows the header of an error object; fields after these are not read.
struct ErrorCell {
  ByteArray kind;
  ByteArray message;
};
static_assert(offsetof(ErrorCell, message) == 16);

// Follows the header of a tensor object.
struct Tensor {
  void* data;
  Device device;
  std::int32_t dimensions;
  DataType data_type;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
static_assert(sizeof(Tensor) == 48 && offsetof(Tensor, device) == 8 &&
              offsetof(Tensor, dimensions) == 16 && offsetof(Tensor, data_type) == 20 &&
              offsetof(Tensor, shape) == 24 && offsetof(Tensor, strides) == 32 &&
              offsetof(Tensor, byte_offset) == 40);

// The entry points. All but the first two return 0, or not 0 and leave an error to be fetched.
using GetVersion = void (*)(Version* out);
using ErrorMoveFromRaised = void (*)(void** out);
using ObjectIncRef = int (*)(void* object);
using ObjectDecRef = int (*)(void* object);
using FunctionGetGlobal = int (*)(const ByteArray* name, void** out);
using FunctionCall = int (*)(void* function, Any* arguments, std::int32_t count, Any* result);

}  // namespace mobillm::mlc::abi

// A library that exports QNN's entry points and says the names and versions of Qualcomm's HTP, and
// has no function but the one that tells its build: what the engine must survive, and the tests
// must not mistake for the real one.

#include "qnn_abi.hpp"

namespace {

using namespace mobillm::qnn::abi;

#ifdef LOOK_ALIKE_NAMELESS
constexpr const char* kName = nullptr;
#else
constexpr const char* kName = "HTP_QTI_AISW";
#endif

template <typename Provider>
struct Table {
  Provider head;
  void (*rest[80])() = {};
};

Status tell_build(const char** id) {
  *id = "v2.51.0.260929181845";
  return 0;
}

template <typename Provider>
Status tell(const Provider* only, const Provider* const** list, std::uint32_t* count) {
  static const Provider* providers[1];
  providers[0] = only;
  *list = providers;
  *count = 1;
  return 0;
}

// The versions of the pinned build, a major version that nobody has seen, or one before all tables
// that were measured.
#if defined(LOOK_ALIKE_NEXT)
constexpr Version kCoreApi{3, 0, 0};
constexpr Version kSystemApi{2, 0, 0};
#elif defined(LOOK_ALIKE_OLD)
constexpr Version kCoreApi{2, 17, 0};
constexpr Version kSystemApi{1, 15, 0};
#else
constexpr Version kCoreApi{2, 40, 0};
constexpr Version kSystemApi{1, 15, 0};
#endif

}  // namespace

extern "C" {

__attribute__((visibility("default"))) Status QnnInterface_getProviders(
    const Interface* const** list, std::uint32_t* count) {
  static Table<Interface> table{{kHtpBackend, kName, kCoreApi, {5, 51, 0}, {}}, {}};
  // The table goes on behind its first slot.
  table.rest[kBackendGetBuildId.index - 1] = reinterpret_cast<void (*)()>(&tell_build);
  return tell<Interface>(&table.head, list, count);
}

__attribute__((visibility("default"))) Status QnnSystemInterface_getProviders(
    const SystemInterface* const** list, std::uint32_t* count) {
  static const Table<SystemInterface> table{{0, kName, kSystemApi, {}}, {}};
  return tell<SystemInterface>(&table.head, list, count);
}
}

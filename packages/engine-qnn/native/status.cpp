#include "status.hpp"

#include "codes.hpp"

namespace mobillm::qnn {

namespace {

struct Meaning {
  std::uint32_t status;
  const char* code;
  const char* sentence;
};

// Numbers that were seen, or that Qualcomm documents with a cause that the user can do something
// about. All others are NATIVE_FAILURE.
constexpr Meaning kMeanings[] = {
    {1000, code::kUnsupported, "This library, or this platform, does not have the function."},
    {1002, code::kOutOfMemory,
     "There was not enough memory. Choose a smaller context or model, or close others."},
    {1009, code::kNativeFailure,
     "The Hexagon processor did not answer. Check that the application may use it, that "
     "ADSP_LIBRARY_PATH names the folder of the skel library, and that the model fits the device."},
    {3110, code::kModelUnsupported, "The back end refuses an operation of the graph."},
    {4000, code::kAddonIncompatible,
     "The back end cannot reach its processor: a stub or skel library for this chip is missing, or "
     "the platform has none. Put all of QNN's libraries of one version beside each other."},
    {5000, code::kModelUnsupported,
     "The context binary is for another version or another chip. Compile the model again for this "
     "device."},
    {5002, code::kClosed, "The context is gone. Open the model again."},
    {5005, code::kModelUnsupported,
     "The device refuses the context binary: it was made for another chip, or needs more memory or "
     "VTCM than the device gives. Compile the model again for this device, or a smaller one."},
    {6000, code::kNativeFailure, "The library was called wrongly. This is a fault of the engine."},
    {6001, code::kNativeFailure, "The graph is gone. Open the model again."},
    {6004, code::kNativeFailure,
     "A tensor is not one of the graph's. This is a fault of the engine."},
    {14001, code::kUnsupported,
     "The device cannot be set up as asked: the library does not know this chip, or finds no stub "
     "library for it."},
    {30001, code::kModelInvalid,
     "It is no context binary, or damaged. Download it or compile it again."},
    {30010, code::kModelInvalid, "The context binary is damaged. Download it or compile it again."},
};

}  // namespace

void throw_status(abi::Status status, const std::string& doing, const std::string& library_text,
                  const std::string& log) {
  const auto number = static_cast<std::uint32_t>(status & 0xffff);
  Error::Details details = {{"status", static_cast<double>(number)}};
  if (!library_text.empty()) details.emplace_back("libraryMessage", library_text);
  if (!log.empty()) details.emplace_back("log", log);
  const std::string what = "QNN could not " + doing + " (error " + std::to_string(number) +
                           (library_text.empty() ? std::string(")") : ": " + library_text + ")") +
                           ". ";
  for (const Meaning& meaning : kMeanings) {
    if (meaning.status == number) {
      throw Error(meaning.code, what + meaning.sentence, std::move(details));
    }
  }
  throw Error(code::kNativeFailure,
              what + "Its own log, through the engine's log option, says more.",
              std::move(details));
}

}  // namespace mobillm::qnn
